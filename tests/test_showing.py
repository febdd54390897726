"""`firstlight show`: what the terminal shows in color, what a pipe gets, and what it says of bad input."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console

import firstlight as fl
from chapter import CHAPTER, three
from firstlight.apps.showing import FRAME, blocks, draw, show_numbers
from firstlight.data.numbers import Numbers
from firstlight.errors import ArgumentError
from tables import noise

COMMAND = str(Path(sys.executable).with_name("firstlight"))
CELL = re.compile(r"\x1b\[38;2;(\d+);(\d+);(\d+);48;2;(\d+);(\d+);(\d+)m\s*(\d+) \x1b\[0m")


@pytest.fixture
def drawn(tmp_path: Path) -> Path:
    """A file with the chapter's block."""
    Image.fromarray(three()).save(tmp_path / "three.png")
    return tmp_path / "three.png"


def screen(shown: Numbers, width: int = 80) -> str:
    """What a terminal of this width with true color is sent."""
    sent = io.StringIO()
    draw(shown, Console(file=sent, force_terminal=True, color_system="truecolor", width=width, legacy_windows=False))
    return sent.getvalue()


def plain(text: str) -> str:
    """The text without its colors."""
    return re.sub(r"\x1b\[[\d;]*m", "", text)


def pixels(text: str) -> list[list[tuple[int, int, int] | None]]:
    """The pixels that half blocks show, two rows for each line; None where nothing is drawn."""
    rows: list[list[tuple[int, int, int] | None]] = []
    for line in text.splitlines():
        upper: list[tuple[int, int, int] | None] = []
        lower: list[tuple[int, int, int] | None] = []
        for codes, characters in re.findall(r"(?:\x1b\[([\d;]+)m)?([▀▄ ]+)(?:\x1b\[0m)?", line):
            front = re.search(r"38;2;(\d+);(\d+);(\d+)", codes)
            behind = re.search(r"48;2;(\d+);(\d+);(\d+)", codes)
            colors = [tuple(map(int, one.groups())) if one else None for one in (front, behind)]
            for character in characters:
                upper.append(colors[0] if character == "▀" else None)  # type: ignore[arg-type]
                lower.append(colors[1] if character == "▀" else colors[0] if character == "▄" else None)  # type: ignore[arg-type]
        rows += [upper, lower]
    return rows


def show(image: Path, rows: str | None = None, columns: str | None = None, **options: Any) -> None:
    """The command's body with its defaults."""
    defaults: dict[str, Any] = {"as_": "table", "as_json": False, "quiet": True}
    show_numbers(str(image), rows=rows, columns=columns, **(defaults | options))


def test_the_rendered_terminal_has_the_block_in_its_grays(drawn: Path) -> None:
    """Each value stands on a background of its own gray; row and column numbers stand around them."""
    sent = screen(fl.numbers(drawn, rows=(4, 10), columns=(4, 10)))
    cells = CELL.findall(sent)
    assert [value for row in CHAPTER for value in row] == [int(cell[6]) for cell in cells]
    assert [(value,) * 3 for *_, value in cells] == [cell[3:6] for cell in cells]
    assert {("0",) * 3, ("255",) * 3} == {cell[:3] for cell in cells}  # black text, white text
    head, *rows = [line.split() for line in plain(sent).splitlines() if re.match(r"[\d ]+$", line) and line.strip()]
    assert ["4", "5", "6", "7", "8", "9"] == head
    assert [[str(4 + n), *map(str, row)] for n, row in enumerate(CHAPTER)] == rows


@pytest.mark.slow
def test_a_pseudo_terminal_gets_the_same(drawn: Path) -> None:
    """The command itself, on a terminal, in a process of its own."""
    pty = pytest.importorskip("pty")
    settings = os.environ | {"TERM": "xterm-256color", "COLORTERM": "truecolor", "COLUMNS": "80"}
    settings.pop("NO_COLOR", None)
    ours, theirs = pty.openpty()
    command = [COMMAND, "show", str(drawn), "--rows", "4:10", "--columns", "4:10"]
    with subprocess.Popen(command, stdout=theirs, env=settings) as process:
        os.close(theirs)
        sent = b""
        while part := _read(ours):
            sent += part
        os.close(ours)
    assert 0 == process.returncode
    text = sent.decode()
    assert [value for row in CHAPTER for value in row] == [int(cell[6]) for cell in CELL.findall(text)]
    assert f"shape 28 x 28, rank 2, uint8; minimum 0, mean {three().mean():.2f}, maximum 255" in plain(text)
    assert "white on black" in plain(text)


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 1 << 16)
    except OSError:  # Linux says so where the other end was closed
        return b""


