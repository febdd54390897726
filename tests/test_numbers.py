"""An image as numbers: the chapter's block, facts, polarity, parts, pictures of Pillow's, and the notebook's table."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import firstlight as fl
from chapter import CHAPTER, three
from drawings import large_digits
from firstlight.data.numbers import Numbers, ink
from firstlight.errors import ArgumentError, DataError, MissingExtraError
from tables import noise

TURNED = 6  # Exif's orientation of a camera held upright: a quarter turn to the right shows it as it was


def html_of(shown: Numbers) -> str:
    """What a notebook shows, one that is not trusted too: no style sheet, no script."""
    html = shown._repr_html_()
    assert {"table", "tr", "th", "td", "caption"} >= set(re.findall(r"<(\w+)", html))
    return html


def test_the_block_of_the_chapter(tmp_path: Path) -> None:
    """Rows and columns 4 to 9 of a file."""
    Image.fromarray(three()).save(tmp_path / "three.png")
    shown = fl.numbers(tmp_path / "three.png", rows=(4, 10), columns=(4, 10))
    assert CHAPTER == shown.array.tolist()
    assert ((28, 28), 2, 0, 255) == (shown.shape, shown.rank, shown.minimum, shown.maximum)
    assert shown.polarity.startswith("white on black")


def test_facts_are_of_the_whole_image_and_values_of_the_part() -> None:
    """A part leaves shape, rank, minimum, mean and maximum as they are."""
    shown = fl.numbers(np.array([[0, 10], [20, 90]], np.uint8), rows=(1, 2), columns=slice(0, 1))
    assert [[20]] == shown.array.tolist()
    assert ((2, 2), 2, 0, 30.0, 90) == (shown.shape, shown.rank, shown.minimum, shown.mean, shown.maximum)
    document = shown.to_dict()
    assert ([2, 2], [[1, 2], [0, 1]]) == (list(document["shape"]), [document["rows"], document["columns"]])
    assert ([[20]], 30.0, "uint8") == (document["values"], document["mean"], document["dtype"])


def test_printed_it_is_an_aligned_table() -> None:
    """Row numbers on the left, column numbers above."""
    shown = fl.numbers(np.array([[0, 29], [166, 224]], np.uint8))
    assert "      0   1\n  0   0  29\n  1 166 224" == str(shown)


def test_columns_beyond_a_thousand_stay_apart() -> None:
    """A photo's columns have four digits, and so much room."""
    shown = fl.numbers(noise(2, 1200), rows=(0, 1), columns=(1010, 1013))
    head, row = str(shown).splitlines()
    assert ["1010", "1011", "1012"] == head.split()
    assert len(head) == len(row)


def test_a_photo_is_printed_in_part() -> None:
    """Its middle, and what to do to see another part; the array stays whole."""
    shown = fl.numbers(noise(300, 500))
    *rows, remark = str(shown).splitlines()
    assert (33, [str(n) for n in range(234, 266)]) == (len(rows), rows[0].split())
    assert ("134", "165") == (rows[1].split()[0], rows[-1].split()[0])
    assert "the middle of 300 x 500; rows=(4, 10), columns=(4, 10) show another part" == remark
    assert (300, 500) == shown.array.shape
    assert 64 * 64 == html_of(shown).count("<td")


def test_a_color_image_has_three_tables(tmp_path: Path) -> None:
    """One for each channel; the array has three values a pixel."""
    values = noise(3, 4, 3)
    Image.fromarray(values).save(tmp_path / "a.png")
    shown = fl.numbers(tmp_path / "a.png")
    assert ((3, 4, 3), 3) == (shown.shape, shown.rank)
    assert np.array_equal(values, shown.array)
    blocks = re.findall(r"^(\w+)\n {4,}0 .*\n((?: +\d+.*\n?){3})", str(shown), re.MULTILINE)
    assert ["red", "green", "blue"] == [name for name, _ in blocks]
    for channel, (_, text) in enumerate(blocks):
        printed = [[int(word) for word in line.split()][1:] for line in text.splitlines()]
        assert values[:, :, channel].tolist() == printed


def test_the_tensor_is_the_array() -> None:
    """In memory of its own, so that writing into it leaves the image as it is."""
    values = noise(3, 4)
    tensor = fl.numbers(values, rows=(1, 3)).tensor()
    assert (torch.uint8, values[1:3].tolist()) == (tensor.dtype, tensor.tolist())
    kept = values.copy()
    tensor.zero_()
    assert np.array_equal(kept, values)


@pytest.mark.parametrize(
    ("ground", "dot", "told"),
    [
        (0, 255, "white on black: the border is dark (median 0), what stands out from it bright (mean 255)"),
        (255, 0, "black on white: the border is bright (median 255), what stands out from it dark (mean 0)"),
        (20, 180, "white on black"),
        (230, 90, "black on white"),
        (128, 255, "neither white on black nor black on white: the border (median 128)"),
        (0, 100, "neither white on black nor black on white: the border (median 0)"),
        (200, 205, "neither white on black nor black on white: hardly anything stands out"),
    ],
)
def test_polarity_is_reported_with_its_reason(ground: int, dot: int, told: str) -> None:
    """By the border and by what stands out from it."""
    image = np.full((9, 9), ground, np.uint8)
    image[3:6, 3:6] = dot
    assert fl.numbers(image).polarity.startswith(told)


