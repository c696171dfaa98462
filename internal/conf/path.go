package conf

import "strconv"

// Quote returns key as it stands in a path: bare if TOML allows it, in double quotes otherwise.
func Quote(key string) string {
	for i := range len(key) {
		if !bareKeyByte(key[i]) {
			return strconv.Quote(key)
		}
	}
	if key == "" {
		return `""`
	}
	return key
}

func bareKeyByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-'
}

// join appends key, already quoted if it needs to be, to path.
func join(path, key string) string {
	switch {
	case path == "":
		return key
	case key == "":
		return path
	}
	return path + "." + key
}

// element is the path of element i of the array at path.
func element(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

// ParentPath cuts the last key or array index off a path, whose quoted keys may hold any character.
func ParentPath(path string) string {
	cut, quoted := 0, false
	for i := 0; i < len(path); i++ {
		switch c := path[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case !quoted && (c == '.' || c == '['):
			cut = i
		}
	}
	return path[:cut]
}
