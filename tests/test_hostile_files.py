"""Files that would keep a decoder busy: refused by what they are made of; what programs write is read as before."""

from __future__ import annotations

import io
import time
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from firstlight.data.decoding.decode import decode
from firstlight.data.decoding.size import size_of
from hostile_files import FILES, SIDE, jpeg, noise, saved
from image_files import oracle

SIZE = 2 << 20  # bytes
REFUSED = {  # by what the reason names
    "PPM, plain, comments": "comments",
    "PGM, plain, comments between digits": "comments",
    "PNG, empty chunks": "chunks",
    "PNG, texts": "chunks",
    "PNG, unknown chunks": "chunks",
    "PNG, texts after the data": "chunks",
    "JPEG, a hundred scans": "scans",
    "JPEG, thousands of scans, small": "scans",
    "JPEG, fill bytes": "bytes between",
    "JPEG, empty comments": "segments",
    "JPEG, Exif segments": "segments",
    "JPEG, large Exif segments": "Exif segments",
    "JPEG, tables": "segments",
    "GIF, a comment of many blocks": "MiB before its first image",
    "GIF, a comment of small blocks": "blocks",
    "GIF, many comments": "blocks",
    "GIF, an unknown extension of small blocks": "blocks",
    "GIF, many application extensions": "blocks",
    "GIF, nothing but separators": "blocks",
    "TIFF, strips of one pixel": "strips",
    "TIFF, tiles": "strips or tiles",
    "TIFF, tags": "tags",
}
BUSY = (*REFUSED, "PPM, plain, one comment", "PPM, comments in the header", "PPM, spaces in the header", "PPM, 16 bits")
BUSY = (*BUSY, "PPM, plain, digits", "PGM, plain, 16 bits", "PBM, plain", "PGM, other range", "PNG, compressed texts")
BUSY = (*BUSY, "GIF, data in small blocks", "BMP, runs of one", "BMP, empty runs", "BMP, ends of lines")


@pytest.mark.slow
@pytest.mark.parametrize("name", BUSY)
def test_a_file_that_would_keep_a_decoder_busy_is_read_or_refused_at_once(name: str) -> None:
    """In less than a second of the processor, also for its size alone."""
    data = FILES[name](SIZE)
    before = time.process_time()
    image = decode(data)
    size_of(data)
    assert time.process_time() - before < 1
    if name in REFUSED:
        assert isinstance(image, str)
        assert REFUSED[name] in image


@pytest.mark.slow
def test_runs_beyond_four_megabytes_are_refused() -> None:
    """Up to there each is read."""
    assert "run-length" in str(decode(FILES["BMP, runs of one"](5 << 20)))
    assert "run-length" not in str(decode(FILES["BMP, runs of one"](100_000)))


def comment(size: int) -> bytes:
    return saved(Image.fromarray(noise(9, 9)), "GIF", comment=bytes(range(1, 255)) * (size // 254))


def in_small_chunks(data: bytes) -> bytes:
    """A PNG as libpng writes it."""
    with Image.open(io.BytesIO(data)) as picture:
        file = io.BytesIO()
        picture.save(file, "PNG", compress_level=0)
        return file.getvalue()


WRITTEN: dict[str, Callable[[], bytes]] = {
    "PNG of noise": lambda: saved(Image.fromarray(noise(700, 700, 3)), "PNG"),
    "progressive JPEG": lambda: jpeg((300, 200, 3), progressive=True),
    "JPEG with a long profile and long Exif": lambda: jpeg(
        icc_profile=bytes(2_000_000), exif=b"Exif\0\0" + bytes(60_000)
    ),
    "JPEG with an appended film": lambda: jpeg() + noise(2_000_000).tobytes(),
    "GIF with a comment": lambda: comment(200_000),
    "GIF of many frames": lambda: saved(
        Image.new("P", (9, 9)), "GIF", save_all=True, append_images=[Image.new("P", (9, 9), n) for n in range(99)]
    ),
    "TIFF with a strip for each row": lambda: saved(Image.fromarray(noise(5000, 20)), "TIFF", strip_size=1),
    "BMP with runs": lambda: saved(Image.new("P", (90, 90), 3), "BMP"),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_what_programs_write_is_read(name: str) -> None:
    """To the pixels of Pillow."""
    data = WRITTEN[name]()
    expected = oracle(data)
    assert expected is not None
    np.testing.assert_array_equal(expected, decode(data))


@pytest.mark.slow
def test_a_large_progressive_jpeg_is_read() -> None:
    """Ten scans of 49 million pixels are what cameras and editors write."""
    image = decode(saved(Image.new("L", (SIDE, SIDE), 77), "JPEG", progressive=True))
    assert not isinstance(image, str)
    assert (SIDE, SIDE, 1) == image.shape
    assert 77 == image.min() == image.max()


SPACE = st.sampled_from([b" ", b"\n", b"\t", b"\r\n", b" #a 1\n", b" # b\r", b"  "])


@st.composite
def netpbm_files(draw: st.DrawFn) -> bytes:
    """Of every kind, range and separator; some cut off, some with a number that is too large."""
    kind, width, height = draw(st.integers(1, 6)), draw(st.integers(1, 9)), draw(st.integers(1, 4))
    most = draw(st.sampled_from([1, 2, 100, 254, 255, 256, 4095, 65534, 65535]))
    count = width * height * (3 if kind in (3, 6) else 1)
    numbers = [width, height] if kind in (1, 4) else [width, height, most]
    head = (
        b"P%d" % kind
        + b"".join(draw(SPACE) + b"%d" % number for number in numbers)
        + draw(st.sampled_from([b" ", b"\n"]))
    )
    if kind > 3:
        length = (width + 7) // 8 * height if kind == 4 else count * (2 if most > 255 else 1)
        body = draw(st.binary(min_size=length, max_size=length))
    else:
        values = draw(st.lists(st.integers(0, 1 if kind == 1 else most + 1), min_size=count, max_size=count))
        body = b"".join(b"%d" % value + draw(SPACE) for value in values)
    return head + body[: draw(st.sampled_from([None, None, None, -1, 2]))]


@pytest.mark.slow
@settings(deadline=None, max_examples=100)
@given(netpbm_files())
def test_netpbm_files_are_those_of_pillow(data: bytes) -> None:
    """Bits, gray and color, as text and in binary, of every range, with comments; or both refuse."""
    expected, image = oracle(data), decode(data)
    if expected is None:
        assert isinstance(image, str)
    else:
        np.testing.assert_array_equal(expected, image)
