package certs

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"
)

// Role is what a file is for.
type Role int

// The files of one side.
const (
	Cert Role = iota // its certificate, and those between it and the authority
	Key              // its private key
	CA               // the authorities whose certificates it accepts of the other side
)

// FileError says what is wrong with one file.
type FileError struct {
	Role Role
	Err  error
}

// Error implements error.
func (e *FileError) Error() string { return e.Err.Error() }

// Unwrap gives the cause.
func (e *FileError) Unwrap() error { return e.Err }

// files are the paths of one side; "" = none. cert and key come together.
type files struct{ cert, key, ca string }

// material is what the files hold.
type material struct {
	pair  *tls.Certificate // nil = no certificate to show
	roots *x509.CertPool   // nil = none named
}

// load reads the files, and finds everything that is wrong with them.
func (f files) load() (m material, faults []*FileError) {
	if f.cert != "" || f.key != "" {
		var fault *FileError
		if m.pair, fault = loadPair(f.cert, f.key); fault != nil {
			faults = append(faults, fault)
		}
	}
	if f.ca != "" {
		var fault *FileError
		if m.roots, fault = loadRoots(f.ca); fault != nil {
			faults = append(faults, fault)
		}
	}
	return m, faults
}

func loadPair(certPath, keyPath string) (*tls.Certificate, *FileError) {
	certPEM, fault := readFile(Cert, certPath)
	if fault != nil {
		return nil, fault
	}
	if _, err := parseCertificates(certPath, certPEM); err != nil {
		return nil, &FileError{Cert, err}
	}
	keyPEM, fault := readFile(Key, keyPath)
	if fault != nil {
		return nil, fault
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	switch {
	case err == nil:
		return &pair, nil
	case strings.Contains(err.Error(), "does not match"): // crypto/tls has no error to compare with
		return nil, &FileError{Key, fmt.Errorf("key %q does not belong to the certificate %q", keyPath, certPath)}
	}
	return nil, &FileError{Key, fmt.Errorf("%q holds no key that can be used: want a PEM block \"PRIVATE KEY\" without a passphrase", keyPath)}
}

func loadRoots(path string) (*x509.CertPool, *FileError) {
	text, fault := readFile(CA, path)
	if fault != nil {
		return nil, fault
	}
	certificates, err := parseCertificates(path, text)
	if err != nil {
		return nil, &FileError{CA, err}
	}
	pool := x509.NewCertPool()
	for _, c := range certificates {
		pool.AddCert(c)
	}
	return pool, nil
}

// parseCertificates wants at least one, and every one to be sound: a bundle that was cut short is not half a bundle.
func parseCertificates(path string, text []byte) (all []*x509.Certificate, err error) {
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d in %q cannot be read: %w", len(all)+1, path, err)
		}
		all = append(all, c)
	}
	if len(all) == 0 || bytes.Contains(text, []byte("-----BEGIN CERTIFICATE")) {
		return nil, fmt.Errorf("%q holds no certificate, or half of one: want PEM blocks \"CERTIFICATE\"", path)
	}
	return all, nil
}

func readFile(role Role, path string) ([]byte, *FileError) {
	text, err := os.ReadFile(path)
	if err == nil {
		return text, nil
	}
	if at, ok := errors.AsType[*fs.PathError](err); ok {
		err = at.Err // we name the path ourselves
	}
	return nil, &FileError{role, fmt.Errorf("cannot read %q: %w", path, err)}
}

// doubt says why the other side will not accept the certificate although it is sound; "" = no reason is known.
func (m material) doubt(now time.Time) string {
	if m.pair == nil {
		return ""
	}
	switch leaf := m.pair.Leaf; {
	case now.After(leaf.NotAfter):
		return "the certificate expired at " + leaf.NotAfter.UTC().Format(time.RFC3339)
	case now.Before(leaf.NotBefore):
		return "the certificate is not valid before " + leaf.NotBefore.UTC().Format(time.RFC3339)
	}
	return ""
}
