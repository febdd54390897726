"""Names of lists found among the images: prefixes, slashes, letters, extensions; what is not certain is counted."""

from __future__ import annotations

import itertools
import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firstlight.arrow import strings
from firstlight.data.scanning.lists import LabelList
from firstlight.data.scanning.matching import Match, match


def matched(names: list[str], keys: list[str]) -> Match:
    """The match of one list whose labels are its names."""
    return match([LabelList("l.csv", strings(names), strings(names), strings([""] * len(names)))], strings(keys))


KEYS = ["pets/cat/1.png", "pets/cat/2.png", "pets/dog/1.png"]


@pytest.mark.parametrize(
    "write",
    [
        lambda key: f"/data/of/others/{key}",
        lambda key: f"./{key}",
        lambda key: f"data//{key}",
        lambda key: "C:\\Users\\me\\" + key.replace("/", "\\"),
        lambda key: "\\\\server\\share\\" + key.replace("/", "\\"),
        lambda key: f"file:///home/me/{key}",
        lambda key: f"../elsewhere/{key}",
        lambda key: key.removeprefix("pets/"),
        lambda key: key.removesuffix(".png"),
        lambda key: f"/x/{key.removesuffix('.png')}",
        lambda key: key.upper(),
        lambda key: f" {key} ",
        lambda key: f"/scans/{key.removesuffix('png')}dcm",
    ],
)
def test_base_names_that_repeat_are_found_by_the_longest_end(write: object) -> None:
    """Absolute, prefixed, shortened and Windows paths mean the key with which they share most of their end."""
    assert callable(write)
    assert [0, 1, 2] == matched([write(key) for key in KEYS], KEYS).rows.tolist()


def by_hand(names: list[str], keys: list[str]) -> list[int]:
    """The key of each name by comparing every pair, from the definition; -1 where none or several fit best."""

    def shared(one: str, other: str) -> int:
        pairs = zip(reversed(one.split("/")), reversed(other.split("/")), strict=False)
        return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))

    found = []
    for name in names:
        most = max(shared(name, key) for key in keys)
        best = [at for at, key in enumerate(keys) if shared(name, key) == most]
        rivals = {other for other in names if shared(name, other) >= most}
        found.append(best[0] if most and len(best) == 1 and rivals == {name} else -1)
    return found


PATHS = st.lists(st.sampled_from("ab"), min_size=1, max_size=4).map("/".join)


@pytest.mark.slow
@settings(max_examples=80)
@given(st.lists(PATHS, min_size=1, max_size=6, unique=True), st.lists(PATHS, min_size=1, max_size=6, unique=True))
def test_the_longest_end_is_that_of_comparing_every_pair(names: list[str], keys: list[str]) -> None:
    """The sorted search finds what a comparison of each name with each key finds."""
    names = [f"x/{name}" for name in names]  # so that no name is a key
    found = by_hand(names, keys)
    rows = np.full(len(keys), -1)
    for row in reversed(range(len(names))):
        if found[row] >= 0:
            rows[found[row]] = row
    assert rows.tolist() == matched(names, keys).rows.tolist()


def test_unicode_forms_of_a_name_are_one() -> None:
    """A list in composed letters names files in decomposed ones, and the other way round."""
    composed = [unicodedata.normalize("NFC", name) for name in ("né.png", "Åse/ü.png")]
    decomposed = [unicodedata.normalize("NFD", name) for name in composed]
    assert composed != decomposed
    assert [0, 1] == matched(composed, decomposed).rows.tolist() == matched(decomposed, composed).rows.tolist()


@pytest.mark.parametrize(("name", "key"), [("a.jpg", "a.JPG"), ("a.jpeg", "a.jpg"), ("A.TIFF", "a.tif")])
def test_extensions_of_one_format_are_one(name: str, key: str) -> None:
    """.jpg, .JPG and .jpeg are the same image."""
    assert [0] == matched([name], [key]).rows.tolist()


def test_a_name_that_may_be_two_images_is_none() -> None:
    """It is counted as ambiguous, and neither image gets its label."""
    found = matched(["1.png", "cat/2.png"], KEYS)
    assert [-1, 1, -1] == found.rows.tolist()
    assert [True, False] == found.ambiguous.tolist()
    assert [False, False] == found.missing.tolist()


def test_two_names_that_end_alike_are_not_one_image() -> None:
    """Of /a/cat/1.png and /a/dog/1.png neither is 1.png."""
    found = matched(["/a/cat/1.png", "/a/dog/1.png"], ["1.png"])
    assert [-1] == found.rows.tolist()
    assert [True, True] == found.missing.tolist()


def test_where_some_names_are_keys_no_other_is_guessed() -> None:
    """A list whose names count from the root says of an image elsewhere that it is missing."""
    found = matched(["pets/cat/1.png", "gone/dog/1.png"], KEYS)
    assert [0, -1, -1] == found.rows.tolist()
    assert [False, True] == found.missing.tolist()


def test_the_exact_name_goes_before_one_in_other_letters() -> None:
    """On a disk that tells a.png from A.png, the list does so too."""
    assert [0, 1] == matched(["a.png", "A.png"], ["a.png", "A.png"]).rows.tolist()
    assert [True] == matched(["a.PNG"], ["a.png", "A.png"]).ambiguous.tolist()
