"""Names in letters that a picture's font lacks: another font of the system, else written out."""

from __future__ import annotations

import numpy as np
import pytest

from firstlight.reporting import letters
from firstlight.reporting.pictures import confusion

pytestmark = pytest.mark.slow


def texts(names: list[str]) -> set[str]:
    """What stands in a picture with these class names, after it got its fonts."""
    figure = confusion(np.eye(2, dtype=int) * 5, names).figure()
    letters.use_fonts(figure)
    figure.draw_without_rendering()
    return {tick.get_text() for axes in figure.axes for tick in axes.get_yticklabels()}


def test_letters_that_no_font_has_are_written_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the ticks too; they are never boxes, and the others stay."""
    monkeypatch.setattr(letters, "_fonts", lambda wanted: ((), frozenset(wanted)))
    assert {"\\u732b 1", "Käse"} <= texts(["猫 1", "Käse"])
    assert "猫" == letters.unshown("猫 Käse 猫")


def test_a_font_that_has_the_letters_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the one that comes with matplotlib; the names stay as they are."""
    monkeypatch.setattr(letters, "_fonts", lambda wanted: (("Liberation Serif",), frozenset()))
    figure = confusion(np.eye(2, dtype=int) * 5, ["猫", "dog"]).figure()
    letters.use_fonts(figure)
    (tick,) = {one for axes in figure.axes for one in axes.get_yticklabels() if one.get_text() == "猫"}
    assert ["DejaVu Sans", "Liberation Serif"] == tick.get_fontfamily()


def test_a_png_with_such_names_warns_of_nothing() -> None:
    """Warnings are errors here."""
    picture = confusion(np.eye(2, dtype=int) * 5, ["猫", "犬"])
    assert picture.png().startswith(b"\x89PNG")
