package certs

import (
	"crypto/tls"
	"net/netip"
	"strings"
	"time"

	"ganglion/internal/conf"
)

// ServerConfig is a table that has a listener speak TLS.
type ServerConfig struct {
	Cert string `toml:"cert"` // path of the certificate in PEM, with those between it and the authority behind it
	Key  string `toml:"key"`  // path of its key in PEM

	// ClientCA is the path of the authorities whose certificates clients have to show. "" asks for none.
	ClientCA string `toml:"client_ca"`

	MinVersion string `toml:"min_version"` // "1.2" or "1.3"
}

// ClientConfig is a table that has connections to others use TLS.
type ClientConfig struct {
	Enabled bool `toml:"enabled"` // true wherever the table is

	CA   string `toml:"ca"`   // path of the authorities that others' certificates may come from; "" = the system's
	Cert string `toml:"cert"` // path of the certificate that is shown to those who ask; "" = none
	Key  string `toml:"key"`  // path of its key

	// ServerName is what certificates of others have to name, for those that do not name the address.
	ServerName string `toml:"server_name"`

	MinVersion string `toml:"min_version"` // "1.2" or "1.3"
}

// SetDefaults implements conf.Defaulter.
func (c *ServerConfig) SetDefaults() {
	// Everything that still gets updates has spoken it since 2020.
	c.MinVersion = "1.3"
}

// SetDefaults implements conf.Defaulter.
func (c *ClientConfig) SetDefaults() {
	c.Enabled = true
	c.MinVersion = "1.3" // as for servers
}

func (c *ServerConfig) files() files { return files{cert: c.Cert, key: c.Key, ca: c.ClientCA} }

func (c *ClientConfig) files() files { return files{cert: c.Cert, key: c.Key, ca: c.CA} }

// Check reports everything that is wrong with the table, what the files hold included.
func (c *ServerConfig) Check(r *conf.Report) {
	checkVersion(r, c.MinVersion)
	if c.Cert == "" {
		r.Errorf("cert", "is missing: a server needs a certificate, as the path of a PEM file")
	}
	if c.Key == "" {
		r.Errorf("key", "is missing: a server needs the key of its certificate, as the path of a PEM file")
	}
	f := c.files()
	if f.cert == "" || f.key == "" {
		f.cert, f.key = "", ""
	}
	f.check(r, "client_ca")
}

// Check reports everything that is wrong with the table, what the files hold included, unless it is not enabled.
func (c *ClientConfig) Check(r *conf.Report) {
	checkVersion(r, c.MinVersion)
	if strings.ContainsAny(c.ServerName, ":/ ") {
		if _, err := netip.ParseAddr(c.ServerName); err != nil {
			r.Errorf("server_name", "%q is no name: accepts a host name or an IP address, without a port", c.ServerName)
		}
	}
	f := c.files()
	switch {
	case f.cert != "" && f.key == "":
		r.Errorf("cert", "has no key: set key to the path of the certificate's key")
		f.cert = ""
	case f.cert == "" && f.key != "":
		r.Errorf("key", "has no certificate: set cert to the path of the key's certificate")
		f.key = ""
	}
	if c.Enabled {
		f.check(r, "ca")
	}
}

// check reports what is wrong with the files; caKey is how the table calls the authorities.
func (f files) check(r *conf.Report, caKey string) {
	m, faults := f.load()
	for _, fault := range faults {
		key := caKey
		switch fault.Role {
		case Cert:
			key = "cert"
		case Key:
			key = "key"
		}
		r.Errorf(key, "%v", fault)
	}
	if doubt := m.doubt(time.Now()); doubt != "" {
		r.Warnf("cert", "%s", doubt)
	}
}

func checkVersion(r *conf.Report, version string) {
	if _, ok := versionOf(version); !ok {
		r.Errorf("min_version", "%q is not known: accepts \"1.2\" and \"1.3\"", version)
	}
}

// versionOf gives crypto/tls' number of a version. What is older than 1.2 has been broken for years.
func versionOf(name string) (uint16, bool) {
	switch name {
	case "1.2":
		return tls.VersionTLS12, true
	case "1.3":
		return tls.VersionTLS13, true
	}
	return 0, false
}
