"""An EfficientNet-Lite of 12 dimensions and random weights, in place of the packaged one."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from firstlight.data.decoding.loading import Preprocessing
from firstlight.models import options
from firstlight.models.exporting import pretrained as exported
from firstlight.models.pretrained import embedded
from firstlight.models.pretrained.backbone import Backbone, EfficientNet
from firstlight.models.pretrained.efficientnet import Architecture

SIDE, DIMENSIONS = 64, 12
CHANNELS = (4, 4, 6, 6, 8, 8, 8)  # of each block


def weights() -> dict[str, np.ndarray]:
    """A stem, seven blocks and a last convolution; norms that change nothing but the scale."""
    generator, found = np.random.default_rng(0), {}

    def convolution(name: str, norm: str, shape: tuple[int, ...]) -> None:
        scale = np.sqrt(2 / np.prod(shape[1:]))
        found[f"{name}.weight"] = (generator.normal(size=shape) * scale).astype(np.float16)
        for part, value in (("weight", 1), ("bias", 0.1), ("running_mean", 0), ("running_var", 1)):
            found[f"{norm}.{part}"] = np.full(shape[0], value, np.float16)

    convolution("_conv_stem", "_bn0", (4, 3, 3, 3))
    before = 4
    for number, after in enumerate(CHANNELS):
        name, inside = f"_blocks.{number}", before * (2 if number else 1)
        if number:
            convolution(f"{name}._expand_conv", f"{name}._bn0", (inside, before, 1, 1))
        convolution(f"{name}._depthwise_conv", f"{name}._bn1", (inside, 1, 3, 3))
        convolution(f"{name}._project_conv", f"{name}._bn2", (after, inside, 1, 1))
        before = after
    convolution("_conv_head", "_bn1", (DIMENSIONS, before, 1, 1))
    return found


NETWORK = EfficientNet(Architecture(SIDE, (1,) * len(CHANNELS)), weights())
TINY = Backbone(
    name="tiny",
    digest="0" * 32,
    preprocessing=Preprocessing((SIDE, SIDE), "rgb", "crop"),
    dimensions=DIMENSIONS,
    license="none",
    bytes=9216,
    features=NETWORK.features,
    network=NETWORK,
)


@pytest.fixture
def tiny_backbone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Backbone]:
    """In place of every backbone."""
    for room in (options, embedded, exported):
        monkeypatch.setattr(room, "backbone", lambda name="tiny": TINY)
    yield TINY
