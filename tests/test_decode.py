"""Decoding case by case: which path a file takes, the numbers it gives, and the reasons why it gives none."""

from __future__ import annotations

import io
import re
import struct
import subprocess
import sys
import threading
import warnings
import zipfile
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from firstlight.data.decoding import decode as module
from firstlight.data.decoding.decode import decode
from firstlight.data.decoding.header import choose_path
from firstlight.data.fetching.catalog import write_digits
from image_files import PROFILE, chunk, exif_of, oracle, png, saved, told

LIMIT = "the limit is 89,478,485)"
GRAY = np.array([[0, 40, 90], [200, 255, 7]], np.uint8)
COLOR = np.arange(18, dtype=np.uint8).reshape(2, 3, 3) * 14
# What the numbers of `GRAY`, (2, 3), look like upright, by the Exif orientation.
UPRIGHT = {
    1: [[0, 40, 90], [200, 255, 7]],
    2: [[90, 40, 0], [7, 255, 200]],
    3: [[7, 255, 200], [90, 40, 0]],
    4: [[200, 255, 7], [0, 40, 90]],
    5: [[0, 200], [40, 255], [90, 7]],
    6: [[200, 0], [255, 40], [7, 90]],
    7: [[7, 90], [255, 40], [200, 0]],
    8: [[90, 7], [40, 255], [0, 200]],
}


def png_of(samples: list, depth: int, kind: int, *chunks: bytes) -> bytes:
    """A PNG of (H, W) or (H, W, C) numbers."""
    values = np.array(samples)
    return png(values.reshape(*values.shape[:2], -1), depth, kind, chunks=chunks)


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def picture(*shape: int) -> Image.Image:
    return Image.fromarray(noise(*shape))


def jpeg(**options: object) -> bytes:
    return saved(picture(20, 30, 3), "JPEG", **options)


def tiff(entries: dict[int, tuple[int, list[int]]], after: bytes = b"") -> bytes:
    """A little-endian TIFF of one directory, whose values each fit into four bytes, and what follows it."""
    body = b"II*\0" + struct.pack("<IH", 8, len(entries))
    for tag, (kind, values) in sorted(entries.items()):
        content = struct.pack(f"<{len(values)}{'H' if kind == 3 else 'I'}", *values)
        body += struct.pack("<HHI", tag, kind, len(values)) + content.ljust(4, b"\0")
    return body + b"\0\0\0\0" + after


def gray_tiff(width: int, height: int, bits: int, photometric: int, pixels: bytes) -> bytes:
    entries = {
        256: (4, [width]), 257: (4, [height]), 258: (3, [bits]), 259: (3, [1]), 262: (3, [photometric]), 273: (4, [0]),
        277: (3, [1]), 278: (4, [height]), 279: (4, [len(pixels)]),
    }  # fmt: skip
    entries[273] = (4, [len(tiff(entries))])
    return tiff(entries, pixels)


# Numbers ---------------------------------------------------------------------------------------------------


def numbers(data: bytes) -> list:
    image = decode(data)
    assert not isinstance(image, str), image
    return image[:, :, 0].tolist() if image.shape[2] == 1 else image.tolist()


def test_plain_gray_and_color_are_as_stored() -> None:
    """An 8-bit gray PNG gives one channel, a color one three."""
    assert [[0, 1], [254, 255]] == numbers(png_of([[0, 1], [254, 255]], 8, 0))
    assert [[[1, 2, 3], [4, 5, 6]]] == numbers(png_of([[[1, 2, 3], [4, 5, 6]]], 8, 2))


def test_one_bit_becomes_black_and_white() -> None:
    """A bit is 0 or 255 in PNG, in TIFF with black or white as zero, and in PBM, where 1 is black."""
    assert [[255, 0], [0, 255]] == numbers(png_of([[1, 0], [0, 1]], 1, 0))
    assert [[255, 0], [0, 255]] == numbers(gray_tiff(2, 2, 1, 1, b"\x80\x40"))
    assert [[0, 255], [255, 0]] == numbers(gray_tiff(2, 2, 1, 0, b"\x80\x40"))
    assert [[0, 255], [255, 0]] == numbers(b"P4 2 2\n\x80\x40")
    assert [[0, 255], [255, 0]] == numbers(b"P1 2 2\n1 0\n0 1\n")


def test_two_and_four_bits_fill_the_range() -> None:
    """The largest number that the bits can hold is white."""
    assert [[0, 85], [170, 255]] == numbers(png_of([[0, 1], [2, 3]], 2, 0))
    assert [[0, 17], [136, 255]] == numbers(png_of([[0, 1], [8, 15]], 4, 0))


