"""Image files of every format, mode, size and orientation, and plain Pillow as their oracle."""

from __future__ import annotations

import io
import struct
import warnings
import zlib

import numpy as np
from hypothesis import reject
from hypothesis import strategies as st
from PIL import Image, ImageCms

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")


ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def oracle(data: bytes) -> np.ndarray | None:
    """uint8 (H, W, 1 or 3) by plain Pillow and NumPy, None where there is no reading."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
                picture.load()
                values = over_white(picture, data)
                return None if values is None else turned(values, orientation(picture))
    except Exception:
        return None


def orientation(picture: Image.Image) -> int:
    try:
        return picture.getexif().get(274, 1)
    except Exception:
        return 1


def turned(values: np.ndarray, orientation: int) -> np.ndarray:
    """As Exif says where the first row and column of the stored picture are seen: for 6 at the right and the top."""
    if orientation in (5, 6, 7, 8):
        values = values.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        values = values[::-1]
    if orientation in (2, 3, 6, 7):
        values = values[:, ::-1]
    return values


def over_white(picture: Image.Image, data: bytes) -> np.ndarray | None:
    mode, clear = picture.mode, picture.info.get("transparency")
    depth = data[24] if picture.format == "PNG" else 8
    values = np.asarray(picture).astype(np.int64)
    if mode in ("I;16", "I;16B") or (mode == "I" and picture.format == "PPM"):
        values = np.where(values == clear, 65535, values)
        return np.rint(values / 257).astype(np.uint8)[:, :, None]
    if mode in ("1", "L"):
        top = 2**depth - 1 if depth < 8 else 255
        steps = values * top // (1 if mode == "1" else 255)
        if mode == "1":
            values = values * 255
            clear = None if clear is None else clear // 255
            steps = values // 255
        if clear is not None:
            values = np.where(steps == (clear & top), 255, values)
        return values.astype(np.uint8)[:, :, None]
    if mode == "RGB" and clear is not None:
        clear = [value >> 8 if depth == 16 else value & 255 for value in clear]
        return np.where((values == clear).all(2, keepdims=True), 255, values).astype(np.uint8)
    if mode == "P" and clear is not None:
        mode, values = "RGBA", np.asarray(picture.convert("RGBA")).astype(np.int64)
    if mode == "PA":
        mode, values = "RGBA", np.asarray(picture.convert("RGBA")).astype(np.int64)
    if mode in ("LA", "RGBA"):
        alpha = values[:, :, -1:]
        return ((values[:, :, :-1] * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
    if mode in ("RGB", "P", "CMYK", "YCbCr"):
        return np.asarray(picture.convert("RGB"))
    return None


def told(image: np.ndarray | str) -> None:
    """A result is an image of the promised form, or a reason in a few plain words."""
    if isinstance(image, str):
        assert 3 < len(image) < 120 and image.isprintable() and "0x" not in image, image
        assert image[0].islower() or image.split()[0] in ("AVIF", "HEIC"), image
    else:
        assert image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] in (1, 3) and image.flags.c_contiguous


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def rows_of(samples: np.ndarray, depth: int) -> bytes:
    """The rows of (H, W, C) samples as a PNG stores them, each after the filter byte 0."""
    if depth == 16:
        packed = samples.astype(">u2").reshape(len(samples), -1).view(np.uint8)
    else:
        bits = np.unpackbits(samples.astype(np.uint8)[..., None], axis=-1)[..., 8 - depth :]
        packed = np.packbits(bits.reshape(len(samples), -1), axis=1)
    return np.pad(packed, ((0, 0), (1, 0))).tobytes()


def png(
    samples: np.ndarray, depth: int, kind: int, *, interlaced: bool = False, chunks: tuple[bytes, ...] = ()
) -> bytes:
    height, width = samples.shape[:2]
    parts = [samples[y::down, x::right] for x, y, right, down in ADAM7] if interlaced else [samples]
    content = zlib.compress(b"".join(rows_of(part, depth) for part in parts if part.size))
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, interlaced))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + chunk(b"IDAT", content) + chunk(b"IEND", b"")


def exif_of(turn: int) -> Image.Exif:
    exif = Image.Exif()
    exif[274] = turn
    return exif


def profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


PROFILE = profile()


SIDES = st.one_of(st.integers(1, 20), st.integers(1, 70), st.sampled_from((8, 16, 32, 64, 255, 257, 300)))


def pixels(draw: st.DrawFn, channels: int, top: int) -> np.ndarray:
    """(H, W, C) of noise, of a ramp or of few values."""
    height, width = draw(SIDES), draw(SIDES)
    generator = np.random.default_rng(draw(st.integers(0, 9999)))
    noise = generator.integers(0, top, (height, width, channels), endpoint=True)
    kind = draw(st.sampled_from(("noise", "ramp", "few")))
    if kind == "few":
        return noise // (top // 2 + 1) * top
    if kind == "ramp":
        return (
            (np.arange(width)[:, None] * (1 + np.arange(channels)) + np.arange(height)[:, None, None]) * 3 % (top + 1)
        )
    return noise


def image(draw: st.DrawFn, mode: str) -> Image.Image:
    if mode in ("I;16", "I;16B"):
        values = pixels(draw, 1, 65535)[:, :, 0]
        return Image.frombytes(mode, values.shape[::-1], values.astype(">u2" if mode == "I;16B" else "<u2").tobytes())
    if mode == "1":
        return Image.fromarray(pixels(draw, 1, 1)[:, :, 0].astype(bool))
    if mode in ("I", "F"):
        return Image.fromarray(pixels(draw, 1, 70000)[:, :, 0].astype(np.int32 if mode == "I" else np.float32))
    if mode == "P":
        picture = Image.fromarray(pixels(draw, 1, 255)[:, :, 0].astype(np.uint8)).convert("P")
        picture.putpalette(np.random.default_rng(draw(st.integers(0, 99))).bytes(768))
        return picture
    channels = len(Image.new(mode, (1, 1)).getbands())
    values = pixels(draw, channels, 255).astype(np.uint8)
    return Image.frombytes(mode, values.shape[1::-1], values.tobytes())


def saved(picture: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    try:
        picture.save(file, kind, **{name: value for name, value in options.items() if value is not None})
    except OSError:  # noise at the best quality can be more than the buffer that Pillow makes for a progressive JPEG
        reject()
    return file.getvalue()
