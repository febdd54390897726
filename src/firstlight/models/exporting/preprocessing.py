"""An image of any size to the pixels of the model, as an ONNX graph: the integers of `to_shape`, to the bit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from firstlight.data.decoding.loading import Preprocessing
from firstlight.models.exporting.align import aligned
from firstlight.models.exporting.resizing import resized
from firstlight.models.graphs.values import Value, local

LUMA = [[19595], [38470], [7471]]  # over 2**16; ITU-R BT.601 as Pillow has it


@local
def preprocessed(images: Value, *, config: Mapping[str, Any]) -> Value:
    """uint8 (N, H, W, C), C = 1 or 3 -> uint8 (N, h, w, c).

    Args:
        images: as they were decoded.
        config: of a saved model: its ``shape`` and ``preprocessing``.
    """
    (height, width, channels), how = config["shape"], Preprocessing.from_dict(config["preprocessing"])
    last_channel = images.shape(3, 4) - 1
    pixels = resized(_gray(images) if channels == 1 else images, (height, width), how.resize)
    if channels == 3:  # of a gray image the first channel three times
        pixels = pixels.take(last_channel.at_most([0, 1, 2]), axis=3)
    return pixels if how.align == "none" else aligned(pixels, align=how.align, shape=config["shape"])


def _gray(images: Value) -> Value:
    graph = images.graph

    def luma() -> Value:  # below 2**24, so exact in float32
        weighted = graph.op("MatMul", images.to(np.float32), graph.constant(LUMA, np.float32))
        return ((weighted + 32768) * 2**-16).floor().to(np.uint8)

    return graph.choose(images.shape(3, 4).equals([1]), lambda: images, luma)
