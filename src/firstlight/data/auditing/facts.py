"""`gather()`: one pass over the files of a table; what an audit needs to know of every image, as columns."""

from __future__ import annotations

import contextlib
import io
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from firstlight.arrow import to_numpy
from firstlight.data.auditing.compression import jpeg_quality
from firstlight.data.auditing.detail import fineness, noise
from firstlight.data.decoding.decode import decode_all
from firstlight.data.decoding.header import PNG, choose_path
from firstlight.data.decoding.netpbm import netpbm_header
from firstlight.data.decoding.pillow import DAMAGED, ORIENTATION, openers
from firstlight.data.decoding.quiet import QUIET
from firstlight.data.decoding.resize import to_shape
from firstlight.data.decoding.stack import Progress, read_all
from firstlight.data.decoding.structure import too_costly
from firstlight.data.decoding.threads import cores, in_order, keys_of, spans_by_bytes
from firstlight.data.files import digest, reader
from firstlight.data.table import Table

if TYPE_CHECKING:
    from PIL.Image import Exif, Image

SIDE = 32  # px of a thumb, as many as the perceptual hashes look at
LUMA = np.array([19595, 38470, 7471], np.float32) / 65536  # ITU-R BT.601, as `to_shape` takes it
FAST = {"png": "PNG", "jpeg": "JPEG", "jpeg-gray": "JPEG"}  # plain files, which have nothing odd about them
AT_ONCE = 1 << 20  # bytes of files that a thread decodes before it measures; a JPEG unfolds to 10 to 30 times as many
UNKNOWN = 1 << 14  # bytes that a file is taken to have where a table does not say
PIECE = 1 << 16  # px that are measured at once
LARGE = 1 << 16  # px of one image, from which on Pillow measures it faster than NumPy
LINES = 32  # of an image, at most, in which color and sharpness are measured
EXIF_CHUNKS = (b"eXIf", b"tEXt", b"zTXt", b"iTXt")  # of a PNG, in which an orientation may stand


