package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"ganglion/internal/oip"
)

// node asks one node, over REST.
type node struct {
	url    string
	client http.Client
}

func newNode(url string) *node {
	// A model that takes longer than this is counted as one that does not answer.
	return &node{url: url, client: http.Client{Transport: &http.Transport{}, Timeout: time.Minute}}
}

func (n *node) close() { n.client.CloseIdleConnections() }

// refusedError is an answer that is an error.
type refusedError struct {
	status  int
	message string
}

func (e *refusedError) Error() string { return fmt.Sprintf("%d: %s", e.status, e.message) }

// unloadable says of each model that is not ready why.
func (n *node) unloadable(ctx context.Context) (map[string]string, error) {
	body, _, err := n.post(ctx, "/v2/repository/index", nil, oip.NoHeaderLength)
	if err != nil {
		return nil, err
	}
	entries, err := oip.ParseIndex(body)
	if err != nil {
		return nil, err
	}
	reasons := map[string]string{}
	for _, e := range entries {
		if e.State != "READY" {
			reasons[e.Name] = e.Reason
		}
	}
	return reasons, nil
}

// infer sends one request.
func (n *node) infer(ctx context.Context, model string, r *oip.InferRequest) (*oip.InferResponse, error) {
	body, length, err := oip.AppendInferRequest(nil, r)
	if err != nil {
		return nil, err
	}
	body, length, err = n.post(ctx, "/v2/models/"+url.PathEscape(model)+"/infer", body, length)
	if err != nil {
		return nil, err
	}
	answer := new(oip.InferResponse)
	return answer, answer.Decode(body, length, oip.DefaultLimits())
}

// post sends a body whose JSON part has the given length, and returns the answer's body and that of its JSON part.
func (n *node) post(ctx context.Context, path string, body []byte, length int) ([]byte, int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, n.url+path, bytes.NewReader(body))
	if err != nil {
		return nil, 0, err
	}
	if length != oip.NoHeaderLength {
		req.Header.Set(oip.HeaderLengthName, strconv.Itoa(length))
	}
	resp, err := n.client.Do(req)
	if err != nil {
		return nil, 0, err
	}
	defer resp.Body.Close()
	if body, err = io.ReadAll(resp.Body); err != nil {
		return nil, 0, err
	}
	if resp.StatusCode != http.StatusOK {
		var message struct {
			Error string `json:"error"`
		}
		if err := json.Unmarshal(body, &message); err != nil || message.Error == "" {
			return nil, 0, fmt.Errorf("status %d with a body that is no error message: %.100s", resp.StatusCode, body)
		}
		return nil, 0, &refusedError{resp.StatusCode, message.Error}
	}
	length = oip.NoHeaderLength
	if text := resp.Header.Get(oip.HeaderLengthName); text != "" {
		if length, err = oip.ParseHeaderLength([]byte(text)); err != nil {
			return nil, 0, err
		}
	}
	return body, length, nil
}
