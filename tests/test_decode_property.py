"""Decoding against plain Pillow: files of every format, mode, size, orientation and damage give the same bits."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from firstlight.data.decoding.decode import decode, decode_all
from firstlight.data.decoding.header import choose_path
from image_files import (
    PROFILE,
    chunk,
    exif_of,
    image,
    oracle,
    pixels,
    png,
    saved,
    told,
)

COMMON = settings(
    max_examples=300, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by the color type of a PNG
PNG_KINDS = (
    [(d, 0) for d in (1, 2, 4, 8, 16)] + [(d, 3) for d in (1, 2, 4, 8)] + [(d, k) for d in (8, 16) for k in (2, 4, 6)]
)

# The oracle ------------------------------------------------------------------------------------------------


# The makers ------------------------------------------------------------------------------------------------


TURNS = st.sampled_from((None, None, *range(10)))
TEXTS = st.sampled_from((
    b"Title\0a", b"Comment\0", b"Software\0" + b"x" * 200, b"date:create\0today", b"exif\0II*\0", b"interlace\0x",
    b"bbox\0x", b"transparency\0x", b"Raw profile type exif\0\n\n\n\n00", b"no end", b"", b"Title", b"xmp\0y",
    b"Comment\0b", b"Author\0c", b"Source\0d",
    b'XML:com.adobe.xmp\0tiff:Orientation="6"',
))  # fmt: skip


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


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_a_bent_stream_with_a_right_checksum_of_its_chunk_is_read_as_by_pillow(data: st.DataObject) -> None:
    """The decompressed bytes have a checksum of their own (Adler-32); where it is wrong, there are no pixels."""
    noise = np.random.default_rng(data.draw(st.integers(0, 99))).integers(0, 3, (8, 8), np.uint8)
    whole = saved(Image.fromarray(noise * 90), "PNG", optimize=data.draw(st.booleans()))
    assert choose_path(whole) == "png"
    length = int.from_bytes(whole[33:37], "big")
    stream = bytearray(whole[41 : 41 + length])
    stream[data.draw(st.integers(0, length - 1))] ^= data.draw(st.integers(1, 255))
    cut = data.draw(st.integers(0, length))
    chunks = chunk(b"IDAT", bytes(stream[:cut])) + chunk(b"IDAT", bytes(stream[cut:])) + chunk(b"IEND", b"")
    bent = whole[:33] + chunks
    expected, (found,) = oracle(bent), decode_all([bent])
    if expected is None:
        assert isinstance(found, str)
    else:
        np.testing.assert_array_equal(expected, found)
