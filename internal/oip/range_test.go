package oip

import (
	"fmt"
	"strings"
	"testing"
)

// element reads one JSON value as a tensor of one element.
func element(d Datatype, value string) (string, error) {
	var r InferRequest
	body := fmt.Sprintf(`{"inputs":[{"name":"x","shape":[1],"datatype":%q,"data":[%s]}]}`, d, value)
	if err := r.Decode([]byte(body), NoHeaderLength, DefaultLimits()); err != nil {
		return "", err
	}
	return string(r.Inputs[0].Data), nil
}

func TestDatatypesTakeTheirWholeRange(t *testing.T) {
	for _, c := range []struct {
		d     Datatype
		value string
		want  string
	}{
		{Bool, "true", "\x01"},
		{Bool, "false", "\x00"},
		{Uint8, "0", "\x00"},
		{Uint8, "-0", "\x00"},
		{Uint8, "255", "\xff"},
		{Uint16, "65535", "\xff\xff"},
		{Uint32, "4294967295", "\xff\xff\xff\xff"},
		{Uint64, "18446744073709551615", "\xff\xff\xff\xff\xff\xff\xff\xff"},
		{Int8, "-128", "\x80"},
		{Int8, "127", "\x7f"},
		{Int16, "-32768", "\x00\x80"},
		{Int16, "32767", "\xff\x7f"},
		{Int32, "-2147483648", "\x00\x00\x00\x80"},
		{Int32, "2147483647", "\xff\xff\xff\x7f"},
		{Int64, "-9223372036854775808", "\x00\x00\x00\x00\x00\x00\x00\x80"},
		{Int64, "9223372036854775807", "\xff\xff\xff\xff\xff\xff\xff\x7f"},
		{FP32, "1", "\x00\x00\x80\x3f"},
		{FP32, "-0", "\x00\x00\x00\x80"},
		{FP32, "3.4028235e38", "\xff\xff\x7f\x7f"},
		{FP32, "1e-45", "\x01\x00\x00\x00"},
		{FP32, "1e-60", "\x00\x00\x00\x00"},
		{FP64, "-2.5", "\x00\x00\x00\x00\x00\x00\x04\xc0"},
		{FP64, "1.7976931348623157e308", "\xff\xff\xff\xff\xff\xff\xef\x7f"},
		{Bytes, `"a\u0000b"`, "\x03\x00\x00\x00a\x00b"},
		{Bytes, `""`, "\x00\x00\x00\x00"},
	} {
		if got, err := element(c.d, c.value); err != nil || got != c.want {
			t.Errorf("%s as %s is %q %v, want %q", c.value, c.d, got, err, c.want)
		}
	}
}

func TestDatatypesRefuseWhatIsOutsideTheirRange(t *testing.T) {
	ranges := map[Datatype]string{
		Bool:   "BOOL accepts true and false",
		Uint8:  "UINT8 accepts whole numbers from 0 to 255",
		Uint16: "UINT16 accepts whole numbers from 0 to 65535",
		Uint32: "UINT32 accepts whole numbers from 0 to 4294967295",
		Uint64: "UINT64 accepts whole numbers from 0 to 18446744073709551615",
		Int8:   "INT8 accepts whole numbers from -128 to 127",
		Int16:  "INT16 accepts whole numbers from -32768 to 32767",
		Int32:  "INT32 accepts whole numbers from -2147483648 to 2147483647",
		Int64:  "INT64 accepts whole numbers from -9223372036854775808 to 9223372036854775807",
		FP32:   "FP32 accepts numbers from -3.4028235e+38 to 3.4028235e+38",
		FP64:   "FP64 accepts numbers from -1.7976931348623157e+308 to 1.7976931348623157e+308",
		Bytes:  "BYTES accepts strings",
	}
	for _, c := range []struct {
		d      Datatype
		values string
	}{
		{Bool, `0 1 "true" null [] {}`},
		{Uint8, `256 300 -1 1.5 1.0 1e1 "1" true null 99999999999999999999999`},
		{Uint16, `65536 -1`},
		{Uint32, `4294967296 -1`},
		{Uint64, `18446744073709551616 18446744073709551617 36893488147419103232 -1 -18446744073709551615`},
		{Int8, `128 -129 2.0`},
		{Int16, `32768 -32769`},
		{Int32, `2147483648 -2147483649 1.5 1e999`},
		{Int64, `9223372036854775808 -9223372036854775809 18446744073709551615 123456789012345678901234`},
		{FP32, `1e999 -1e999 3.4028236e38 1e39 "1" "NaN" true null {} []`},
		{FP64, `1e999 1e309 -1.7976931348623159e308 "Infinity"`},
		{Bytes, `1 true null {} []`},
	} {
		for value := range strings.FieldsSeq(c.values) {
			got, err := element(c.d, value)
			if err == nil {
				t.Errorf("%s as %s is accepted as %q", value, c.d, got)
				continue
			}
			want := `input "x": data[0] is ` + shownAs(value) + ", " + ranges[c.d]
			if err.Error() != want {
				t.Errorf("%s as %s is refused with\n%s, want\n%s", value, c.d, err, want)
			}
		}
	}
	for _, value := range []string{"NaN", "Infinity", "-Infinity", "nan", "01", "1.", "tru"} {
		if got, err := element(FP32, value); err == nil || !strings.Contains(err.Error(), "invalid JSON") {
			t.Errorf("%s as FP32 is %q %v, want invalid JSON", value, got, err)
		}
	}
}

// shownAs is how messages show a value.
func shownAs(value string) string {
	switch value[0] {
	case '"', '[', '{':
		return valueKind(value[0])
	default:
		return value
	}
}

func TestMessagesNameTheElement(t *testing.T) {
	for body, want := range map[string]string{
		input(`"shape":[4],"datatype":"UINT8","data":[1,2,3,300]`): `input "x": data[3] is 300, UINT8 accepts whole numbers from 0 to 255`,
		input(`"shape":[2,2],"datatype":"INT32","data":[[1,2],[1.5,4]]`): `input "x": data[2] is 1.5, ` +
			`INT32 accepts whole numbers from -2147483648 to 2147483647`,
	} {
		if e := refuse(t, body, NoHeaderLength, DefaultLimits()); e.Msg != want {
			t.Errorf("%s is refused with\n%s, want\n%s", body, e.Msg, want)
		}
	}
}

func TestDatatypeNames(t *testing.T) {
	for d := Bool; d <= Bytes; d++ {
		if got, ok := ParseDatatype(d.String()); !ok || got != d {
			t.Errorf("ParseDatatype(%q) = %v %t", d.String(), got, ok)
		}
		if !strings.Contains(acceptedDatatypes, d.String()) {
			t.Errorf("messages do not offer %s", d)
		}
	}
	for _, name := range []string{"", "INVALID", "fp32", "FP8", "TYPE_FP32", "STRING"} {
		if got, ok := ParseDatatype(name); ok || got != Invalid {
			t.Errorf("ParseDatatype(%q) = %v %t", name, got, ok)
		}
	}
	if got := Datatype(200).String(); got != "INVALID" {
		t.Errorf("Datatype(200) is %q", got)
	}
}
