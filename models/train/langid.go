package main

import (
	"context"
	_ "embed"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"

	"ganglion/internal/onnxfile"
)

// language is one class, and what the sources call it.
type language struct {
	name  string
	udhr  string // file of the Universal Declaration of Human Rights
	code  string // ISO 639-1, key of the stop words
	uppy  string // file of user-interface texts; "" where there is none
	solid bool   // written without spaces
}

func languages() []language {
	return []language{
		{name: "English", udhr: "eng", code: "en", uppy: "en_US"},
		{name: "French", udhr: "fra", code: "fr", uppy: "fr_FR"},
		{name: "German", udhr: "deu_1996", code: "de", uppy: "de_DE"},
		{name: "Spanish", udhr: "spa", code: "es", uppy: "es_ES"},
		{name: "Portuguese", udhr: "por_PT", code: "pt", uppy: "pt_PT"},
		{name: "Italian", udhr: "ita", code: "it", uppy: "it_IT"},
		{name: "Dutch", udhr: "nld", code: "nl", uppy: "nl_NL"},
		{name: "Swedish", udhr: "swe", code: "sv", uppy: "sv_SE"},
		{name: "Danish", udhr: "dan", code: "da", uppy: "da_DK"},
		{name: "Finnish", udhr: "fin", code: "fi", uppy: "fi_FI"},
		{name: "Polish", udhr: "pol", code: "pl", uppy: "pl_PL"},
		{name: "Czech", udhr: "ces", code: "cs", uppy: "cs_CZ"},
		{name: "Hungarian", udhr: "hun", code: "hu", uppy: "hu_HU"},
		{name: "Romanian", udhr: "ron_2006", code: "ro", uppy: "ro_RO"},
		{name: "Turkish", udhr: "tur", code: "tr", uppy: "tr_TR"},
		{name: "Indonesian", udhr: "ind", code: "id", uppy: "id_ID"},
		{name: "Vietnamese", udhr: "vie", code: "vi", uppy: "vi_VN"},
		{name: "Greek", udhr: "ell_monotonic", code: "el", uppy: "el_GR"},
		{name: "Russian", udhr: "rus", code: "ru", uppy: "ru_RU"},
		{name: "Ukrainian", udhr: "ukr", code: "uk", uppy: "uk_UA"},
		{name: "Arabic", udhr: "arb", code: "ar", uppy: "ar_SA"},
		{name: "Hebrew", udhr: "heb", code: "he", uppy: "he_IL"},
		{name: "Hindi", udhr: "hin", code: "hi", uppy: "hi_IN"},
		{name: "Bengali", udhr: "ben", code: "bn"},
		{name: "Thai", udhr: "tha", code: "th", uppy: "th_TH", solid: true},
		{name: "Japanese", udhr: "jpn", code: "ja", uppy: "ja_JP", solid: true},
		{name: "Korean", udhr: "kor", code: "ko", uppy: "ko_KR"},
		{name: "Chinese", udhr: "cmn_hans", code: "zh", uppy: "zh_CN", solid: true},
	}
}

// How many examples an epoch has for each language, and how many held-out
// windows each is judged by.
const (
	trainPerLanguage = 900
	heldPerLanguage  = 100
)

// everydaySentences are one sentence for each language, about everyday things,
// never trained on. The held-out windows are more of the same declaration; these
// say how the model does on what people type.
//
//go:embed everyday.tsv
var everydaySentences string

// trainLangID makes a byte-level convolutional network. It is judged by windows
// of the last 15 % of each declaration, which it is not trained on.
func trainLangID(ctx context.Context, opt *options, w io.Writer) (*onnxfile.Model, error) {
	sources, err := readSources(opt.data)
	if err != nil {
		return nil, err
	}
	everyday, err := parseEveryday(everydaySentences)
	if err != nil {
		return nil, err
	}
	held := windows(rand.New(rand.NewPCG(3, 1)), sources, heldPerLanguage)
	net := newLangNet(rand.New(rand.NewPCG(3, 0)))
	plan := schedule{seed: 3, epochs: 40, batch: 64, rate: 0.004, decay: 0.9}
	fresh := func(epoch int) []example[text] {
		return mix(rand.New(rand.NewPCG(3, uint64(100+epoch))), sources, trainPerLanguage)
	}
	if err := fit(ctx, net, plan, fresh, progress(w, net, 1, held)); err != nil {
		return nil, err
	}
	net.clearPadding()
	fmt.Fprintf(w, "everyday sentences: %d of %d\n", correct(net, everyday), len(everyday))
	return net.export(), nil
}

// parseEveryday reads lines of a language and a sentence with a tab between.
func parseEveryday(tsv string) ([]example[text], error) {
	classes := map[string]int{}
	for i, l := range languages() {
		classes[l.name] = i
	}
	var examples []example[text]
	for line := range strings.Lines(tsv) {
		name, sentence, found := strings.Cut(strings.TrimSpace(line), "\t")
		class, known := classes[name]
		if !found || !known {
			return nil, fmt.Errorf("everyday.tsv: no language and sentence in %q", line)
		}
		examples = append(examples, example[text]{text(sentence), class})
	}
	return examples, nil
}
