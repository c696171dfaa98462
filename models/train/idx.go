package main

import (
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// readPictures reads one set of Fashion-MNIST, "train" or "t10k": two gzipped
// files in the IDX format, pixels and classes.
func readPictures(dir, set string, classes int) ([]example[picture], error) {
	pixels, err := readIDX(filepath.Join(dir, set+"-images-idx3-ubyte.gz"), 3)
	if err != nil {
		return nil, err
	}
	labels, err := readIDX(filepath.Join(dir, set+"-labels-idx1-ubyte.gz"), 1)
	if err != nil {
		return nil, err
	}
	const size = pictureSide * pictureSide
	if len(pixels) != len(labels)*size {
		return nil, fmt.Errorf("%s: %d labels need %d pixels, there are %d", dir, len(labels), len(labels)*size, len(pixels))
	}
	examples := make([]example[picture], len(labels))
	for i, label := range labels {
		if int(label) >= classes {
			return nil, fmt.Errorf("%s: label %d: there are %d classes", dir, label, classes)
		}
		x := make(picture, size)
		for j, p := range pixels[i*size:][:size] {
			x[j] = float32(p) / 255
		}
		examples[i] = example[picture]{x, int(label)}
	}
	return examples, nil
}

// readIDX returns the bytes of a gzipped IDX file of unsigned bytes with so many
// dimensions.
func readIDX(path string, dims int) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, errors.Join(err, errors.New("models/train/fetch-data.sh fetches the data; -data says where it is"))
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	header := 4 + 4*dims
	if len(b) < header || binary.BigEndian.Uint32(b) != uint32(0x800+dims) {
		return nil, fmt.Errorf("%s: no IDX file of bytes with %d dimensions", path, dims)
	}
	return b[header:], nil
}
