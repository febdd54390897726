"""A saved model as an ONNX model: the decoded image in; label, probabilities, pixels and distances out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from firstlight.errors import ArgumentError, RunError
from firstlight.models.exporting.closed_form import centroid, ink, prior, prototypes
from firstlight.models.exporting.network import network
from firstlight.models.exporting.preprocessing import preprocessed
from firstlight.models.exporting.pretrained import embedded
from firstlight.models.exporting.scores import Scoring
from firstlight.models.graphs.builder import GraphBuilder
from firstlight.runs.tensors import METADATA, SavedModel

if TYPE_CHECKING:
    from onnx import ModelProto

SCORINGS: Mapping[str, Scoring] = {
    "prior": prior,
    "ink": ink,
    "centroid": centroid,
    "prototypes": prototypes,
    "embedded": embedded,
    "network": network,
}


def graph(saved: SavedModel, about: Mapping[str, Any]) -> ModelProto:
    """The model as an ONNX model.

    The input is ``images`` uint8 (N, H, W, C), as `decode` gives them: any H and W, C = 1 or 3. The outputs are
    ``label`` int64 (N,), ``probabilities`` float32 (N, K), ``pixels`` uint8 (N, h, w, c), which the model sees, and
    for a centroid ``distances`` float32 (N, K) and ``ideal`` float32 (K, h, w, c) from 0 to 255.

    Args:
        saved: the model as plain data.
        about: its document, for the metadata.

    Raises:
        ArgumentError: where the network is a module of the user's own.
        MissingExtraError: where onnx is not installed.
        RunError: where an array or an option of the model is missing or wrong.
    """
    options = saved.config["options"]
    if options.get("own"):
        raise ArgumentError(
            f"The model is your own module {str(options.get('module'))[:60]!r}, and a run does not store its code; "
            "export it with torch.onnx.export."
        )
    try:
        model = _built(saved)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise RunError(f"The saved model is incomplete ({error}); fit it again.") from error
    from onnx import helper

    helper.set_model_props(model, {METADATA: json.dumps(about)})
    return model


def _built(saved: SavedModel) -> ModelProto:
    builder = GraphBuilder()
    images = builder.input("images", np.uint8, ["N", "H", "W", "C"])
    pixels = preprocessed(images, config=saved.config)
    found = SCORINGS[str(saved.config["kind"])](pixels, saved)
    tempered = found.scores / float(saved.config["temperature"])
    label = builder.op("ArgMax", found.scores, dtype=np.int64, axis=1, keepdims=0)
    builder.output("label", label, ["N"])
    builder.output("probabilities", builder.op("Softmax", tempered, axis=1).to(np.float32), ["N", "K"])
    builder.output("pixels", pixels, ["N", "h", "w", "c"])
    if found.distances is not None:
        builder.output("distances", found.distances.to(np.float32), ["N", "K"])
    if found.ideal is not None:
        builder.output("ideal", found.ideal, ["K", "h", "w", "c"])
    return builder.model("classifier")