def test_sixteen_bits_of_gray_are_scaled() -> None:
    """Each number is divided by 257 and rounded: 12345 / 257 is 48.04, and 385 / 257 is 1.498."""
    values = [[0, 257 * 7, 65535], [12345, 385, 386]]
    expected = [[0, 7, 255], [48, 1, 2]]
    assert expected == numbers(png_of(values, 16, 0))
    big, small = np.array(values, ">u2").tobytes(), np.array(values, "<u2").tobytes()
    assert expected == numbers(b"P5 3 2 65535\n" + big)
    assert expected == numbers(gray_tiff(3, 2, 16, 1, small))
    assert expected == numbers(saved(Image.frombytes("I;16B", (3, 2), big), "TIFF"))


def test_of_sixteen_bit_color_the_higher_byte_is_taken() -> None:
    """A color of 16 bits gives its higher byte."""
    assert [[[0, 18, 255]]] == numbers(png_of([[[255, 0x1234, 65535]]], 16, 2))


def test_alpha_is_laid_over_white() -> None:
    """A share of white shows through by how little a pixel covers: 100 at 51 of 255 is 0.2 * 100 + 0.8 * 255."""
    assert [[100, 255], [224, 0]] == numbers(png_of([[[100, 255], [100, 0]], [[100, 51], [0, 255]]], 8, 4))
    assert [[[100, 0, 9], [255, 255, 255]]] == numbers(png_of([[[100, 0, 9, 255], [1, 2, 3, 0]]], 8, 6))
    assert [[[224, 204, 255]]] == numbers(png_of([[[100, 0, 255, 51]]], 8, 6))


def test_a_palette_becomes_color_and_what_is_clear_in_it_white() -> None:
    """A palette gives three channels even where all its colors are gray."""
    palette = chunk(b"PLTE", bytes([10, 20, 30, 9, 9, 9, 100, 0, 255, 1, 2, 3]))
    plain = [[[10, 20, 30], [9, 9, 9]], [[100, 0, 255], [1, 2, 3]]]
    assert plain == numbers(png_of([[0, 1], [2, 3]], 8, 3, palette))
    assert plain == numbers(png_of([[0, 1], [2, 3]], 2, 3, palette))
    one_clear = [[[10, 20, 30], [255, 255, 255]], [[100, 0, 255], [1, 2, 3]]]
    assert one_clear == numbers(png_of([[0, 1], [2, 3]], 8, 3, palette, chunk(b"tRNS", b"\xff\0")))
    partly = [[[255, 255, 255], [9, 9, 9]], [[224, 204, 255], [1, 2, 3]]]
    assert partly == numbers(png_of([[0, 1], [2, 3]], 8, 3, palette, chunk(b"tRNS", b"\0\xff\x33")))


@pytest.mark.parametrize(
    ("depth", "values", "clear", "expected"),
    [
        (1, [[0, 1]], 0, [[255, 255]]),
        (2, [[0, 1, 2]], 1, [[0, 255, 170]]),
        (4, [[0, 3, 8]], 3, [[0, 255, 136]]),
        (8, [[0, 3, 8]], 3, [[0, 255, 8]]),
        (16, [[0, 0x1234, 0x1235]], 0x1234, [[0, 255, 18]]),
    ],
)
def test_the_clear_gray_of_any_depth_becomes_white(depth: int, values: list, clear: int, expected: list) -> None:
    """The transparent gray is told in the bits of the file, and only the pixels of that gray are white."""
    assert expected == numbers(png_of(values, depth, 0, chunk(b"tRNS", struct.pack(">H", clear))))


def test_the_clear_color_of_any_depth_becomes_white() -> None:
    """In 16 bits too the transparent color is white and another, whose bytes are its lower ones, is not."""
    clear = chunk(b"tRNS", struct.pack(">3H", 1, 2, 3))
    assert [[[255] * 3, [1, 2, 4]]] == numbers(png_of([[[1, 2, 3], [1, 2, 4]]], 8, 2, clear))
    clear = chunk(b"tRNS", struct.pack(">3H", 0x1234, 0x1234, 0x1234))
    assert [[[255] * 3, [52] * 3]] == numbers(png_of([[[0x1234] * 3, [0x3434] * 3]], 16, 2, clear))


def test_gray_with_premultiplied_alpha_is_laid_over_white() -> None:
    """A TIFF whose gray was multiplied by its alpha: 20 at 51 of 255 was 100."""
    file = saved(Image.frombytes("LA", (1, 1), b"\x14\x33"), "TIFF")
    data = file.replace(struct.pack("<HHIHH", 338, 3, 1, 2, 0), struct.pack("<HHIHH", 338, 3, 1, 1, 0))
    assert file != data
    assert [[224]] == numbers(data)


def test_cmyk_becomes_color() -> None:
    """No ink is white, full black ink black, full cyan without red."""
    values = np.array([[[0, 0, 0, 0], [0, 0, 0, 255], [255, 0, 0, 0]]], np.uint8)
    data = saved(Image.frombytes("CMYK", (3, 1), values.tobytes()), "TIFF")
    assert [[[255, 255, 255], [0, 0, 0], [0, 255, 255]]] == numbers(data)


