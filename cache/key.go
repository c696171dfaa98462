package cache

import (
	"crypto/sha256"
	"encoding/binary"
)

// Key names an answer by everything that was asked: the SHA-256 of the fields it was made from. 256 bits, since a shorter
// hash lets somebody find two questions with the same key and read, or plant, the answer to another one's.
type Key [sha256.Size]byte

// NewKey hashes the fields. Their number, order and boundaries count: each goes in behind its length, so that no two
// lists of fields are the same stream of bytes. It keeps none of the fields and allocates nothing.
func NewKey(fields ...[]byte) Key {
	digest := sha256.New()
	var length [8]byte
	for _, field := range fields {
		binary.LittleEndian.PutUint64(length[:], uint64(len(field)))
		digest.Write(length[:])
		digest.Write(field)
	}
	var k Key
	digest.Sum(k[:0])
	return k
}

// place is where the store looks for the key. Two keys may share a place; the store compares them in full.
func (k *Key) place() uint64 { return binary.LittleEndian.Uint64(k[:]) }
