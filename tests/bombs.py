"""Data that means harm: a pickle that writes a file, images that unpack to far more than they weigh."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

from tables import noise
from wire import encoded


class Bomb:
    """Writes a file as soon as it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.write_text, (self.path, "it ran")


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def bomb(side: int) -> bytes:
    """A PNG of side x side white pixels of one bit, a thousandth of their size."""
    rows = zlib.compressobj(9)
    row = b"\0" + b"\xff" * (side // 8)
    data = b"".join(rows.compress(row) for _ in range(side)) + rows.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def header_only(side: int) -> list[bytes]:
    """What says to be side x side pixels, and has none."""
    gif = b"GIF89a" + struct.pack("<HHBBB", side, side, 0, 0, 0) + b"," + struct.pack("<HHHHB", 0, 0, side, side, 0)
    bmp = b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, side, side, 1, 24, 0, 0, 0, 0, 0, 0)
    tall = bytearray(encoded(noise(8, 8, 3), "JPEG"))
    at = tall.index(b"\xff\xc0") + 5
    tall[at : at + 4] = struct.pack(">HH", side, side)
    return [gif + b"\x02\x00;", bmp, f"P5 {side} {side} 255 ".encode(), f"P1 {side} {side} 1".encode(), bytes(tall)]
