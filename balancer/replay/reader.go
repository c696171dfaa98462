package replay

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

const (
	// maxLine is the longest line: a header that names ten thousand nodes.
	maxLine = 4 << 20
	// maxDecisions bounds what a trace takes in memory, about 200 bytes each: a minute of 50,000 a second.
	maxDecisions = 3_000_000
)

// Read reads a trace. Its error names the line that is wrong. A trace without a last line is one that was cut off, and is
// returned as far as it goes; its very last line may be half a line.
func Read(r io.Reader) (*Trace, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 64<<10), maxLine)
	t := &Trace{}
	var names names
	for number := 1; lines.Scan(); number++ {
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 {
			continue
		}
		if t.Complete {
			return nil, fmt.Errorf("line %d: the trace ended before", number)
		}
		err := t.take(line, &names)
		if errors.Is(err, errHalf) && !lines.Scan() && lines.Err() == nil && len(t.Decisions) > 0 {
			break // the writer died
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
	}
	if err := lines.Err(); err != nil {
		if errors.Is(err, bufio.ErrTooLong) {
			err = fmt.Errorf("a line has more than %d bytes", maxLine)
		}
		return nil, err
	}
	if t.Header.Trace == 0 {
		return nil, errors.New("it is empty: a trace begins with a line {\"trace\": 1, ...}")
	}
	slices.SortStableFunc(t.Decisions, func(a, b Decision) int { return cmp.Compare(a.At, b.At) })
	return t, nil
}

// errHalf is a line that is no JSON.
var errHalf = errors.New("it is no JSON")

// take takes in one line.
func (t *Trace) take(line []byte, names *names) error {
	if t.Header.Trace == 0 {
		if err := decode(line, &t.Header); err != nil {
			return err
		}
		return t.Header.check()
	}
	if bytes.HasPrefix(line, []byte(`{"done"`)) {
		t.Complete = true
		return decode(line, &t.Footer)
	}
	if len(t.Decisions) == maxDecisions {
		return fmt.Errorf("more than %d decisions: record for less time", maxDecisions)
	}
	var d Decision
	if err := decode(line, &d); err != nil {
		return err
	}
	if err := d.check(); err != nil {
		return err
	}
	d.Pool, d.Model, d.Node, d.End = names.one(d.Pool), names.one(d.Model), names.one(d.Node), names.one(d.End)
	t.Decisions = append(t.Decisions, d)
	return nil
}

func decode(line []byte, v any) error {
	err := json.Unmarshal(line, v)
	if _, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Errorf("%w: %w", errHalf, err)
	}
	return err
}

// names keeps one copy of each name, of which a trace has few and repeats them in every line.
type names struct{ known map[string]string }

func (n *names) one(s string) string {
	if known, ok := n.known[s]; ok {
		return known
	}
	if n.known == nil {
		n.known = map[string]string{}
	}
	n.known[s] = s
	return s
}