@dataclass(frozen=True, eq=False)
class Facts:
    """What is known of each of N images; zeros and empty words where one cannot be read.

    Attributes:
        problems: why an image cannot be read; empty where it can.
        digests: of the files' bytes; None where the image cannot be read.
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
        color: (N,) float32, mean difference of a pixel's largest and smallest channel, in [0, 1].
        sharpness: (N,) float32, mean difference of neighbouring pixels' luma in a row, over the contrast.
        fineness: (N,) float32, of detail, 0.25 in a blurred image and more in a sharp one; 0 where it is not measured.
        noise: (N,) float32, standard deviation of the noise in gray levels; 0 where it is not measured.
        quality: (N,) uint8, 1 to 100 of a JPEG, by its tables; 0 of other files.
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
    color: np.ndarray
    sharpness: np.ndarray
    fineness: np.ndarray
    noise: np.ndarray
    quality: np.ndarray
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
    known = table.rows["problem"]
    facts = _blank(len(table))

    def block(span: range) -> int:
        files = read_all(read, keys_of(table, span))
        problems = known.slice(span.start, len(span)).to_pylist()
        _fill(facts, span, files, problems if any(problems) else None)
        return len(span)

    done = 0
    if progress is not None:
        progress(done, len(table))  # the clock of a meter starts before the first photos, which may take a second
    over = spans_by_bytes(to_numpy(table.rows["size"], null=UNKNOWN), AT_ONCE)
    with contextlib.closing(in_order(block, over, cores())) as counts:
        for count in counts:
            done += count
            if progress is not None:
                progress(done, len(table))
    return facts


def _blank(count: int) -> Facts:
    """Facts of images of which nothing is known yet; threads fill in rows of their own."""
    return Facts(
        problems=[""] * count,
        digests=[None] * count,
        sizes=np.zeros(count, np.int64),
        widths=np.zeros(count, np.int32),
        heights=np.zeros(count, np.int32),
        formats=[""] * count,
        oddities=[""] * count,
        turned=np.zeros(count, bool),
        several=np.zeros(count, bool),
        gray=np.zeros(count, bool),
        brightness=np.zeros(count, np.float32),
        contrast=np.zeros(count, np.float32),
        color=np.zeros(count, np.float32),
        sharpness=np.zeros(count, np.float32),
        fineness=np.zeros(count, np.float32),
        noise=np.zeros(count, np.float32),
        quality=np.zeros(count, np.uint8),
        thumbs=np.zeros((count, SIDE, SIDE), np.uint8),
    )


def _fill(facts: Facts, span: range, files: list[bytes | str], known: list[str | None] | None) -> None:
    """Fills in the facts of some files, or the reasons why they cannot be read."""
    same: dict[tuple[int, ...], list[tuple[int, np.ndarray]]] = defaultdict(list)
    for at, (row, data, image) in enumerate(zip(span, files, decode_all(files), strict=True)):
        facts.sizes[row] = len(data) if isinstance(data, bytes) else 0
        reason = known[at] if known else None
        if reason or isinstance(image, str) or isinstance(data, str):
            facts.problems[row] = reason or str(image)  # and no digest: two equal error pages are no image twice
            continue
        facts.digests[row] = digest(data)
        _header(facts, row, data)
        same[image.shape].append((row, image))
    for (height, width, _), found in same.items():
        if height * width > LARGE:
            for row, image in found:
                _measure_large(facts, row, image)
            continue
        # In pieces that stay in a core's cache and whose memory is used again, which halves the time.
        step = max(PIECE // (height * width), 1)
        for piece in (found[first : first + step] for first in range(0, len(found), step)):
            _measure(facts, [row for row, _ in piece], np.stack([image for _, image in piece]))


def _measure(facts: Facts, rows: list[int], images: np.ndarray) -> None:
    """Fills in what pixels say of images of one shape, (B, H, W, C)."""
    height, width, channels = images.shape[1:]
    facts.heights[rows], facts.widths[rows] = height, width
    luma: np.ndarray = images[..., 0].astype(np.float32) if channels == 1 else images.astype(np.float32) @ LUMA
    facts.gray[rows] = _same_channels(images).all(axis=(1, 2))
    small = shrinking(height) @ luma @ shrinking(width).T  # (B, 32, 32)
    facts.thumbs[rows] = np.rint(small, out=small)
    facts.fineness[rows], facts.noise[rows] = fineness(luma), noise(luma)
    mean = luma.mean(axis=(1, 2))
    luma -= mean[:, None, None]  # in place, since fresh memory costs as much as the arithmetic
    facts.brightness[rows] = mean / 255
    facts.contrast[rows] = np.sqrt(np.einsum("bij,bij->b", luma, luma) / (height * width)) / 255
    _measure_lines(facts, rows, images, luma)


def _measure_large(facts: Facts, row: int, image: np.ndarray) -> None:
    """The same of one image of many pixels, (H, W, C), by Pillow, in a tenth of the time; luma is rounded first."""
    from PIL.Image import fromarray

    facts.heights[row], facts.widths[row] = image.shape[:2]
    some = image[:: len(image) // SIDE or 1]  # of a color photo a few lines show that it is one
    facts.gray[row] = bool(_same_channels(some).all()) and bool(_same_channels(image).all())
    luma = to_shape(image, size=image.shape[:2], color="gray")
    counts = np.array(fromarray(luma[:, :, 0]).histogram()) / luma.size
    levels = np.arange(256) / 255
    mean = counts @ levels
    facts.brightness[row], facts.contrast[row] = mean, np.sqrt(counts @ (levels - mean) ** 2)
    facts.thumbs[row] = to_shape(luma, size=(SIDE, SIDE), color="gray")[:, :, 0]
    lines = luma[None, :, :, 0]
    facts.fineness[row], facts.noise[row] = fineness(lines)[0], noise(lines)[0]
    _measure_lines(facts, [row], image[None], lines)


def _measure_lines(facts: Facts, rows: list[int], images: np.ndarray, luma: np.ndarray) -> None:
    """Fills in what some lines of images of one shape say, (B, H, W, C), with their luma (B, H, W)."""
    step = -(-images.shape[1] // LINES)
    luma, images = luma[:, ::step].astype(np.float32), images[:, ::step]
    if images.shape[3] == 3 and not facts.gray[rows].all():
        red, green, blue = (images[..., channel] for channel in range(3))
        largest = np.maximum(np.maximum(red, green), blue)
        facts.color[rows] = (largest - np.minimum(np.minimum(red, green), blue)).mean(axis=(1, 2)) / 255
    if luma.shape[2] > 1:
        steps = np.abs(luma[:, :, 1:] - luma[:, :, :-1]).mean(axis=(1, 2)) / 255
        facts.sharpness[rows] = steps / np.maximum(facts.contrast[rows], 1 / 255)


def _same_channels(images: np.ndarray) -> np.ndarray:
    """(..., C) -> (...) bool; three comparisons of whole channels, since NumPy is slow along short axes."""
    one, *others = (images[..., channel] for channel in range(images.shape[-1]))
    same = np.ones(one.shape, bool)
    for other in others:
        same &= one == other
    return same


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


def _header(facts: Facts, row: int, data: bytes) -> None:
    """Fills in what the file says of itself."""
    path = choose_path(data)
    facts.formats[row] = FAST.get(path, path)
    facts.quality[row] = jpeg_quality(data)
    if path == "PPM" and (header := netpbm_header(data)) is not None:
        bits = "one bit" if header.kind in (1, 4) else "16 bits" if header.most > 255 and header.channels == 1 else ""
        facts.oddities[row] = bits
    if path in FAST or path not in openers() or too_costly(data, path) is not None:
        return
    with contextlib.suppress(*DAMAGED), QUIET, openers()[path](io.BytesIO(data)) as picture:
        facts.oddities[row] = _odd(picture, data)
        facts.several[row] = getattr(picture, "n_frames", 1) > 1
        facts.turned[row] = _exif(picture, data).get(ORIENTATION) in range(2, 9)


def _odd(picture: Image, data: bytes) -> str:
    mode = picture.mode
    if "transparency" in picture.info or mode in ("LA", "La", "RGBA", "PA"):
        return "transparency"
    # Pillow calls 16-bit color plain RGB; the depth of a PNG is its 25th byte.
    if mode.startswith("I") or mode == "F" or (data.startswith(PNG) and data[24] == 16):
        return "16 bits"
    return {"P": "palette", "CMYK": "CMYK", "YCbCr": "YCbCr", "1": "one bit"}.get(mode, "")


def _exif(picture: Image, data: bytes) -> Exif:
    """Exif, without decoding a PNG once more where none can lie behind its pixels, which Pillow would look for."""
    from PIL import Image

    if data.startswith(PNG):
        pixels = data.rfind(b"IDAT")
        if all(data.find(name, pixels) < 0 for name in EXIF_CHUNKS):
            return Image.Image.getexif(picture)
    return picture.getexif()


def labelled(table: Table, facts: Facts) -> np.ndarray:
    """(N,) bool: readable and with a class."""
    return facts.readable & (to_numpy(table.rows["label"]) >= 0)
