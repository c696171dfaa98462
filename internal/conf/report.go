package conf

import "fmt"

// Report collects what a [Checker] finds. It stands at one place of the file; [Report.At] moves to a part of it.
type Report struct {
	findings *findings
	path     string
}

// At is the report for what lies under key: a key of the current table ("breaker"), a dotted path of keys, or an array
// element ("nodes[2]"). A name from the file, such as that of a route, goes through [Quote] first, since it may hold dots.
func (r *Report) At(key string) *Report {
	return &Report{findings: r.findings, path: join(r.path, key)}
}

// Errorf reports an error of key, relative to where the report stands; "" means the place itself. A key that is not in
// the file is reported at the line of its table. Nothing is reported where the file's own value could not be bound: its
// problem is known already.
func (r *Report) Errorf(key, format string, args ...any) {
	path := join(r.path, key)
	if !r.findings.muted(path) {
		r.findings.problems = append(r.findings.problems, r.findings.problem(path, fmt.Sprintf(format, args...), ""))
	}
}

// Warnf is Errorf for what should be said but does not keep the configuration from being used.
func (r *Report) Warnf(key, format string, args ...any) {
	path := join(r.path, key)
	if !r.findings.muted(path) {
		r.findings.warnings = append(r.findings.warnings, r.findings.problem(path, fmt.Sprintf(format, args...), ""))
	}
}

// Line is where key stands in the file, or the nearest thing around it; 0 if not even that. It may be called after Check.
func (r *Report) Line(key string) int { return r.findings.where.line(join(r.path, key)) }
