"""Letters in PNG and PDF pictures: by a font of the system that has them, else written out as \\u732b."""

from __future__ import annotations

import warnings
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIRST = "DejaVu Sans"  # comes with matplotlib


def unshown(text: str) -> str:
    """The letters of a text that no font of this system has, each once."""
    return "".join(sorted(_fonts(_beyond(text))[1]))


def use_fonts(figure: Figure) -> None:
    """Gives every text of a figure the fonts that have its letters; letters that none has are written out."""
    from matplotlib.text import Text

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure.draw_without_rendering()  # only then do axes have the names at their ticks
    texts = [one for one in figure.findobj(Text) if isinstance(one, Text) and not one.get_text().isascii()]
    families, missing = _fonts(_beyond("".join(one.get_text() for one in texts)))
    for axes in figure.axes if missing else ():
        for axis in (axes.xaxis, axes.yaxis):
            names = [one.get_text() for one in axis.get_ticklabels()]
            if missing & set("".join(names)):  # which the axis would set again at the next drawing
                axis.set_ticks(axis.get_ticklocs(), [_written_out(name, missing) for name in names])

    for one in texts:
        if families:
            one.set_fontfamily([FIRST, *families])
        one.set_text(_written_out(one.get_text(), missing))


def _written_out(text: str, missing: frozenset[str]) -> str:
    return "".join(ascii(letter)[1:-1] if letter in missing else letter for letter in text)


def _beyond(text: str) -> frozenset[str]:
    """The letters that matplotlib's own font does not have."""
    if text.isascii():
        return frozenset()
    from matplotlib.font_manager import FontProperties, findfont

    has = _letters(findfont(FontProperties(family=[FIRST])))
    return frozenset(letter for letter in text if not letter.isspace() and ord(letter) not in has)


@cache
def _fonts(letters: frozenset[str]) -> tuple[tuple[str, ...], frozenset[str]]:
    """Fonts of the system that together have the letters, and the letters that none has."""
    if not letters:
        return (), letters
    from matplotlib.font_manager import fontManager

    chosen: list[str] = []
    missing = set(letters)
    for name, path in sorted({entry.name: entry.fname for entry in fontManager.ttflist}.items()):
        if not missing:
            break
        has = _letters(path)
        if name.startswith("Last Resort"):  # shows every letter as the box of its block
            continue
        if found := {letter for letter in missing if ord(letter) in has}:
            chosen.append(name)
            missing -= found
    return tuple(chosen), frozenset(missing)


@cache
def _letters(path: str) -> frozenset[int]:
    """The code points that a font file has; none where it cannot be read."""
    from matplotlib.ft2font import FT2Font

    try:
        return frozenset(FT2Font(path).get_charmap())
    except (OSError, RuntimeError):
        return frozenset()