# Orientation -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("turn", UPRIGHT)
def test_the_orientation_is_applied_once(turn: int) -> None:
    """A PNG, a WebP and a TIFF whose Exif says how the camera was held are upright."""
    gray = Image.fromarray(GRAY)
    expected = UPRIGHT[turn]
    assert expected == numbers(saved(gray, "PNG", exif=exif_of(turn)))
    assert expected == numbers(saved(gray, "TIFF", tiffinfo={274: turn}))
    assert expected == numbers(saved(gray, "TIFF", tiffinfo={274: turn}, compression="tiff_lzw"))
    webp = decode(saved(gray, "WEBP", exif=exif_of(turn), lossless=True))
    assert expected == webp[:, :, 1].tolist()


@pytest.mark.parametrize("turn", UPRIGHT)
def test_the_orientation_of_a_jpeg_is_applied(turn: int) -> None:
    """A JPEG of blocks of 8 x 8, each of one gray, keeps them to the bit but for what quantization rounds."""
    blocks = Image.fromarray(np.kron(GRAY, np.ones((8, 8), np.uint8)))
    image = decode(saved(blocks, "JPEG", quality=100, exif=exif_of(turn)))
    np.testing.assert_allclose(np.array(UPRIGHT[turn]), image[::8, ::8, 0].astype(int), atol=1)


@pytest.mark.parametrize(
    "exif", [b"", b"Exif\0\0", b"Exif\0\0II*\0", b"Exif\0\0nonsense", b"Exif\0\0II*\0\xff\xff\xff\xff"]
)
def test_exif_that_cannot_be_read_leaves_the_image_as_stored(exif: bytes) -> None:
    """Damage in the metadata is no damage of the pixels."""
    plain = saved(Image.fromarray(GRAY), "JPEG", quality=100)
    segment = b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
    assert numbers(plain) == numbers(plain[:2] + segment + plain[2:])


def test_transparency_outlives_the_turning() -> None:
    """A clear color is white also in an image that lies on its side."""
    data = png_of([[7, 1]], 8, 0, chunk(b"eXIf", exif_of(6).tobytes()[6:]), chunk(b"tRNS", b"\0\7"))
    assert [[255], [1]] == numbers(data)


# Paths -----------------------------------------------------------------------------------------------------

PLAIN = {
    "gray PNG": (saved(picture(28, 28), "PNG"), "png"),
    "color PNG": (saved(picture(20, 30, 3), "PNG"), "png"),
    "PNG with a resolution": (saved(picture(20, 30, 3), "PNG", dpi=(72, 72)), "png"),
    "PNG with a comment": (png(noise(3, 3, 1), 8, 0, chunks=(chunk(b"tEXt", b"Comment\0hello"),)), "png"),
    "PNG of several parts": (saved(picture(256, 256), "PNG", compress_level=0), "png"),
    "gray JPEG": (saved(picture(28, 28), "JPEG"), "jpeg-gray"),
    "color JPEG": (jpeg(), "jpeg"),
    "JPEG without subsampling": (jpeg(subsampling=0), "jpeg"),
    "progressive JPEG": (jpeg(progressive=True), "jpeg"),
    "JPEG in RGB": (jpeg(keep_rgb=True), "jpeg"),
    "JPEG with a profile": (jpeg(icc_profile=PROFILE), "jpeg"),
    "JPEG with a comment": (jpeg(comment=b"hello"), "jpeg"),
    "JPEG with restarts": (jpeg(restart_marker_blocks=1), "jpeg"),
    "JPEG with an end of junk": (jpeg() + b"junk", "jpeg"),
}
ODD = {
    "palette PNG": (saved(picture(5, 5).convert("P"), "PNG"), "PNG"),
    "PNG with alpha": (saved(picture(5, 5, 4), "PNG"), "PNG"),
    "16-bit PNG": (png(noise(5, 5, 1), 16, 0), "PNG"),
    "4-bit PNG": (png(noise(5, 5, 1) & 15, 4, 0), "PNG"),
    "interlaced PNG": (png(noise(5, 5, 1), 8, 0, interlaced=True), "PNG"),
    "PNG with a clear color": (png(noise(5, 5, 1), 8, 0, chunks=(chunk(b"tRNS", b"\0\1"),)), "PNG"),
    "PNG with an orientation": (saved(picture(5, 5), "PNG", exif=exif_of(6)), "PNG"),
    "PNG with a profile": (saved(picture(5, 5), "PNG", icc_profile=PROFILE), "PNG"),
    "large PNG": (saved(picture(300, 300), "PNG"), "PNG"),
    "animated PNG": (saved(picture(5, 5), "PNG", save_all=True, append_images=[picture(5, 5)]), "PNG"),
    "JPEG with an orientation": (jpeg(exif=exif_of(6)), "JPEG"),
    "JPEG in CMYK": (saved(picture(5, 5, 4).convert("CMYK"), "JPEG"), "JPEG"),
    "JPEG with XMP": (jpeg(xmp=b"<x/>"), "JPEG"),
    "JPEG of two pictures": (saved(picture(5, 5, 3), "MPO", save_all=True, append_images=[picture(9, 9, 3)]), "JPEG"),
    "TIFF": (saved(picture(5, 5), "TIFF"), "TIFF"),
    "BigTIFF": (saved(picture(5, 5), "TIFF", big_tiff=True), "TIFF"),
    "WebP": (saved(picture(5, 5, 3), "WEBP"), "WEBP"),
    "GIF": (saved(picture(5, 5), "GIF"), "GIF"),
    "BMP": (saved(picture(5, 5), "BMP"), "BMP"),
    "PGM": (saved(picture(5, 5), "PPM"), "PPM"),
    "AVIF": (saved(picture(5, 5, 3), "AVIF"), "AVIF"),
}  # fmt: skip


