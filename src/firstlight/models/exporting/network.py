"""The scores of the networks as an ONNX graph: float32, layer by layer as `training.architectures` has them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from firstlight.models.exporting.scores import Scores
from firstlight.models.graphs.values import Value, concat
from firstlight.runs.tensors import SavedModel

SCALE = 1 / 9  # of the cnn's scores, as in `architectures.CNN`
EPSILON = 1e-5  # of torch's batch norm

Weights = Mapping[str, np.ndarray]


def network(pixels: Value, saved: SavedModel) -> Scores:
    """The mean of the network's scores over its views of each image, as `training.network` has them."""
    options, (height, width, _) = saved.config["options"], saved.config["shape"]
    weights = {name.removeprefix("module."): array for name, array in saved.tensors.items()}
    mean, deviation = (float(value) for value in weights["normalize"])
    images = (pixels.to(np.float32) * (1 / (255 * deviation)) + -mean / deviation).transpose(0, 3, 1, 2)
    views = options["views"]
    if len(views) > 1:
        images = concat([_moved(images, height, width, *view) for view in views])  # (views N, C, H, W)
    scores = MODULES[options["module"]](images, weights).reshape([len(views), -1, len(saved.config["classes"])])
    return Scores(scores.mean(0).to(np.float64))


def _moved(images: Value, height: int, width: int, down: int, right: int, mirrored: bool) -> Value:
    rows, columns = _places(height, down), _places(width, right)
    if mirrored:
        columns = columns[::-1]
    constant = images.graph.constant
    return images.take(constant(rows, np.int64), 2).take(constant(columns, np.int64), 3)


def _places(size: int, by: int) -> np.ndarray:
    """From which row each comes when an image is moved, reflected at the edge as in `network.moved`."""
    if size == 1:
        return np.zeros(1, np.int64)
    index = np.abs(np.arange(size) - by)
    return (size - 1) - np.abs(size - 1 - index)


def _linear(images: Value, weights: Weights) -> Value:
    return _head(_layer("Flatten", images), weights)


def _mlp(images: Value, weights: Weights) -> Value:
    hidden = _layer("Gemm", _layer("Flatten", images), weights, "hidden", transB=1)
    return _head(_layer("Relu", hidden), weights)


def _cnn(images: Value, weights: Weights) -> Value:
    half = weights["stem.weight"].shape[2] // 2  # filters are twice the stride and one wide
    stem = _layer("Conv", images, weights, "stem", strides=[half] * 2, pads=[half] * 4)
    maps = _layer("Relu", stem)
    for number in range(sum(name.endswith("first.weight") for name in weights)):
        maps = _block(maps, weights, f"blocks.{number}")
    return _head(_layer("Flatten", _layer("GlobalMaxPool", maps)), weights) * SCALE


def _block(maps: Value, weights: Weights, name: str) -> Value:
    maps = _layer("Conv", maps, weights, f"{name}.first", pads=[1] * 4)
    maps = _layer("MaxPool", maps, kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1)
    maps = _layer("Relu", _layer("BatchNormalization", maps, weights, f"{name}.first_norm", epsilon=EPSILON))
    maps = _layer("Conv", maps, weights, f"{name}.second", pads=[1] * 4)
    return _layer("Relu", _layer("BatchNormalization", maps, weights, f"{name}.second_norm", epsilon=EPSILON))


def _head(features: Value, weights: Weights) -> Value:
    """The last layer. Two classes have one output z, and the scores (0, z)."""
    last = {name: weights[name] for name in ("head.layer.weight", "head.layer.bias")}
    if len(last["head.layer.bias"]) == 1:
        last = {name: np.concatenate([np.zeros_like(array), array]) for name, array in last.items()}
    return _layer("Gemm", features, last, "head.layer", transB=1)


def _layer(kind: str, values: Value, weights: Weights | None = None, name: str = "", **options: Any) -> Value:
    """A layer with those of its arrays that there are, under their names in the module."""
    names = [f"{name}.{part}" for part in ("weight", "bias", "running_mean", "running_var")]
    graph, there = values.graph, weights or {}
    arrays = [graph.initializer(name, there[name].astype(np.float32)) for name in names if name in there]
    return graph.op(kind, values, *arrays, **options)


MODULES: Mapping[str, Callable[[Value, Weights], Value]] = {"linear": _linear, "mlp": _mlp, "cnn": _cnn}
