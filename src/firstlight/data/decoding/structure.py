"""What a file is made of: refused where a few megabytes would keep a decoder busy for a long time."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from struct import Struct, error, unpack_from

# Readers walk over chunks, segments, blocks and strips one by one, some in Python, some copying all that came before,
# and a JPEG's scans each pass over all its pixels. No program writes so many of them; each limit is several times what
# the formats' usual writers need. What they save is measured in docs/log.md, 2026-11-27.
CHUNKS = 10_000  # of a PNG, and one more for each kilobyte; libpng writes data in chunks of 8 kB

SEGMENTS = 3_000  # of a JPEG before its first scan; a color profile and XMP have one for each 64 kB
GAP = 1 << 16  # bytes between two of them, which Pillow reads one by one
EXIFS = 100  # of these; one is usual. Pillow copies all that it has so far for each
SCANS = 100  # of a JPEG; a progressive one has about ten. libtiff has the same limit
FEW_SCANS = 20  # whatever the number of pixels
SCANNED = 2_500_000_000  # pixels of all scans together: two seconds

BLOCKS = 20_000  # of a GIF before its first image
BLOCK_BYTES = 1 << 20  # in these; Pillow copies a comment once for each of its blocks

RUN_BYTES = 4 << 20  # of a BMP's runs, which Pillow reads one by one

TAGS = 2_000  # of a TIFF
STRIPS = 65_536  # or tiles

MARKER = re.compile(rb"\xff([^\x00\x01\xff\xd0-\xd8])")  # a length follows each of these, except for the end
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
SCAN, END, APP1 = 0xDA, 0xD9, 0xE1

LENGTH = Struct(">I").unpack_from
STRIP_TAGS = (273, 324)  # where the strips and the tiles begin


def too_costly(data: bytes, kind: str) -> str | None:
    """Why a file is refused although a decoder could read it: it would take too long.

    Args:
        data: the whole file.
        kind: its format, as `firstlight.data.decoding.header.choose_path` returns it.

    Example:
        >>> too_costly(b"GIF89a" + bytes(7) + bytes([33, 254, 0]) * 20_000, "GIF")  # empty comments
        'more than 20,000 blocks before its first image'
    """
    count = COUNTED.get(kind)
    try:
        return count(data) if count is not None else None
    except (IndexError, OverflowError, error):  # cut off; the decoder has the last word
        return None


def _png(data: bytes) -> str | None:
    limit, at, last = CHUNKS + (len(data) >> 10), 8, len(data) - 12
    for _ in range(limit):
        if at > last:
            return None
        at += LENGTH(data, at)[0] + 12
    return f"more than {limit:,} chunks"


def _jpeg(data: bytes) -> str | None:
    pixels, at, exifs = 0, 2, 0
    for _ in range(SEGMENTS):
        found = MARKER.search(data, at)
        if found is None:
            return None
        if found.start() - at > GAP:
            return f"more than {GAP:,} bytes between two segments"
        marker, at = found[1][0], found.end()
        if marker == SCAN:
            return _jpeg_scans(data, found.start(), pixels)
        if marker in FRAMES:
            height, width = unpack_from(">HH", data, at + 3)
            pixels = height * width
        exifs += marker == APP1 and data.startswith(b"Exif\0", at + 2)
        if exifs > EXIFS:
            return f"more than {EXIFS} Exif segments"
        at += unpack_from(">H", data, at)[0]
    return f"more than {SEGMENTS:,} segments before its first scan"


def _jpeg_scans(data: bytes, at: int, pixels: int) -> str | None:
    """A limit by the number of pixels; a film that some phones append does not count."""
    limit = min(SCANS, max(FEW_SCANS, SCANNED // max(pixels, 1)))
    if data.count(b"\xff\xda", at) <= limit:
        return None
    count = segments = 0
    while (found := MARKER.search(data, at)) and found[1][0] != END:
        count += found[1][0] == SCAN
        segments += 1
        if count > limit or segments > SEGMENTS:
            return f"more than {limit} scans"
        at = found.end() + unpack_from(">H", data, found.end())[0]
    return None


def _gif(data: bytes) -> str | None:
    colors = 3 << (data[10] & 7) + 1 if data[10] & 0x80 else 0
    at, start = 13 + colors, 13 + colors
    inside = False  # an extension, whose blocks end with an empty one
    for _ in range(BLOCKS):
        if inside:
            inside, at = data[at] > 0, at + data[at] + 1
        elif data[at] in b",;":
            return None
        else:
            inside, at = data[at] == ord("!"), at + (2 if data[at] == ord("!") else 1)
        if at - start > BLOCK_BYTES:
            return f"more than {BLOCK_BYTES >> 20} MiB before its first image"
    return f"more than {BLOCKS:,} blocks before its first image"


def _bmp(data: bytes) -> str | None:
    start, size = unpack_from("<II", data, 10)
    if size >= 40 and unpack_from("<I", data, 30)[0] in (1, 2) and len(data) - start > RUN_BYTES:
        return f"more than {RUN_BYTES >> 20} MiB of run-length coded pixels"
    return None


def _tiff(data: bytes) -> str | None:
    order = "<" if data[:2] == b"II" else ">"
    if 43 in data[2:4]:  # BigTIFF
        start, count, entry, entries = *unpack_from(order + "Q", data, 8), "Q", "HHQ", 20
    else:
        start, count, entry, entries = *unpack_from(order + "I", data, 4), "H", "HHI", 12
    tags, at = unpack_from(order + count, data, start)[0], start + (8 if count == "Q" else 2)
    if tags > TAGS:
        return f"more than {TAGS:,} tags"
    for place in range(at, at + tags * entries, entries):
        tag, _, values = unpack_from(order + entry, data, place)
        if tag in STRIP_TAGS and values > STRIPS:
            return f"more than {STRIPS:,} strips or tiles"
    return None


COUNTED: Mapping[str, Callable[[bytes], str | None]] = {
    "PNG": _png,
    "JPEG": _jpeg,
    "GIF": _gif,
    "BMP": _bmp,
    "TIFF": _tiff,
}
