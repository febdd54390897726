"""`quantize()`: an exported network with int8 weights, compared with the float32 one on the same images."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from firstlight.atomic import new_file
from firstlight.data.pixels import load
from firstlight.errors import ArgumentError, RunError, require
from firstlight.evaluation.comparison import Comparison
from firstlight.models.exporting.measurement import Measured, Measurement, compared, measure
from firstlight.models.exporting.session import Runtime, Session
from firstlight.runs.images import own_images
from firstlight.runs.results import Run
from firstlight.runs.rung_result import RungResult
from firstlight.runs.seal import plain
from firstlight.runs.tensors import METADATA

if TYPE_CHECKING:
    from onnx import ModelProto

WEIGHTED = ("Conv", "Gemm", "MatMul")  # their second input is the weights
INTEGER_PRODUCTS = ["Conv", "MatMul"]  # which onnxruntime computes with integers; a Gemm becomes a MatMul first
TYPE = "int8"
MEASURED = ("split", "n", "accuracy", "interval")


@dataclass(frozen=True)
class Quantized:
    """A quantized network, compared with the network before on the same images.

    Attributes:
        path: the file with int8 weights.
        rung: the name of the rung.
        before: the measurement of the float32 file.
        after: the measurement of the int8 file.
        comparison: paired; its p is McNemar's.
        same: share of the images with the same label.
        probability: the largest difference between two probabilities.
    """

    path: Path
    rung: str
    before: Measured
    after: Measured
    comparison: Comparison
    same: float
    probability: float

    def to_dict(self) -> dict[str, Any]:
        """The record as plain values."""
        return plain(asdict(self) | {"comparison": self.comparison.to_dict()})

    def __str__(self) -> str:
        return (
            f"{self.path}: {self.rung} with {TYPE} weights\n"
            f"  before  {self.before}\n"
            f"  after   {self.after}\n"
            f"  {self.comparison}\n"
            f"  the same label for {self.same:.2%} of {self.comparison.n:,} images; probabilities differ by up to "
            f"{self.probability:.3f}\n"
            f"  {self.before.bytes / self.after.bytes:.1f} times smaller, "
            f"{_pace(self.after.seconds / self.before.seconds)} on this computer"
        )


def _pace(ratio: float) -> str:
    if ratio > 1.1:
        return f"{ratio:.1f} times slower"
    return f"{1 / ratio:.1f} times faster" if ratio < 0.9 else "equally fast"


def quantize(model: str | Path, out: str | Path, *, images: Sequence[np.ndarray], labels: np.ndarray) -> Quantized:
    """Writes an exported network with int8 weights and measures what that costs.

    Only the products in the network's layers change; the preprocessing stays the same to the bit. The inputs of a layer
    are rounded to 8 bits as well, with one scale for all images of a call, so an image's probabilities depend slightly
    on the other images of its batch; here every image is classified alone. Whether int8 is faster depends on the
    processor and the layers; convolutions are often slower.

    Args:
        model: an ``.onnx`` file that `export` wrote.
        out: the file to write, ending in .onnx; an existing one is replaced.
        images: decoded images, uint8 (H, W, C) each: those of the evaluation, from `labelled_images`.
        labels: (N,) integers, index into the classes; -1 where the class is unknown.

    Returns:
        Size, accuracy with its interval, and time of both files; their paired comparison.

    Raises:
        ArgumentError: where the model has no weights to quantize, ``out`` has another ending or names the same file,
            or images and labels differ in number.
        MissingExtraError: where onnx or onnxruntime is not installed.
        RunError: where Firstlight did not write the model, ``out`` cannot be written, or the quantized model's
            preprocessing differs.

    Example:
        >>> import firstlight as fl
        >>> exported = fl.export(fl.climb(digits, rungs=["prior"]), f"{digits}.onnx")
        >>> quantize(exported.path, f"{digits}-int8.onnx", images=[np.zeros((8, 8, 1), np.uint8)], labels=np.array([0]))
        Traceback (most recent call last):
        firstlight.errors.ArgumentError: prior has no float32 weights, so there is nothing to quantize; ...
    """
    source, path, labels = Path(model), Path(out), np.asarray(labels)
    if path.suffix.lower() != ".onnx":
        raise ArgumentError(f"{path} does not end in .onnx; name a file with the ending .onnx.")
    if path.resolve() == source.resolve():
        raise ArgumentError(f"{path} is the model itself, which the comparison needs; name another file.")
    if labels.shape != (len(images),) or not (labels >= 0).any():
        raise ArgumentError(
            f"{len(images)} images were passed with labels of shape {labels.shape}, {int((labels >= 0).sum())} of them "
            "known; pass a label for each image, and at least one known label."
        )
    session = Session.of(source)
    name, size = session.about["name"], source.stat().st_size
    small = _with_int8_weights(source, name)
    before, after = (measure(engine, images, labels) for engine in (session, Runtime(small.SerializeToString())))
    if not np.array_equal(before.answer.pixels, after.answer.pixels):
        raise RunError(f"{path} was not written, since quantizing changed the preprocessing of {name}; keep {source}.")
    data = _described(small, session.about, after).SerializeToString()
    with new_file(path, RunError) as part:
        part.write_bytes(data)
    return Quantized(
        path,
        name,
        Measured.of(before, size),
        Measured.of(after, len(data)),
        compared(f"{name} as {TYPE}", after, name, before),
        float((before.answer.labels == after.answer.labels).mean()),
        float(np.abs(before.answer.probabilities - after.answer.probabilities).max()),
    )


def labelled_images(run: Run, rung: RungResult) -> tuple[np.ndarray, np.ndarray]:
    """The images that a rung was evaluated on, for `quantize`; the caller counts a reading of the test split.

    Args:
        run: the run.
        rung: one of its rungs.

    Returns:
        uint8 (N, h, w, c), resized as the graph does it, which also aligns them; and their labels (N,).

    Raises:
        RunError: where the images of the run are gone or have changed.
    """
    seen, own = rung.predictions, own_images(run)
    pixels = load(own.table.select(own.places(seen)), loading=replace(own.loading, align="none"))
    if len(pixels) < len(seen):
        raise RunError(
            f"{pixels.unreadable.keys[0]} in {own.table.root} can no longer be read; put it back, or climb again."
        )
    return pixels.values, seen.labels


def _with_int8_weights(source: Path, name: str) -> ModelProto:
    with require("export", purpose="Models in the ONNX format"):
        import onnx
        from onnxruntime.quantization import quantize_dynamic
        from onnxruntime.quantization.quant_utils import add_pre_process_metadata
    model = onnx.load(source)
    floats = {one.name for one in model.graph.initializer if one.data_type == onnx.TensorProto.FLOAT}
    if not any(node.op_type in WEIGHTED and node.input[1] in floats for node in model.graph.node):
        raise ArgumentError(
            f"{name} has no float32 weights, so there is nothing to quantize; use {source} as it is, or name a trained "
            "rung."
        )
    for number, node in enumerate(model.graph.node):
        node.name = node.name or f"node_{number}"  # onnxruntime derives names from these
    described = list(model.metadata_props)
    add_pre_process_metadata(model)  # else it advises to simplify the graph, which would inline the functions
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "int8.onnx"
        quantize_dynamic(model, made, op_types_to_quantize=INTEGER_PRODUCTS, per_channel=True)
        small = onnx.load(made)
    del small.metadata_props[:]
    small.metadata_props.extend(described)
    return small


def _described(model: ModelProto, about: dict[str, Any], after: Measurement) -> ModelProto:
    """The model with a document of its own: its own measurement, and no parity, which was that of another file."""
    import onnx

    bound = np.quantile(after.answer.probabilities.max(axis=1), about["in_distribution"]["share"], method="lower")
    document = {name: value for name, value in about.items() if name != "parity"} | {
        "metrics": {
            "split": about["metrics"]["split"],
            "chosen": about["metrics"].get("chosen", False),
            "n": len(after.correct),
            "accuracy": after.accuracy,
            "interval": after.interval,
        },
        "in_distribution": about["in_distribution"] | {"probability": bound},
        "quantized": {"weights": TYPE, "before": {name: about["metrics"][name] for name in MEASURED}},
    }
    onnx.helper.set_model_props(model, {METADATA: json.dumps(plain(document))})
    return model
