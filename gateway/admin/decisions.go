package admin

import (
	"encoding/json"
	"errors"
	"net/http"
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
		query := r.URL.Query()
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
	query := r.URL.Query()
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
