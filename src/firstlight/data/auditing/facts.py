"""`gather()`: one pass over the files of a table; what an audit needs to know of every image, as columns."""

from __future__ import annotations

import contextlib
import io
from collections import defaultdict
from dataclasses import dataclass, fields
from functools import cache
from itertools import chain
from typing import Any

import numpy as np

from firstlight.arrow import to_numpy
from firstlight.data.decode import ORIENTATION, QUIET, decode_all, openers
from firstlight.data.decoding.header import choose_path
from firstlight.data.decoding.stack import Progress, read_all
from firstlight.data.decoding.threads import cores, in_order, keys_of, spans
from firstlight.data.files import digest, reader
from firstlight.data.table import Table

SIDE = 32  # px of a thumb, as many as the perceptual hashes look at
LUMA = np.array([19595, 38470, 7471], np.float32) / 65536  # ITU-R BT.601, as `to_shape` takes it
FAST = {"png": "PNG", "jpeg": "JPEG", "jpeg-gray": "JPEG"}  # plain files, which have nothing odd about them


@dataclass(frozen=True, eq=False)
class Facts:
    """What is known of each of N images; zeros and empty words where one cannot be read.

    Attributes:
        problems: why an image cannot be read; empty where it can.
        digests: of the files' bytes; None where there are none.
        sizes: (N,) int64, bytes of the file.
        widths: (N,) int32, px, upright.
        heights: (N,) int32, px, upright.
        formats: by content: ``"PNG"``, ``"JPEG"``, ...
        oddities: palette, transparency, 16 bits, CMYK or one bit; empty where there is none.
        turned: (N,) bool, turned or mirrored by its EXIF orientation.
        several: (N,) bool, with more than one frame.
        gray: (N,) bool, one channel, or three that are the same.
        brightness: (N,) float32, mean luma in [0, 1].
        contrast: (N,) float32, standard deviation of the luma.
        thumbs: uint8 (N, 32, 32), the luma, squished with antialiasing.
    """

    problems: list[str]
    digests: list[str | None]
    sizes: np.ndarray
    widths: np.ndarray
    heights: np.ndarray
    formats: list[str]
    oddities: list[str]
    turned: np.ndarray
    several: np.ndarray
    gray: np.ndarray
    brightness: np.ndarray
    contrast: np.ndarray
    thumbs: np.ndarray

    @property
    def readable(self) -> np.ndarray:
        """(N,) bool."""
        return self.widths > 0

    @property
    def borders(self) -> np.ndarray:
        """(N,) float32: mean of the thumb's outermost pixels, in [0, 1]."""
        edges = (self.thumbs[:, 0], self.thumbs[:, -1], self.thumbs[:, 1:-1, 0], self.thumbs[:, 1:-1, -1])
        return np.concatenate(edges, axis=1).mean(axis=1, dtype=np.float32) / 255


def gather(table: Table, *, progress: Progress | None = None) -> Facts:
    """Reads and decodes every image of a table once.

    Args:
        table: the images.
        progress: called with (images done, images in all).

    Returns:
        One entry for each row, in their order.

    Example:
        >>> import firstlight as fl
        >>> facts = gather(fl.scan(digits))
        >>> facts.thumbs.shape, set(facts.formats), int(facts.widths.max())
        ((1797, 32, 32), {'PNG'}, 8)
    """
    read = reader(table)
    known = table.rows["problem"].to_pylist() if table.rows["problem"].null_count < len(table) else None
    parts: list[Facts] = []

    def block(span: range) -> Facts:
        return _block(read_all(read, keys_of(table, span)), known[span.start : span.stop] if known else None)

    done = 0
    with contextlib.closing(in_order(block, spans(len(table)), cores())) as found:
        for part in found:
            parts.append(part)
            done += len(part.problems)
            if progress is not None:
                progress(done, len(table))
    if not parts:
        return _block([], None)
    joined: dict[str, Any] = {}
    for one in fields(Facts):
        values = [getattr(part, one.name) for part in parts]
        joined[one.name] = np.concatenate(values) if isinstance(values[0], np.ndarray) else list(chain(*values))
    return Facts(**joined)


