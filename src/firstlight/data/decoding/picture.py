"""`decoded()`: one image in whatever form a caller has it, through the one decoder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from firstlight.data.decoding.decode import decode
from firstlight.data.decoding.pillow import PLAIN, decode_picture
from firstlight.data.files import MAX_BYTES
from firstlight.errors import ArgumentError

MODES = {2: "LA", 3: "RGB", 4: "RGBA"}  # by the number of channels
FORMS = "a file, its bytes, a Pillow image or an array (H, W) or (H, W, C)"


def decoded(image: Any) -> np.ndarray | str:
    """Decodes an image: of a file, of its bytes, of Pillow, or an array.

    A picture of Pillow has the pixels of the file that it was opened from. An array is taken as the file that would be
    saved from it: 16 bits are scaled to 8, True is 255, and alpha is laid over white.

    Args:
        image: a path; the bytes of a file, or the opened file; a picture; or uint8, uint16 or bool of the shape (H, W)
            or (H, W, C), C = 1 to 4.

    Returns:
        uint8 (H, W, 1 or 3), or the reason why a file or picture cannot be used.

    Raises:
        ArgumentError: where it is none of these, or the array has another shape or dtype.

    Example:
        >>> decoded(np.array([[0, 29], [166, 224]], np.uint8)).shape
        (2, 2, 1)
        >>> decoded(np.zeros((2, 2), np.uint16)).dtype
        dtype('uint8')
    """
    if isinstance(image, str | os.PathLike):
        return _of_file(Path(image))
    if isinstance(image, bytes | bytearray | memoryview):
        return decode(bytes(image))
    if isinstance(image, np.ndarray):
        return _of_array(image)
    if hasattr(image, "getexif"):
        found = decode_picture(image)
        converted = ": pass picture.convert('RGB')" if image.mode not in PLAIN else ""
        return f"{found}{converted}" if isinstance(found, str) else found
    if is_opened(image):
        return decode(image.read())
    raise ArgumentError(f"{type(image).__name__} is not an image; pass {FORMS}.")


def is_opened(image: Any) -> bool:
    """Whether it is a picture of Pillow's or an open file."""
    return hasattr(image, "getexif") or hasattr(image, "read")


def name_of(image: Any) -> str:
    """What an image is called: its path; of a picture the file that it was opened from; else nothing."""
    if isinstance(image, str | os.PathLike):
        path = os.fspath(image)
    else:
        path = getattr(image, "filename", "") or getattr(image, "name", "")
        path = path if isinstance(path, str | bytes | os.PathLike) else ""
    return os.fsdecode(path).encode(errors="backslashreplace").decode()  # Arrow holds UTF-8 only


def _of_file(path: Path) -> np.ndarray | str:
    try:
        if path.is_dir():
            return "it is a folder"
        if path.stat().st_size > MAX_BYTES:
            return f"larger than the {MAX_BYTES:,} bytes that an image may have"
        return decode(path.read_bytes())
    except (OSError, ValueError) as error:
        return str(getattr(error, "strerror", None) or error).lower()


def _of_array(array: np.ndarray) -> np.ndarray | str:
    if array.dtype not in (np.uint8, np.uint16, bool):
        raise ArgumentError(f"The array is {array.dtype}; {_dtypes(array)}.")
    values = array[:, :, None] if array.ndim == 2 else array
    if values.ndim != 3 or not 1 <= values.shape[2] <= 4 or not values.size:
        raise ArgumentError(f"The array has the shape {array.shape}; {_shapes(array)}.")
    if values.dtype == bool:
        values = values * np.uint8(255)
    elif values.dtype == np.uint16:  # as the decoder does: gray is rounded, of color the higher byte is taken
        wide = values.astype(np.uint32)
        values = ((wide + 128) // 257 if values.shape[2] == 1 else wide >> 8).astype(np.uint8)
    values = np.ascontiguousarray(values)
    if values.shape[2] in (1, 3):
        return values
    from PIL import Image

    return decode_picture(Image.frombytes(MODES[values.shape[2]], values.shape[1::-1], values.tobytes()))


def _shapes(array: np.ndarray) -> str:
    text = "pass one image as (H, W) or (H, W, C) with C = 1 to 4, several as (N, H, W, C)"
    if array.ndim in (3, 4) and array.shape[-3] in (1, 3, 4):
        return f"{text}: array.{'transpose(1, 2, 0)' if array.ndim == 3 else 'transpose(0, 2, 3, 1)'} puts C last"
    return f"{text}: array[..., None] adds a channel to gray images" if array.ndim == 3 else text


def _dtypes(array: np.ndarray) -> str:
    text = "pass uint8 values from 0 to 255"
    if array.dtype.kind == "f":
        return f"{text}; for values from 0 to 1: (array * 255).round().astype('uint8')"
    if array.dtype.kind in "iu":
        return f"{text}: array.astype('uint8')"
    return f"{text}, or a list of files: list(array)" if array.dtype.kind in "UO" else text
