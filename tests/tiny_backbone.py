"""A backbone of 12 dimensions that needs no weights, in place of the packaged one: fixed random filters."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from firstlight.data.decoding.loading import Preprocessing
from firstlight.models import options
from firstlight.models.exporting import pretrained as exported
from firstlight.models.graphs.values import Value
from firstlight.models.pretrained import embedded
from firstlight.models.pretrained.backbone import Backbone, Features

SIDE, DIMENSIONS = 16, 12


def features(images: Value) -> Features:
    """4 x 4 filters with a stride of 4, and a ReLU."""
    filters = np.random.default_rng(0).normal(size=(DIMENSIONS, 3, 4, 4)).astype(np.float32)
    planes = (images.to(np.float32) / 255).transpose(0, 3, 1, 2)
    maps = images.graph.op("Conv", planes, images.graph.initializer("filters", filters), strides=[4, 4])
    maps = maps.at_least(0)
    return Features(maps.mean(2, 3).to(np.float16).to(np.float32), maps)


TINY = Backbone("tiny", "0" * 32, Preprocessing((SIDE, SIDE), "rgb", "crop"), DIMENSIONS, "none", 9216, features)


@pytest.fixture
def tiny_backbone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Backbone]:
    """In place of every backbone."""
    for room in (options, embedded, exported):
        monkeypatch.setattr(room, "backbone", lambda name="tiny": TINY)
    yield TINY
