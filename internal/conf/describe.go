package conf

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// found says what stands in the file.
func found(value any) string {
	switch v := value.(type) {
	case string:
		return "the string " + clip(v)
	case int64:
		return fmt.Sprintf("the number %d", v)
	case float64:
		return fmt.Sprintf("the number %v", v)
	case bool:
		return strconv.FormatBool(v)
	case map[string]any:
		return "a table"
	case []map[string]any:
		return "an array of tables"
	case []any:
		return "an array"
	}
	return "a date or time"
}

// clip quotes s, cut to what a message can hold.
func clip(s string) string {
	const most = 60
	if len(s) > most {
		return strconv.Quote(strings.ToValidUTF8(s[:most], "")) + "…"
	}
	return strconv.Quote(s)
}

// accepted says what a field of type t takes.
func accepted(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[time.Duration]():
		return `a duration with its unit, such as "30s" or "250ms"`
	case reflect.TypeFor[Size]():
		return sizeForms
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "a string"
	case reflect.Float32, reflect.Float64:
		return "a finite number"
	case reflect.Struct, reflect.Pointer, reflect.Map:
		return "a table"
	case reflect.Slice:
		return "an array, each element " + accepted(t.Elem())
	case reflect.Int, reflect.Int64:
		return "a whole number"
	case reflect.Uint, reflect.Uint64:
		return "a whole number from 0"
	case reflect.Uint8, reflect.Uint16, reflect.Uint32:
		return fmt.Sprintf("a whole number from 0 to %d", uint64(1)<<t.Bits()-1)
	}
	return fmt.Sprintf("a whole number from %d to %d", -int64(1)<<(t.Bits()-1), int64(1)<<(t.Bits()-1)-1)
}

// mismatchHint guesses what value was meant to be, "" if nothing comes to mind.
func mismatchHint(path string, t reflect.Type, value any) string {
	switch v := value.(type) {
	case string:
		if scalar, ok := literal(v); ok && sameSort(t, scalar) {
			return "write " + v + " without quotes"
		}
	case int64, float64:
		switch {
		case t == reflect.TypeFor[time.Duration]():
			return durationHint(fmt.Sprint(v))
		case t.Kind() == reflect.String:
			return fmt.Sprintf(`write "%v" in quotes`, v)
		}
	case bool:
		if t.Kind() == reflect.String {
			return fmt.Sprintf(`write "%t" in quotes`, v)
		}
	case map[string]any:
		if t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct {
			return "write [[" + path + "]] for each element"
		}
		return ""
	}
	if _, isArray := elementsOf(value); t.Kind() == reflect.Slice && !isArray {
		return "write it in [ ], even when there is one"
	}
	return ""
}

// sameSort reports whether a scalar that stood in quotes would have been accepted without.
func sameSort(t reflect.Type, scalar any) bool {
	switch scalar.(type) {
	case bool:
		return t.Kind() == reflect.Bool
	case int64:
		return t.Kind() != reflect.Bool && t.ConvertibleTo(reflect.TypeFor[float64]())
	}
	return t.Kind() == reflect.Float32 || t.Kind() == reflect.Float64
}

// durationHint completes a bare number, which most often counts seconds.
func durationHint(text string) string {
	if _, err := strconv.ParseFloat(text, 64); err != nil {
		return ""
	}
	return fmt.Sprintf("did you mean %q?", text+"s")
}

func isRange(err error) bool { return errors.Is(err, strconv.ErrRange) }
