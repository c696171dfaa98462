package backend

import (
	"bytes"
	"testing"

	"ganglion/internal/oip"
)

func textTensor(values ...string) oip.Tensor {
	t := oip.Tensor{Name: "s", Datatype: oip.Bytes, Shape: []int64{int64(len(values))}}
	for _, v := range values {
		t.Data = oip.AppendBytesElement(t.Data, v)
	}
	return t
}

// pad is what padText does to one input.
func pad(dst []byte, t *oip.Tensor, limit int64) (rows []byte, width int64, err error) {
	if width, err = rowWidth(t, limit); err != nil {
		return dst, 0, err
	}
	return appendRows(dst, t, width), width, nil
}

func TestAppendRows(t *testing.T) {
	tests := []struct {
		name  string
		texts []string
		width int64
		want  string
	}{
		{"none", nil, 1, ""},
		{"one", []string{"abc"}, 3, "abc"},
		{"padded", []string{"a", "", "abc"}, 3, "a\x00\x00\x00\x00\x00abc"},
		{"empty", []string{"", ""}, 1, "\x00\x00"},
		{"any byte", []string{"\x00\xff", "z"}, 2, "\x00\xffz\x00"},
	}
	dirty := bytes.Repeat([]byte{0xee}, 64) // memory of an earlier request
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			in := textTensor(test.texts...)
			rows, width, err := pad(dirty[:0], &in, 1<<20)
			if err != nil || width != test.width || string(rows) != test.want {
				t.Errorf("got %q of width %d, %v; want %q of width %d", rows, width, err, test.want, test.width)
			}
		})
	}
}

// TestPaddingLimits: rows beyond the limit, or out of all proportion to what was sent, are refused before they exist.
func TestPaddingLimits(t *testing.T) {
	long := string(make([]byte, 1000))
	fits := textTensor(append(make([]string, 999), long)...)
	if _, _, err := pad(nil, &fits, 1_000_000); err != nil {
		t.Errorf("at the limit: %v", err)
	}
	over := textTensor(append(make([]string, 1000), long)...)
	if _, _, err := pad(nil, &over, 1_000_000); err == nil {
		t.Error("over the limit: no error")
	}
	lopsided := textTensor(append(make([]string, 100_000), string(make([]byte, 100_000)))...)
	allocated := testing.AllocsPerRun(10, func() {
		if _, _, err := pad(nil, &lopsided, 1<<40); err == nil {
			t.Error("out of proportion: no error")
		}
	})
	if allocated > 20 { // the error's own text
		t.Errorf("a refusal allocates %v times", allocated)
	}
}

// FuzzAppendRows: rows hold the strings and nothing else, within the limit.
func FuzzAppendRows(f *testing.F) {
	f.Add([]byte("\x01\x00\x00\x00a\x00\x00\x00\x00"), int64(10))
	f.Add([]byte("\x02\x00\x00\x00ab\x01\x00\x00\x00c"), int64(3))
	f.Fuzz(func(t *testing.T, data []byte, limit int64) {
		in := oip.Tensor{Name: "s", Datatype: oip.Bytes, Data: data}
		var texts [][]byte
		for s := range oip.BytesElements(data) {
			texts = append(texts, s)
		}
		in.Shape = []int64{int64(len(texts))}
		rows, width, err := pad(nil, &in, limit)
		if err != nil {
			return
		}
		if int64(len(rows)) != width*int64(len(texts)) || int64(len(rows)) > max(limit, 0) {
			t.Fatalf("%d bytes for %d strings of width %d, limit %d", len(rows), len(texts), width, limit)
		}
		for i, s := range texts {
			row := rows[int64(i)*width : int64(i+1)*width]
			if !bytes.Equal(bytes.TrimRight(row, "\x00"), bytes.TrimRight(s, "\x00")) || !bytes.HasPrefix(row, s) {
				t.Fatalf("row %d is %q for %q", i, row, s)
			}
		}
	})
}
