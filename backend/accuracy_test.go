package backend_test

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
)

// TestFlowers: four numbers in, the species out.
func TestFlowers(t *testing.T) {
	n := startNode(t, demoModels(t))
	flowers := []struct {
		measurements string
		species      string
	}{
		{"5.1,3.5,1.4,0.2", "setosa"},
		{"6.0,2.7,4.1,1.0", "versicolor"},
		{"6.5,3.0,5.8,2.2", "virginica"},
	}
	var rows []string
	for _, f := range flowers {
		rows = append(rows, f.measurements)
		a := n.post("/v2/models/iris/infer", strings.Replace(irisRequest, "5.1,3.5,1.4,0.2", f.measurements, 1))
		if got := a.outputs(t)["species"]; fmt.Sprint(got.Data) != "["+f.species+"]" || got.Datatype != "BYTES" || fmt.Sprint(got.Shape) != "[1]" {
			t.Errorf("%s: got %+v, want %s", f.measurements, got, f.species)
		}
	}
	a := n.post("/v2/models/iris/infer", fmt.Sprintf(
		`{"id":"batch of three","inputs":[{"name":"measurements","shape":[3,4],"datatype":"FP32","data":[[%s]]}],"outputs":[{"name":"species"}]}`,
		strings.Join(rows, "],[")))
	a.want(t, 200, `{"id":"batch of three","model_name":"iris","model_version":"1","outputs":[{"name":"species","datatype":"BYTES","shape":[3],"data":["setosa","versicolor","virginica"]}]}`)
	if got := a.header.Get("Content-Type"); got != "application/json" {
		t.Errorf("got content type %q", got)
	}
	if got := a.header.Get("X-Node-Id"); got != "test-node" {
		t.Errorf("got X-Node-Id %q", got)
	}
	n.post("/v1/models/iris:predict", `{"instances":[[5.1,3.5,1.4,0.2]]}`).want(t, 200, `"species":"setosa"`)
}

// sentences are everyday ones that the small model gets right; it is wrong on about one in twenty.
var sentences = []struct{ text, language string }{
	{"Where is the nearest railway station, please?", "English"},
	{"Wo ist denn hier der nächste Bahnhof?", "German"},
	{"Je voudrais réserver une table pour deux personnes ce soir.", "French"},
	{"¿Dónde está la estación de tren más cercana?", "Spanish"},
	{"Dov'è la stazione ferroviaria più vicina?", "Italian"},
	{"Onde fica a estação de comboios mais próxima?", "Portuguese"},
	{"Gdzie jest najbliższa stacja kolejowa?", "Polish"},
	{"Где находится ближайший железнодорожный вокзал?", "Russian"},
}

// TestLanguages: sentences in, languages out, each alone and all in one batch, where the short ones are padded. Padding and
// company change nothing, not even the last bit.
func TestLanguages(t *testing.T) {
	n := startNode(t, demoModels(t))
	var texts []string
	for _, s := range sentences {
		texts = append(texts, s.text)
	}
	batch := n.post("/v2/models/language_id/infer", textRequest(texts...)).outputs(t)
	for i, s := range sentences {
		alone := n.post("/v2/models/language_id/infer", textRequest(s.text)).outputs(t)
		if got := alone["language"].Data[0]; got != s.language {
			t.Errorf("%q: got %v, want %s", s.text, got, s.language)
		}
		if got := batch["language"].Data[i]; got != s.language {
			t.Errorf("%q in a batch: got %v, want %s", s.text, got, s.language)
		}
		const classes = 28
		row := batch["probabilities"].Data[i*classes : (i+1)*classes]
		for j := range row {
			if row[j] != alone["probabilities"].Data[j] {
				t.Fatalf("%q: class %d is %v in a batch and %v alone", s.text, j, row[j], alone["probabilities"].Data[j])
			}
		}
	}
	body, err := json.Marshal(map[string]any{"instances": texts})
	if err != nil {
		t.Fatal(err)
	}
	var v1 struct{ Predictions []struct{ Language string } }
	if err := json.Unmarshal([]byte(n.post("/v1/models/language_id:predict", string(body)).body), &v1); err != nil || len(v1.Predictions) != len(sentences) {
		t.Fatalf("v1: got %+v (%v)", v1, err)
	}
	for i, s := range sentences {
		if v1.Predictions[i].Language != s.language {
			t.Errorf("v1: %q: got %s, want %s", s.text, v1.Predictions[i].Language, s.language)
		}
	}
}

// TestImages: the convolution takes an image and gives ten probabilities that add up to 1.
func TestImages(t *testing.T) {
	n := startNode(t, demoModels(t))
	image := "0" + strings.Repeat(",0", 28*28-1)
	got := n.post("/v2/models/fashion_mnist_cnn/infer", `{"inputs":[{"name":"image","shape":[1,1,28,28],"datatype":"FP32","data":[`+image+`]}]}`).outputs(t)
	sum := 0.0
	for _, p := range got["probabilities"].Data {
		sum += p.(float64)
	}
	if len(got["probabilities"].Data) != 10 || math.Abs(sum-1) > 1e-5 {
		t.Errorf("got %+v", got)
	}
}
