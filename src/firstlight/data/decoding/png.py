"""Small plain PNGs by kornia-rs, and the checksum of their pixels, which it does not verify."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np

from firstlight.data.decoding.header import LENGTH_AND_NAME, PNG_END, PNG_HEADER

MODES = {0: ("mono", 1), 2: ("rgb", 3)}  # by PNG's kind of color


def png(data: bytes) -> np.ndarray:
    """uint8 (H, W, 1 or 3) of a file that `firstlight.data.decoding.header.choose_path` calls ``"png"``.

    Raises:
        zlib.error: if the compressed data are damaged, or their checksum (Adler-32) is wrong.
        ValueError: if there are fewer or more of them than pixels.
        Exception: whatever kornia-rs raises of other damage.
    """
    return pngs([data])[0]


def pngs(files: Sequence[bytes]) -> list[np.ndarray]:
    """The same of many files of one size and color."""
    from kornia_rs.io import decode_image_png_u8

    width, height, _, kind, *_ = PNG_HEADER(files[0], 16)
    mode, channels = MODES[kind]
    count = height * (width * channels + 1)  # each row has a byte for its filter
    found = []
    for data in files:
        # kornia-rs stops at the last pixel. A bent stream whose chunk was given a right CRC would pass unnoticed.
        stream = zlib.decompressobj()
        if len(stream.decompress(_compressed(data), count + 1)) != count or not stream.eof:
            raise ValueError("The compressed data do not end with the last pixel.")
        found.append(decode_image_png_u8(data, (height, width), mode))
    return found


def _compressed(data: bytes) -> bytes:
    """What the chunks named IDAT hold; they follow each other."""
    length, name = LENGTH_AND_NAME(data, 33)
    if name == b"IDAT" and data.startswith(PNG_END, length + 45):
        return data[41 : 41 + length]  # most small ones have no other chunk
    at, parts = 33, []
    while True:
        length, name = LENGTH_AND_NAME(data, at)
        if name == b"IDAT":
            parts.append(data[at + 8 : at + 8 + length])
        elif parts:
            return parts[0] if len(parts) == 1 else b"".join(parts)
        at += length + 12
