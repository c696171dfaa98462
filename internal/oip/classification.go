package oip

import "math"

// classCount reads the value of the parameter "classification".
func classCount(v Value) (int, error) {
	n, ok := v.Int()
	if !ok || n <= 0 || n > math.MaxInt32 {
		return 0, invalid("parameter %q is %s, expected a whole number from 1", classificationName, v)
	}
	return int(n), nil
}