def _block(files: list[bytes | str], known: list[str | None] | None) -> Facts:
    """The facts of some files, or of the reasons why they could not be read."""
    count = len(files)
    images = decode_all(files)
    facts = Facts(
        problems=[image if isinstance(image, str) else "" for image in images],
        digests=[digest(data) if isinstance(data, bytes) else None for data in files],
        sizes=np.array([len(data) if isinstance(data, bytes) else 0 for data in files], np.int64),
        widths=np.zeros(count, np.int32),
        heights=np.zeros(count, np.int32),
        formats=[""] * count,
        oddities=[""] * count,
        turned=np.zeros(count, bool),
        several=np.zeros(count, bool),
        gray=np.zeros(count, bool),
        brightness=np.zeros(count, np.float32),
        contrast=np.zeros(count, np.float32),
        thumbs=np.zeros((count, SIDE, SIDE), np.uint8),
    )
    for row, reason in enumerate(known or ()):
        facts.problems[row] = reason or facts.problems[row]
    same = defaultdict(list)
    for row, image in enumerate(images):
        if not isinstance(image, str) and not facts.problems[row]:
            same[image.shape].append(row)
    for rows in same.values():
        _measure(facts, rows, np.stack([images[row] for row in rows]))
        for row in rows:
            _header(facts, row, files[row])
    return facts


def _measure(facts: Facts, rows: list[int], images: np.ndarray) -> None:
    """Fills in what pixels say of images of one shape, (B, H, W, C)."""
    height, width, channels = images.shape[1:]
    facts.heights[rows], facts.widths[rows] = height, width
    if channels == 1:
        luma: np.ndarray = images[:, :, :, 0].astype(np.float32)
        facts.gray[rows] = True
    else:
        luma = images.astype(np.float32) @ LUMA  # (B, H, W)
        facts.gray[rows] = (images == images[:, :, :, :1]).all(axis=(1, 2, 3))
    facts.brightness[rows] = luma.mean(axis=(1, 2)) / 255
    facts.contrast[rows] = luma.std(axis=(1, 2)) / 255
    small = shrinking(height) @ luma @ shrinking(width).T  # (B, 32, 32)
    facts.thumbs[rows] = np.clip(np.rint(small), 0, 255).astype(np.uint8)


@cache
def shrinking(side: int) -> np.ndarray:
    """The matrix that brings ``side`` pixels to `SIDE` by a triangle as wide as a new pixel (antialiased bilinear).

    Returns:
        (32, side) float32, each row of sum 1.

    Example:
        >>> shrinking(64).shape, bool(np.allclose(shrinking(64).sum(axis=1), 1))
        ((32, 64), True)
    """
    scale = side / SIDE
    reach = max(scale, 1.0)  # as Pillow does: the triangle widens where an image shrinks
    centres = (np.arange(SIDE) + 0.5) * scale  # (32,)
    places = np.arange(side) + 0.5  # (side,)
    weights = np.maximum(0, 1 - np.abs(places - centres[:, None]) / reach)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def _header(facts: Facts, row: int, data: bytes | str) -> None:
    """Fills in what the file says of itself."""
    assert isinstance(data, bytes)
    path = choose_path(data)
    facts.formats[row] = FAST.get(path, path)
    if path in FAST or path not in openers():
        return
    with contextlib.suppress(Exception), QUIET, openers()[path](io.BytesIO(data)) as picture:
        facts.oddities[row] = _odd(picture.mode, picture.info)
        facts.several[row] = getattr(picture, "n_frames", 1) > 1
        facts.turned[row] = picture.getexif().get(ORIENTATION, 1) not in (0, 1)


def _odd(mode: str, info: dict[Any, Any]) -> str:
    if "transparency" in info or mode in ("LA", "La", "RGBA", "PA"):
        return "transparency"
    if mode.startswith("I") or mode == "F":
        return "16 bits"
    return {"P": "palette", "CMYK": "CMYK", "YCbCr": "YCbCr", "1": "one bit"}.get(mode, "")


def labelled(table: Table, facts: Facts) -> np.ndarray:
    """(N,) bool: readable and with a class."""
    return facts.readable & (to_numpy(table.rows["label"]) >= 0)
