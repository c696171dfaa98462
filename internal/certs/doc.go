// Package certs is TLS as the programs configure it: certificates come from files, and from the same files again once they
// have changed, without a restart.
//
// It owns reading the files, saying which of them is at fault, and the settings that follow: TLS 1.3 unless the configuration
// says 1.2, certificates of clients demanded wherever authorities for them are named. It refuses to switch off the check of
// who is at the other end: a server with a certificate of its own making is trusted by naming that certificate as its
// authority. Sockets and protocols belong to its callers.
//
// Concurrency: Server and Client are safe for concurrent use and start nothing; files are looked at when somebody connects.
package certs
