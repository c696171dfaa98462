package onnxfile

import (
	"reflect"
	"testing"
)

// TestExternalDataIsFoundWhereverItHides builds a model with a reference in
// every place that can hold a tensor: a place that is missed is a path that
// nobody checks.
func TestExternalDataIsFoundWhereverItHides(t *testing.T) {
	tensor := func(location string) *message {
		m := new(message)
		m.sub(13, Property{"offset", "12"}.message())
		m.sub(13, Property{"location", location}.message())
		return m
	}
	in := func(field int, inner *message) *message {
		m := new(message)
		m.sub(field, inner)
		return m
	}
	graph := new(message)
	graph.sub(5, tensor("initializer"))
	graph.sub(5, tensor("initializer"))
	graph.sub(15, in(1, tensor("sparse values")))
	graph.sub(15, in(2, tensor("sparse indices")))
	attrs := map[int]*message{
		5: tensor("t"), 10: tensor("tensors"), 22: in(1, tensor("sparse_tensor")), 23: in(2, tensor("sparse_tensors")),
		6: in(5, tensor("g")), 11: in(1, in(5, in(5, tensor("graphs")))),
	}
	for _, field := range []int{5, 10, 22, 23, 6, 11} {
		graph.sub(1, in(5, in(field, attrs[field])))
	}
	file := new(message)
	file.sub(7, graph)
	file.sub(25, in(7, in(5, in(5, tensor("function node")))))
	file.sub(25, in(11, in(5, tensor("function attribute"))))
	file.sub(20, in(1, in(5, tensor("training initialization"))))
	file.sub(20, in(2, in(5, tensor("../../etc/passwd"))))

	want := []string{
		"initializer", "sparse values", "sparse indices", "t", "tensors", "sparse_tensor", "sparse_tensors", "g", "graphs",
		"function node", "function attribute", "training initialization", "../../etc/passwd",
	}
	if got := read(t, join(file)).External; !reflect.DeepEqual(got, want) {
		t.Errorf("external data is at %q, want %q", got, want)
	}
}

func TestASecondGraphIsReadAsPartOfTheFirst(t *testing.T) {
	// Protobuf merges repeated occurrences of a message; a reader that took
	// the last would miss what is in the first.
	first, second := new(message), new(message)
	d := Data{Name: "w", Elem: Float, Dims: []int64{2}, External: []Property{{"location", "first"}}}
	m, err := d.message()
	if err != nil {
		t.Fatal(err)
	}
	first.sub(5, m)
	second.text(2, "second")
	file := new(message)
	file.sub(7, first)
	file.sub(7, second)
	if s := read(t, join(file)); s.Graph != "second" || s.Parameters != 2 || !reflect.DeepEqual(s.External, []string{"first"}) {
		t.Errorf("summary is %+v, want both graphs in it", s)
	}
}