def test_a_negative_has_the_other_polarity(tmp_path: Path) -> None:
    """Every one of some real digits is white on black, and its negative black on white."""
    for path in sorted(large_digits(tmp_path / "digits", ("7",)).glob("7/*.png"))[:50]:
        image = fl.numbers(path).image
        assert fl.numbers(image).polarity.startswith("white on black"), path
        assert fl.numbers(255 - image).polarity.startswith("black on white"), path


def test_pillow_s_pictures_are_read_as_their_files_are(tmp_path: Path) -> None:
    """Gray, color, a palette, one bit, alpha over white, CMYK, and turned by Exif."""
    color = Image.fromarray(noise(4, 6, 3))
    pictures = {mode: color.convert(mode) for mode in ("L", "RGB", "P", "1", "RGBA", "LA", "CMYK")}
    turned = Image.fromarray(noise(4, 6, 3))
    turned.getexif()[0x0112] = TURNED
    for mode, picture in (pictures | {"turned": turned}).items():
        path = tmp_path / f"{mode}.{'tif' if mode == 'CMYK' else 'png'}"
        picture.save(path, exif=picture.getexif())
        assert np.array_equal(fl.numbers(path).array, fl.numbers(picture).array), mode
    assert ((6, 4, 3), (4, 6)) == (fl.numbers(turned).shape, fl.numbers(pictures["L"]).shape)
    assert noise(4, 6, 3).tolist() == fl.numbers(color).array.tolist()


def test_a_notebook_gets_a_colored_table() -> None:
    """Each cell on its own gray, in black or white; a color image has its colors and three values a cell."""
    html = html_of(fl.numbers(np.array([[0, 250]], np.uint8)))
    assert re.search(r"background-color: #000000;\s*color: #ffffff", html)
    assert re.search(r"background-color: #fafafa;\s*color: #000000", html)
    assert "250</td>" in html
    html = html_of(fl.numbers(np.array([[[255, 128, 0]]], np.uint8)))
    assert "background-color: #ff8000" in html and "255/128/0</td>" in html


def test_black_and_white_text_can_be_read_on_every_gray() -> None:
    """The contrast by WCAG 2.1 is 4.5 or more, at which text of any size counts as readable."""
    for value in range(256):
        share = value / 255
        luminance = share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4
        contrast = {"#000000": (luminance + 0.05) / 0.05, "#ffffff": 1.05 / (luminance + 0.05)}
        assert contrast[ink(np.full(3, value))] >= 4.5, value


def test_without_pandas_or_torch_the_line_that_installs_them_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """The notebook falls back to the repr."""
    for name in ("pandas", "torch"):
        monkeypatch.setitem(sys.modules, name, None)
    shown = fl.numbers(noise(2, 2))
    with pytest.raises(MissingExtraError, match=r"\.\[pandas\]"):
        shown.style()
    with pytest.raises(MissingExtraError, match=r"\.\[train\]"):
        shown.tensor()
    assert "<table" in shown._repr_html_()
    assert "<Numbers of an image (2, 2) uint8" in repr(shown)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ((9, 4), "rows 9:4 .*rows 0:8"),
        (slice(40, None), "rows 40:"),
        (slice(0, 8, 2), "2"),
    ],
)
def test_a_part_that_is_none_is_one_sentence(rows: slice | tuple[int, int], said: str) -> None:
    """It says what was asked for and what there is."""
    with pytest.raises(ArgumentError, match=said):
        fl.numbers(noise(8, 8), rows=rows)


def test_what_cannot_be_shown_is_one_sentence(tmp_path: Path) -> None:
    """A missing file, a folder, a text, arrays of another kind, a picture without a known range."""
    (tmp_path / "a.png").write_text("<html>")
    with pytest.raises(DataError, match=r"b\.png"):
        fl.numbers(tmp_path / "b.png")
    with pytest.raises(DataError, match=re.escape(str(tmp_path))):
        fl.numbers(tmp_path)
    with pytest.raises(DataError, match=r"a\.png"):
        fl.numbers(tmp_path / "a.png")
    for wrong in (np.zeros((3, 3)), np.zeros((3, 3, 2), np.uint8), np.zeros((0, 3), np.uint8)):
        with pytest.raises(ArgumentError, match="uint8"):
            fl.numbers(wrong)
    with pytest.raises(ArgumentError, match="mode F"):
        fl.numbers(Image.fromarray(np.zeros((3, 3), np.float32)))
    with pytest.raises(ArgumentError, match="list"):
        fl.numbers([[1, 2]])  # type: ignore[arg-type]


def test_a_photo_is_neither(tmp_path: Path) -> None:
    """Colors, an uneven border and many shades are no ink, whatever is bright and dark; gray stored as RGB is."""
    ring = np.zeros((40, 40), np.uint8)
    ring[10:30, 10:30] = 230
    assert fl.numbers(np.stack([ring] * 3, axis=2)).polarity.startswith("white on black")
    hat = np.stack([ring, ring // 2, ring // 4], axis=2)
    assert "colors" in fl.numbers(hat).polarity
    shaded = ring.copy()
    shaded[10:30, 10:26] = 140
    uneven = ring.copy()
    uneven[:, :4] = 150
    for photo in (hat, shaded, uneven):
        for image in (photo, 255 - photo):
            assert fl.numbers(image).polarity.startswith("neither"), fl.numbers(image).polarity
