"""The predictions for uploaded images: each is decoded and resized, then the model classifies all of them."""

from __future__ import annotations

import base64
import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from fastapi import HTTPException

from firstlight.apps.web.schemas import Picture, Prediction
from firstlight.apps.web.uploads import Upload
from firstlight.data.decoding.decode import decode
from firstlight.data.decoding.header import EXTRA
from firstlight.data.decoding.loading import Preprocessing
from firstlight.data.decoding.size import size_of
from firstlight.models.exporting.session import Answer, Session, in_distribution

Size = tuple[int, int]  # width and height, px
LIGHT = 4_000_000  # pixels of a request; decoded in about a tenth of a second
NOT_READ = ("not an image", "a format that is not read")


class _UnreadableError(Exception):
    """An image that cannot be classified: the HTTP status and the reason."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"The image cannot be read: {reason}.")
        self.status = status


def sizes_of(sent: Sequence[Upload]) -> list[Size]:
    """Width and height of each image by its header; (0, 0) where the decoder will refuse it."""
    return [size_of(one.data) or (0, 0) for one in sent]


def is_light(sizes: Sequence[Size], pixels: int) -> bool:
    """Whether images are classified within a moment: small ones, and those that are refused for their size.

    Example:
        >>> is_light([(1000, 1000)], 50_000_000), is_light([(6000, 4000)], 50_000_000)
        (True, False)
    """
    return sum(math.prod(size) for size in sizes if math.prod(size) <= pixels) <= LIGHT


def predictions(
    session: Session, sent: Sequence[Upload], sizes: Sequence[Size], *, pixels: int, until: float
) -> list[Prediction]:
    """The prediction for each image; for an unreadable image, the reason.

    Args:
        session: the model.
        sent: the uploaded images.
        sizes: what `sizes_of` says of them.
        pixels: the largest number of pixels that an image may have.
        until: the time limit by `time.monotonic`, checked before each image.

    Raises:
        HTTPException: 503 after the time limit. If no image can be read, the status of the first one: 413 (too
            many pixels), 415 (not an image, or a format that is not supported) or 422 (damaged).
    """
    about = session.about
    found: list[Prediction] = []
    images, unreadable = [], []
    for one, size in zip(sent, sizes, strict=True):
        if time.monotonic() > until:
            raise HTTPException(
                503,
                f"Only {len(found)} of {len(sent)} images were read in time; send fewer or smaller images.",
                {"Retry-After": "1"},
            )
        found.append(Prediction(name=one.name))
        try:
            images.append(_shaped(one.data, session.preprocessing, size, pixels))
        except _UnreadableError as error:
            unreadable.append(error)
            found[-1].problem = str(error)
    if not images:
        reason = str(unreadable[0])
        if len(sent) > 1:
            reason = f"None of the {len(sent)} images can be read. The first one: {reason}"
        raise HTTPException(unreadable[0].status, reason)
    answer = session.answer(np.stack(images))  # (N, h, w, c)
    inside = in_distribution(about, answer)
    for row, prediction in enumerate(one for one in found if one.problem is None):
        _fill(prediction, about, answer, row)
        prediction.in_distribution = bool(inside[row])
    return found


def _fill(prediction: Prediction, about: Mapping[str, Any], answer: Answer, row: int) -> None:
    classes, label, shares = about["classes"], int(answer.labels[row]), answer.probabilities[row].tolist()
    prediction.label, prediction.probability = classes[label], shares[label]
    prediction.probabilities = dict(zip(classes, shares, strict=True))
    if answer.distances is not None:
        prediction.distances = dict(zip(classes, answer.distances[row].tolist(), strict=True))
    seen = answer.pixels[row]
    prediction.pixels = Picture(shape=list(seen.shape), data=base64.b64encode(seen.tobytes()).decode())


def _shaped(data: bytes, preprocessing: Preprocessing, size: Size, most: int) -> np.ndarray:
    """uint8 (h, w, c), as `firstlight predict` passes an image to the model."""
    if math.prod(size) > most:
        raise _UnreadableError(413, f"it has {size[0]:,} x {size[1]:,} pixels, and at most {most:,} are decoded")
    image = decode(data)
    if isinstance(image, str):
        raise _UnreadableError(415 if image.startswith(NOT_READ) or image.endswith(EXTRA) else 422, image)
    return preprocessing.shaped(image)
