"""Netpbm files (PBM, PGM, PPM), as text and in binary, in time that grows with their bytes."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

# Pillow reads all but the commonest of them sample by sample in Python, and comments in quadratic time: 8 MB of
# comments keep it busy for minutes.

# A number of the header: after white space and comments, which end with their line; at most ten digits, as in Pillow.
NUMBER = re.compile(rb"(?:[ \t\n\v\f\r]|#[^\r\n]*[\r\n])*+(\d{1,10})(?=[ \t\n\v\f\r])")
COMMENT = re.compile(rb"#[^\r\n]*[\r\n]?")
SPACES, SPACE = b" \t\n\v\f\r", ord(" ")
TO_SPACES = bytes.maketrans(SPACES, b" " * len(SPACES))
COMMENTS = 1000  # in a text; programs write one
DIGITS = 10  # of a number at most
BLOCK = 1 << 20  # bytes of text that are turned into numbers at once

DAMAGED, TRUNCATED = "damaged PPM file", "truncated file"


@dataclass(frozen=True)
class Header:
    """What the start of a file says.

    Attributes:
        kind: 1 to 6, the digit of its name: bits, gray and color, as text and in binary.
        width: in px.
        height: in px.
        most: the number that stands for white.
        start: where the samples begin.
    """

    kind: int
    width: int
    height: int
    most: int
    start: int

    @property
    def channels(self) -> int:
        """Of a pixel."""
        return 3 if self.kind in (3, 6) else 1


def netpbm_header(data: bytes) -> Header | None:
    """The header of a file that starts with ``P1`` to ``P6``; None where it is damaged.

    Example:
        >>> netpbm_header(b"P5 2 1 # width, height\\n255 ab")
        Header(kind=5, width=2, height=1, most=255, start=27)
    """
    kind, at = data[1] - ord("0"), 2
    numbers = []
    for _ in range(2 if kind in (1, 4) else 3):
        found = NUMBER.match(data, at)
        if found is None:
            return None
        numbers.append(int(found[1]))
        at = found.end()
    width, height, most = (*numbers, 1)[:3]
    if not (width and height and 0 < most < 65536):
        return None
    return Header(kind, width, height, most, at + 1)  # one white space, then the samples


def netpbm(data: bytes, header: Header) -> np.ndarray | str:
    """uint8 (H, W, 1 or 3) of a file, or the reason why not."""
    shape = (header.height, header.width, header.channels)
    count = header.height * header.width * header.channels
    if header.kind == 4:
        return _bits(data, header)
    samples = _binary(data, header, count) if header.kind > 4 else _text(data[header.start :], header, count)
    if isinstance(samples, str):
        return samples
    if header.kind == 1:
        return (1 - samples.reshape(shape)) * np.uint8(255)
    return _scale(header)[np.minimum(samples, header.most)].reshape(shape)


def _bits(data: bytes, header: Header) -> np.ndarray | str:
    """Rows of whole bytes; 1 is black."""
    row = (header.width + 7) // 8
    if len(data) - header.start < row * header.height:
        return TRUNCATED
    packed = np.frombuffer(data, np.uint8, row * header.height, header.start).reshape(header.height, row)
    return ((1 - np.unpackbits(packed, axis=1)[:, : header.width]) * np.uint8(255))[:, :, None]


def _binary(data: bytes, header: Header, count: int) -> np.ndarray | str:
    kind = np.dtype(np.uint8 if header.most < 256 else ">u2")
    if len(data) - header.start < count * kind.itemsize:
        return TRUNCATED
    return np.frombuffer(data, kind, count, header.start)


def _scale(header: Header) -> np.ndarray:
    """uint8 of every number: 16-bit gray is rounded to 16 bits first, and then as all 16-bit gray."""
    numbers = np.arange(header.most + 1)
    if header.most > 255 and header.channels == 1:
        return ((np.rint(numbers / header.most * 65535).astype(np.uint32) + 128) // 257).astype(np.uint8)
    return np.rint(numbers / header.most * 255).astype(np.uint8)


def _text(text: bytes, header: Header, count: int) -> np.ndarray | str:
    """The first numbers of a text; what follows them is ignored."""
    if text.count(b"#") > COMMENTS:
        return f"more than {COMMENTS:,} comments"
    text = COMMENT.sub(b"", text)
    if header.kind == 1:  # digits, with or without spaces
        bits = np.frombuffer(text.translate(None, SPACES)[:count], np.uint8) - ord("0")
        return TRUNCATED if len(bits) < count else DAMAGED if bits.max() > 1 else bits
    text = text.translate(TO_SPACES) + b" "
    found: list[np.ndarray] = []
    missing, at = count, 0
    while missing > 0 and missing <= len(text) - at:
        end = text.find(b" ", at + BLOCK) + 1 or len(text)
        numbers = _numbers(np.frombuffer(text, np.uint8, end - at, at), missing)
        if numbers is None or numbers.max(initial=0) > header.most:
            return DAMAGED
        found.append(numbers)
        missing -= len(numbers)
        at = end
    return TRUNCATED if missing > 0 else np.concatenate(found)


def _numbers(text: np.ndarray, count: int) -> np.ndarray | None:
    """The first numbers of a text of digits and spaces that ends with a space; None where there is anything else."""
    digits = text - ord("0")  # wraps around: 10 and more is no digit
    inside = np.concatenate([[False], digits < 10])
    starts = np.flatnonzero(~inside[:-1] & inside[1:])[:count]
    ends = np.flatnonzero(inside[:-1] & ~inside[1:])[:count]  # the space behind each number
    last = len(text) if len(ends) < count else ends[-1] + 1
    lengths = ends - starts
    if ((digits[:last] > 9) & (text[:last] != SPACE)).any() or lengths.max(initial=0) > DIGITS:
        return None
    values = np.zeros(len(ends), np.int64)
    for place in range(lengths.max(initial=0)):
        values += np.where(lengths > place, digits[ends - 1 - place], 0) * np.int64(10**place)
    return values
