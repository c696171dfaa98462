package modelconf

import (
	"ganglion/internal/conf"
)

// The files that a configuration is read from.
const (
	TOMLFile  = "config.toml"
	PBTXTFile = "config.pbtxt"
)

// ReadTOML reads a config.toml; name stands for the file in messages. The error is a conf.Problems.
func ReadTOML(name string, src []byte) (Config, error) {
	c := Default() // what c holds is overwritten, but for what has no key
	c.Source = TOMLFile
	warnings, err := conf.Decode(name, src, &c)
	for _, w := range warnings {
		c.Warnings = append(c.Warnings, w.String())
	}
	return c, err
}
