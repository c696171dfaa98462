package modelconf

import "reflect"

// ServesAs reports whether a version that was loaded under c is what it would be under d: whether they agree in everything
// but which versions there are, what those are called, and how the configuration was written.
func (c *Config) ServesAs(d *Config) bool {
	return reflect.DeepEqual(c.essence(), d.essence())
}

func (c *Config) essence() Config {
	e := *c
	e.Versions, e.Aliases = Versions{}, nil
	e.Source, e.Warnings, e.line = "", nil, nil
	return e
}
