"""JSON from outside: what strict JSON says, or one ValueError."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstlight.parsing import parsed


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[" * 100_000, "[" * 500 + "]" * 500, '{"a":' * 100 + "1" + "}" * 100),
        *("NaN", "[Infinity]", "-Infinity", "1e400", "9" * 5000, str(2**64), str(-(2**63) - 1)),
        *(b"\xff", b"\xff\xfe[\x00", '"\\ud800"', '{"\\udfff": 1}', '["\\udc7f"]'),
    ],
)
def test_what_would_surprise_later_is_refused(text: str | bytes) -> None:
    """Depth, size of numbers and halves of pairs are bounded where the text is read."""
    with pytest.raises(ValueError):
        parsed(text)


def test_names_of_files_that_are_no_text_pass() -> None:
    """A byte that is not UTF-8 stands in a name as one half of a pair, which can be written again."""
    assert "caf\udce9" == parsed(json.dumps("caf\udce9"))


NUMBERS = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
LEAVES = st.none() | st.booleans() | NUMBERS | st.text()


@given(st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=10))
def test_everything_else_is_what_the_standard_library_reads(value: object) -> None:
    """What can be written is read as it was."""
    assert value == parsed(json.dumps(value))
