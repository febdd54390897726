"""The choice of size, color and number of threads, made from a few images and revised when one differs."""

from __future__ import annotations

import contextlib
import warnings
from dataclasses import dataclass, replace

import numpy as np

from firstlight.data.decoding.decode import decode
from firstlight.data.decoding.header import choose_path
from firstlight.data.decoding.loading import Loading
from firstlight.data.decoding.resize import Color, Resize
from firstlight.data.decoding.size import size_of
from firstlight.data.decoding.threads import cores, in_order, keys_of, median_bytes, spans
from firstlight.data.files import Read
from firstlight.data.table import Table

SIDES = (32, 64, 128, 224)  # px; what "auto" rounds down to
KEPT_SIDE = 512  # px; up to here a size that all images share is not changed; larger photos would fill the memory
LOOKED_AT = 8  # images that are decoded for the first choice

# A PNG of some hundred bytes is decoded in 6 us while Python's lock is held, so a second thread only disturbs
# the first (14,434 files: 136 ms with one, 198 ms with two). JPEG is decoded without the lock at any size.
WORTH_A_THREAD = 16 << 10  # bytes


@dataclass(frozen=True)
class Plan:
    """How each image is to come out, and what has to be true of each image for that.

    Attributes:
        size: (height, width) in px.
        color: ``"gray"`` or ``"rgb"``.
        resize: as requested.
        reasons: why this size and why this color.
        threads: how many pay for such files.
        common: the size that each image must have as it is, or None.
        gray: whether each image must be gray as it is.
    """

    size: tuple[int, int]
    color: Color
    resize: Resize
    reasons: tuple[str, str]
    threads: int
    common: tuple[int, int] | None = None
    gray: bool = False

    @property
    def shape(self) -> tuple[int, int, int]:
        """(H, W, C) of each image that comes out."""
        return (*self.size, 1 if self.color == "gray" else 3)

    def holds(self, shape: tuple[int, ...]) -> bool:
        """Whether an image of this shape leaves the choice as it is."""
        return (self.common is None or self.common == shape[:2]) and not (self.gray and shape[2] == 3)


def first_plan(table: Table, loading: Loading, read: Read) -> Plan | None:
    """The choice that the first few images that can be read make likely; None where none can be read."""
    shapes, paths = [], []
    for key in table.rows["key"]:
        with contextlib.suppress(OSError):
            data = read(key.as_py())
            image = decode(data)
            if not isinstance(image, str):
                shapes.append(image.shape)
                paths.append(choose_path(data))
        if len(shapes) == LOOKED_AT:
            break
    if not shapes:
        return None
    large = median_bytes(table) >= WORTH_A_THREAD
    threads = cores() if large or sum(path.startswith("jpeg") for path in paths) > len(paths) / 2 else 1
    if loading.color == "auto":
        color: Color = "gray" if all(shape[2] == 1 for shape in shapes) else "rgb"
        why = _why_color(color)
    else:
        color, why = loading.color, f"Color {loading.color} as requested."
    gray = loading.color == "auto" and color == "gray"
    if loading.sides is not None:
        requested = f"Size {_px(loading.sides)} as requested."
        return Plan(loading.sides, color, loading.resize, (requested, why), threads, None, gray)
    plan = Plan(shapes[0][:2], color, loading.resize, ("", why), threads, shapes[0][:2], gray)
    return _same_size(plan) if len({shape[:2] for shape in shapes}) == 1 else _by_median(plan, table, read)


def next_plan(plan: Plan, shape: tuple[int, ...], table: Table, read: Read) -> Plan:
    """The choice after an image of a shape for which ``plan`` does not hold."""
    if plan.gray and shape[2] == 3:
        plan = replace(plan, color="rgb", gray=False, reasons=(plan.reasons[0], _why_color("rgb")))
    return plan if plan.holds(shape) else _by_median(plan, table, read)


def _why_color(color: Color) -> str:
    if color == "gray":
        return "Color gray, since every image is gray."
    return "Color rgb, since not every image is gray."


def _same_size(plan: Plan) -> Plan:
    common = plan.size
    if min(common) <= KEPT_SIDE:
        return _sized(plan, common, f"Size {_px(common)}, since every image has it.")
    side = _rounded(min(common))
    why = f"every image has {_px(common)}; a shorter side over {KEPT_SIDE} px is rounded down to {_CHOICES}."
    return _sized(plan, (side, side), f"Size {_px((side, side))}: {why}")


def _by_median(plan: Plan, table: Table, read: Read) -> Plan:
    """The size that the headers of all images ask for; a file without a readable header does not count."""

    def sides(span: range) -> list[tuple[int, int]]:
        return [_sides(read, key) for key in keys_of(table, span)]

    with (
        warnings.catch_warnings(),
        contextlib.closing(in_order(sides, spans(len(table)), plan.threads)) as parts,
    ):
        warnings.simplefilter("ignore")  # Pillow's remarks on odd files; the decoder knows its own limits
        every = np.array([both for part in parts for both in part if all(both)])  # (N, 2) shorter and longer
    median = float(np.median(every[:, 0]))
    side = _rounded(median)
    rounded = f"is rounded down to {_CHOICES}" if median >= SIDES[0] else f"is less than the least, {SIDES[0]} px"
    why = (
        f"the images differ ({_difference(every)}), and the median of the shorter sides, {median:g} px, "
        f"{'is one of the choices' if median == side else rounded}."
    )
    return _sized(replace(plan, common=None), (side, side), f"Size {_px((side, side))}: {why}")


def _difference(every: np.ndarray) -> str:
    """In what the sides (N, 2) of images differ, which are not all of one size."""
    for name, values in (("shorter sides", every[:, 0]), ("longer sides", every[:, 1])):
        if values.min() < values.max():
            return f"{name} {values.min()} to {values.max()} px"
    return f"some are wide and some are high, {every[0, 0]} by {every[0, 1]} px"


def _sides(read: Read, key: str) -> tuple[int, int]:
    """The shorter and the longer side in px as the header says, whatever the orientation; zeros for no image."""
    try:
        data = read(key)
    except OSError:
        return 0, 0
    size = size_of(data)
    if size is None:
        image = decode(data)
        size = (0, 0) if isinstance(image, str) else (image.shape[0], image.shape[1])
    return min(size), max(size)


def _sized(plan: Plan, size: tuple[int, int], why: str) -> Plan:
    return replace(plan, size=size, reasons=(why, plan.reasons[1]))


def _rounded(side: float) -> int:
    return max((choice for choice in SIDES if choice <= side), default=SIDES[0])


_CHOICES = f"{', '.join(map(str, SIDES[:-1]))} or {SIDES[-1]}"


def _px(size: tuple[int, int]) -> str:
    """Width x height, as one speaks of photos."""
    return f"{size[1]} x {size[0]} px"
