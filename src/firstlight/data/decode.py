"""One decoder, used everywhere: the bytes of a file -> uint8 (H, W, C), or the reason why not."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from firstlight.data.header import EXTRA, PIXEL_LIMIT, choose_path

if TYPE_CHECKING:
    from PIL.Image import Image

ORIENTATION = 0x0112  # the Exif tag


def decode(data: bytes) -> np.ndarray | str:
    """Decodes an image: its first frame, upright, as gray or RGB.

    Alpha is laid over white, palettes and CMYK become RGB, one-bit images 0 and 255. Sixteen bits are scaled
    to eight and not clipped: round(v / 257) for gray; of colour Pillow gives the higher byte. The fast
    decoders take plain 8-bit PNGs and JPEGs only, where their pixels are those of Pillow to the bit; what
    they refuse is left to Pillow, which has the last word.

    Args:
        data: the whole file.

    Returns:
        uint8 (H, W, C), C = 1 (gray) or 3 (RGB), or a short reason in plain words why it cannot be used.

    Example:
        >>> decode(b"P5 2 1 255 " + bytes([0, 200])).tolist()
        [[[0], [200]]]
        >>> decode(b"<!doctype html>")
        'not an image (text)'
    """
    path = choose_path(data)
    if path in FAST:
        try:
            return FAST[path](data)
        except BaseException as error:  # Pillow has the last word, and the better reasons
            if not isinstance(error, Exception) and type(error).__name__ != "PanicException":  # a panic in Rust
                raise
        path = path.removesuffix("-gray").upper()
    if " " in path:
        return path
    try:
        return _heif(data, path) if path in ("HEIC", "AVIF") else _pillow(data, path)
    except MemoryError:
        return "too large for the memory"
    except Exception as error:  # Pillow raises many kinds on damaged files
        return _reason(error, path)


def _png(data: bytes) -> np.ndarray:
    size = (int.from_bytes(data[20:24], "big"), int.from_bytes(data[16:20], "big"))
    return _kornia()(data, size, "mono" if data[25] == 0 else "rgb")


def _jpeg(data: bytes) -> np.ndarray:
    return _simplejpeg()(data)


def _jpeg_gray(data: bytes) -> np.ndarray:
    return _simplejpeg()(data, "GRAY")


FAST: dict[str, Callable[[bytes], np.ndarray]] = {"png": _png, "jpeg": _jpeg, "jpeg-gray": _jpeg_gray}


@cache
def _kornia() -> Callable[..., np.ndarray]:
    from kornia_rs.io import decode_image_png_u8

    return decode_image_png_u8  # type: ignore[no-any-return]


@cache
def _simplejpeg() -> Callable[..., np.ndarray]:
    from simplejpeg import decode_jpeg

    return decode_jpeg  # type: ignore[no-any-return]


@cache
def _openers() -> dict[str, Callable[[io.BytesIO], Image]]:
    """Pillow's readers, each for its own format only: no file can reach a reader that is not named here."""
    from PIL import (
        AvifImagePlugin,
        BmpImagePlugin,
        GifImagePlugin,
        JpegImagePlugin,
        PngImagePlugin,
        PpmImagePlugin,
        TiffImagePlugin,
        WebPImagePlugin,
    )

    return {
        "AVIF": AvifImagePlugin.AvifImageFile,
        "BMP": BmpImagePlugin.BmpImageFile,
        "GIF": GifImagePlugin.GifImageFile,
        "JPEG": JpegImagePlugin.JpegImageFile,
        "PNG": PngImagePlugin.PngImageFile,
        "PPM": PpmImagePlugin.PpmImageFile,
        "TIFF": TiffImagePlugin.TiffImageFile,
        "WEBP": WebPImagePlugin.WebPImageFile,
    }


def _pillow(data: bytes, kind: str) -> np.ndarray | str:
    with _without_warnings(), _openers()[kind](io.BytesIO(data)) as picture:
        width, height = picture.size
        if width * height > PIXEL_LIMIT:
            return f"too many pixels ({width} x {height}; the limit is {PIXEL_LIMIT:,})"
        picture.load()
        return _plain(_upright(picture))


def _heif(data: bytes, kind: str) -> np.ndarray | str:
    try:
        import pi_heif
    except ImportError:
        return f"{kind} {EXTRA}"
    if kind == "AVIF":
        return _pillow(data, kind)
    picture = pi_heif.open_heif(data, convert_hdr_to_8bit=True)  # upright already
    width, height = picture.size
    if width * height > PIXEL_LIMIT:
        return f"too many pixels ({width} x {height}; the limit is {PIXEL_LIMIT:,})"
    return _plain(picture.to_pillow())


@contextlib.contextmanager
def _without_warnings() -> Iterator[None]:
    """Keeps Pillow's remarks on odd metadata from the terminal.

    Threads share the filters, so at worst one such remark of another thread gets through, or is kept.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        yield


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
    except Exception:  # Exif that cannot be read says nothing of the orientation
        turn = None
    return picture if turn is None else _kept(picture, picture.transpose(turn))


def _kept(picture: Image, turned: Image) -> Image:
    """The turned picture, with the transparent colour that turning may lose."""
    if "transparency" in picture.info:
        turned.info["transparency"] = picture.info["transparency"]
    return turned


def _plain(picture: Image) -> np.ndarray | str:
    """uint8 (H, W, 1 or 3) of a loaded picture of any mode."""
    mode = picture.mode
    if mode.startswith("I"):
        return _scaled(np.asarray(picture))
    if mode == "F":
        return "floating-point pixels, whose range is not known"
    gray = mode in ("1", "L", "LA", "La")
    if mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in picture.info:
        picture = _over_white(picture.convert("RGBA"))
        gray = gray and mode != "P"
        return _array(picture.getchannel(0) if gray else picture)
    if mode not in ("1", "L", "P", "RGB", "RGBX", "CMYK", "YCbCr"):
        return f"pixels of a kind that is not read ({mode})"
    return _array(picture.convert("L" if gray else "RGB"))


def _over_white(picture: Image) -> Image:
    from PIL import Image

    white = Image.new("RGB", picture.size, (255, 255, 255))
    white.paste(picture.convert("RGB"), mask=picture.getchannel("A"))
    return white


def _scaled(values: np.ndarray) -> np.ndarray | str:
    """Sixteen bits to eight: round(v * 255 / 65535) = round(v / 257)."""
    if values.min() < 0 or values.max() > 65535:
        return "32-bit pixels, whose range is not known"
    return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)[:, :, None]


def _array(picture: Image) -> np.ndarray:
    values = np.asarray(picture)
    return values[:, :, None] if values.ndim == 2 else values


def _reason(error: Exception, kind: str) -> str:
    text = str(error).lower()
    if "truncated" in text or isinstance(error, EOFError):
        return "truncated file"
    if "exceeds limit" in text:
        return f"too many pixels (the limit is {PIXEL_LIMIT:,})"
    return f"damaged {kind} file"
