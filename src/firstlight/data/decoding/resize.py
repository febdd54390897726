"""`to_shape()`: one decoded image to the wanted size and color, the same for many and for a single one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

Color = Literal["gray", "rgb"]
Resize = Literal["squish", "crop", "pad"]
RESIZES = ("squish", "crop", "pad")


def to_shape(image: np.ndarray, *, size: tuple[int, int], color: Color, resize: Resize = "squish") -> np.ndarray:
    """An image in the wanted size and color; the image itself where it has both already.

    Gray from RGB is Pillow's luma, L = (19595 R + 38470 G + 7471 B + 32768) >> 16 (ITU-R BT.601), taken
    before resizing; RGB from gray repeats the channel. Resizing is Pillow's BILINEAR, which widens its
    triangle with the scale and so does not alias when an image shrinks.

    Args:
        image: uint8 (H, W, C), C = 1 or 3, as `decode` gives it.
        size: (height, width) in px.
        color: ``"gray"`` for one channel, ``"rgb"`` for three.
        resize: what happens to other proportions. ``"squish"`` changes them; ``"crop"`` keeps the centred part
            that has the wanted ones; ``"pad"`` keeps everything and adds black evenly on two sides.

    Returns:
        uint8 (height, width, 1 or 3).

    Example:
        >>> image = np.full((2, 4, 3), 200, np.uint8)
        >>> to_shape(image, size=(4, 4), color="gray", resize="pad")[:, 0, 0]
        array([  0, 200, 200,   0], dtype=uint8)
    """
    if color == "gray" and image.shape[2] == 3:
        image = _values(_picture(image).convert("L"))
    if image.shape[:2] != size:
        image = _resized(image, size, resize)
    return np.repeat(image, 3, axis=2) if color == "rgb" and image.shape[2] == 1 else image


def _resized(image: np.ndarray, size: tuple[int, int], resize: Resize) -> np.ndarray:
    from PIL.Image import Resampling

    (height, width), (wanted_height, wanted_width) = image.shape[:2], size
    picture = _picture(image)
    if resize == "squish":
        return _values(picture.resize((wanted_width, wanted_height), Resampling.BILINEAR))
    if resize == "crop":
        # One resampling of the centred box, so that a very long image never grows to a very long strip.
        scale = min(height / wanted_height, width / wanted_width)
        left, top = (width - wanted_width * scale) / 2, (height - wanted_height * scale) / 2
        box = (left, top, left + wanted_width * scale, top + wanted_height * scale)
        box = (max(box[0], 0.0), max(box[1], 0.0), min(box[2], float(width)), min(box[3], float(height)))
        return _values(picture.resize((wanted_width, wanted_height), Resampling.BILINEAR, box=box))
    scale = min(wanted_height / height, wanted_width / width)
    inner_height, inner_width = max(round(height * scale), 1), max(round(width * scale), 1)
    whole = np.zeros((wanted_height, wanted_width, image.shape[2]), np.uint8)
    top, left = (wanted_height - inner_height) // 2, (wanted_width - inner_width) // 2
    inner = picture.resize((inner_width, inner_height), Resampling.BILINEAR)
    whole[top : top + inner_height, left : left + inner_width] = _values(inner)
    return whole


def _picture(image: np.ndarray) -> Image:
    import PIL.Image

    return PIL.Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image)


def _values(picture: Image) -> np.ndarray:
    """uint8 (H, W, C) of a Pillow image of mode L or RGB."""
    values = np.asarray(picture)
    return values[:, :, None] if values.ndim == 2 else values
