"""A rung as an ONNX model: the decoded image in, class, probabilities and distances out."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from firstlight.errors import require
from firstlight.models.exporting.preprocessing import preprocessing
from firstlight.models.exporting.scoring import scoring
from firstlight.runs.tensors import METADATA, SavedModel

if TYPE_CHECKING:
    from onnx import ModelProto

HEADER = '<ir_version: 9, opset_import: ["" : 18, "firstlight" : 1], producer_name: "firstlight">'


def graph(saved: SavedModel, about: Mapping[str, Any]) -> ModelProto:
    """The rung's ONNX model.

    In goes ``images`` uint8 (N, H, W, C), as `decode` gives them: any H and W, C = 1 or 3. Out come ``label`` int64
    (N,), ``probabilities`` float32 (N, K), ``pixels`` uint8 (N, h, w, c), which the model sees, and for a centroid
    ``distances`` float32 (N, K) and ``ideal`` float32 (K, h, w, c) from 0 to 255.

    Args:
        saved: a rung as plain data.
        about: what is written into its metadata.

    Raises:
        MissingExtraError: where onnx is not installed.
        ArgumentError: where it is a module of the user's.
        RunError: where the description is not whole.
    """
    with require("export", purpose="Models in the ONNX format"):
        import onnx
        import onnx.parser
        from onnx import numpy_helper
    nodes, constants = scoring(saved)
    centroid = saved.config["kind"] == "centroid"
    outputs = ["int64[N] label", "float[N, K] probabilities", "uint8[N, h, w, c] pixels"]
    if centroid or saved.config["kind"] == "prototypes":
        outputs += ["float[N, K] distances"]
        nodes += "  distances = Cast <to = 1> (far)\n"
    if centroid:
        outputs += ["float[K, h, w, c] ideal"]
        nodes += "  ideal = Identity (ideals)\n"
        counts, sums = saved.tensors["counts"], saved.tensors["sums"]
        means = sums / np.maximum(counts, 1)[:, None]
        constants["ideals"] = means.reshape(-1, *saved.config["shape"]).astype(np.float32)
    constants["temperature"] = np.array(float(saved.config["temperature"]))
    text = f"""{HEADER}
classifier (uint8[N, H, W, C] images) => ({", ".join(outputs)})
{{
  pixels = firstlight.preprocessed (images)
{nodes}
  tempered = Div (scores, temperature)
  sure = Softmax <axis = 1> (tempered)
  probabilities = Cast <to = 1> (sure)
  label = ArgMax <axis = 1, keepdims = 0> (scores)
}}
{preprocessing(saved.config)}"""
    model = onnx.parser.parse_model(re.sub(r"#.*", "", text))
    model.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    onnx.helper.set_model_props(model, {METADATA: json.dumps(about)})
    return model
