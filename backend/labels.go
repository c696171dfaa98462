package backend

import (
	"fmt"
	"path/filepath"
	"strings"

	"ganglion/internal/conf"
)

// largestLabels is room for a million labels of sixteen letters.
const largestLabels = 16 << 20

// readLabels reads the label files that a configuration names, parallel to the version's outputs; nil where it names none.
func (r *repository) readLabels(in *instance) (labels [][]string, err error) {
	labels = make([][]string, len(in.outputs))
	for i, out := range in.outputs {
		file := in.config.Outputs[out.Name].Labels
		if file == "" {
			continue
		}
		content, err := r.read(filepath.Join(in.name, file), largestLabels)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", in.config.Where("outputs."+conf.Quote(out.Name)+".labels"), err)
		}
		labels[i] = labelsOf(string(content))
	}
	return labels, nil
}

// labelsOf splits a label file into its lines: the one numbered n is what index n stands for. White space around a label is
// not part of it, and the end of the last line begins no other.
func labelsOf(content string) []string {
	lines := strings.Split(strings.TrimPrefix(content, "\ufeff"), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimSpace(line)
	}
	for len(lines) > 0 && lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}
