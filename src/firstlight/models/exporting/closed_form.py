"""The scores of the closed-form models as an ONNX graph: float64, in the order of `closed_form.distances`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from firstlight.models.closed_form.baselines import COUNTED
from firstlight.models.closed_form.distances import FRACTION
from firstlight.models.exporting.scores import Scores
from firstlight.models.graphs.values import Value, concat
from firstlight.runs.tensors import SavedModel

NEVER = -2.0  # the score of a class without training images, as in `closed_form`


def prior(pixels: Value, saved: SavedModel) -> Scores:
    """The logarithms of the classes' shares of the training images, for every image."""
    counts = saved.tensors["counts"]
    shares = pixels.graph.initializer("shares", np.log((counts + 1) / (counts + 1).sum()))  # (K,)
    return Scores(pixels.graph.op("Expand", shares, concat([pixels.shape(0, 1), shares.shape()])))


def ink(pixels: Value, saved: SavedModel) -> Scores:
    """Minus the difference in mean ink."""
    flat = _flat(pixels)
    if saved.config["options"].get("measure") == "count":
        flat = (flat >= COUNTED).where(pixels.graph.constant(255, np.float64), 0)
    totals, counts = saved.tensors["totals"], saved.tensors["pixels"]
    inks = pixels.graph.initializer("inks", (totals / np.maximum(counts, 1))[None])  # (1, K)
    there = pixels.graph.initializer("there", (counts > 0)[None])
    distances = (flat.sum(1, keepdims=True) / float(np.prod(saved.config["shape"])) - inks).abs() / 255
    return Scores(there.where(-distances, NEVER))


def centroid(pixels: Value, saved: SavedModel) -> Scores:
    """Minus the distance to each class's mean image."""
    sums, counts, graph = saved.tensors["sums"], saved.tensors["counts"], pixels.graph
    there = graph.initializer("there", (counts > 0)[None])
    distances = there.where(_distances(pixels, saved), -NEVER)
    means = (sums / np.maximum(counts, 1)[:, None]).reshape(-1, *saved.config["shape"])
    return Scores(-distances, distances, graph.initializer("ideals", means.astype(np.float32)))


def prototypes(pixels: Value, saved: SavedModel) -> Scores:
    """Minus the distance to the nearest of each class's prototypes."""
    owned = saved.tensors["owners"][:, None] == np.arange(len(saved.tensors["classes"]))  # (M, K)
    owners = pixels.graph.initializer("owned", owned[None])
    distances = owners.where(_distances(pixels, saved).unsqueeze(2), -NEVER).min(1)
    return Scores(-distances, distances)


def _flat(pixels: Value) -> Value:
    return pixels.to(np.float64).reshape([0, -1])  # (N, P)


def _distances(pixels: Value, saved: SavedModel) -> Value:
    """(N, centres); of a centre without images a number without meaning."""
    sums, counts = saved.tensors["sums"], np.maximum(saved.tensors["counts"], 1)[:, None]
    return DISTANCES[saved.config["options"]["distance"]](_flat(pixels), sums, counts)


def _l1(flat: Value, sums: np.ndarray, counts: np.ndarray) -> Value:
    centres = (2 * FRACTION * sums + counts) // (2 * counts)  # rounded as in `distances`
    centred = flat.graph.initializer("centres", centres[None].astype(np.float64))  # (1, K, P)
    differences = ((flat * FRACTION).unsqueeze(1) - centred).abs()
    return differences.sum(2) / (FRACTION * 255.0 * sums.shape[1])


def _l2(flat: Value, sums: np.ndarray, counts: np.ndarray) -> Value:
    products, norms = _products(flat, sums)
    divisors = flat.graph.initializer("counts", counts.T.astype(np.float64))  # (1, K)
    centre_norms = flat.graph.initializer("centre_norms", ((sums / counts) ** 2).sum(axis=1)[None])
    squared = norms - products * 2 / divisors + centre_norms
    return (squared.at_least(0) / float(sums.shape[1])).sqrt() / 255


def _cosine(flat: Value, sums: np.ndarray, counts: np.ndarray) -> Value:
    products, norms = _products(flat, sums)
    centre_lengths = np.sqrt((sums.astype(np.float64) ** 2).sum(axis=1))[None]  # (1, K)
    lengths = norms.sqrt() * flat.graph.initializer("centre_lengths", centre_lengths)
    there = lengths > 0
    return 1 - there.where(products / there.where(lengths, 1), 0)


def _products(flat: Value, sums: np.ndarray) -> tuple[Value, Value]:
    """(N, K), of each image with each sum; (N, 1), the images' squared lengths."""
    products = flat.graph.op("MatMul", flat, flat.graph.initializer("sums", sums.T.astype(np.float64)))
    return products, (flat * flat).sum(1, keepdims=True)


DISTANCES: Mapping[str, Callable[[Value, np.ndarray, np.ndarray], Value]] = {
    "l1": _l1,
    "l2": _l2,
    "cosine": _cosine,
}
