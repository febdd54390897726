"""Arrow arrays made by their buffers are those that pyarrow itself makes, and come back as they went in."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from firstlight.arrow import booleans, dictionary, numbers, strings, to_numpy


@given(st.lists(st.none() | st.text(max_size=9), max_size=40))
def test_strings_are_pyarrows(values: list[str | None]) -> None:
    """Of any letters, empty ones and nulls too."""
    made = strings(values)
    made.validate(full=True)
    assert pa.array(values, pa.string()).equals(made)


@given(st.lists(st.booleans(), max_size=40))
def test_booleans_are_pyarrows(values: list[bool]) -> None:
    """Of any length, whole bytes or not."""
    assert pa.array(values, pa.bool_()).equals(booleans(np.array(values, bool)))


@given(values=st.lists(st.tuples(st.integers(-100, 100), st.booleans()), max_size=40))
def test_numbers_are_pyarrows(values: list[tuple[int, bool]]) -> None:
    """With nulls where they are said to be."""
    valid = np.array([one for _, one in values], bool)
    for kind in ("int8", "int32", "int64", "float64"):
        given_values = np.array([value for value, _ in values], kind)
        expected = pa.array(given_values, mask=~valid) if len(values) else pa.array([], pa.from_numpy_dtype(kind))
        assert expected.equals(numbers(given_values, valid)), kind


@given(st.lists(st.integers(-1, 3), max_size=40))
def test_dictionaries_are_pyarrows(codes: list[int]) -> None:
    """A negative code is null."""
    names = ["a", "ü", "", "d"]
    assert [None if code < 0 else names[code] for code in codes] == dictionary(
        np.array(codes, np.int32), names
    ).to_pylist()


@given(st.lists(st.lists(st.none() | st.integers(0, 9), max_size=9), max_size=5), st.integers(0, 9), st.integers(0, 30))
def test_numbers_come_back_from_chunks_and_slices(chunks: list[list[int | None]], start: int, length: int) -> None:
    """Null becomes -1, wherever a slice begins and ends."""
    column = pa.chunked_array([pa.array(chunk, pa.int32()) for chunk in chunks], pa.int32()).slice(start, length)
    assert [-1 if value is None else value for value in column.to_pylist()] == to_numpy(column).tolist()


@given(st.lists(st.booleans(), max_size=40), st.integers(0, 20))
def test_truth_values_come_back_from_slices(values: list[bool], start: int) -> None:
    """Bits are counted from the slice's own beginning."""
    assert values[start:] == to_numpy(pa.array(values, pa.bool_()).slice(start)).tolist()
