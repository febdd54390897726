"""Decoding against plain Pillow: files of every format, mode, size, orientation and damage give the same bits."""

from __future__ import annotations

import io
import struct
import warnings
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, reject, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from firstlight.data.decoding.decode import decode
from firstlight.data.decoding.header import choose_path

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
COMMON = settings(
    max_examples=300, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by the color type of a PNG
PNG_KINDS = (
    [(d, 0) for d in (1, 2, 4, 8, 16)] + [(d, 3) for d in (1, 2, 4, 8)] + [(d, k) for d in (8, 16) for k in (2, 4, 6)]
)

# The oracle ------------------------------------------------------------------------------------------------


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


# The makers ------------------------------------------------------------------------------------------------


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
TURNS = st.sampled_from((None, None, *range(10)))
SIDES = st.one_of(st.integers(1, 20), st.integers(1, 70), st.sampled_from((8, 16, 32, 64, 255, 257, 300)))
TEXTS = st.sampled_from((
    b"Title\0a", b"Comment\0", b"Software\0" + b"x" * 200, b"date:create\0today", b"exif\0II*\0", b"interlace\0x",
    b"bbox\0x", b"transparency\0x", b"Raw profile type exif\0\n\n\n\n00", b"no end", b"", b"Title", b"xmp\0y",
    b"Comment\0b", b"Author\0c", b"Source\0d",
    b'XML:com.adobe.xmp\0tiff:Orientation="6"',
))  # fmt: skip


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


@st.composite
def png_files(draw: st.DrawFn) -> bytes:
    depth, kind = draw(st.sampled_from(PNG_KINDS + [(8, 0), (8, 2)] * 4))
    samples = pixels(draw, CHANNELS[kind], 2**depth - 1)
    chunks = []
    if draw(st.booleans()):
        chunks.append(chunk(b"gAMA", struct.pack(">I", draw(st.sampled_from((45455, 100000, 0))))))
    if draw(st.booleans()):
        chunks.append(chunk(b"pHYs", struct.pack(">IIB", 3000, 3000, 1)))
    chunks += [chunk(b"tEXt", text) for text in [draw(TEXTS) for _ in range(draw(st.sampled_from((0, 0, 1, 2))))]]
    if draw(st.integers(0, 9)) == 9:
        chunks.append(chunk(b"iCCP", b"p\0\0" + zlib.compress(PROFILE)))
    turn = draw(TURNS)
    if turn is not None and draw(st.integers(0, 3)) == 3:
        chunks.append(chunk(b"eXIf", exif_of(turn).tobytes()[6:]))
    if kind == 3:
        count = 2**depth if depth < 8 or draw(st.booleans()) else int(samples.max()) + 1
        chunks.append(chunk(b"PLTE", np.random.default_rng(count).bytes(3 * count)))
        if draw(st.booleans()):
            chunks.append(chunk(b"tRNS", draw(st.binary(min_size=1, max_size=count))))
    elif kind in (0, 2) and draw(st.integers(0, 3)) == 3:
        clear = samples[-1, -1] if draw(st.booleans()) else np.zeros(CHANNELS[kind])
        chunks.append(chunk(b"tRNS", clear.astype(">u2").tobytes()))
    return png(samples, depth, kind, interlaced=draw(st.integers(0, 3)) == 3, chunks=tuple(chunks))


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


@st.composite
def jpeg_files(draw: st.DrawFn) -> bytes:
    picture = image(draw, draw(st.sampled_from(("L", "RGB", "RGB", "RGB", "CMYK"))))
    turn = draw(TURNS) if draw(st.booleans()) else None
    as_rgb = picture.mode == "RGB" and draw(st.integers(0, 4)) == 4
    return saved(
        picture,
        "JPEG",
        quality=draw(st.sampled_from((1, 30, 75, 90, 100))),
        progressive=draw(st.booleans()),
        optimize=draw(st.booleans()),
        subsampling=None if picture.mode == "L" or as_rgb else draw(st.sampled_from((0, 1, 2))),
        keep_rgb=as_rgb,
        restart_marker_blocks=draw(st.sampled_from((0, 0, 1, 5))),
        icc_profile=PROFILE if draw(st.integers(0, 5)) == 5 else None,
        exif=None if turn is None else exif_of(turn),
        comment=draw(st.sampled_from((None, None, b"a comment"))),
        dpi=draw(st.sampled_from((None, (72, 72)))),
    )


@st.composite
def other_files(draw: st.DrawFn) -> bytes:
    kind = draw(st.sampled_from(("WEBP", "GIF", "BMP", "TIFF", "TIFF", "PPM")))
    modes = {
        "WEBP": ("RGB", "RGBA", "L"),
        "GIF": ("1", "L", "P", "RGB", "RGBA", "LA"),
        "BMP": ("1", "L", "P", "RGB", "RGBA"),
        "TIFF": ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "I;16", "I;16B", "I", "F"),
        "PPM": ("1", "L", "RGB", "I;16", "I"),
    }
    mode = draw(st.sampled_from(modes[kind]))
    picture = image(draw, mode)
    turn = draw(TURNS)
    if kind == "WEBP":
        exif = None if turn is None else exif_of(turn)
        options = {"lossless": draw(st.booleans()), "quality": draw(st.integers(0, 100)), "method": 0, "exif": exif}
    elif kind == "GIF":
        clear = draw(st.sampled_from((None, None, 0, 3))) if mode in ("L", "P") else None
        more = [Image.new("L", picture.size, 7)] if draw(st.booleans()) else []
        options = {
            "interlace": draw(st.booleans()),
            "transparency": clear,
            "save_all": bool(more),
            "append_images": more,
        }
    elif kind == "TIFF":
        packings = [None, "tiff_lzw", "tiff_adobe_deflate", "packbits"]
        packings += ["group4"] if mode == "1" else ["jpeg"] if mode in ("L", "RGB", "CMYK", "YCbCr") else []
        more = [Image.new(mode, (3, 3))] if draw(st.booleans()) else []
        options = {
            "compression": draw(st.sampled_from(packings)),
            "big_tiff": mode != "I;16B" and draw(st.booleans()),  # Pillow cannot read big-endian ones with a turn
            "save_all": bool(more),
            "append_images": more,
            "tiffinfo": {274: turn} if turn in range(1, 9) else None,  # libtiff writes no other
        }
    else:
        options = {}
    if kind == "PPM" and draw(st.booleans()):
        channels, top = draw(st.sampled_from((1, 3))), draw(st.sampled_from((1, 15, 100, 255, 256, 4095, 65535)))
        values = pixels(draw, channels, top)
        size = f"{values.shape[1]} {values.shape[0]} {top}\n"
        if draw(st.booleans()):
            text = " ".join(map(str, values.ravel().tolist()))
            return f"P{2 if channels == 1 else 3}\n# made by hand\n{size}{text}\n".encode()
        return f"P{5 if channels == 1 else 6} {size}".encode() + values.astype(">u1" if top < 256 else ">u2").tobytes()
    return saved(picture, kind, **options)


