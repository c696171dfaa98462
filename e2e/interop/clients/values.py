"""Where the suite runs against, and tensors that bring every datatype to its edges."""

import os
import struct

import ml_dtypes
import numpy as np

HTTP = os.environ["TARGET_HTTP"]  # host:port
GRPC = os.environ["TARGET_GRPC"]

# Models named identity_<datatype>: input IN and output OUT, both [batch, n].
INTEGERS = {
    "UINT8": np.uint8, "UINT16": np.uint16, "UINT32": np.uint32, "UINT64": np.uint64,
    "INT8": np.int8, "INT16": np.int16, "INT32": np.int32, "INT64": np.int64,
}
FLOATS = {"FP32": np.float32, "FP64": np.float64}
BINARY_ONLY = {"FP16": np.float16, "BF16": ml_dtypes.bfloat16}  # no JSON form
DATATYPES = ["BOOL", *INTEGERS, *FLOATS, *BINARY_ONLY, "BYTES"]
JSON_DATATYPES = [d for d in DATATYPES if d not in BINARY_ONLY]


def edges(datatype):
    """Returns values of shape [2, n] whose bits are easily lost on the way. JSON can carry them all, NaN aside."""
    if datatype == "BOOL":
        row = np.array([True, False, True, True], dtype=bool)
    elif datatype in INTEGERS:
        i = np.iinfo(INTEGERS[datatype])
        row = np.array([i.min, i.max, 0, 1, i.max - 1, i.max // 3], dtype=INTEGERS[datatype])
    elif datatype in FLOATS:
        f = np.finfo(FLOATS[datatype])
        row = np.array([f.max, f.min, f.tiny, f.smallest_subnormal, -0.0, 1 / 3, 16777217, 0.1], dtype=FLOATS[datatype])
    elif datatype == "FP16":
        row = np.array([65504, 6e-8, -0.0, 1 / 3, np.inf, -np.inf], dtype=np.float16)
    elif datatype == "BF16":
        row = np.array([1 / 3, -0.0, 3.0e38, np.inf, -np.inf, 2**-126], dtype=ml_dtypes.bfloat16)
    else:
        words = ["", "plain", "Grüße, 世界", "\u0000 inside", 'quote " and \\', "\u2028"]
        row = np.array([w.encode() for w in words], dtype=object)
    return np.stack([row, row[::-1]])


def with_specials(datatype):
    """Returns edges(datatype), and for floating point numbers also what JSON cannot carry."""
    values = edges(datatype)
    if datatype in FLOATS:
        special = np.array([[np.nan, np.inf], [-np.inf, np.nan]], dtype=values.dtype)
        values = np.concatenate([values, special], axis=1)
    if datatype == "BYTES":
        arbitrary = np.array([[b"\xff\xfe\x00", b"\x80"], [b"", b"\x00"]], dtype=object)
        values = np.concatenate([values, arbitrary], axis=1)
    return values


def same_bits(a, b):
    """Compares shapes and bits: NaN equals NaN, and -0 differs from 0."""
    if a.shape != b.shape:
        return False
    if a.dtype == object or b.dtype == object:
        return [bytes_of(x) for x in a.flat] == [bytes_of(x) for x in b.flat]
    return a.dtype == b.dtype and a.tobytes() == b.tobytes()


def bytes_of(x):
    return x if isinstance(x, bytes) else str(x).encode()


def bytes_tensor(elements):
    """Returns BYTES elements as they lie on the wire."""
    return b"".join(struct.pack("<I", len(e)) + e for e in elements)
