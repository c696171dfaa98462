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
	there   []string
	chosen  bool // the last one that was wanted is the policy's choice, and not only an alias's
	tried   int  // of the policy's choices
	failed  int  // of these
}

// newSelection makes the selection among the versions that are there.
func newSelection(c *modelConfig, there []string) *selection {
	s := &selection{policy: c.Versions, aliases: c.Aliases, there: there}
	if !s.policy.All && len(s.policy.Only) == 0 && s.policy.Latest == 0 {
		s.policy.Latest = defaultLatest
	}
	return s
}

// candidates are the versions to go through, highest first: those that are there, and those that are asked for by number,
// so that it is said that they are missing.
func (s *selection) candidates() []string {
	numbers := slices.Clone(s.there)
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
	s.chosen = s.chooses(number)
	if s.chosen {
		s.tried++
	}
	return s.chosen || s.named(number)
}

// chooses reports whether a version is one that the policy asks for.
func (s *selection) chooses(number string) bool {
	switch {
	case len(s.policy.Only) > 0:
		n, err := strconv.ParseInt(number, 10, 64)
		return err == nil && slices.Contains(s.policy.Only, n)
	case !slices.Contains(s.there, number):
		return false
	default:
		return s.policy.All || s.tried < s.policy.Latest+min(s.failed, mostFallbacks)
	}
}

// fail says that the candidate that was wanted last cannot be served.
func (s *selection) fail() {
	if s.chosen {
		s.failed++
	}
}

// named reports whether an alias stands for a version.
func (s *selection) named(number string) bool {
	for _, target := range s.aliases {
		if target == number {
			return true
		}
	}
	return false
}
