package cache

// Key names an answer.
type Key [32]byte

// NewKey makes a key.
func NewKey(fields ...[]byte) Key { return Key{} }
