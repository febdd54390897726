"""`middle_maps()`: images as a backbone has them in its middle, where fine-tuning begins; augmented versions too."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np

from firstlight.data.decoding.decode import decode_all
from firstlight.data.decoding.resize import to_shape
from firstlight.data.decoding.stack import read_all
from firstlight.data.decoding.threads import cores, in_order, keys_of, spans
from firstlight.data.files import reader
from firstlight.data.pixels import Pixels
from firstlight.errors import DataError
from firstlight.models.pretrained.backbone import AT_ONCE, Backbone
from firstlight.progress import Count

SMALLEST = 0.6  # share of the side that an augmented crop has at least


def middle_maps(
    pixels: Pixels, backbone: Backbone, *, versions: int = 1, seed: int = 0, progress: Count | None = None
) -> np.ndarray:
    """The middle maps of images, decoded from their files where there are any.

    Args:
        pixels: the images.
        backbone: one that can be fine-tuned.
        versions: V; the first is the image itself, the second its mirror image, the others random crops of at least
            0.6 of its side, every second one mirrored.
        seed: random seed of the crops.
        progress: called with (images done, images in all).

    Returns:
        float16 (N, s, s, V C).
    """
    from_files = pixels.preprocessing != backbone.preprocessing and _has_files(pixels)
    read = reader(pixels.table) if from_files else None

    def part(span: range) -> np.ndarray:
        if read is None:
            images = list(pixels.values[span.start : span.stop])
        else:
            keys = keys_of(pixels.table, span)
            images = [
                _readable(one, key)
                for one, key in zip(decode_all(read_all(read, keys), least=backbone.least), keys, strict=True)
            ]
        found = []
        for number in range(versions):
            of_number = (_version(one, number, (seed, row), backbone) for one, row in zip(images, span, strict=True))
            found.append(backbone.middle(np.stack(list(of_number))))
        return np.concatenate(found, axis=3)

    parts, done = [], 0
    with contextlib.closing(in_order(part, spans(len(pixels), AT_ONCE), cores())) as found:
        for one in found:
            parts.append(one)
            done += len(one)
            if progress is not None:
                progress(done, len(pixels))
    return np.concatenate(parts)


def _has_files(pixels: Pixels) -> bool:
    return bool(pixels.table.root) and Path(pixels.table.root).exists()


def _readable(image: np.ndarray | str, key: str) -> np.ndarray:
    if isinstance(image, str):
        raise DataError(f"{key} cannot be read any more ({image}); scan the folder again.")
    return image


def _version(image: np.ndarray, number: int, seed: tuple[int, int], backbone: Backbone) -> np.ndarray:
    """One augmented version of an image, in the backbone's own form."""
    if number > 1:
        generator = np.random.default_rng((*seed, number))
        share = generator.uniform(SMALLEST, 1)
        sides = [max(1, round(side * share)) for side in image.shape[:2]]
        top, left = (
            int(generator.integers(0, side - small + 1)) for side, small in zip(image.shape[:2], sides, strict=True)
        )
        image = image[top : top + sides[0], left : left + sides[1]]
    how = backbone.preprocessing
    shaped = to_shape(image, size=how.size, color=how.color, resize=how.resize)
    return shaped[:, ::-1] if number % 2 else shaped
