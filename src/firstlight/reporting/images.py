"""Images and signed maps as data addresses, so that a page carries its pictures inside itself."""

from __future__ import annotations

import base64
import io

import numpy as np

POSITIVE, NEGATIVE = (0, 114, 178), (213, 94, 0)  # blue and vermilion of Okabe and Ito's palette
PHOTO_SIDE = 48  # px from which color images are stored as JPEG, which is a fifth of the size
QUALITY = 85


def address(image: np.ndarray) -> str:
    """An image as ``data:image/...;base64,...``.

    Args:
        image: uint8 (H, W, C), C = 1 (gray), 3 (RGB) or 4 (RGBA).

    Returns:
        PNG, exact; of photos from `PHOTO_SIDE` px on JPEG.

    Example:
        >>> address(np.zeros((8, 8, 1), np.uint8))[:22]
        'data:image/png;base64,'
    """
    from PIL import Image

    photo = image.shape[2] == 3 and max(image.shape[:2]) >= PHOTO_SIDE
    file = io.BytesIO()
    picture = Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image)
    if photo:
        picture.save(file, "JPEG", quality=QUALITY)
    else:
        picture.save(file, "PNG", compress_level=9)
    return f"data:image/{'jpeg' if photo else 'png'};base64,{base64.b64encode(file.getvalue()).decode()}"


def signed(values: np.ndarray, largest: float) -> np.ndarray:
    """A signed map as colors: blue where positive, vermilion where negative, clear where 0.

    Args:
        values: (H, W).
        largest: the absolute value that is fully colored.

    Returns:
        uint8 (H, W, 4), RGBA, so that it can lie on a light or a dark page.

    Example:
        >>> signed(np.array([[0.0, 2.0, -1.0]]), 2.0)[0].tolist()
        [[0, 114, 178, 0], [0, 114, 178, 255], [213, 94, 0, 128]]
    """
    share = np.clip(np.abs(values) / (largest or 1.0), 0, 1)
    colors = np.where((values < 0)[:, :, None], np.array(NEGATIVE), np.array(POSITIVE))
    return np.concatenate([colors, np.rint(255 * share)[:, :, None]], axis=2).astype(np.uint8)