def test_half_blocks_are_the_pixels() -> None:
    """Two rows of pixels in a line of text, an odd last one too."""
    image = noise(5, 7, 3)
    console = Console(force_terminal=True, color_system="truecolor", width=80, file=io.StringIO())
    with console.capture() as caught:
        console.print(blocks(fl.numbers(image), 80))
    shown = pixels(caught.get())
    assert [None] * 7 == shown.pop()
    assert image.tolist() == [[list(pixel) for pixel in row if pixel] for row in shown]


@pytest.mark.parametrize(("rows", "columns"), [((2, 5), (3, 6)), ((0, 2), (0, 3)), ((4, 6), (5, 8)), ((2, 3), (0, 8))])
def test_the_part_is_framed_in_the_picture(rows: tuple[int, int], columns: tuple[int, int]) -> None:
    """One pixel around it, also where it touches the border; inside, the picture is untouched."""
    image = np.full((6, 8), 77, np.uint8)
    console = Console(force_terminal=True, color_system="truecolor", width=80, file=io.StringIO())
    with console.capture() as caught:
        console.print(blocks(fl.numbers(image, rows=rows, columns=columns), 80))
    shown = pixels(caught.get())
    framed = {(y, x) for y, row in enumerate(shown) for x, pixel in enumerate(row) if pixel == FRAME}
    (top, bottom), (left, right) = rows, columns
    outer = {(y, x) for y in range(top, bottom + 2) for x in range(left, right + 2)}  # the margin shifts by one
    inner = {(y, x) for y in range(top + 1, bottom + 1) for x in range(left + 1, right + 1)}
    assert outer - inner == framed
    assert all((77, 77, 77) == shown[y][x] for y, x in inner)


@pytest.mark.parametrize(("height", "width"), [(40, 300), (300, 40), (500, 500)])
def test_a_large_picture_is_brought_to_the_terminal(height: int, width: int) -> None:
    """No line is longer than the terminal, no more than 32 are printed, and the proportions stay."""
    lines = blocks(fl.numbers(noise(height, width, 3)), 60).plain.splitlines()
    assert max(map(len, lines)) <= 60 and len(lines) <= 32
    assert abs(len(lines[0]) / (2 * len(lines)) / (width / height) - 1) < 0.2
    part = blocks(fl.numbers(noise(height, width, 3), rows=(0, 40), columns=(0, 40)), 60).plain.splitlines()
    assert max(map(len, part)) <= 60 and len(part) <= 32


def test_no_line_is_wider_than_the_terminal(drawn: Path) -> None:
    """More columns than fit follow in a second table; every value is there once."""
    shown = fl.numbers(drawn, rows=(5, 8))
    sent = screen(shown, width=80)
    assert max(len(line) for line in plain(sent).splitlines()) <= 80
    values = [int(cell[6]) for cell in CELL.findall(sent)]
    first, second = np.split(shown.array, [19], axis=1)
    assert [*first.ravel().tolist(), *second.ravel().tolist()] == values


def test_each_channel_stands_on_its_own_color() -> None:
    """Red values on reds, green ones on greens, blue ones on blues."""
    cells = CELL.findall(screen(fl.numbers(np.array([[[200, 150, 100]]], np.uint8))))
    assert [("200", "0", "0"), ("0", "150", "0"), ("0", "0", "100")] == [cell[3:6] for cell in cells]


