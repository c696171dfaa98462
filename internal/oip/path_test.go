package oip

import (
	"errors"
	"net/url"
	"strings"
	"testing"
)

func TestParsePath(t *testing.T) {
	longest := strings.Repeat("m", longestName)
	for path, want := range map[string]Call{
		"/v2":                                      {CallServerMetadata, "", ""},
		"/v2/health/live":                          {CallServerLive, "", ""},
		"/v2/health/ready":                         {CallServerReady, "", ""},
		"/v2/models":                               {CallModelList, "", ""},
		"/v2/models/stats":                         {CallServerStatistics, "", ""},
		"/v2/models/iris":                          {CallModelMetadata, "iris", ""},
		"/v2/models/iris/infer":                    {CallModelInfer, "iris", ""},
		"/v2/models/iris/versions/1":               {CallModelMetadata, "iris", "1"},
		"/v2/models/iris/versions/12/infer":        {CallModelInfer, "iris", "12"},
		"/v2/models/iris/versions/12/ready":        {CallModelReady, "iris", "12"},
		"/v2/models/iris/ready":                    {CallModelReady, "iris", ""},
		"/v2/models/iris/config":                   {CallModelConfig, "iris", ""},
		"/v2/models/iris/stats":                    {CallModelStatistics, "iris", ""},
		"/v2/models/infer/infer":                   {CallModelInfer, "infer", ""},
		"/v2/models/versions":                      {CallModelMetadata, "versions", ""},
		"/v2/models/stats/infer":                   {CallModelInfer, "stats", ""},
		"/v2/models/A-b_c.9/infer":                 {CallModelInfer, "A-b_c.9", ""},
		"/v2/models/..a/infer":                     {CallModelInfer, "..a", ""},
		"/v2/models/.../infer":                     {CallModelInfer, "...", ""},
		"/v2/models/" + longest:                    {CallModelMetadata, longest, ""},
		"/v2/models/m/versions/999999999999999999": {CallModelMetadata, "m", "999999999999999999"},
		"/v2/models/ir%69s/infer":                  {CallModelInfer, "iris", ""},
		"/v2/models/a%2Db%2dc%5F%2e/infer":         {CallModelInfer, "a-b-c_.", ""},
		"/v2/repository/index":                     {CallRepositoryIndex, "", ""},
		"/v2/repository/models/iris/load":          {CallRepositoryLoad, "iris", ""},
		"/v2/repository/models/iris/unload":        {CallRepositoryUnload, "iris", ""},
		"/v2/models/iris/versions/latest/infer":    {CallModelInfer, "iris", "latest"},
		"/v2/models/iris/versions/prod-eu_2":       {CallModelMetadata, "iris", "prod-eu_2"},
		"/v1/models/iris/versions/prod:predict":    {CallV1Predict, "iris", "prod"},
		"/v2/repository/r/index":                   {CallNamedRepository, "", ""},
		"/v2/repository/r/models/iris/load":        {CallNamedRepository, "", ""},
		"/v2/trace/setting":                        {CallTraceSetting, "", ""},
		"/v2/models/iris/trace/setting":            {CallTraceSetting, "iris", ""},
		"/v2/logging":                              {CallLogSetting, "", ""},
		"/v2/systemsharedmemory/status":            {CallSharedMemoryStatus, "", ""},
		"/v2/systemsharedmemory/region/r/status":   {CallSharedMemoryStatus, "", ""},
		"/v2/cudasharedmemory/region/r/register":   {CallSharedMemoryChange, "", ""},
		"/v2/cudasharedmemory/unregister":          {CallSharedMemoryChange, "", ""},
		"/v1/models":                               {CallV1List, "", ""},
		"/v1/models/iris":                          {CallV1Model, "iris", ""},
		"/v1/models/iris:predict":                  {CallV1Predict, "iris", ""},
		"/v1/models/iris%3Apredict":                {CallV1Predict, "iris", ""},
		"/v1/models/iris/versions/2:predict":       {CallV1Predict, "iris", "2"},
	} {
		if got, ok := ParsePath(path); !ok || got != want {
			t.Errorf("ParsePath(%s) = %+v %t, want %+v", path, got, ok, want)
		}
	}
}