FILES = st.one_of(png_files(), jpeg_files(), other_files())


def with_true_checksums(data: bytes) -> bytes:
    """A PNG whose chunks are taken for whole again after damage, so that the damage reaches the decoders.

    All but the pixels: the fast decoder trusts the checksum of their chunk and does not look at the second one within,
    which a file damaged on its way could only get past one time in 2**32.
    """
    parts, at = [data[:8]], 8
    while at + 12 <= len(data):
        end = at + 8 + int.from_bytes(data[at : at + 4], "big")
        if end + 4 > len(data):
            break
        name = data[at + 4 : at + 8]
        parts.append(data[at : end + 4] if name == b"IDAT" else chunk(name, data[at + 8 : end]))
        at = end + 4
    return b"".join(parts) + data[at:]


@st.composite
def damaged_files(draw: st.DrawFn) -> bytes:
    data = draw(FILES)
    for _ in range(draw(st.integers(1, 3))):
        # Half of the damage lies in the first bytes, where the headers are.
        at = min(draw(st.one_of(st.integers(0, 200), st.integers(0, 20_000))), len(data) - 1)
        how = draw(st.sampled_from(("cut", "flip", "flip", "set", "insert", "remove", "junk", "repeat")))
        if how == "cut":
            data = data[: at + 1]
        elif how == "flip":
            data = data[:at] + bytes([data[at] ^ 1 << draw(st.integers(0, 7))]) + data[at + 1 :]
        elif how == "set":
            data = data[:at] + draw(st.sampled_from((b"\0", b"\1", b"\xff", b"\xd9"))) + data[at + 1 :]
        elif how == "insert":
            data = data[:at] + draw(st.binary(min_size=1, max_size=8)) + data[at:]
        elif how == "remove":
            data = data[:at] + data[at + draw(st.integers(1, 40)) :]
        elif how == "junk":
            data += draw(st.binary(max_size=40))
        else:
            data = data[:at] + data[max(at - 30, 0) :]
        if not data:
            return data
    if data.startswith(b"\x89PNG\r\n\x1a\n") and draw(st.booleans()):
        data = with_true_checksums(data)
    return data


# The properties --------------------------------------------------------------------------------------------


def check_whole(data: bytes) -> None:
    expected, actual = oracle(data), decode(data)
    told(actual)
    if expected is None:  # Pillow refuses a PNG with some texts
        assert isinstance(actual, str)
        assert "whose range is not known" in actual or b"tEXt" in data, actual
    else:
        assert not isinstance(actual, str), actual
        np.testing.assert_array_equal(expected, actual, strict=True)


def check_damaged(data: bytes) -> None:
    expected, actual = oracle(data), decode(data)
    told(actual)
    assert expected is not None or isinstance(actual, str)
    if isinstance(actual, str):
        assert expected is None or " " in choose_path(data), actual
    else:
        np.testing.assert_array_equal(expected, actual, strict=True)


@pytest.mark.slow
@COMMON
@given(png_files())
def test_a_png_gives_the_bits_of_pillow(data: bytes) -> None:
    """A PNG of any depth, color type, interlacing, transparency and text is read as the oracle reads it."""
    check_whole(data)


@pytest.mark.slow
@COMMON
@given(jpeg_files())
def test_a_jpeg_gives_the_bits_of_pillow(data: bytes) -> None:
    """A JPEG of any colors, quality, subsampling and orientation is read as the oracle reads it."""
    check_whole(data)


@pytest.mark.slow
@COMMON
@given(other_files())
def test_a_file_of_another_format_gives_the_bits_of_pillow(data: bytes) -> None:
    """A WebP, GIF, BMP, TIFF or PPM is read as the oracle reads it."""
    check_whole(data)


@pytest.mark.slow
@COMMON
@given(damaged_files())
@example(b"\x89PNG\r\n\x1a\n")
def test_a_damaged_file_gives_the_bits_of_pillow_or_a_reason(data: bytes) -> None:
    """What Pillow refuses is refused with a reason; what it still reads has its bits."""
    check_damaged(data)
