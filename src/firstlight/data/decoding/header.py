"""The header look: which decoder may take a file, decided by its first bytes and never by its name."""

from __future__ import annotations

import codecs
from struct import Struct, unpack_from
from zlib import crc32

PIXEL_LIMIT = 89_478_485  # Pillow's own: a quarter of a GiB of RGB; beyond it a file is taken for a bomb
SMALL_PNG = 1 << 16  # pixels; kornia-rs holds Python's lock, so threads gain more with Pillow beyond

PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
PNG_HEADER = Struct(">IIBBBBB").unpack_from
CHUNKS = SEGMENTS = 1000  # of a PNG or JPEG for the fast decoders
LENGTH_AND_NAME = Struct(">I4s").unpack_from
PNG_END = b"\x00\x00\x00\x00IEND\xaeB`\x82"
# Chunks that change no pixel, and the length that each must have; others leave the file to Pillow.
PNG_HARMLESS = {b"gAMA": 4, b"sRGB": 1, b"cHRM": 32, b"pHYs": 9, b"tIME": 7}
# Pillow stores texts with what it found itself, so one named "exif", "interlace" or "transparency" changes its pixels.
PNG_HARMLESS_TEXTS = tuple(
    keyword + b"\0"
    for keyword in (
        *(b"Title", b"Author", b"Description", b"Copyright", b"Creation Time", b"Software", b"Disclaimer"),
        *(b"Warning", b"Source", b"Comment", b"date:create", b"date:modify", b"date:timestamp"),
    )
)

MARKER_AND_LENGTH = Struct(">HH").unpack_from
START_OF_FRAME = frozenset({0xFFC0, 0xFFC1, 0xFFC2})  # baseline, extended, progressive; all Huffman coded
START_OF_SCAN, SCAN = 0xFFDA, b"\xff\xda"
FEW_SCANS = 20  # of a JPEG for the fast decoder; more are counted exactly, and may be refused
APP0, APP2, APP14, COMMENT = 0xFFE0, 0xFFE2, 0xFFEE, 0xFFFE
JPEG_TABLES = frozenset({0xFFC4, 0xFFDB, 0xFFDD})  # Huffman, quantization, restart interval

JPEG_PATHS = {1: "jpeg-gray", 3: "jpeg"}  # by the number of components

EXTRA = 'needs an optional package; in the clone of Firstlight: pip install ".[heif]"'

# What else a file with an image's name turns out to be.
NO_IMAGES = (
    (b"version https://git-lfs", "not an image (a Git LFS pointer; fetch the file with git lfs pull)"),
    (b"%PDF", "not an image (a PDF)"),
    (b"PK\x03\x04", "not an image (a zip archive)"),
    (b"\x1f\x8b", "not an image (a gzip archive)"),
    (b"\x00\x00\x00\x0cjP  ", "a format that is not read (JPEG 2000)"),
    (b"8BPS", "a format that is not read (Photoshop)"),
    (b"%!PS", "a format that is not read (PostScript)"),
)


def choose_path(data: bytes) -> str:
    """Which decoder may take a file.

    Args:
        data: the whole file.

    Returns:
        ``"png"`` for a small plain 8-bit PNG, ``"jpeg"`` or ``"jpeg-gray"`` for a plain JPEG, which the fast
        decoders read to the same bits as Pillow; else the name of the one format that Pillow shall read it as
        (``"PNG"``, ``"TIFF"``, ...), or ``"AVIF"`` or ``"HEIC"``; or, in lower case with a space, the reason why
        nothing can.

    Example:
        >>> choose_path(b"GIF89a...."), choose_path(b"<html></html>"), choose_path(b"")
        ('GIF', 'not an image (text)', 'empty file (0 bytes)')
    """
    if data.startswith(PNG):
        return _png(data)
    if data.startswith(b"\xff\xd8\xff"):
        return _jpeg(data)
    return _other(data)


