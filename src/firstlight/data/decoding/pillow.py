"""What Pillow reads: files of its formats and pictures in memory -> uint8 (H, W, C), or the reason why not."""

from __future__ import annotations

import io
import math
import struct
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from firstlight.data.decoding.header import EXTRA, PIXEL_LIMIT
from firstlight.data.decoding.quiet import QUIET, quiet_libtiff

if TYPE_CHECKING:
    from PIL.Image import Image

# What Pillow's readers raise on damaged headers and metadata: the errors that PIL.ImageFile itself expects of them,
# what it makes of these (SyntaxError), and arithmetic on values that cannot be.
DAMAGED = (OSError, SyntaxError, EOFError, ValueError, TypeError, LookupError, ArithmeticError, struct.error)

BITS_PER_SAMPLE, PHOTOMETRIC, ORIENTATION = 258, 262, 274  # tags of TIFF and Exif

PLAIN = {  # Pillow's mode -> gray or color
    **dict.fromkeys(("1", "L", "LA", "La"), "L"),
    **dict.fromkeys(("P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr"), "RGB"),
}
UNKNOWN_RANGE = {
    "I": "signed or 32-bit pixels, whose range is not known",
    "F": "floating-point pixels, whose range is not known",
}


@cache
def openers() -> dict[str, Callable[[io.BytesIO], Image]]:
    """Pillow's readers, each for its own format only: no file can reach a reader that is not named here."""
    from PIL import (
        AvifImagePlugin,
        BmpImagePlugin,
        GifImagePlugin,
        JpegImagePlugin,
        PngImagePlugin,
        TiffImagePlugin,
        WebPImagePlugin,
    )

    return {
        "AVIF": AvifImagePlugin.AvifImageFile,
        "BMP": BmpImagePlugin.BmpImageFile,
        "GIF": GifImagePlugin.GifImageFile,
        "JPEG": JpegImagePlugin.JpegImageFile,
        "PNG": PngImagePlugin.PngImageFile,
        "TIFF": TiffImagePlugin.TiffImageFile,
        "WEBP": WebPImagePlugin.WebPImageFile,
    }


def pillow(data: bytes, kind: str, *, least: int = 0) -> np.ndarray | str:
    """Decodes a file of one format, as `decode` describes it."""
    if kind == "TIFF":
        quiet_libtiff()
    with QUIET, openers()[kind](io.BytesIO(data)) as picture:
        if least and kind == "JPEG":
            picture.draft(None, (least, least))
        return _of_picture(picture, kind)


def decode_picture(picture: Image) -> np.ndarray | str:
    """Decodes an image that Pillow has opened or made, as `decode` does its file; the picture is not changed.

    Args:
        picture: its current frame is taken, upright where its Exif data have an orientation.

    Returns:
        As `decode`.

    Example:
        >>> from PIL import Image
        >>> decode_picture(Image.new("L", (2, 1), 200)).tolist()
        [[[200], [200]]]
    """
    try:
        with QUIET:
            return _of_picture(picture, picture.format or "picture")
    except MemoryError:
        return "too large for the memory"
    except Exception as error:  # Pillow raises many kinds on damaged files
        if "closed" in str(error):
            return "its file was closed before it was loaded"
        return reason_of(error, picture.format or "picture")


def _of_picture(picture: Image, kind: str) -> np.ndarray | str:
    if math.prod(picture.size) > PIXEL_LIMIT:
        return too_many(picture.size)
    depth = _depth(picture)
    picture.load()
    if kind == "PNG" and depth != 8 and "transparency" in picture.info:
        picture = picture.copy()
        _scale_transparency(picture, depth=depth)
    upright = _upright(picture)
    return _scaled(upright) if kind == "PPM" and upright.mode == "I" else _plain(upright)


def _depth(picture: Image) -> int:
    """The bits of a channel of a PNG that is not loaded yet, by Pillow's name of its raw mode; 8 of any other."""
    tiles = getattr(picture, "tile", ())
    raw = str(tiles[0][3]) if tiles else ""  # "L;2", "RGB;16B"
    return int(raw.partition(";")[2].rstrip("B") or 8) if raw.startswith(("L;", "RGB;")) else 8


def heif(data: bytes, kind: str) -> np.ndarray | str:
    """Decodes HEIC and AVIF, for which an optional package is needed."""
    try:
        import pi_heif
    except ImportError:
        return f"{kind} {EXTRA}"
    if kind == "AVIF":
        return pillow(data, kind)
    with QUIET:
        picture = pi_heif.open_heif(data, convert_hdr_to_8bit=True)  # upright already
        if math.prod(picture.size) > PIXEL_LIMIT:
            return too_many(picture.size)
        return _plain(picture.to_pillow())


def too_many(size: tuple[int, int]) -> str:
    """Why an image of this size is refused."""
    return f"too many pixels ({size[0]} x {size[1]}; the limit is {PIXEL_LIMIT:,})"


def _scale_transparency(picture: Image, *, depth: int) -> None:
    """Brings the transparent color of a PNG to the eight bits of its pixels; Pillow does so for 1 and 8 bits only."""
    color = picture.info["transparency"]
    if picture.mode == "L" and depth < 8:
        picture.info["transparency"] = color % 2**depth * 255 // (2**depth - 1)
    elif picture.mode == "RGB" and depth == 16:
        picture.info["transparency"] = tuple(value >> 8 for value in color)


def _upright(picture: Image) -> Image:
    from PIL.Image import Transpose

    turns = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    try:
        turn = turns.get(picture.getexif().get(ORIENTATION, 1))
    except DAMAGED:  # Exif that cannot be read says nothing of the orientation
        return picture
    return picture if turn is None else picture.transpose(turn)


def _plain(picture: Image) -> np.ndarray | str:
    """uint8 (H, W, 1 or 3) of a loaded picture of any mode."""
    mode = picture.mode
    if mode.startswith("I;16"):
        return _scaled(picture)
    if mode in UNKNOWN_RANGE:
        return UNKNOWN_RANGE[mode]
    if mode not in PLAIN:
        return f"pixels of a kind that is not read ({mode})"
    if "transparency" in picture.info or mode.endswith(("A", "a")):
        picture = _over_white(picture, PLAIN[mode])
    elif mode != PLAIN[mode]:
        picture = picture.convert(PLAIN[mode])
    return np.asarray(picture).reshape(picture.height, picture.width, -1)


def _over_white(picture: Image, mode: str) -> Image:
    from PIL import Image

    picture = picture.convert(mode + "A")
    white = Image.new(mode, picture.size, "white")
    white.paste(picture.convert(mode), mask=picture.getchannel("A"))
    return white


def _scaled(picture: Image) -> np.ndarray | str:
    """Sixteen bits to eight: round(v * 255 / 65535) = round(v / 257)."""
    tags = getattr(picture, "tag_v2", None)
    if tags is not None and (tags.get(BITS_PER_SAMPLE) == (12,) or tags.get(PHOTOMETRIC, 0) == 0):
        return "pixels of a kind that is not read (12 bits, or 16 bits with white as zero)"
    values = np.asarray(picture).astype(np.uint32)
    if "transparency" in picture.info:
        values[values == picture.info["transparency"]] = 65535
    return ((values + 128) // 257).astype(np.uint8)[:, :, None]


def reason_of(error: Exception, kind: str) -> str:
    """Why a file could not be decoded, in plain words."""
    text = str(error).lower()
    if "truncated" in text or isinstance(error, EOFError):
        return "truncated file"
    if "exceeds limit" in text:
        return f"too many pixels (the limit is {PIXEL_LIMIT:,})"
    return f"damaged {kind} file"
