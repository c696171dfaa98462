// Package modelconf reads what a model repository says about how to serve a model: config.toml, Triton's config.pbtxt, or
// the JSON form of the latter that a load request may carry.
//
// It owns the way from those bytes to one Config, the same whatever it was read from, and refuses what it does not
// understand or the node does not do: an unknown field, a value out of range and a feature that would change answers are
// problems with file and line. What is harmless to leave out is a warning. It opens no model: whether a Config fits one is
// for package backend to say, which has the model.
//
// Nothing here is shared between calls; a Config is only read once it has been returned.
package modelconf
