"""`Loading`: how images are requested; `Preprocessing`: what every loaded image went through."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any, Literal, TypedDict

import numpy as np

from firstlight.data.decoding.align import ALIGNMENTS, Align
from firstlight.data.decoding.resize import RESIZES, Color, Resize, to_shape
from firstlight.errors import ArgumentError
from firstlight.wording import choose

COLORS = ("gray", "rgb")
LARGEST = 4096  # px; a typing error in ``size`` should not request terabytes


class LoadingOptions(TypedDict, total=False):
    """The fields of `Loading`, where they are passed by name."""

    size: int | Sequence[int] | Literal["auto"]
    color: Color | Literal["auto"]
    resize: Resize
    align: Align
    allow_unreadable: bool


@dataclass(frozen=True, kw_only=True)
class Loading:
    """How the images of a table are loaded: one value, from the command line to the run folder.

    Attributes:
        size: the side of the square in px, or (height, width), each 1 to 4096. ``"auto"`` keeps the size that
            all images have where its shorter side is at most 512 px; else the median of the shorter sides is
            rounded down to 32, 64, 128 or 224.
        color: ``"gray"`` or ``"rgb"``; ``"auto"`` is gray where every image is.
        resize: ``"squish"``, ``"crop"`` or ``"pad"``; `firstlight.data.decoding.resize.to_shape` describes them.
        align: for drawings: ``"none"``, ``"box"``, ``"mass"`` or ``"deskew"``;
            `firstlight.data.decoding.align.aligned` describes them.
        allow_unreadable: continue where more than 5 % of the images cannot be read.

    Raises:
        ArgumentError: where a value is not one of those above.

    Example:
        >>> Loading(size=32, color="gray").sides
        (32, 32)
        >>> Loading(resize="shrink")
        Traceback (most recent call last):
        firstlight.errors.ArgumentError: resize='shrink' is not known; choose from squish, crop, pad.
    """

    size: int | Sequence[int] | Literal["auto"] = "auto"
    color: Color | Literal["auto"] = "auto"
    resize: Resize = "squish"
    align: Align = "none"
    allow_unreadable: bool = False

    def __post_init__(self) -> None:
        if not _is_auto(self.size):
            object.__setattr__(self, "size", _sides(self.size))
        _choice("color", self.color, ("auto", *COLORS))
        _choice("resize", self.resize, RESIZES)
        _choice("align", self.align, ALIGNMENTS)
        if not isinstance(self.allow_unreadable, bool):
            raise ArgumentError(f"allow_unreadable={self.allow_unreadable!r} is not known; choose from True, False.")

    @property
    def sides(self) -> tuple[int, int] | None:
        """(height, width) in px; None where the images decide."""
        return None if _is_auto(self.size) else _sides(self.size)

    def to_dict(self) -> dict[str, Any]:
        """Plain values; align and allow_unreadable are left out where they are the defaults."""
        size = "auto" if self.sides is None else list(self.sides)
        plain: dict[str, Any] = {"size": size, "color": self.color, "resize": self.resize}
        plain |= {} if self.align == "none" else {"align": self.align}
        return plain | ({"allow_unreadable": True} if self.allow_unreadable else {})


@dataclass(frozen=True)
class Preprocessing:
    """What every image went through, and what a new image goes through before a model sees it.

    Attributes:
        size: (height, width) in px.
        color: ``"gray"`` or ``"rgb"``.
        resize: ``"squish"``, ``"crop"`` or ``"pad"``.
        align: ``"none"``, ``"box"``, ``"mass"`` or ``"deskew"``.

    Example:
        >>> how = Preprocessing((2, 2), "gray")
        >>> how.to_dict()
        {'size': [2, 2], 'color': 'gray', 'resize': 'squish'}
        >>> how.shaped(np.zeros((5, 7, 3), np.uint8)).shape
        (2, 2, 1)
    """

    size: tuple[int, int]
    color: Color
    resize: Resize = "squish"
    align: Align = "none"

    @property
    def shape(self) -> tuple[int, int, int]:
        """(H, W, C) of every image."""
        return (*self.size, 1 if self.color == "gray" else 3)

    def shaped(self, image: np.ndarray) -> np.ndarray:
        """A decoded image, uint8 (H, W, C) of any size, in this size and color; `align` comes after that."""
        return to_shape(image, size=self.size, color=self.color, resize=self.resize)

    def loading(self, *, allow_unreadable: bool = False) -> Loading:
        """How other images are loaded in the same way."""
        return Loading(
            size=self.size,
            color=self.color,
            resize=self.resize,
            align=self.align,
            allow_unreadable=allow_unreadable,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as a checkpoint and an ONNX file hold them; align is left out where it is ``"none"``."""
        return self.loading().to_dict()

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Preprocessing:
        """Reads what `to_dict` gave.

        Raises:
            ValueError: where something else is in it.
        """
        _fields(plain, cls.__dataclass_fields__, ("size", "color", "resize"))
        loading = Loading(**plain)
        if loading.sides is None or loading.color == "auto":
            raise ValueError(f"{dict(plain)} leaves the size or the color open")
        return cls(loading.sides, loading.color, loading.resize, loading.align)


def _is_auto(size: object) -> bool:
    return isinstance(size, str) and size == "auto"


def _sides(size: object) -> tuple[int, int]:
    """(height, width) in px."""
    sides = tuple(size) if isinstance(size, tuple | list | np.ndarray) and np.ndim(size) == 1 else (size, size)
    whole = (isinstance(side, Integral) and not isinstance(side, bool) and 1 <= int(side) <= LARGEST for side in sides)
    if len(sides) != 2 or not all(whole):
        raise ArgumentError(
            f'size={size!r} is not a size; pass "auto", a whole number of px from 1 to {LARGEST}, or two of them.'
        )
    return int(sides[0]), int(sides[1])


def _choice(name: str, value: object, choices: Sequence[str]) -> None:
    if not isinstance(value, str) or value not in choices:
        raise ArgumentError(f"{name}={value!r} is not known; {choose(value, choices)}.")


def _fields(plain: Mapping[str, Any], known: Mapping[str, Any], needed: Sequence[str]) -> None:
    if not set(needed) <= plain.keys() <= known.keys():
        raise ValueError(f"it has {', '.join(sorted(map(str, plain)))}; expected {', '.join(known)}")
