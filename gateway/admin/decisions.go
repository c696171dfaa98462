package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"ganglion/gateway"
)

// maxQuestion bounds the question of an explanation: a body of the size that people try things with, in base64.
const maxQuestion = 4 << 20

// explain tells what would be done with a request: one that the query describes, or a question as JSON.
func (s *Server) explain(w http.ResponseWriter, r *http.Request) {
	var q gateway.Question
	if r.Method == http.MethodPost {
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxQuestion)).Decode(&q); err != nil {
			refuse(w, http.StatusBadRequest, "the body is no question: "+err.Error())
			return
		}
	} else {
		query, err := accepted(r.URL.RawQuery, "model", "version", "header", "key")
		if err != nil {
			refuse(w, http.StatusBadRequest, err.Error())
			return
		}
		q = gateway.Question{Model: query.Get("model"), Version: query.Get("version"), Headers: query["header"], Key: query.Get("key")}
	}
	e, err := s.edge.Explain(q)
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	answer(w, http.StatusOK, e)
}

// record streams a trace of what pools decide.
func (s *Server) record(w http.ResponseWriter, r *http.Request) {
	query, err := accepted(r.URL.RawQuery, "for", "pool")
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	d, err := time.ParseDuration(query.Get("for"))
	if err != nil {
		refuse(w, http.StatusBadRequest, "\"for\" must say how long, such as 10s")
		return
	}
	// Recordings take longer than any other answer: each flush gets the time of one.
	control := http.NewResponseController(w)
	flush := func() error {
		return errors.Join(control.Flush(), control.SetWriteDeadline(time.Now().Add(writeTimeout)))
	}
	out := &began{ResponseWriter: w}
	err = s.edge.Record(r.Context(), out, flush, query["pool"], d)
	switch {
	case err == nil || out.any:
		// Nothing to add: a trace that was cut off has no last line.
	case errors.Is(err, gateway.ErrRecording):
		refuse(w, http.StatusConflict, err.Error())
	default:
		refuse(w, http.StatusBadRequest, err.Error())
	}
}

// accepted reads a query of these keys. What is misspelt must not mean something else: a pool that is not named is all of them.
func accepted(query string, keys ...string) (url.Values, error) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil, errors.New("the query cannot be read: " + err.Error())
	}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		if !slices.Contains(keys, key) {
			return nil, fmt.Errorf("%q is not known: accepted are %s", key, strings.Join(keys, ", "))
		}
	}
	return values, nil
}

// began knows whether anything was written.
type began struct {
	http.ResponseWriter
	any bool
}

// Write implements io.Writer.
func (b *began) Write(p []byte) (int, error) {
	if !b.any {
		b.any = true
		b.Header().Set("Content-Type", "application/jsonl")
	}
	return b.ResponseWriter.Write(p)
}