def _png(data: bytes) -> str:
    if len(data) < 57:
        return "PNG"
    width, height, depth, kind, _, _, interlaced = PNG_HEADER(data, 16)
    if depth != 8 or kind not in (0, 2) or interlaced or not 0 < width * height <= SMALL_PNG:
        return "PNG"
    length, name = LENGTH_AND_NAME(data, 33)
    if name == b"IDAT" and data.startswith(PNG_END, length + 45):
        return "png"  # three chunks and no more, as most small ones have
    at, seen = 33, b""
    for _ in range(CHUNKS):
        length, name = LENGTH_AND_NAME(data, at)
        if name == b"IDAT":
            seen = name
        elif name == b"IEND":
            return "png" if seen and data.startswith(PNG_END, at) else "PNG"
        elif seen or not _harmless(data, at, length, name):
            return "PNG"
        at += length + 12
        if at + 12 > len(data):
            return "PNG"
    return "PNG"


def _harmless(data: bytes, at: int, length: int, name: bytes) -> bool:
    """Whether Pillow and the fast decoder both pass over a chunk: known, whole, and without an orientation."""
    known = PNG_HARMLESS.get(name) == length or (name == b"tEXt" and data.startswith(PNG_HARMLESS_TEXTS, at + 8))
    end = at + 8 + length
    return known and end + 4 <= len(data) and crc32(data[at + 4 : end]) == unpack_from(">I", data, end)[0]


def _jpeg(data: bytes) -> str:
    at, last, path = 2, len(data) - 4, ""
    for _ in range(SEGMENTS):
        if at > last:
            break
        marker, length = MARKER_AND_LENGTH(data, at)
        if marker not in JPEG_TABLES:
            if marker == START_OF_SCAN:
                return path if path and data.count(SCAN, at) <= FEW_SCANS else "JPEG"
            if marker in START_OF_FRAME and not path:
                path = _frame(data, at)
                if not path:
                    return "JPEG"
            elif not _harmless_segment(data, at, marker, length):
                return "JPEG"
        at += length + 2
    return "JPEG"


def _frame(data: bytes, at: int) -> str:
    """The path by the number of components; none where the frame is not whole, not of 8 bits, empty or too large."""
    if at + 10 > len(data):
        return ""
    precision, height, width, components = unpack_from(">BHHB", data, at + 4)
    return JPEG_PATHS.get(components, "") if precision == 8 and 0 < height * width <= PIXEL_LIMIT else ""


def _harmless_segment(data: bytes, at: int, marker: int, length: int) -> bool:
    """Whether a segment is known, and holds no orientation and no second image."""
    if marker == APP0:
        return length == 16 and data.startswith(b"JFIF\0", at + 4)
    if marker == APP2:
        return length >= 16 and data.startswith(b"ICC_PROFILE\0", at + 4)
    if marker == APP14:
        return length == 14 and data.startswith(b"Adobe", at + 4)
    return marker == COMMENT


def _other(data: bytes) -> str:
    if not data:
        return "empty file (0 bytes)"
    head = data[:32]
    if PNG.startswith(head) or head == b"\xff\xd8":
        return "truncated file"
    if head[:8] == PNG[:8]:
        return "PNG"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP" if len(data) >= unpack_from("<I", data, 4)[0] + 8 else "truncated file"
    if head[:6] in (b"GIF87a", b"GIF89a"):
        return "GIF"
    if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "TIFF"
    if head[:2] == b"BM":
        return "BMP"
    if head[:2] in (b"P1", b"P2", b"P3", b"P4", b"P5", b"P6") and head[2:3].isspace():
        return "PPM"  # bitmap, graymap and pixmap, as text and in binary
    if head[4:8] == b"ftyp":
        return _container(data)
    for start, reason in NO_IMAGES:
        if data.startswith(start):
            return reason
    return "not an image (text)" if _is_text(data[:512]) else "not an image (unknown content)"


def _container(data: bytes) -> str:
    """What an ISO media file holds, by the brands in its first box."""
    length = min(unpack_from(">I", data)[0], 256)
    brands = {data[at : at + 4] for at in (8, *range(16, length, 4))}
    if brands & {b"avif", b"avis"}:
        return "AVIF"
    if brands & {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}:
        return "HEIC"
    return "not an image (a film or sound file)"


def _is_text(start: bytes) -> bool:
    try:
        text = codecs.getincrementaldecoder("utf-8-sig")().decode(start)  # the cut may go through a character
    except UnicodeDecodeError:
        return False
    return all(letter.isprintable() or letter.isspace() for letter in text)
