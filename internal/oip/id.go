package oip

// CutID finds the top-level "id" member of a JSON object, so that a cache can key and store messages without it. id is
// the raw JSON string with its quotes, nil when there is none; json[start:end] is what to leave out to be rid of the
// member, its comma included. ok is false where the message must not be cached: it is no object, has several ids, or one
// that is no string. Of the rest only strings and nesting are looked at. It does not allocate.
func CutID(json []byte) (id []byte, start, end int, ok bool) {
	return nil, 0, 0, false
}
