package backend_test

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"ganglion/backend"
	"ganglion/internal/conf"
	"ganglion/internal/oip"
)

// TestRefusals: what a client can get wrong, and what it reads.
func TestRefusals(t *testing.T) {
	n := startNode(t, demoModels(t))
	const iris, language = "/v2/models/iris/infer", "/v2/models/language_id/infer"
	input := func(members string) string { return `{"inputs":[{"name":"measurements",` + members + `}]}` }
	tests := []struct {
		name, method, path, body string
		status                   int
		message                  string
	}{
		{"unknown model", "POST", "/v2/models/rose/infer", irisRequest, 404, "Request for unknown model: 'rose' is not found"},
		{"unknown model, v1", "POST", "/v1/models/rose:predict", "{}", 404, "Request for unknown model: 'rose' is not found"},
		{"unknown model's metadata", "GET", "/v2/models/rose", "", 404, "Request for unknown model: 'rose' is not found"},
		{"unknown version", "POST", "/v2/models/iris/versions/7/infer", irisRequest, 404, "version 7 is not found"},
		{"version in words", "POST", "/v2/models/iris/versions/Latest/infer", irisRequest, 404, "Not Found"},
		{"path out of the repository", "GET", "/v2/models/..%2f..%2fetc/ready", "", 404, "Not Found"},
		{"no such path", "GET", "/v3", "", 404, "Not Found"},
		{"no JSON", "POST", iris, "setosa?", 400, ""},
		{"empty body", "POST", iris, "", 400, ""},
		{"half a body", "POST", iris, irisRequest[:60], 400, ""},
		{"no inputs", "POST", iris, "{}", 400, "inputs"},
		{"too few inputs", "POST", iris, `{"inputs":[]}`, 400, "measurements"},
		{"too many inputs", "POST", iris, strings.Replace(irisRequest, "]}]}", `]},{"name":"petals","shape":[1],"datatype":"FP32","data":[1]}]}`, 1), 400, "petals"},
		{"no datatype", "POST", iris, input(`"shape":[1,4],"data":[1,2,3,4]`), 400, "measurements"},
		{"wrong datatype", "POST", iris, input(`"shape":[1,4],"datatype":"INT64","data":[1,2,3,4]`), 400, "measurements"},
		{"unknown datatype", "POST", iris, input(`"shape":[1,4],"datatype":"FLOAT","data":[1,2,3,4]`), 400, "measurements"},
		{"text for numbers", "POST", iris, input(`"shape":[1],"datatype":"BYTES","data":["a"]`), 400, "measurements"},
		{"shape and data disagree", "POST", iris, input(`"shape":[2,4],"datatype":"FP32","data":[1,2,3,4]`), 400, "measurements"},
		{"wrong shape", "POST", iris, input(`"shape":[1,5],"datatype":"FP32","data":[1,2,3,4,5]`), 400, "measurements"},
		{"wrong rank", "POST", iris, input(`"shape":[4],"datatype":"FP32","data":[1,2,3,4]`), 400, "measurements"},
		{"negative dimension", "POST", iris, input(`"shape":[-1,4],"datatype":"FP32","data":[1,2,3,4]`), 400, "measurements"},
		{"shape beyond 64 bits", "POST", iris, input(`"shape":[4611686018427387904,4],"datatype":"FP32","data":[]`), 400, "measurements"},
		{"a string among numbers", "POST", iris, input(`"shape":[1,4],"datatype":"FP32","data":[1,2,3,"4"]`), 400, "measurements"},
		{"out of range", "POST", language, `{"inputs":[{"name":"bytes","shape":[1,1],"datatype":"UINT8","data":[256]}]}`, 400, "bytes"},
		{"unknown output", "POST", iris, strings.Replace(irisRequest, "]}]}", `]}],"outputs":[{"name":"colour"}]}`, 1), 400, "colour"},
		{"text of three dimensions", "POST", language, `{"inputs":[{"name":"bytes","shape":[1,1,1],"datatype":"BYTES","data":["a"]}]}`, 400, `text is BYTES of shape [n] or [n,1], got [1 1 1]`},
		{"text in columns", "POST", language, `{"inputs":[{"name":"bytes","shape":[1,2],"datatype":"BYTES","data":["a","b"]}]}`, 400, `got [1 2]`},
		{"v1 without instances", "POST", "/v1/models/iris:predict", `{}`, 400, "instances"},
		{"index of something else", "POST", "/v2/repository/index", `{"ready":1}`, 400, `\"ready\" is a number, expected true or false`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			body := strings.NewReader(test.body)
			n.do(test.method, test.path, body).want(t, test.status, test.message)
		})
	}
	n.post(iris, irisRequest).want(t, 200, "setosa")
}

// TestWrongVerb: 405 with what is allowed.
func TestWrongVerb(t *testing.T) {
	n := startNode(t, demoModels(t))
	for path, allow := range map[string]string{
		"/v2/models/iris/infer":   "POST",
		"/v1/models/iris:predict": "POST",
		"/v2/repository/index":    "POST",
		"/v2":                     "GET",
		"/v2/health/ready":        "GET",
		"/v2/models/iris":         "GET",
		"/metrics":                "GET",
	} {
		a := n.do("DELETE", path, nil)
		a.want(t, 405, "Method Not Allowed")
		if !strings.Contains(a.header.Get("Allow"), allow) {
			t.Errorf("DELETE %s: Allow is %q, want %s in it", path, a.header.Get("Allow"), allow)
		}
	}
}

// TestLargeBody: a body over the limit is refused, and one of any size beneath it is not.
func TestLargeBody(t *testing.T) {
	n := startNode(t, demoModels(t), func(c *backend.Config) { c.HTTP.MaxBody = 8 * conf.KiB })
	fits := strings.Replace(irisRequest, "{", "{"+strings.Repeat(" ", 8<<10-len(irisRequest)), 1)
	n.post("/v2/models/iris/infer", fits).want(t, 200, "setosa")
	n.post("/v2/models/iris/infer", " "+fits).want(t, 413, "")
	n.post("/v2/models/iris/infer", irisRequest).want(t, 200, "setosa")
}

// TestTwoHeaderLengths: a request whose parts could be told apart in two ways is not answered in either.
func TestTwoHeaderLengths(t *testing.T) {
	n := startNode(t, demoModels(t))
	request, err := http.NewRequestWithContext(t.Context(), "POST", n.url+"/v2/models/iris/infer", strings.NewReader(irisRequest))
	if err != nil {
		t.Fatal(err)
	}
	request.Header[oip.HeaderLengthName] = []string{strconv.Itoa(len(irisRequest)), "5"}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	answer{response.StatusCode, response.Header, string(text)}.want(t, 400, "more than one Inference-Header-Content-Length header")
}

// wantRefusal checks an answer that is 503 and says in a header what it is about: for a gateway, which goes by it.
func (a answer) wantRefusal(t *testing.T, why oip.Refusal, message string) {
	t.Helper()
	a.want(t, 503, message)
	if got := a.header.Get(oip.RefusalName); got != string(why) {
		t.Errorf("%s is %q, want %q", oip.RefusalName, got, why)
	}
}

// TestOtherErrorsAreNoRefusals: what is wrong with a request, or with the node, carries no word for the gateway.
func TestOtherErrorsAreNoRefusals(t *testing.T) {
	n := startNode(t, demoModels(t))
	for _, path := range []string{"/v2/models/iris/infer", "/v2/models/rose/infer"} {
		if got := n.post(path, "{}").header.Get(oip.RefusalName); got != "" {
			t.Errorf("%s: %s is %q, want none", path, oip.RefusalName, got)
		}
	}
}
