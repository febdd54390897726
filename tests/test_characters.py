"""What a terminal would act on is written out, and columns are counted as a terminal counts them."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firstlight.characters import columns_of, cut, filled, padded, unfilled, visible, visible_json, visible_lines
from firstlight.errors import DataError
from firstlight.tabular import Column, text_table
from firstlight.wording import shortlist

TEXTS = st.text(st.characters(codec=None), max_size=30)
BIDIRECTIONAL = ("LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI")  # UAX 9, explicit formatting


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(TEXTS)
def test_no_text_moves_the_cursor_or_turns_the_line_round(text: str) -> None:
    """No control, no bidirectional control, no line end and no half of a pair is left; nothing else changes."""
    shown = visible(text)
    assert not {"Cc", "Zl", "Zp", "Cs"} & set(map(unicodedata.category, shown))
    assert not set(BIDIRECTIONAL) & set(map(unicodedata.bidirectional, shown))
    assert not set("\u200e\u200f\u061c") & set(shown)
    shown.encode()
    assert visible_lines(text).replace("\n", "\\n").replace("\t", "\\t") == shown
    assert visible(shown) == shown


@pytest.mark.parametrize(
    "name", ["cat", "Käse", "猫", "हिन्दी", "\u0645\u06cc\u200c\u062e\u0648", "👩\u200d🔬", "a\\b", "naïve café"]
)
def test_names_of_any_language_stay(name: str) -> None:
    """Only what a terminal acts on is written out; words that need joiners keep them."""
    assert name == visible(name)


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(st.text(max_size=30), st.sampled_from(["utf-8", "ascii", "latin-1", "cp1252"]))
def test_json_is_the_same_document_in_every_encoding(text: str, encoding: str) -> None:
    """It can be encoded, holds nothing that a terminal acts on, and is read back as it was."""
    shown = visible_json(json.dumps({"name": text}, ensure_ascii=False, indent=2), encoding)
    assert {"name": text} == json.loads(shown.encode(encoding).decode(encoding))
    assert visible(shown.replace("\n", "")) == shown.replace("\n", "")


def test_a_half_of_a_pair_is_read_back_from_json() -> None:
    """Such as a file name that is not UTF-8 holds."""
    assert ["a\udc80"] == json.loads(visible_json(json.dumps(["a\udc80"], ensure_ascii=False)))


@pytest.mark.parametrize(("text", "columns"), [("cat", 3), ("猫", 2), ("ｶ", 1), ("é", 1), ("e\u0301", 1), ("한글", 4)])
def test_wide_characters_take_two_columns(text: str, columns: int) -> None:
    """As UAX 11 has it; combining ones take none."""
    assert columns == columns_of(text) and 9 == columns_of(padded(text, 9)) == columns_of(padded(text, 9, right=True))
    assert text == unfilled(filled(text))


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(st.text(max_size=20), st.integers(0, 12))
def test_a_cut_text_fits(text: str, most: int) -> None:
    """It is the longest beginning that does."""
    shown = cut(text, most)
    assert text.startswith(shown) and columns_of(shown) <= most
    assert shown == text or columns_of(text[: len(shown) + 1]) > most


def test_columns_of_a_table_are_aligned_whatever_the_names_are() -> None:
    """Escaped names and wide ones push nothing aside."""
    names = ["cat", "猫猫", "a\x1b[2J", "b\nfirstlight: all is well"]
    lines = text_table([Column("class"), Column("n", right=True)], [(name, "7") for name in names])
    assert 1 == len(set(map(columns_of, lines)))
    assert visible("".join(lines)) == "".join(lines)


def test_an_error_is_one_line_without_controls() -> None:
    """Whatever was passed."""
    text = str(DataError("cat\x1b]0;title\x07\nfirstlight: done does not exist; pass a folder."))
    assert "\n" not in text and "\x1b" not in text and "\\x1b]0;title\\x07" in text
    assert "cat\\x1b[1m and dog" == shortlist(["cat\x1b[1m", "dog"])