@pytest.mark.parametrize("name", PLAIN)
def test_a_plain_file_takes_the_fast_path(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fast decoder alone reads it, to the bits of Pillow."""
    data, path = PLAIN[name]
    assert path == choose_path(data)
    expected = oracle(data)
    monkeypatch.setattr(module, "pillow", lambda data, kind: "Pillow was asked")
    np.testing.assert_array_equal(expected, decode(data), strict=True)


@pytest.mark.parametrize("name", ODD)
def test_an_odd_file_is_left_to_pillow(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No fast decoder sees it."""
    data, path = ODD[name]
    assert path == choose_path(data)
    monkeypatch.setattr(module, "FAST_PATHS", set())
    if path != "AVIF":
        np.testing.assert_array_equal(oracle(data), decode(data), strict=True)


@pytest.mark.parametrize(
    "text",
    [b"exif\0x", b"interlace\0x", b"transparency\0x", b"bbox\0x", b"Raw profile type exif\0x", b"XML:com.adobe.xmp\0x"],
)
def test_a_text_that_pillow_acts_upon_is_left_to_pillow(text: bytes) -> None:
    """Pillow keeps texts beside what it found itself, so some names change what it reads."""
    assert "PNG" == choose_path(png(noise(3, 3, 1), 8, 0, chunks=(chunk(b"tEXt", text),)))


def test_a_rust_panic_is_left_to_pillow_and_an_interrupt_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """A panic of the fast decoder is no Exception in Python, and must not end the run; Ctrl-C must."""

    panic = type("PanicException", (BaseException,), {"__module__": "pyo3_runtime"})  # as pyo3 makes it

    def raising(error: BaseException) -> Callable[[bytes], np.ndarray]:
        def fast(data: bytes) -> np.ndarray:
            raise error

        return fast

    data = saved(Image.fromarray(GRAY), "PNG")
    monkeypatch.setattr(module, "_fast", lambda path, least: raising(panic()))
    assert GRAY.tolist() == numbers(data)
    monkeypatch.setattr(module, "_fast", lambda path, least: raising(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        decode(data)


def test_many_files_decode_as_each_by_itself() -> None:
    """All of one kind, of several kinds, with damaged ones and reasons among them."""
    whole, color = saved(Image.fromarray(GRAY), "PNG"), saved(Image.fromarray(np.dstack([GRAY] * 3)), "JPEG")
    for files in (
        [whole, whole],
        [color, color, color],
        [whole, whole[:50], whole],
        [whole, "gone", color, b""],
        [],
    ):
        expected = [data if isinstance(data, str) else decode(data) for data in files]
        for one, other in zip(expected, module.decode_all(files), strict=True):
            np.testing.assert_array_equal(one, other, strict=not isinstance(one, str))


# Odd files -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["TIFF", "GIF", "WEBP", "MPO", "PNG"])
def test_of_many_pictures_the_first_is_taken(kind: str) -> None:
    """Pages, frames and the second picture of a phone's JPEG are passed over."""
    first = Image.new("RGB", (16, 16), (255, 0, 0))
    second = Image.new("RGB", (16, 16), (0, 0, 255))
    image = decode(saved(first, kind, save_all=True, append_images=[second]))
    assert (16, 16, 3) == image.shape
    np.testing.assert_allclose([255, 0, 0], image[8, 8].astype(int), atol=2)


def test_cmyk_jpegs_are_read_as_pillow_reads_them() -> None:
    """Plain CMYK, and YCCK as Photoshop writes it: the last byte of the Adobe segment says which."""
    data = saved(picture(20, 30, 4).convert("CMYK"), "JPEG")
    at = data.index(b"Adobe") + 11
    ycck = data[:at] + b"\2" + data[at + 1 :]
    np.testing.assert_array_equal(oracle(data), decode(data), strict=True)
    np.testing.assert_array_equal(oracle(ycck), decode(ycck), strict=True)
    assert not np.array_equal(decode(data), decode(ycck))


@pytest.mark.parametrize("marker", [0xC3, 0xC5, 0xC9, 0xCA])
def test_a_jpeg_of_a_rare_coding_is_left_to_pillow(marker: int) -> None:
    """Lossless, hierarchical and arithmetic coding: what Pillow reads is read the same, the rest has a reason."""
    data = jpeg()
    at = data.index(b"\xff\xc0")
    data = data[: at + 1] + bytes([marker]) + data[at + 2 :]
    assert "JPEG" == choose_path(data)
    expected, actual = oracle(data), decode(data)
    if expected is None:
        assert "damaged JPEG file" == actual
    else:
        np.testing.assert_array_equal(expected, actual, strict=True)


# Reasons ---------------------------------------------------------------------------------------------------


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.txt", "a")
    return file.getvalue()


REASONS = {
    "nothing": (b"", "empty file (0 bytes)"),
    "half a PNG": (PLAIN["gray PNG"][0][:400], "truncated file"),
    "a PNG's signature": (b"\x89PNG\r\n\x1a\n", "truncated file"),
    "half a JPEG": (PLAIN["color JPEG"][0][:700], "truncated file"),
    "half a WebP": (ODD["WebP"][0][:60], "truncated file"),
    "half a BMP": (ODD["BMP"][0][:-9], "truncated file"),
    "half a TIFF": (saved(picture(50, 50), "TIFF")[:2000], "truncated file"),
    "half a GIF": (ODD["GIF"][0][:-12], "truncated file"),
    "a page": (b"<!DOCTYPE html>\n<html>not found</html>", "not an image (text)"),
    "a page in another script": (("\ufeff" + "<p>\u4f60\u597d" * 90).encode(), "not an image (text)"),
    "a text that is not UTF-8": (b"caf\xe9" * 9, "not an image (unknown content)"),
    "zeros": (bytes(100), "not an image (unknown content)"),
    "a pointer": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
        "not an image (a Git LFS pointer; fetch the file with git lfs pull)",
    ),
    "a PDF": (b"%PDF-1.7\n%\xe2\xe3", "not an image (a PDF)"),
    "a zip": (zipped(), "not an image (a zip archive)"),
    "a gzip": (b"\x1f\x8b\x08\0\0", "not an image (a gzip archive)"),
    "a film": (b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom", "not an image (a film or sound file)"),
    "JPEG 2000": (b"\0\0\0\x0cjP  \r\n\x87\n", "a format that is not read (JPEG 2000)"),
    "Photoshop": (b"8BPS\0\1", "a format that is not read (Photoshop)"),
    "PostScript": (b"%!PS-Adobe-3.0", "a format that is not read (PostScript)"),
    "floats": (
        saved(Image.new("F", (2, 2), 0.5), "TIFF"),
        "floating-point pixels, whose range is not known",
    ),
    "32 bits": (saved(Image.new("I", (2, 2), 5), "TIFF"), "signed or 32-bit pixels, whose range is not known"),
    "12 bits": (
        gray_tiff(2, 1, 12, 1, b"\xff\xff\xff"),
        "pixels of a kind that is not read (12 bits, or 16 bits with white as zero)",
    ),
    "16 bits with white as zero": (
        gray_tiff(2, 1, 16, 0, b"\xff\xff\xff\xff"),
        "pixels of a kind that is not read (12 bits, or 16 bits with white as zero)",
    ),
    "LAB": (saved(Image.new("LAB", (2, 2)), "TIFF"), "pixels of a kind that is not read (LAB)"),
    "a PNG of no kind": (png(noise(3, 3, 1), 8, 5), "damaged PNG file"),
    "a TIFF without a directory": (b"II*\0\xff\0\0\0", "damaged TIFF file"),
}


@pytest.mark.parametrize("name", REASONS)
def test_what_cannot_be_read_has_its_reason(name: str) -> None:
    """The reason is the same each time, short and in plain words."""
    data, reason = REASONS[name]
    assert [reason, reason] == [decode(data), decode(data)]
    told(reason)


def claims(side: int) -> dict[str, bytes]:
    """By format, a file of a few bytes that says to be ``side`` pixels wide and high."""
    small = jpeg()
    at = small.index(b"\xff\xc0") + 5
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    short = min(side, 65535)
    webp = b"WEBPVP8X" + struct.pack("<IB3x", 10, 2) + (side - 1).to_bytes(3, "little") * 2
    webp += b"ANIM" + struct.pack("<I", 6) + bytes(6)
    webp += b"ANMF" + struct.pack("<I", 30) + bytes(16) + b"VP8L" + struct.pack("<I", 6) + b"\x2f" + bytes(5)
    return {
        "PNG": b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b""),
        "JPEG": small[:at] + struct.pack(">HH", short, short) + small[at + 4 :],
        "BMP": b"BM" + struct.pack("<IIIIiiHHIIiiII", 60, 0, 54, 40, side, side, 1, 24, 0, 0, 0, 0, 0, 0) + bytes(6),
        "TIFF": gray_tiff(side, side, 8, 1, b"\0"),
        "GIF": b"GIF89a" + struct.pack("<HHBBB", short, short, 0x80, 0, 0) + bytes(6)
        + b"," + struct.pack("<HHHHB", 0, 0, short, short, 0) + b"\x02\x02\x44\x01\0;",
        "WEBP": b"RIFF" + struct.pack("<I", len(webp)) + webp,
        "PPM": b"P6 %d %d 255\n\0" % (side, side),
    }  # fmt: skip


@pytest.mark.parametrize("kind", claims(9460))
@pytest.mark.parametrize("side", [9460, 12_000, 60_000])
def test_too_many_pixels_are_refused(kind: str, side: int) -> None:
    """A header may claim more than the limit; 9460 x 9460 is just beyond it."""
    reason = decode(claims(side)[kind])
    assert reason in (f"too many pixels ({side} x {side}; {LIMIT}", f"too many pixels ({LIMIT}")


@pytest.mark.parametrize("kind", claims(9460))
def test_the_limit_itself_is_no_reason(kind: str) -> None:
    """The same file with a smaller claim is refused for what it lacks, or read."""
    result = decode(claims(300)[kind])
    assert not isinstance(result, str) or "pixels" not in result


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps to a limit of the address space")
def test_too_many_pixels_are_refused_without_the_memory_for_them(tmp_path: Path) -> None:
    """A process that may take 100 MB more than it has refuses every claim of 60,000 x 60,000 by its size."""
    for kind, data in claims(60_000).items():
        (tmp_path / kind).write_bytes(data)
    code = f"""
import resource
from pathlib import Path
from firstlight.data.decoding.decode import decode
from firstlight.data.decoding.pillow import openers
openers()
taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (taken + 100_000_000,) * 2)
for path in sorted(Path({str(tmp_path)!r}).iterdir()):
    print(path.name, decode(path.read_bytes()))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert sorted(claims(1)) == [line.split()[0] for line in lines]
    assert all(re.fullmatch(r"\w+ too many pixels \(.*\)", line) for line in lines), lines


def test_too_little_memory_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    """An image within the limit that still does not fit is told so and does not end the run."""

    def full(data: bytes, kind: str, *, least: int = 0) -> np.ndarray:
        raise MemoryError

    monkeypatch.setattr(module, "pillow", full)
    assert "too large for the memory" == decode(ODD["BMP"][0])


# HEIC and AVIF ---------------------------------------------------------------------------------------------

HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"
PROFILE_AND_LEVEL = "00000011" + f"{0b0111 << 28:032b}" + "1001" + "0" * 44 + f"{30:08b}"  # still picture, level 1


def box(name: bytes, *content: bytes) -> bytes:
    body = b"".join(content)
    return struct.pack(">I", len(body) + 8) + name + body


def unsigned(*values: int) -> str:
    """Exponential Golomb codes: a number's bits after as many zeros as it has bits beyond the first."""
    return "".join(f"{value + 1:0{2 * (value + 1).bit_length() - 1}b}" for value in values)


def unit(kind: int, bits: str, after: bytes = b"") -> bytes:
    """A unit of an HEVC stream: its bits, a one, zeros up to the next byte, and what follows."""
    bits += "1" + "0" * (-(len(bits) + 1) % 8)
    content = int(bits, 2).to_bytes(len(bits) // 8, "big") + after
    # Two zero bytes before one below four would look like the next unit's start.
    return bytes([kind << 1, 1]) + re.sub(rb"\0\0(?=[\0-\3])", b"\0\0\3", content)


def heic(luma: np.ndarray, rotation: int) -> bytes:
    """A HEIC of 16 x 16 pixels without color, turned by ``rotation`` quarters, built by ISO/IEC 23008-2 and -12.

    The one coding unit of its HEVC stream stores the pixels as they are (pcm_flag), so nothing of an encoder is
    needed but the two ends of arithmetic coding: part_mode with pcm_flag is the bits 100001101, and the end of
    the slice 111111101.
    """
    video = "0000110000000001" + "1" * 16 + PROFILE_AND_LEVEL + "1" + unsigned(0, 0, 0)
    video += "000000" + unsigned(0) + "00"
    sequence = "00000001" + PROFILE_AND_LEVEL + unsigned(0, 1, 16, 16) + "0" + unsigned(0, 0, 0)
    sequence += "1" + unsigned(0, 0, 0) + unsigned(1, 0, 0, 2, 0, 0) + "000"
    sequence += "101110111" + unsigned(1, 0) + "1" + unsigned(0) + "00000"  # 8 bits stored in units of 16 x 16
    image = unsigned(0, 0) + "0000000" + unsigned(0, 0, 0) + "000" + unsigned(0, 0) + "0" * 10 + unsigned(0) + "00"
    part = unit(19, "10" + unsigned(0, 2, 0), b"\x86\x80" + luma.tobytes() + bytes([128]) * 128 + b"\xfe\x80")
    content = struct.pack(">I", len(part)) + part
    heads = [unit(32, video), unit(33, sequence), unit(34, image)]
    settings = b"\1" + int(PROFILE_AND_LEVEL, 2).to_bytes(12, "big") + b"\xf0\0\xfc\xfd\xf8\xf8\0\0\x0f\3"
    settings += b"".join(struct.pack(">BHH", 0x80 | head[0] >> 1, 1, len(head)) + head for head in heads)
    properties = box(
        b"ipco",
        box(b"hvcC", settings),
        box(b"ispe", bytes(4), struct.pack(">II", 16, 16)),
        box(b"colr", b"nclx" + struct.pack(">HHHB", 1, 13, 6, 0x80)),  # sRGB, the full range
        box(b"irot", bytes([rotation])),
    )
    start = box(b"ftyp", b"heic", bytes(4), b"mif1heic")

    def meta(offset: int) -> bytes:
        return box(
            b"meta",
            bytes(4),
            box(b"hdlr", bytes(8), b"pict", bytes(13)),
            box(b"pitm", bytes(4), b"\0\1"),
            box(b"iinf", bytes(4), b"\0\1", box(b"infe", b"\2\0\0\0\0\1\0\0hvc1\0")),
            box(b"iloc", bytes(4), b"\x44\0\0\1", struct.pack(">HHHII", 1, 0, 1, offset, len(content))),
            box(b"iprp", properties, box(b"ipma", bytes(4), struct.pack(">IHB", 1, 1, 4), b"\x81\2\3\x84")),
        )

    return start + meta(len(start) + len(meta(0)) + 8) + box(b"mdat", content)


def test_without_the_extra_the_reason_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """HEIC and AVIF say what to install."""
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    line = 'needs an optional package; in the clone of Firstlight: pip install ".[heif]"'
    assert f"AVIF {line}" == decode(ODD["AVIF"][0])
    assert f"HEIC {line}" == decode(HEIC)


def test_with_the_extra_avif_is_read() -> None:
    """An AVIF with and without alpha and an orientation gives the pixels that Pillow reads."""
    pytest.importorskip("pi_heif")
    plain = Image.fromarray(COLOR.repeat(8, 0).repeat(8, 1))
    for turn in (1, 6):
        data = saved(plain, "AVIF", quality=100, subsampling="4:4:4", exif=exif_of(turn))
        stored = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
        np.testing.assert_array_equal(np.rot90(stored, -1) if turn == 6 else stored, decode(data))
    clear = Image.new("RGBA", (8, 8), (10, 20, 30, 0))
    assert 255 == decode(saved(clear, "AVIF")).min()


def test_with_the_extra_heic_is_read_upright() -> None:
    """A HEIC of four squares gives their numbers, turned against the clock as often as it says."""
    pytest.importorskip("pi_heif")
    squares = np.array([[10, 60], [120, 250]], np.uint8)
    for rotation in range(4):
        image = decode(heic(np.kron(squares, np.ones((8, 8), np.uint8)), rotation))
        assert (16, 16, 3) == image.shape
        np.testing.assert_array_equal(np.rot90(squares, rotation), image[4::8, 4::8, 1])


def test_with_the_extra_a_damaged_heic_has_a_reason() -> None:
    """A HEIC that is cut off anywhere is no image and raises nothing."""
    pytest.importorskip("pi_heif")
    whole = heic(np.full((16, 16), 9, np.uint8), 0)
    assert {"damaged HEIC file"} == {decode(whole[:cut]) for cut in range(24, len(whole) - 140, 7)}
    assert "damaged HEIC file" == decode(HEIC)


# Never an exception, never a warning -----------------------------------------------------------------------

STARTS = (
    b"", b"\x89PNG\r\n\x1a\n", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", b"\xff\xd8\xff", b"\xff\xd8\xff\xe0\0\x10JFIF\0",
    b"\xff\xd8\xff\xc0\0\x11\x08\0\x05\0\x05\x03", b"GIF89a", b"BM", b"BM\x3c\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0",
    b"II*\0", b"MM\0*", b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08", b"II+\0\x08\0\0\0", b"P1 ", b"P5 3 3 ", b"P6 2 2 255 ",
    b"RIFF\x10\0\0\0WEBP", b"RIFF\x10\0\0\0WEBPVP8L", b"\0\0\0\x18ftypavif", b"\0\0\0\x18ftypheic", b"\0\0\0\x18ftyp",
    b"\0\0\0\x0cjP  ", b"%PDF", b"PK\3\4", b"\xef\xbb\xbf", b"\xff\xfe",
)  # fmt: skip


@settings(max_examples=400, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(STARTS), st.binary(max_size=120))
def test_any_bytes_give_an_image_or_a_reason(start: bytes, rest: bytes) -> None:
    """Whatever follows a signature, nothing is raised and the result has its promised form."""
    result = decode(start + rest)
    told(result)
    assert isinstance(result, str) == isinstance(decode(start + rest), str)


def remarkable() -> bytes:
    """A TIFF that Pillow reads with a warning: the name of its software lies beyond the end of the file."""
    data = saved(Image.fromarray(GRAY), "TIFF", software="a name of more than four bytes")
    at = data.index(struct.pack("<HH", 305, 2)) + 8
    return data[:at] + struct.pack("<I", len(data) + 1000) + data[at + 4 :]


def test_no_warning_escapes() -> None:
    """What Pillow remarks on odd metadata is not shown, and other warnings still are."""
    data = remarkable()
    with pytest.warns(UserWarning):
        Image.open(io.BytesIO(data)).load()
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        assert GRAY.tolist() == numbers(data)
        warnings.warn("one of our own", stacklevel=1)
    assert ["one of our own"] == [str(warning.message) for warning in seen]


def test_no_warning_escapes_from_several_threads() -> None:
    """Threads that come and go do not take the filter away from each other, and leave the filters as they were."""
    data = remarkable()
    ready = threading.Barrier(8)

    def work(_: int) -> list:
        ready.wait()
        return [numbers(data) for _ in range(100)]

    before = list(warnings.filters)
    with ThreadPoolExecutor(8) as pool:
        results = [numbers for each in pool.map(work, range(8)) for numbers in each]
    assert [GRAY.tolist()] * 800 == results  # a warning would be an error here, and the image damaged
    assert before == list(warnings.filters)


# Real images -----------------------------------------------------------------------------------------------


def assert_equal_to_pillow(paths: list[Path], *, fast: bool) -> None:
    assert paths
    for path in paths:
        data = path.read_bytes()
        assert not fast or choose_path(data) in module.FAST_PATHS, path
        np.testing.assert_array_equal(oracle(data), decode(data), strict=True, err_msg=str(path))


@pytest.mark.slow
def test_every_sign_digit_is_as_pillow_reads_it(sign_digits: Path) -> None:
    """All of the photos, three of them large and with an Exif orientation, have the bits of Pillow."""
    assert_equal_to_pillow(sorted(sign_digits.rglob("*.JPG")), fast=False)


def test_real_digits_are_as_pillow_reads_them(tmp_path: Path) -> None:
    """Every embedded digit is read by the fast decoder, to the bits of Pillow, as PNG and as JPEG."""
    paths = sorted(write_digits(tmp_path / "digits", ("3", "7")).glob("*/*.png"))
    assert_equal_to_pillow(paths, fast=True)
    for path in paths[::5]:
        Image.open(path).resize((32, 32)).save(path.with_suffix(".jpg"), quality=85)
    assert_equal_to_pillow(sorted((tmp_path / "digits").glob("*/*.jpg")), fast=True)


@pytest.mark.slow
def test_cifar_is_as_pillow_reads_it(cifar10: Path) -> None:
    """Every tenth image of the test folder is read by the fast decoder, to the bits of Pillow."""
    assert_equal_to_pillow(sorted(cifar10.glob("test/*/*.jpg"))[::10], fast=True)


def test_what_pillow_logs_does_not_reach_the_terminal() -> None:
    """Without a handler of its own Python would write these errors to the standard error."""
    data = bytearray(saved(Image.new("RGB", (4, 4)), "TIFF"))
    place = data.index(struct.pack("<HHIH", 277, 3, 1, 3)) + 8  # samples per pixel
    data[place] = 8
    code = "import sys; from firstlight.data.decoding.decode import decode; decode(sys.stdin.buffer.read())"
    ran = subprocess.run([sys.executable, "-c", code], input=bytes(data), capture_output=True, check=True)
    assert (b"", b"") == (ran.stdout, ran.stderr)


@pytest.mark.skipif(sys.platform == "win32", reason="Pillow contains libtiff without its symbols")
def test_libraries_write_nothing_to_the_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    """Damaged files of every compression that libtiff reads: it writes to the descriptor itself, around Python."""
    random = np.random.default_rng(0)
    gray = picture(20, 30)
    packed = [saved(gray, "TIFF", compression=one) for one in ("tiff_lzw", "tiff_adobe_deflate", "jpeg", "packbits")]
    packed += [saved(gray.convert("1"), "TIFF", compression=one) for one in ("group3", "group4", "tiff_ccitt")]
    refused = 0
    for data in packed:
        for _ in range(25):
            damaged = bytearray(data)
            for at in random.integers(0, len(data), 4):
                damaged[at] = random.integers(0, 256)
            refused += isinstance(decode(bytes(damaged)), str)
    assert refused > 50
    assert ("", "") == capfd.readouterr()