def test_a_pipe_gets_plain_text(drawn: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No color codes and no picture; the facts stand below."""
    show(drawn, "4:10", "4:10")
    lines = capsys.readouterr().out.splitlines()
    expected = [[4 + n, *row] for n, row in enumerate(CHAPTER)]
    assert expected == [[int(word) for word in line.split()] for line in lines[1:7]]
    assert f"shape 28 x 28, rank 2, uint8; minimum 0, mean {three().mean():.2f}, maximum 255" == lines[7]
    assert lines[8].startswith("white on black")
    show(drawn)
    assert 1 + 28 + 2 == len(capsys.readouterr().out.splitlines())


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_without_colors_there_is_no_picture(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half blocks without colors would be one solid rectangle."""
    monkeypatch.setenv(name, value)
    sent = io.StringIO()
    draw(fl.numbers(noise(2, 3)), Console(file=sent, force_terminal=True, width=80))
    assert str(fl.numbers(noise(2, 3))) + "\n" == sent.getvalue()


def test_a_photo_shows_its_middle_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The remark goes to standard error, and --quiet leaves it out; what was asked for is shown whole."""
    Image.fromarray(noise(90, 90)).save(tmp_path / "a.png")
    show(tmp_path / "a.png", quiet=False)
    said = capsys.readouterr()
    assert "--rows 4:10 --columns 4:10" in said.err
    assert (1 + 32 + 2, 32) == (len(said.out.splitlines()), len(said.out.splitlines()[0].split()))
    show(tmp_path / "a.png", "3:5")
    said = capsys.readouterr()
    assert ("", 1 + 2 + 2, 32) == (said.err, len(said.out.splitlines()), len(said.out.splitlines()[0].split()))
    show(tmp_path / "a.png", "0:90", "0:40", quiet=False)
    said = capsys.readouterr()
    assert ("", 1 + 90 + 2, 40) == (said.err, len(said.out.splitlines()), len(said.out.splitlines()[0].split()))


def test_as_array_and_as_tensor_are_what_python_prints(drawn: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And JSON has the values and the facts."""
    path = drawn
    show(path, "4:10", "4:10", as_="array")
    assert repr(np.array(CHAPTER, np.uint8)) == capsys.readouterr().out.strip()
    show(path, "4:10", "4:10", as_="tensor")
    assert str(torch.tensor(CHAPTER, dtype=torch.uint8)) == capsys.readouterr().out.strip()
    show(path, "4:10", "4:10", as_json=True)
    document = json.loads(capsys.readouterr().out)
    assert (CHAPTER, [28, 28], "uint8") == (document["values"], document["shape"], document["dtype"])


def test_parts_are_read_as_python_does(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Open ends, negative ends, a single row."""
    values = noise(8, 8)
    Image.fromarray(values).save(tmp_path / "a.png")
    for text, expected in ((":3", values[:3]), ("-2:", values[-2:]), ("5", values[5:6]), ("-1", values[-1:])):
        show(tmp_path / "a.png", text, as_="array")
        assert repr(expected) == capsys.readouterr().out.strip()


@pytest.mark.parametrize(
    ("part", "said"),
    [("a:b", "4:10"), ("1:2:3", "4:10"), ("", "4:10"), ("9:4", "rows 0:8"), ("40", "rows 0:8")],
)
def test_a_part_that_is_none_is_one_sentence(part: str, said: str, tmp_path: Path) -> None:
    """It says what was passed and what is meant."""
    Image.fromarray(noise(8, 8)).save(tmp_path / "a.png")
    with pytest.raises(ArgumentError, match=said):
        show(tmp_path / "a.png", part)


def test_another_form_is_one_sentence() -> None:
    """It names those that there are."""
    with pytest.raises(ArgumentError, match="table, array, tensor"):
        show(Path("a.png"), as_="list")


def test_plain_values_of_a_photo_fit_a_terminal_that_says_how_wide_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without colors too; through a pipe 32 columns are shown."""
    Image.fromarray(noise(90, 120)).save(tmp_path / "photo.png")
    options = {"rows": None, "columns": None, "as_": "table", "as_json": False, "quiet": True}
    monkeypatch.setenv("NO_COLOR", "1")
    for columns, expected in (("60", 60), ("80", 80), (None, 33 * 4 - 1)):
        monkeypatch.delenv("COLUMNS", raising=False)
        if columns is not None:
            monkeypatch.setenv("COLUMNS", columns)
        show_numbers(str(tmp_path / "photo.png"), **options)
        widest = max(map(len, capsys.readouterr().out.splitlines()[:20]))
        assert expected - 4 <= widest <= expected