func TestParsePathRefuses(t *testing.T) {
	for _, path := range []string{
		"", "/", "v2", "/v2/", "//v2", "/V2", "/v3", "/v2?x", "/v2#", "/v2 ", " /v2", "/v2\x00", "/v2/health", "/v2/health/", "/v2/health/live/",
		"/v2/models/", "/v2/models//infer", "/v2//models/iris", "/v2/models/iris/", "/v2/models/iris//infer", "/v2/models/iris/infer/",
		"/v2/models/./infer", "/v2/models/../infer", "/v2/models/../models/iris", "/v2/models/iris/../other/infer", "/v2/./models/iris",
		"/v2/models/%2e%2e/infer", "/v2/models/%2e/infer", "/v2/models/iris%2finfer", "/v2/models/iris%2Finfer", "/v2/models/a%2f..%2fb/infer",
		"/v2/models/iris%00/infer", "/v2/models/iris%5c/infer", "/v2/models/iris\\infer", "/v2/models/%69%72%69%73%252f/infer",
		"/v2/models/ir%2569s/infer", "/v2/models/iris%/infer", "/v2/models/iris%6/infer", "/v2/models/iris%6", "/v2/models/iris%zz/infer",
		"/v2/models/iris%20/infer", "/v2/models/ir is/infer", "/v2/models/irís/infer", "/v2/models/ir%c3%ads/infer", "/v2/models/iris;x/infer",
		"/v2/models/" + strings.Repeat("m", longestName+1), "/v2/models/" + strings.Repeat("m", 100000), strings.Repeat("/v2", 300),
		"/v2/models/iris/versions", "/v2/models/iris/versions/", "/v2/models/iris/versions//infer", "/v2/models/iris/versions/Latest/infer",
		"/v2/models/iris/versions/0/infer", "/v2/models/iris/versions/01/infer", "/v2/models/iris/versions/-1/infer", "/v2/models/iris/versions/+1",
		"/v2/models/iris/versions/1.0", "/v2/models/iris/versions/1000000000000000000", "/v2/models/iris/versions/1/versions/2/infer",
		"/v2/models/iris/INFER", "/v2/models/iris/inferx", "/v2/models/iris/generate", "/v2/models/iris:infer", "/v2/models/iris:predict",
		"/v2%2fmodels/iris", "%2fv2", "/%76%32/models/a%2fb", "/v2/models%2firis",
		"/v2/repository", "/v2/repository/index/", "/v2/repository/models/iris", "/v2/repository/models/iris/",
		"/v2/repository/models/../load", "/v2/repository/models//load", "/v2/repository/models/a/b/load", "/v2/repository/models/iris/load/x",
		"/v1", "/v1/", "/v1/models/", "/v1/models/iris:", "/v1/models/iris:predict:", "/v1/models/iris:explain", "/v1/models/iris/predict",
		"/v1/models/:predict", "/v1/models/..:predict", "/v1/models/iris/versions/x.y:predict",
	} {
		if got, ok := ParsePath(path); ok || got != (Call{}) {
			t.Errorf("ParsePath(%.100q) = %+v %t, want it refused", path, got, ok)
		}
	}
}

func TestMethods(t *testing.T) {
	want := map[Kind]string{
		CallModelInfer: "POST, QUERY", CallV1Predict: "POST, QUERY",
		CallRepositoryIndex: "POST", CallRepositoryLoad: "POST", CallRepositoryUnload: "POST",
		CallNamedRepository: "POST", CallSharedMemoryChange: "POST",
		CallTraceSetting: "GET, HEAD, POST", CallLogSetting: "GET, HEAD, POST",
	}
	for kind := CallServerMetadata; kind <= CallSharedMemoryChange; kind++ {
		c := Call{Kind: kind}
		methods, ok := want[kind]
		if !ok {
			methods = "GET, HEAD"
		}
		if c.Methods() != methods {
			t.Errorf("%s has methods %q, want %q", kind, c.Methods(), methods)
		}
		for _, method := range []string{"GET", "HEAD", "POST", "QUERY"} {
			if want := strings.Contains(methods, method); c.Allows(method) != want {
				t.Errorf("%s allows %s: %t, want %t", kind, method, c.Allows(method), want)
			}
		}
		for _, method := range []string{"", "PUT", "DELETE", "post", "OPTIONS", "TRACE", "CONNECT", "GET, HEAD"} {
			if c.Allows(method) {
				t.Errorf("%s allows %q", kind, method)
			}
		}
		if kind.String() == "" || kind.String() == "none" {
			t.Errorf("kind %d has no name", kind)
		}
	}
	if c := (Call{}); c.Methods() != "" || c.Allows("GET") || c.Allows("POST") || Kind(200).String() != "none" {
		t.Error("no call has methods or a name")
	}
}

