package oip

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

func TestLimits(t *testing.T) {
	tiny := Limits{Tensors: 2, Parameters: 2, NameBytes: 8, Elements: 10, DecodedBytes: 64}
	many := func(n int, entry string) string { return strings.TrimSuffix(strings.Repeat(entry+",", n), ",") }
	i8 := func(n int) string {
		return fmt.Sprintf(`{"name":"x","shape":[%d],"datatype":"INT8","data":[%s]}`, n, many(n, "1"))
	}
	for _, c := range []struct {
		body, want string
		code       Code
	}{
		{`{"inputs":[` + many(3, i8(1)) + `]}`, `"inputs" has more than the 2 entries accepted`, InvalidArgument},
		{`{"inputs":[],"outputs":[` + many(3, `{"name":"y"}`) + `]}`, `"outputs" has more than the 2 entries accepted`, InvalidArgument},
		{`{"inputs":[],"parameters":{"a":1,"b":2,"c":3}}`, `"parameters" has more than the 2 entries accepted`, InvalidArgument},
		{`{"inputs":[],"id":"123456789"}`, `"id" has 9 bytes, at most 8 are accepted`, InvalidArgument},
		{`{"inputs":[{"name":"123456789"}]}`, `inputs[0]: "name" has 9 bytes, at most 8 are accepted`, InvalidArgument},
		{`{"inputs":[],"parameters":{"123456789":1}}`, `a parameter's name has 9 bytes, at most 8 are accepted`, InvalidArgument},
		{`{"inputs":[],"parameters":{"a":"123456789"}}`, `parameter "a" has 9 bytes, at most 8 are accepted`, InvalidArgument},
		{`{"inputs":[` + i8(11) + `]}`, `input "x": shape [11] is larger than the 10 elements accepted, empty dimensions not counted`, InvalidArgument},
		{
			`{"inputs":[{"name":"x","shape":[9],"datatype":"FP64","data":[` + many(9, "1") + `]}]}`,
			`input "x": the tensors take more than the 64 bytes accepted as JSON; binary data is not counted`, TooLarge,
		},
		{
			`{"inputs":[{"name":"x","shape":[1],"datatype":"BYTES","data":["` + strings.Repeat("x", 64) + `"]}]}`,
			`input "x": the tensors take more than the 64 bytes accepted as JSON; binary data is not counted`, TooLarge,
		},
	} {
		if e := refuse(t, c.body, NoHeaderLength, tiny); e.Msg != c.want || e.Code != c.code {
			t.Errorf("%s is refused with\n%s (%s), want\n%s", c.body, e.Msg, e.Code, c.want)
		}
	}
	var r InferRequest
	if err := r.Decode([]byte(`{"id":"12345678","inputs":[`+i8(10)+","+i8(10)+`]}`), NoHeaderLength, tiny); err != nil {
		t.Errorf("a request just within the limits is refused: %v", err)
	}
	if err := r.Decode([]byte(`{"inputs":[]}`), NoHeaderLength, Limits{}); err != nil {
		t.Errorf("an empty request is refused under zero limits: %v", err)
	}
}

// allocated returns how many bytes f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func TestClientsNumbersAllocateNothing(t *testing.T) {
	lim := DefaultLimits()
	lim.Elements, lim.DecodedBytes = 1<<62, 1<<62
	for _, body := range []string{
		input(`"shape":[1000000000],"datatype":"FP64","data":[1,2,3]`),
		input(`"data":[1,2,3],"shape":[1000000000],"datatype":"FP64"`),
		input(`"shape":[100000,100000,1000],"datatype":"FP64","data":[[[1,2,3]]]`),
		input(`"shape":[1000000000],"datatype":"BYTES","data":["a"]`),
		input(`"shape":[1000000000],"datatype":"FP64","parameters":{"binary_data_size":8000000000}`),
		input(`"shape":[1000000000],"datatype":"BYTES","parameters":{"binary_data_size":8000000000}`),
		`{"inputs":[` + strings.Repeat(`{"name":"x","shape":[0],"datatype":"FP64","data":[]},`, 200) + input(`"shape":[1]`) + `]}`,
	} {
		var r InferRequest
		got := allocated(func() { _ = r.Decode([]byte(body), NoHeaderLength, lim) })
		if limit := 16*uint64(len(body)) + 4096; got > limit {
			t.Errorf("%.100s of %d bytes allocates %d bytes, want at most %d", body, len(body), got, limit)
		}
	}
}

func TestRememberedNamesAreBounded(t *testing.T) {
	var n names
	for i := range 10_000 {
		name := fmt.Sprint("name", i)
		if got := n.of([]byte(name)); got != name {
			t.Fatalf("of(%q) = %q", name, got)
		}
	}
	long := strings.Repeat("x", namesLongest+1)
	if n.of([]byte(long)) != long {
		t.Error("a long name is lost")
	}
	for _, s := range n.slots {
		if len(s) > namesLongest {
			t.Errorf("a name of %d bytes is remembered", len(s))
		}
	}
}

func TestStringsOfARequestMayBeKept(t *testing.T) {
	body := []byte(`{"id":"first","parameters":{"p":"first"},"inputs":[{"name":"f\u0069rst","shape":[1],"datatype":"INT8","data":[1]}],` +
		`"outputs":[{"name":"first"}]}`)
	var r InferRequest
	if err := r.Decode(body, NoHeaderLength, DefaultLimits()); err != nil {
		t.Fatal(err)
	}
	value, _ := r.Parameters[0].Value.Text()
	kept := []string{r.ID, r.Inputs[0].Name, r.Outputs[0].Name, value}
	for i := range body {
		body[i] = 'X'
	}
	_ = r.Decode([]byte(`{"inputs":[{"name":"sec\u006fnd"}]}`), NoHeaderLength, DefaultLimits())
	for _, s := range kept {
		if s != "first" {
			t.Errorf("a string of the request became %q", s)
		}
	}
}
