"""Files that keep a decoder busy for far longer than their size suggests, as large as requested, by format."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
from PIL import Image, features

from bombs import chunk

SIDE = 7000  # px; 49 million pixels, which the service decodes
PNG = b"\x89PNG\r\n\x1a\n"


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def filled(head: bytes, piece: bytes, size: int, tail: bytes = b"") -> bytes:
    """A head, a piece as often as it fits, and a tail."""
    return head + piece * ((size - len(head) - len(tail)) // len(piece)) + tail


# Netpbm ---------------------------------------------------------------------------------------------------


def pnm_numbers(size: int, *, kind: int, most: int, number: bytes) -> bytes:
    """As many numbers of text as fit, in rows of a thousand pixels."""
    channels = 3 if kind == 3 else 1
    rows = size // (len(number) * channels * 1000)
    return filled(f"P{kind} 1000 {rows} {most} ".encode(), number, size + 100)


def pnm_binary(size: int, *, kind: int, most: int) -> bytes:
    """Samples whose range is no power of two."""
    bytes_per_pixel = (3 if kind == 6 else 1) * (2 if most > 255 else 1)
    rows = size // 1000 // bytes_per_pixel
    return f"P{kind} 1000 {rows} {most} ".encode() + bytes(rows * 1000 * bytes_per_pixel)


# PNG ------------------------------------------------------------------------------------------------------


def png_header(width: int, height: int, depth: int = 8, kind: int = 0, interlaced: int = 0) -> bytes:
    return PNG + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, interlaced))


END = chunk(b"IEND", b"")


def png_of_chunks(size: int, *, name: bytes, content: bytes, after: bool = False) -> bytes:
    """A gray pixel with as many chunks as fit, before or after its data."""
    head, data = png_header(1, 1), chunk(b"IDAT", zlib.compress(b"\0\0"))
    if after:
        return filled(head + data, chunk(name, content), size, END)
    return filled(head, chunk(name, content), size, data + END)


def png_of_small_idats(size: int) -> bytes:
    """Data in chunks of one byte."""
    data = zlib.compress(noise(size // 16).tobytes(), 0)
    return png_header(size // 16 - 1, 1) + b"".join(chunk(b"IDAT", bytes([one])) for one in data) + END


def png_zeros(size: int, *, depth: int, kind: int, interlaced: int) -> bytes:
    """Large and even, so that little of it is stored."""
    bits = depth * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[kind]
    packer = zlib.compressobj(9)
    row = bytes(1 + SIDE * bits // 8)
    rows = SIDE * (2 if interlaced else 1)  # of the seven passes together, more or less
    data = b"".join(packer.compress(row) for _ in range(rows)) + packer.flush()
    palette = chunk(b"PLTE", bytes(768)) + chunk(b"tRNS", bytes(256)) if kind == 3 else b""
    return png_header(SIDE, SIDE, depth, kind, interlaced) + palette + chunk(b"IDAT", data) + END


# JPEG -----------------------------------------------------------------------------------------------------


def jpeg(shape: tuple[int, ...] = (64, 64, 3), **options: object) -> bytes:
    return saved(Image.fromarray(noise(*shape)), "JPEG", **options)


def jpeg_resized(data: bytes, width: int, height: int) -> bytes:
    """Another size in the header."""
    changed = bytearray(data)
    at = max(data.find(b"\xff\xc0"), data.find(b"\xff\xc2")) + 5
    changed[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(changed)


def jpeg_of_scans(size: int, *, scans: int, side: int = SIDE) -> bytes:
    """Progressive, with the last scan again and again."""
    data = jpeg_resized(jpeg(progressive=True), side, side)
    start = data.rindex(b"\xff\xda")
    scan = data[start : start + 10] + b"\x00\xff\xd9"[:1]
    return data[:start] + scan * min(scans, size // len(scan)) + b"\xff\xd9"


def jpeg_of_segments(size: int, *, segment: bytes) -> bytes:
    """As many segments as fit before the first scan."""
    data = jpeg()
    return filled(data[:2], segment, size, data[2:])


# GIF ------------------------------------------------------------------------------------------------------


def gif_head(side: int = 1) -> bytes:
    return b"GIF89a" + struct.pack("<HHBBB", side, side, 0x80, 0, 0) + bytes(6)


def gif_of_extensions(size: int, *, label: int, block: bytes, one: bool) -> bytes:
    """As many blocks as fit before the first image, in one extension or each in its own."""
    start, image = b"!" + bytes([label]), b"," + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\x00;"
    piece = bytes([len(block)]) + block
    if one:
        return filled(gif_head() + start, piece, size, b"\0" + image)
    return filled(gif_head(), start + piece + b"\0", size, image)


def gif_of_small_blocks(size: int) -> bytes:
    """LZW data in blocks of one byte."""
    rows = size // 2 * 8 // 3 // 1000
    data = gif_head() + b"," + struct.pack("<HHHHB", 0, 0, 1000, rows, 0) + b"\x02"
    return filled(data[:6] + struct.pack("<HH", 1000, rows) + data[10:], b"\x01\x44", size, b"\0;")


def gif_even(size: int) -> bytes:
    """Large, even and interlaced."""
    return saved(Image.new("P", (SIDE, SIDE)), "GIF", interlace=1)


# BMP ------------------------------------------------------------------------------------------------------


def bmp_of_runs(size: int, *, bits: int, piece: bytes, width: int = 5000, height: int = 5000) -> bytes:
    """Run-length coded."""
    colors = 4 * 2**bits
    start = 54 + colors
    head = b"BM" + struct.pack("<IHHI", size, 0, 0, start)
    head += struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, 1 if bits == 8 else 2, size - start, 0, 0, 0, 0)
    return filled(head + bytes(colors), piece, size)


# TIFF -----------------------------------------------------------------------------------------------------


def tiff(entries: Mapping[int, tuple[int, list[int]]], data: bytes = b"") -> bytes:
    """A little-endian TIFF of one directory, with its long values and then the data behind it."""
    start = 8 + 2 + 12 * len(entries) + 4
    body, behind = bytearray(b"II*\0" + struct.pack("<IH", 8, len(entries))), bytearray()
    for tag, (kind, values) in sorted(entries.items()):
        code = {3: "H", 4: "I"}[kind]
        content = np.array(values, "<u2" if code == "H" else "<u4").tobytes()
        if len(content) > 4:
            body += struct.pack("<HHII", tag, kind, len(values), start + len(behind))
            behind += content
        else:
            body += struct.pack("<HHI", tag, kind, len(values)) + content.ljust(4, b"\0")
    return bytes(body + b"\0\0\0\0" + behind + data)


def tiff_of_strips(size: int, *, compression: int, strip: bytes, width: int, tiled: bool = False) -> bytes:
    """As many strips (or tiles) as fit, all of the same data at the end."""
    count = size // 8 - 50
    side = 16 if tiled else 1
    columns = max(width // side, 1)
    height = count // columns * side
    count = height // side * columns
    where = (324, 325) if tiled else (273, 279)
    entries = {
        256: (4, [width]), 257: (4, [height]), 258: (3, [8]), 259: (3, [compression]), 262: (3, [1]), 277: (3, [1]),
        where[0]: (4, [0] * count), where[1]: (4, [len(strip)] * count),
    }  # fmt: skip
    entries |= {322: (4, [16]), 323: (4, [16])} if tiled else {278: (4, [1])}
    at = len(tiff(entries))
    return tiff(entries | {where[0]: (4, [at] * count)}, strip)


def tiff_of_tags(size: int) -> bytes:
    """A directory of as many entries as it can have, each with values, before those of a pixel."""
    entries = {tag: (3, [1] * 60) for tag in range(40000, 65000)}
    entries |= {
        256: (4, [1]), 257: (4, [1]), 258: (3, [8]), 259: (3, [1]), 262: (3, [1]), 273: (4, [8]), 277: (3, [1]),
        278: (4, [1]), 279: (4, [1]),
    }  # fmt: skip
    return tiff(entries)[:size]


def tiff_saved(size: int, *, mode: str = "RGB", **options: object) -> bytes:
    """Large and even."""
    return saved(Image.new(mode, (SIDE, SIDE)), "TIFF", **options)


# WebP and AVIF --------------------------------------------------------------------------------------------


def webp_noise(size: int) -> bytes:
    side = int((size / 3) ** 0.5)
    return saved(Image.fromarray(noise(side, side, 3)), "WEBP", lossless=True, quality=0)


def webp_even(size: int, *, lossless: bool) -> bytes:
    return saved(Image.new("RGB", (SIDE, SIDE)), "WEBP", lossless=lossless, quality=0, method=0)


def webp_frames(size: int) -> bytes:
    frame = Image.new("RGB", (3000, 3000))
    return saved(
        frame,
        "WEBP",
        save_all=True,
        append_images=[Image.new("RGB", (3000, 3000), n) for n in range(9)],
        lossless=True,
        method=0,
        quality=0,
    )


def avif_even(size: int) -> bytes:
    return saved(Image.new("RGB", (SIDE, SIDE)), "AVIF", speed=10)


EXIF = b"\xff\xe1\x00\x0aExif\0\0II"
FILES: dict[str, Callable[[int], bytes]] = {
    "PPM, plain, comments": lambda size: filled(b"P3 1 1 255 ", b"#\n", size, b"1 2 3"),
    "PPM, plain, one comment": lambda size: b"P3 1 1 255 #" + b"x" * size + b"\n1 2 3",
    "PPM, comments in the header": lambda size: filled(b"P3 ", b"#\n", size, b"1 1 255 1 2 3"),
    "PPM, spaces in the header": lambda size: filled(b"P3 ", b" ", size, b"1 1 255 1 2 3"),
    "PPM, plain, digits": partial(pnm_numbers, kind=3, most=255, number=b"1 "),
    "PGM, plain, 16 bits": partial(pnm_numbers, kind=2, most=65535, number=b"1 "),
    "PBM, plain": lambda size: filled(b"P1 5000 1600 ", b"1", size),
    "PGM, plain, comments between digits": lambda size: filled(b"P2 1000 2000 255 ", b"1#\n ", size),
    "PGM, other range": partial(pnm_binary, kind=5, most=254),
    "PPM, 16 bits": partial(pnm_binary, kind=6, most=65535),
    "PNG, empty chunks": partial(png_of_chunks, name=b"IDAT", content=b""),
    "PNG, chunks of one byte": png_of_small_idats,
    "PNG, texts": partial(png_of_chunks, name=b"tEXt", content=b"a\0b"),
    "PNG, unknown chunks": partial(png_of_chunks, name=b"abCd", content=b""),
    "PNG, texts after the data": partial(png_of_chunks, name=b"tEXt", content=b"a\0b", after=True),
    "PNG, compressed texts": partial(
        png_of_chunks, name=b"zTXt", content=b"a\0\0" + zlib.compress(bytes(1_000_000), 9)
    ),
    "PNG, even, 16 bits": partial(png_zeros, depth=16, kind=6, interlaced=0),
    "PNG, even, palette": partial(png_zeros, depth=8, kind=3, interlaced=0),
    "PNG, even, interlaced": partial(png_zeros, depth=16, kind=6, interlaced=1),
    "PNG, even, interlaced, 1 bit": partial(png_zeros, depth=1, kind=0, interlaced=1),
    "JPEG, a hundred scans": partial(jpeg_of_scans, scans=100),
    "JPEG, thousands of scans, small": partial(jpeg_of_scans, scans=10**6, side=700),
    "JPEG, fill bytes": partial(jpeg_of_segments, segment=b"\xff"),
    "JPEG, empty comments": partial(jpeg_of_segments, segment=b"\xff\xfe\x00\x02"),
    "JPEG, Exif segments": partial(jpeg_of_segments, segment=EXIF),
    "JPEG, large Exif segments": partial(jpeg_of_segments, segment=b"\xff\xe1\x09\xc8Exif\0\0" + bytes(2496)),
    "JPEG, tables": partial(jpeg_of_segments, segment=b"\xff\xdb\x00\x43\x00" + b"\1" * 64),
    "JPEG, noise": lambda size: jpeg((int((size / 1.3) ** 0.5), int((size / 1.3) ** 0.5), 3), quality=75),
    "JPEG, noise, progressive": lambda size: jpeg((2400, 2400, 3), quality=75, progressive=True),
    "JPEG, even": lambda size: saved(Image.new("RGB", (SIDE, SIDE)), "JPEG"),
    "JPEG, even, progressive": lambda size: saved(Image.new("RGB", (SIDE, SIDE)), "JPEG", progressive=True),
    "JPEG, restart markers": lambda size: saved(Image.new("RGB", (SIDE, SIDE)), "JPEG", restart_marker_blocks=1),
    "GIF, a comment of many blocks": partial(gif_of_extensions, label=0xFE, block=bytes(255), one=True),
    "GIF, a comment of small blocks": partial(gif_of_extensions, label=0xFE, block=b"a", one=True),
    "GIF, many comments": partial(gif_of_extensions, label=0xFE, block=b"a", one=False),
    "GIF, an unknown extension of small blocks": partial(gif_of_extensions, label=1, block=b"a", one=True),
    "GIF, many application extensions": partial(gif_of_extensions, label=0xFF, block=b"NETSCAPE2.0", one=False),
    "GIF, nothing but separators": lambda size: filled(gif_head(), b"\0", size),
    "GIF, data in small blocks": gif_of_small_blocks,
    "GIF, even, interlaced": gif_even,
    "BMP, runs of one": partial(bmp_of_runs, bits=8, piece=b"\x01\x07"),
    "BMP, empty runs": partial(bmp_of_runs, bits=8, piece=b"\x00\x02\x00\x00"),
    "BMP, short literals": partial(bmp_of_runs, bits=8, piece=b"\x00\x03\1\2\3\0"),
    "BMP, 4 bits": partial(bmp_of_runs, bits=4, piece=b"\x01\x07"),
    "BMP, ends of lines": partial(bmp_of_runs, bits=8, piece=b"\x01\x07\x00\x00", width=7, height=5_000_000),
    "TIFF, strips of one pixel": partial(tiff_of_strips, compression=1, strip=b"\7", width=1),
    "TIFF, tiles": partial(tiff_of_strips, compression=1, strip=bytes(256), width=256, tiled=True),
    "TIFF, strips, LZW": partial(tiff_of_strips, compression=5, strip=b"\x80\x01\xc0\x20", width=1),
    "TIFF, tags": tiff_of_tags,
    "TIFF, even, LZW": partial(tiff_saved, compression="tiff_lzw"),
    "TIFF, even, deflate": partial(tiff_saved, compression="tiff_adobe_deflate"),
    "TIFF, even, LZMA": partial(tiff_saved, compression="lzma"),
    "TIFF, even, JPEG": partial(tiff_saved, compression="jpeg"),
    "TIFF, even, fax": partial(tiff_saved, mode="1", compression="group4"),
    "TIFF, even, PackBits": partial(tiff_saved, compression="packbits"),
    "WebP, noise, lossless": webp_noise,
    "WebP, even, lossless": partial(webp_even, lossless=True),
    "WebP, even, lossy": partial(webp_even, lossless=False),
    "WebP, frames": webp_frames,
} | ({"AVIF, even": avif_even} if features.check("avif") else {})
