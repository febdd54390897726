"""The scores of a head on a pretrained network as an ONNX graph: the backbone in float32, the head in float64."""

from __future__ import annotations

import numpy as np

from firstlight.models.exporting.scores import Scores
from firstlight.models.graphs.values import Value
from firstlight.models.pretrained.backbone import tuned
from firstlight.models.pretrained.backbones import backbone
from firstlight.models.pretrained.embedded import TUNED
from firstlight.runs.tensors import SavedModel


def embedded(pixels: Value, saved: SavedModel) -> Scores:
    """The head's scores of the embeddings, as `firstlight.models.pretrained.heads.Head` has them."""
    options, tensors = saved.config["options"], saved.tensors
    base = backbone(options["backbone"])
    changed = {name.removeprefix(TUNED): array for name, array in tensors.items() if name.startswith(TUNED)}
    found = (tuned(base, changed) if changed else base).features(pixels).embeddings.to(np.float64)
    graph = pixels.graph
    unit = _unit(found) - graph.initializer("mean", tensors["mean"].astype(np.float64))
    if options["centred"] is True:
        unit = _unit(unit)
    products = graph.op("MatMul", unit, graph.initializer("weight", tensors["weight"].T.astype(np.float64)))
    return Scores(products + graph.initializer("bias", tensors["bias"].astype(np.float64)))


def _unit(vectors: Value) -> Value:
    """(N, D) brought to length 1; zeros stay zeros."""
    lengths = (vectors * vectors).sum(1, keepdims=True).sqrt()
    return vectors / (lengths > 0).where(lengths, 1)
