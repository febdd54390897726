"""Arrow arrays from NumPy arrays and strings and back, by their buffers, without waking pandas."""

# pyarrow.array() and pyarrow.scalar() import pandas wherever it is installed, which costs a fifth of a second and
# 60 MiB on the way to the first number; these do not.

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow as pa


def numbers(values: np.ndarray, valid: np.ndarray | None = None) -> pa.Array:
    """An Arrow array of integers or floats that shares the memory of a NumPy array.

    Args:
        values: (N,) of a numeric dtype.
        valid: (N,) bool, False where the value is null.

    Example:
        >>> numbers(np.array([1, 2]), np.array([True, False])).to_pylist()
        [1, None]
    """
    values = np.ascontiguousarray(values)
    bits = None if valid is None or valid.all() else pa.py_buffer(np.packbits(valid, bitorder="little"))
    return pa.Array.from_buffers(pa.from_numpy_dtype(values.dtype), len(values), [bits, pa.py_buffer(values)])


def booleans(values: np.ndarray) -> pa.BooleanArray:
    """An Arrow array of truth values, as `filter` takes it.

    Example:
        >>> booleans(np.array([True, False, True])).to_pylist()
        [True, False, True]
    """
    bits = np.packbits(np.asarray(values, bool), bitorder="little")
    return pa.Array.from_buffers(pa.bool_(), len(values), [None, pa.py_buffer(bits)])


def strings(values: Iterable[str | None]) -> pa.StringArray:
    """An Arrow array of strings; None is null.

    Example:
        >>> strings(["a", None, "ü"]).to_pylist()
        ['a', None, 'ü']
    """
    given = list(values)
    texts = [value or "" for value in given]
    data = "".join(texts).encode()
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))  # characters, which in ASCII are bytes
    if lengths.sum() < len(data):
        lengths = np.array([len(text.encode()) for text in texts])
    if len(data) > np.iinfo(np.int32).max:
        raise OverflowError("an Arrow string array holds at most 2 GiB; make several")
    offsets = np.zeros(len(texts) + 1, np.int32)
    np.cumsum(lengths, out=offsets[1:])
    bits = None if None not in given else booleans(np.array([value is not None for value in given])).buffers()[1]
    return pa.StringArray.from_buffers(len(texts), pa.py_buffer(offsets), pa.py_buffer(data), bits)


def dictionary(codes: np.ndarray, names: Iterable[str]) -> pa.DictionaryArray:
    """Integers that stand for names; a negative one is null.

    Example:
        >>> dictionary(np.array([1, -1, 0]), ["cat", "dog"]).to_pylist()
        ['dog', None, 'cat']
    """
    codes = np.asarray(codes)
    return pa.DictionaryArray.from_arrays(numbers(codes, codes >= 0), strings(names))


def to_numpy(column: pa.Array | pa.ChunkedArray, null: int = -1) -> np.ndarray:
    """The numbers or truth values of a column, with ``null`` where it has none; of a dictionary its codes.

    Example:
        >>> to_numpy(dictionary(np.array([1, -1, 0]), ["cat", "dog"])).tolist()
        [1, -1, 0]
    """
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    parts = [_values(chunk.indices if pa.types.is_dictionary(chunk.type) else chunk, null) for chunk in chunks]
    if not parts:
        kind = column.type.index_type if pa.types.is_dictionary(column.type) else column.type
        return np.zeros(0, kind.to_pandas_dtype())
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _values(chunk: pa.Array, null: int) -> np.ndarray:
    bits, data = chunk.buffers()
    dtype, start, end = np.dtype(chunk.type.to_pandas_dtype()), chunk.offset, chunk.offset + len(chunk)
    if start == end:
        return np.zeros(0, dtype)
    values = _bits(data, start, end) if dtype.kind == "b" else np.frombuffer(data, dtype, end)[start:]
    return np.where(_bits(bits, start, end), values, np.array(null, dtype)) if chunk.null_count else values


def _bits(buffer: pa.Buffer, start: int, end: int) -> np.ndarray:
    return np.unpackbits(np.frombuffer(buffer, np.uint8), count=end, bitorder="little")[start:].astype(bool)
