package conf

import (
	"fmt"
	"os"
	"strings"
)

// expand replaces ${NAME} and ${NAME:-default} in s from the environment, and $${ by ${. expanded says whether there
// was a variable. As in a shell, the default of :- also stands for a variable that is set but empty.
func expand(s string) (out string, expanded bool, err error) {
	if !strings.Contains(s, "${") {
		return s, false, nil
	}
	var b strings.Builder
	for {
		i := strings.Index(s, "${")
		if i < 0 {
			b.WriteString(s)
			return b.String(), expanded, nil
		}
		if i > 0 && s[i-1] == '$' {
			b.WriteString(s[:i-1] + "${")
			s = s[i+2:]
			continue
		}
		b.WriteString(s[:i])
		expr, rest, closed := strings.Cut(s[i+2:], "}")
		if !closed {
			return "", true, fmt.Errorf("${ is not closed by }; a plain ${ is written $${")
		}
		value, err := variable(expr)
		if err != nil {
			return "", true, err
		}
		b.WriteString(value)
		s, expanded = rest, true
	}
}

// variable is the value of NAME or NAME:-default.
func variable(expr string) (string, error) {
	name, fallback, optional := strings.Cut(expr, ":-")
	if !variableName(name) {
		return "", fmt.Errorf("${%s} is not ${NAME} or ${NAME:-default}; a plain ${ is written $${", expr)
	}
	value, set := os.LookupEnv(name)
	switch {
	case optional && value == "":
		return fallback, nil
	case !set:
		return "", fmt.Errorf("environment variable %s is not set; set it or write ${%s:-default}", name, name)
	}
	return value, nil
}

func variableName(s string) bool {
	for i := range len(s) {
		if c := s[i]; c == '-' || !bareKeyByte(c) || i == 0 && '0' <= c && c <= '9' {
			return false
		}
	}
	return s != ""
}
