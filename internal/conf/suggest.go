package conf

import "strings"

// Suggest returns the word of known that was probably meant by word, or "" if none is near: case and the choice of
// - or _ do not count; a beginning of at least three letters will do if it fits one word only; beyond that up to
// a third of the letters may be mistyped (one at least).
func Suggest(word string, known []string) string {
	plain := plainWord(word)
	best, bestDistance := "", max(1, len(plain)/3)+1
	begins := make([]string, 0, len(known))
	for _, k := range known {
		// A distance equal to the word's length shares nothing with it.
		if d := distance(plain, plainWord(k), bestDistance); d < bestDistance && d < len(plain) {
			best, bestDistance = k, d
		}
		if len(plain) >= 3 && strings.HasPrefix(plainWord(k), plain) {
			begins = append(begins, k)
		}
	}
	if len(begins) == 1 && bestDistance > 0 {
		return begins[0]
	}
	return best
}

func plainWord(s string) string {
	return strings.NewReplacer("_", "", "-", "").Replace(strings.ToLower(s))
}

// distance counts the insertions, deletions, substitutions and swaps of neighbours that turn a into b (optimal string
// alignment), or returns limit if it would be limit or more.
func distance(a, b string, limit int) int {
	if abs(len(a)-len(b)) >= limit {
		return limit
	}
	before, previous, current := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range previous {
		previous[j] = j
	}
	for i := 1; i <= len(a); i++ {
		current[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			current[j] = min(previous[j]+1, current[j-1]+1, previous[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				current[j] = min(current[j], before[j-2]+1)
			}
		}
		before, previous, current = previous, current, before
	}
	return min(previous[len(b)], limit)
}

func abs(n int) int { return max(n, -n) }