func TestRefuseCall(t *testing.T) {
	for kind := CallNone; kind <= CallSharedMemoryChange; kind++ {
		err := RefuseCall(kind)
		if want := kind >= CallNamedRepository; (err != nil) != want {
			t.Errorf("RefuseCall(%s) = %v, want an error: %t", kind, err, want)
		}
		if e, ok := errors.AsType[*Error](err); err != nil && (!ok || e.Code != Unsupported) {
			t.Errorf("RefuseCall(%s) = %v, want it unsupported", kind, err)
		}
	}
}

func TestCutPathPrefix(t *testing.T) {
	for _, c := range []struct {
		path, prefix, rest string
		ok                 bool
	}{
		{"/v2/models", "", "/v2/models", true},
		{"/serving/v2/models", "/serving", "/v2/models", true},
		{"/serving", "/serving", "", true},
		{"/servingx/v2", "/serving", "", false},
		{"/v2/models", "/serving", "", false},
		{"/Serving/v2", "/serving", "", false},
		{"", "/serving", "", false},
	} {
		if rest, ok := CutPathPrefix(c.path, c.prefix); ok != c.ok || ok && rest != c.rest {
			t.Errorf("CutPathPrefix(%q, %q) = %q %t, want %q %t", c.path, c.prefix, rest, ok, c.rest, c.ok)
		}
	}
}

func TestValidPathPrefix(t *testing.T) {
	for _, s := range []string{"", "/serving", "/a/b.c/D-e_1"} {
		if !ValidPathPrefix(s) {
			t.Errorf("%q is refused", s)
		}
	}
	for _, s := range []string{"/", "serving", "/serving/", "//a", "/a//b", "/..", "/a/./b", "/a b", "/a%2fb", "/é", "/a?b"} {
		if ValidPathPrefix(s) {
			t.Errorf("%q is accepted", s)
		}
	}
}

// FuzzParsePath: whatever is accepted has a clean name and version, and is what the path spells when it is decoded once.
func FuzzParsePath(f *testing.F) {
	for _, seed := range []string{
		"/v2/models/iris/versions/1/infer", "/v2/models/ir%69s", "/v1/models/iris:predict", "/v2/repository/models/x/load", "/v2/models/%2e%2e/infer",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, path string) {
		c, ok := ParsePath(path)
		if !ok {
			if c != (Call{}) {
				t.Fatalf("ParsePath(%q) refuses with %+v", path, c)
			}
			return
		}
		decoded, err := url.PathUnescape(path)
		if err != nil || len(path) > longestPath || strings.Contains(decoded, "//") || strings.Contains(decoded, "/../") {
			t.Fatalf("ParsePath(%q) accepts %q: %v", path, decoded, err)
		}
		if c.Model != "" && (!ValidModelName(c.Model) || !strings.Contains(decoded, "/models/"+c.Model)) {
			t.Fatalf("ParsePath(%q) finds the model %q", path, c.Model)
		}
		if c.Version != "" && (!validVersion(c.Version) || !strings.Contains(decoded, "/versions/"+c.Version)) {
			t.Fatalf("ParsePath(%q) finds the version %q", path, c.Version)
		}
		if again, ok := ParsePath(decoded); !ok || again != c {
			t.Fatalf("ParsePath(%q) = %+v, decoded %+v", path, c, again)
		}
	})
}
