package e2e_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"testing"

	"ganglion/internal/stack"
)

// TestFirstAnswers is the README's first minute: a flower's species, a sentence's language, a garment.
func TestFirstAnswers(t *testing.T) {
	s := start(t, stack.Config{GatewayConfig: uncached})
	client := newClient(t)
	for _, f := range flowers {
		body := `{"id":"q-1","inputs":[{"name":"measurements","shape":[1,4],"datatype":"FP32","data":[` + f.measurements + `]}]}`
		r := ask(t, client, "POST", s.GatewayURL()+"/v2/models/iris/infer", body)
		a, err := parse(r.body)
		if err != nil || r.status != 200 || a.ID != "q-1" || a.ModelName != "iris" || a.ModelVersion != "1" || a.output("species") != f.species {
			t.Errorf("%s: %d %s, want %s", f.measurements, r.status, r.body, f.species)
		}
	}
	sentences := map[string]string{
		"Where is the station?":             "English",
		"Bonjour, comment allez-vous ?":     "French",
		"Guten Morgen, wo ist der Bahnhof?": "German",
		"Доброе утро, где вокзал?":          "Russian",
		"早上好，车站在哪里？":                        "Chinese",
	}
	for sentence, language := range sentences {
		quoted, _ := json.Marshal(sentence)
		body := fmt.Sprintf(`{"inputs":[{"name":"bytes","shape":[1],"datatype":"BYTES","data":[%s]}],"outputs":[{"name":"language"}]}`, quoted)
		r := ask(t, client, "POST", s.GatewayURL()+"/v2/models/language_id/infer", body)
		if a, err := parse(r.body); err != nil || r.status != 200 || a.output("language") != language || len(a.Outputs) != 1 {
			t.Errorf("%s: %d %s, want just the language %s", sentence, r.status, r.body, language)
		}
	}
	image := make([]byte, 0, 784*2)
	for i := range 784 {
		if i > 0 {
			image = append(image, ',')
		}
		image = append(image, '0')
	}
	r := ask(t, client, "POST", s.GatewayURL()+"/v2/models/fashion_mnist_cnn/infer",
		`{"inputs":[{"name":"image","shape":[1,1,28,28],"datatype":"FP32","data":[`+string(image)+`]}]}`)
	if a, err := parse(r.body); err != nil || r.status != 200 || a.output("garment") == "" {
		t.Errorf("an empty image: %d %s, want some garment", r.status, r.body)
	}
}

// TestV1 is what clients of KServe's older protocol send.
func TestV1(t *testing.T) {
	s := start(t, stack.Config{GatewayConfig: uncached})
	client := newClient(t)
	r := ask(t, client, "POST", s.GatewayURL()+"/v1/models/iris:predict", `{"instances":[[5.1,3.5,1.4,0.2],[6.7,3.0,5.2,2.3]]}`)
	var got struct {
		Predictions []struct{ Species string }
	}
	if err := json.Unmarshal([]byte(r.body), &got); err != nil || len(got.Predictions) != 2 ||
		got.Predictions[0].Species != "setosa" || got.Predictions[1].Species != "virginica" {
		t.Errorf("iris: %d %s", r.status, r.body)
	}
	if r := ask(t, client, "POST", s.GatewayURL()+"/v1/models/language_id:predict", `{"instances":["Where is the station?"]}`); r.status != 200 {
		t.Errorf("language_id: %d %s", r.status, r.body)
	}
}

// TestBinaryTensors sends a tensor behind the JSON and asks for one back, bit for bit what JSON says.
func TestBinaryTensors(t *testing.T) {
	s := start(t, stack.Config{GatewayConfig: uncached})
	client := newClient(t)
	head := `{"inputs":[{"name":"measurements","shape":[1,4],"datatype":"FP32","parameters":{"binary_data_size":16}}],` +
		`"outputs":[{"name":"probabilities","parameters":{"binary_data":true}},{"name":"species"}]}`
	body := []byte(head)
	for _, x := range []float32{5.1, 3.5, 1.4, 0.2} {
		body = binary.LittleEndian.AppendUint32(body, math.Float32bits(x))
	}
	r := ask(t, client, "POST", s.GatewayURL()+"/v2/models/iris/infer", string(body), "Inference-Header-Content-Length", strconv.Itoa(len(head)))
	cut, err := strconv.Atoi(r.header.Get("Inference-Header-Content-Length"))
	if err != nil || r.status != 200 || len(r.body) != cut+12 {
		t.Fatalf("%d, header length %q, %d bytes: %q", r.status, r.header.Get("Inference-Header-Content-Length"), len(r.body), r.body)
	}
	a, err := parse(r.body[:cut])
	if err != nil || a.output("species") != "setosa" {
		t.Errorf("%s: %v", r.body[:cut], err)
	}
	asJSON, err := parse(ask(t, client, "POST", s.GatewayURL()+"/v2/models/iris/infer", flower).body)
	if err != nil {
		t.Fatal(err)
	}
	var again bytes.Buffer
	for _, o := range asJSON.Outputs {
		if o.Name == "probabilities" {
			for _, v := range o.Data {
				f, _ := v.(float64)
				again.Write(binary.LittleEndian.AppendUint32(nil, math.Float32bits(float32(f))))
			}
		}
	}
	if got := r.body[cut:]; got != again.String() {
		t.Errorf("binary probabilities %x, the JSON ones %x", got, again.Bytes())
	}
}

// TestCachedAnswers asks the same twice: the second answer comes from memory, under the second caller's id.
func TestCachedAnswers(t *testing.T) {
	s := start(t, stack.Config{GatewayConfig: uncached + "[routes.iris]\npool = \"main\"\ncache = { ttl = \"10m\" }\n"})
	client := newClient(t)
	question := func(id string) string { return `{"id":"` + id + `",` + flower[1:] }
	url := s.GatewayURL() + "/v2/models/iris/infer"
	first := ask(t, client, "POST", url, question("first"))
	if got := first.header.Get("X-Cache"); got != "miss" || first.status != 200 {
		t.Fatalf("first: %d, X-Cache %q", first.status, got)
	}
	var second reply
	until(t, "the answer is in the cache", func() bool {
		second = ask(t, client, "POST", url, question("second"))
		return second.header.Get("X-Cache") == "hit"
	})
	a, err := parse(second.body)
	if err != nil || a.ID != "second" || a.output("species") != "setosa" {
		t.Errorf("hit: %s, want the second caller's id and the first one's species", second.body)
	}
	if other := ask(t, client, "POST", s.GatewayURL()+"/v2/models/language_id", ""); other.header.Get("X-Cache") != "" {
		t.Errorf("a route without a cache says X-Cache: %s", other.header.Get("X-Cache"))
	}
}
