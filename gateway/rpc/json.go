package rpc

import (
	"math"
	"slices"
	"strconv"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"ganglion/internal/oip"
	"ganglion/internal/oip/pb"
)

// AppendJSON appends m as REST has it: names as in the .proto file, 64-bit numbers as numbers, and numbers, flags and lists
// also where they have their default, since clients index them blindly. Protobuf's own JSON has numbers of 64 bits as
// strings, which clients of REST do not expect. Messages that are not set are left out, which says something of its own,
// except for durations in statistics, of which clients expect every one.
func AppendJSON(dst []byte, m proto.Message) []byte {
	return appendMessage(dst, m.ProtoReflect())
}

func appendMessage(dst []byte, m protoreflect.Message) []byte {
	dst = append(dst, '{')
	start := len(dst)
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		if f.HasPresence() && !m.Has(f) && !isDuration(f) {
			continue
		}
		if len(dst) > start {
			dst = append(dst, ',')
		}
		dst = append(oip.AppendJSONString(dst, string(f.Name())), ':')
		switch {
		case f.IsList():
			dst = appendList(dst, f, m.Get(f).List())
		case f.IsMap():
			dst = appendMap(dst, f, m.Get(f).Map())
		default:
			dst = appendValue(dst, f, m.Get(f))
		}
	}
	return append(dst, '}')
}

func isDuration(f protoreflect.FieldDescriptor) bool {
	return f.Message() != nil && f.Message().FullName() == (*pb.StatisticDuration)(nil).ProtoReflect().Descriptor().FullName()
}

func appendList(dst []byte, f protoreflect.FieldDescriptor, list protoreflect.List) []byte {
	dst = append(dst, '[')
	for i := range list.Len() {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendValue(dst, f, list.Get(i))
	}
	return append(dst, ']')
}

// appendMap writes the keys in order, so that the same message is the same JSON.
func appendMap(dst []byte, f protoreflect.FieldDescriptor, entries protoreflect.Map) []byte {
	keys := make([]string, 0, entries.Len())
	byName := make(map[string]protoreflect.Value, entries.Len())
	entries.Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
		keys = append(keys, k.String())
		byName[k.String()] = v
		return true
	})
	slices.Sort(keys)
	dst = append(dst, '{')
	for i, k := range keys {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendValue(append(oip.AppendJSONString(dst, k), ':'), f.MapValue(), byName[k])
	}
	return append(dst, '}')
}

func appendValue(dst []byte, f protoreflect.FieldDescriptor, v protoreflect.Value) []byte {
	switch f.Kind() {
	case protoreflect.MessageKind, protoreflect.GroupKind:
		return appendMessage(dst, v.Message())
	case protoreflect.BoolKind:
		return strconv.AppendBool(dst, v.Bool())
	case protoreflect.StringKind:
		return oip.AppendJSONString(dst, v.String())
	case protoreflect.BytesKind:
		return oip.AppendJSONString(dst, v.Bytes())
	case protoreflect.EnumKind:
		if value := f.Enum().Values().ByNumber(v.Enum()); value != nil {
			return oip.AppendJSONString(dst, string(value.Name()))
		}
		return strconv.AppendInt(dst, int64(v.Enum()), 10)
	case protoreflect.FloatKind, protoreflect.DoubleKind:
		if x := v.Float(); !math.IsNaN(x) && !math.IsInf(x, 0) {
			return strconv.AppendFloat(dst, x, 'g', -1, 64)
		}
		return append(dst, '0') // JSON has no other
	case protoreflect.Uint32Kind, protoreflect.Uint64Kind, protoreflect.Fixed32Kind, protoreflect.Fixed64Kind:
		return strconv.AppendUint(dst, v.Uint(), 10)
	default:
		return strconv.AppendInt(dst, v.Int(), 10)
	}
}
