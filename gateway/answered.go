package gateway

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode"

	"github.com/valyala/fasthttp"
)

// longestSaid bounds what the log repeats of a node's error: enough for a reason, and short of longestLogged with what
// stands before it.
const longestSaid = 200

// errAnswered is what an answer that is a failure said, for the log: an exchange that ended well on its second attempt
// tells there why it needed one.
func errAnswered(resp *fasthttp.Response) error {
	status := resp.StatusCode()
	if said := errorText(resp); said != "" {
		return fmt.Errorf("node answered %d: %s", status, said)
	}
	return fmt.Errorf("node answered %d", status)
}

// errorText is the text of an answer that is an error: its "error", or else how its body begins. It is short, and in
// one line.
func errorText(resp *fasthttp.Response) string {
	body := resp.Body()
	if len(resp.Header.ContentEncoding()) > 0 {
		return "" // the node's words are in there, but compressed
	}
	said := string(body[:min(len(body), longestSaid)])
	var e struct {
		Error string `json:"error"`
	}
	if len(body) <= keepScratch && json.Unmarshal(body, &e) == nil && e.Error != "" { // larger ones are not worth the time
		said = e.Error[:min(len(e.Error), longestSaid)]
	}
	said = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) && r != unicode.ReplacementChar { // what is no UTF-8, or was cut in two, is that character here
			return r
		}
		return ' '
	}, said)
	return strings.Join(strings.Fields(said), " ")
}
