"""One decoder, used everywhere: the bytes of a file -> uint8 (H, W, C), or the reason why not."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any, TypeVar

import numpy as np

from firstlight.data.decoding.header import PIXEL_LIMIT, choose_path
from firstlight.data.decoding.netpbm import DAMAGED as DAMAGED_NETPBM
from firstlight.data.decoding.netpbm import netpbm, netpbm_header
from firstlight.data.decoding.pillow import heif, pillow, reason_of, too_many
from firstlight.data.decoding.png import png, pngs
from firstlight.data.decoding.structure import too_costly

T = TypeVar("T")


def decode(data: bytes, *, least: int = 0) -> np.ndarray | str:
    """Decodes an image: its first frame, upright, as gray or RGB.

    Alpha is laid over white, palettes and CMYK become RGB, one-bit images 0 and 255. Sixteen bits are scaled
    to eight and not clipped: round(v / 257) for gray; of color Pillow gives the higher byte. The fast
    decoders take plain 8-bit PNGs and JPEGs only, where their pixels are those of Pillow to the bit; what
    they refuse is left to Pillow, which has the last word.

    Args:
        data: the whole file.
        least: px; a JPEG is decoded at 1/2, 1/4 or 1/8 of its size if both sides keep at least so many, which is
            several times as fast and gives nearly the pixels that resizing the whole gives; 0: at its size.

    Returns:
        uint8 (H, W, C), C = 1 (gray) or 3 (RGB), or a short reason in plain words why it cannot be used.

    Example:
        >>> decode(b"P5 2 1 255 " + bytes([0, 200])).tolist()
        [[[0], [200]]]
        >>> decode(b"<!doctype html>")
        'not an image (text)'
    """
    path = choose_path(data)
    if path in FAST_PATHS:
        image = _unless_damaged(_fast(path, least), data)
        if image is not None:
            return image
        path = path.removesuffix("-gray").upper()
    if " " in path:
        return path
    reason = too_costly(data, path)
    if reason is not None:
        return reason
    try:
        if path == "PPM":
            return _netpbm(data)
        return heif(data, path) if path in ("HEIC", "AVIF") else pillow(data, path, least=least)
    except MemoryError:
        return "too large for the memory"
    except Exception as error:  # Pillow raises many kinds on damaged files
        return reason_of(error, path)


def decode_all(files: Sequence[bytes | str], *, least: int = 0) -> list[np.ndarray | str]:
    """Decodes many files; a text, the reason why a file could not be read, is returned as it is.

    Every header is looked at before the first file is decoded: threads that did both in turn would hand Python's
    lock to each other at every call, and two of them took longer with 10,000 small JPEGs than one (198 ms, not 122).

    Example:
        >>> decode_all([b"", "no longer there"])
        ['empty file (0 bytes)', 'no longer there']
    """
    paths = {choose_path(data) if isinstance(data, bytes) else data for data in files}
    if len(paths) == 1 and paths <= FAST_PATHS:
        images = _unless_damaged(_fast_all, paths.pop(), files, least)
        if images is not None:
            return images
    return [data if isinstance(data, str) else decode(data, least=least) for data in files]


def _unless_damaged(work: Callable[..., T], *arguments: Any) -> T | None:
    """What a fast decoder gives; None where it refuses: Pillow has the last word, and the better reasons."""
    try:
        return work(*arguments)
    except (ValueError, MemoryError, zlib.error):  # simplejpeg's, of damaged files and of large ones, and png's
        return None
    except BaseException as error:
        if type(error) is Exception or _is_panic(error):  # kornia_rs raises Exception itself
            return None
        raise


def _is_panic(error: BaseException) -> bool:
    """Whether Rust code has panicked.

    pyo3 derives the class from BaseException, makes it at the first panic and puts it into no module from which it
    could be imported, so its full name is all there is to know it by.
    """
    return (type(error).__module__, type(error).__qualname__) == ("pyo3_runtime", "PanicException")


IHDR = slice(16, 29)  # where a PNG has its size and color
FAST_PATHS = {"png", "jpeg", "jpeg-gray"}


def _fast_all(path: str, files: Sequence[bytes], least: int) -> list[np.ndarray | str]:
    """Files of one path, without a call of our own for each where all are PNGs of one size and color."""
    if path == "png" and len({data[IHDR] for data in files}) == 1:
        return [*pngs(files)]
    return list(map(_fast(path, least), files))


@cache
def _fast(path: str, least: int) -> Callable[[bytes], np.ndarray]:
    if path == "png":
        return png
    from simplejpeg import decode_jpeg

    colorspace = "RGB" if path == "jpeg" else "GRAY"
    if not least:
        return decode_jpeg if path == "jpeg" else partial(decode_jpeg, colorspace=colorspace)
    return partial(decode_jpeg, colorspace=colorspace, min_height=least, min_width=least)


def _netpbm(data: bytes) -> np.ndarray | str:
    header = netpbm_header(data)
    if header is None:
        return DAMAGED_NETPBM
    size = header.width, header.height
    return too_many(size) if math.prod(size) > PIXEL_LIMIT else netpbm(data, header)
