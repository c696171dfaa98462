package backend

import (
	"slices"
	"strconv"

	"ganglion/backend/modelconf"
)

// defaultLatest is how many versions are served of a model that says nothing about it: the newest, as Triton has it.
const defaultLatest = 1

// mostFallbacks is how many versions that cannot be loaded are each made up for by the next lower one. After a few there is
// something wrong that one more attempt, which may take minutes, would not get past.
const mostFallbacks = 3

// selection goes through the versions of a model, the highest first, and says which of them to serve: those of the policy,
// and those that have an alias.
type selection struct {
	policy  modelconf.Versions
	aliases map[string]string
	tried   int // of the latest
	failed  int // of these
}

func newSelection(c *modelConfig) *selection {
	s := &selection{policy: c.Versions, aliases: c.Aliases}
	if !s.policy.All && len(s.policy.Only) == 0 && s.policy.Latest == 0 {
		s.policy.Latest = defaultLatest
	}
	return s
}

// candidates are the versions to go through, highest first: those that are there, and those that are asked for by number,
// so that it is said that they are missing.
func (s *selection) candidates(there []string) []string {
	numbers := slices.Clone(there)
	for _, number := range s.policy.Only {
		numbers = append(numbers, strconv.FormatInt(number, 10))
	}
	for _, number := range s.aliases {
		numbers = append(numbers, number)
	}
	slices.SortFunc(numbers, func(a, b string) int { return compareVersions(b, a) })
	return slices.Compact(numbers)
}

// wants reports whether to serve the next candidate. The caller reports with fail that it cannot.
func (s *selection) wants(number string) bool {
	switch {
	case s.policy.All:
		return true
	case len(s.policy.Only) > 0:
		n, err := strconv.ParseInt(number, 10, 64)
		return err == nil && slices.Contains(s.policy.Only, n) || s.named(number)
	case s.tried < s.policy.Latest+min(s.failed, mostFallbacks):
		s.tried++
		return true
	default:
		return s.named(number)
	}
}

// fail says that the candidate that was wanted last cannot be served.
func (s *selection) fail() { s.failed++ }

// named reports whether an alias stands for a version.
func (s *selection) named(number string) bool {
	for _, target := range s.aliases {
		if target == number {
			return true
		}
	}
	return false
}
