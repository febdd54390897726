"""Sealed JSON: what goes in comes out, and every change of a value is noticed."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstlight.errors import RunError
from firstlight.runs.seal import plain, seal, unseal

WHERE = Path("some") / "file.json"
NUMBERS = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
LEAVES = st.none() | st.booleans() | NUMBERS | st.text()
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


@pytest.mark.slow
@given(VALUES)
def test_what_is_sealed_comes_back_equal(value: object) -> None:
    """Any value that JSON knows comes back as it went in, numbers to the last bit."""
    assert {"value": value} == unseal("thing", seal("thing", {"value": value}), WHERE)


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_changed_byte_is_noticed_or_changes_nothing(place: int, bits: int) -> None:
    """A flipped byte anywhere is refused, unless it leaves the very same values."""
    content = {
        "accuracy": 0.9514229636898921,
        "classes": ["3", "ß"],
        "n": 2038,
        "nested": {"a": [1, None, True]},
    }
    data = bytearray(seal("thing", content))
    data[place % len(data)] ^= bits
    try:
        assert content == unseal("thing", bytes(data), WHERE)
    except RunError as error:
        assert str(WHERE) in str(error)


def test_indenting_a_document_anew_keeps_it_whole() -> None:
    """The digest is of the values, so other spaces and line ends do no harm."""
    content = {"b": [1.5, 2], "a": "x"}
    other = json.dumps(json.loads(seal("thing", content)), indent=8, sort_keys=True).replace("\n", "\r\n")
    assert content == unseal("thing", other.encode(), WHERE)


def test_numpy_values_paths_and_infinities_become_plain() -> None:
    """NumPy's values become Python's, and numbers that JSON has no word for become None."""
    value = {
        "a": np.float32(0.5),
        "b": np.array([[1, 2]], np.uint8),
        "c": (math.nan, -math.inf, np.float64("nan")),
        "d": Path("x"),
        "e": np.bool_(True),
    }
    expected = {"a": 0.5, "b": [[1, 2]], "c": [None, None, None], "d": "x", "e": True}
    assert expected == plain(value)
    assert "NaN" not in seal("thing", value).decode()


@pytest.mark.parametrize("value", [{1: "a"}, {"a": object()}, {"a": {1, 2}}, b"bytes"])
def test_what_has_no_plain_form_is_refused(value: object) -> None:
    """A set, an object or a key that is no text is a mistake of the caller's."""
    with pytest.raises(TypeError):
        plain(value)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "not a complete JSON document"),
        (b'{"format": "firstlight thing 2", "a', "not a complete JSON document"),
        (b"\xff\xfe\x00", "not a complete JSON document"),
        (b"[" * 100_000, "not a complete JSON document"),
        (b'{"format": "firstlight thing 2", "a": NaN}', "not a complete JSON document"),
        (b'{"format": "firstlight thing 2", "a": 1e999}', "not a complete JSON document"),
        (b"[1, 2]", "not of the form 'firstlight thing 2'"),
        (b"null", "not of the form 'firstlight thing 2'"),
        (b'{"format": 1}', "not of the form 'firstlight thing 2'"),
        (b'{"format": "firstlight thing 3"}', "another version"),
        (b'{"format": "firstlight thing 1"}', "another version"),
        (b'{"format": "else"}', "says 'else'"),
        (b'{"format": "firstlight thing 2"}', "was changed"),
        (b'{"format": "firstlight thing 2", "blake2b": [], "a": 1}', "was changed"),
    ],
)
def test_what_is_no_sealed_document_is_reported_in_one_sentence(data: bytes, said: str) -> None:
    """Each kind of damage has its sentence, which names the file and the mend."""
    with pytest.raises(RunError) as caught:
        unseal("thing", data, WHERE)
    text = str(caught.value)
    assert said in text
    assert text.startswith(str(WHERE))
    assert text.endswith(".")
    assert "\n" not in text


def test_a_document_of_another_kind_is_refused() -> None:
    """A model's description does not pass as a run's, even though it is whole."""
    with pytest.raises(RunError, match="not of the form"):
        unseal("run", seal("model", {"a": 1}), WHERE)
