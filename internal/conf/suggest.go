package conf

// Suggest returns the word of known that was probably meant by word, or "" if none is near.
func Suggest(word string, known []string) string { return "" }

// Quote returns key as it is written in a TOML path: bare if it can be, in double quotes otherwise.
func Quote(key string) string { return key }
