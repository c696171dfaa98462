package oip

import (
	"math"
	"strconv"
)

// Parameters are the extra members a request or response carries, in the order they came.
type Parameters []Parameter

// Parameter is one named value.
type Parameter struct {
	Name  string
	Value Value
}

// Lookup returns the value of the parameter called name.
func (p Parameters) Lookup(name string) (Value, bool) {
	for i := range p {
		if p[i].Name == name {
			return p[i].Value, true
		}
	}
	return Value{}, false
}

// ValueKind says which of its forms a Value has.
type ValueKind uint8

// The kinds of parameter values. JSON integers are IntValue when int64 holds them, UintValue above that.
const (
	NoValue ValueKind = iota
	StringValue
	BoolValue
	IntValue
	UintValue
	FloatValue
)

// Value is a parameter's value: a string, a boolean or a number. The zero value is none of them.
type Value struct {
	kind ValueKind
	text string
	bits uint64
}

// String returns a string value.
func String(s string) Value { return Value{kind: StringValue, text: s} }

// Boolean returns a boolean value.
func Boolean(b bool) Value {
	v := Value{kind: BoolValue}
	if b {
		v.bits = 1
	}
	return v
}

// Integer returns an integer value.
func Integer(i int64) Value { return Value{kind: IntValue, bits: uint64(i)} }

// Unsigned returns an integer value; one that int64 holds is the same value as Integer of it.
func Unsigned(u uint64) Value {
	if u <= math.MaxInt64 {
		return Integer(int64(u))
	}
	return Value{kind: UintValue, bits: u}
}

// Float returns a floating point value.
func Float(f float64) Value { return Value{kind: FloatValue, bits: math.Float64bits(f)} }

// Kind returns which form the value has.
func (v Value) Kind() ValueKind { return v.kind }

// Text returns the string; ok is false for other kinds.
func (v Value) Text() (s string, ok bool) { return v.text, v.kind == StringValue }

// Bool returns the boolean; ok is false for other kinds.
func (v Value) Bool() (b, ok bool) { return v.bits != 0, v.kind == BoolValue }

// Int returns the integer; ok is false for other kinds and beyond int64.
func (v Value) Int() (i int64, ok bool) { return int64(v.bits), v.kind == IntValue }

// Uint returns the integer; ok is false for other kinds and below zero.
func (v Value) Uint() (u uint64, ok bool) {
	return v.bits, v.kind == UintValue || v.kind == IntValue && int64(v.bits) >= 0
}

// Float returns the number, integers included (rounded to float64); ok is false for strings and booleans.
func (v Value) Float() (f float64, ok bool) {
	switch v.kind {
	case FloatValue:
		return math.Float64frombits(v.bits), true
	case IntValue:
		return float64(int64(v.bits)), true
	case UintValue:
		return float64(v.bits), true
	default:
		return 0, false
	}
}

// String renders the value for messages.
func (v Value) String() string {
	switch v.kind {
	case StringValue:
		return quoted(v.text)
	case BoolValue:
		return strconv.FormatBool(v.bits != 0)
	case IntValue:
		return strconv.FormatInt(int64(v.bits), 10)
	case UintValue:
		return strconv.FormatUint(v.bits, 10)
	case FloatValue:
		return strconv.FormatFloat(math.Float64frombits(v.bits), 'g', -1, 64)
	default:
		return "nothing"
	}
}
