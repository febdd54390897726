"""`quantize()`: an exported network with int8 weights, held against the one before on the same images."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from firstlight.atomic import new_file
from firstlight.data.pixels import load
from firstlight.errors import ArgumentError, RunError, require
from firstlight.evaluation.compare import Comparison
from firstlight.evaluation.uncertainty import mcnemar, paired_bootstrap, wilson
from firstlight.models.exporting.session import Answer, Runtime, Session
from firstlight.runs.images import own_images
from firstlight.runs.results import Run, RungResult
from firstlight.runs.seal import plain
from firstlight.runs.tensors import METADATA

if TYPE_CHECKING:
    from onnx import ModelProto

WEIGHTED = ("Conv", "Gemm", "MatMul")  # their second input is the weights
BY_INTEGERS = ["Conv", "MatMul"]  # what onnxruntime turns into integer products; a Gemm becomes a MatMul before
TYPE = "int8"


@dataclass(frozen=True)
class Measured:
    """A file as it was measured.

    Attributes:
        bytes: its size.
        accuracy: the share of the images that it names rightly.
        interval: Wilson's 95 % interval of it.
        seconds: that an image takes by itself, the median.
    """

    bytes: int
    accuracy: float
    interval: tuple[float, float]
    seconds: float

    def __str__(self) -> str:
        low, high = self.interval
        return (
            f"accuracy {self.accuracy:.4f} [{low:.4f}, {high:.4f}]  {self.bytes:,} bytes  "
            f"{self.seconds * 1e3:.2f} ms an image by itself"
        )


@dataclass(frozen=True)
class Quantized:
    """A network before and after, on the same images, each asked by itself.

    Attributes:
        path: the file with int8 weights.
        rung: what it holds.
        before: the file that it was made from.
        after: itself.
        comparison: of both, paired; its p is McNemar's.
        same: share of the images that both name the same.
        probability: the greatest difference of a probability.
    """

    path: Path
    rung: str
    before: Measured
    after: Measured
    comparison: Comparison
    same: float
    probability: float

    def to_dict(self) -> dict[str, Any]:
        """The same as plain values."""
        return plain(asdict(self) | {"comparison": self.comparison.to_dict()})

    def __str__(self) -> str:
        ratio = self.after.seconds / self.before.seconds
        pace = (
            f"{ratio:.1f} times as slow"
            if ratio > 1.1
            else f"{1 / ratio:.1f} times as fast"
            if ratio < 0.9
            else "as fast"
        )
        return (
            f"{self.path}: {self.rung}, its weights as {TYPE}\n"
            f"  before  {self.before}\n"
            f"  after   {self.after}\n"
            f"  {self.comparison}\n"
            f"  {self.same:.2%} of {self.comparison.n:,} images are named the same; a probability differs by up to "
            f"{self.probability:.3f}; {self.before.bytes / self.after.bytes:.1f} times as small, {pace} here"
        )


def quantize(model: str | Path, out: str | Path, *, images: Sequence[np.ndarray], labels: np.ndarray) -> Quantized:
    """Writes an exported network anew with int8 weights, and says what that costs.

    Only the products of the network's layers change; the preprocessing stays as it is, to the bit. The numbers that
    go into a layer are rounded to 8 bits too, on a scale that all images of a call share: so an image's probabilities
    depend a little on the images beside it, and every image is asked by itself here. Whether int8 is faster depends on
    the processor and the layers; convolutions are often slower.

    Args:
        model: an ``.onnx`` file that `export` wrote.
        out: the file, ending in .onnx; one that is there is replaced.
        images: decoded images, uint8 (H, W, C) each: those that the run measured on, as `labelled_images` gives them.
        labels: (N,) integers, index into the classes; -1 where the class is not known.

    Returns:
        Size, accuracy with its interval, and time of both; the paired comparison.

    Raises:
        ArgumentError: where the model has no weights to quantize, ``out`` ends otherwise or names the same file, or
            images and labels do not fit together.
        MissingExtraError: where onnx or onnxruntime is not installed.
        RunError: where the model is none of Firstlight's, or ``out`` cannot be written.

    Example:
        >>> import firstlight as fl
        >>> exported = fl.export(fl.climb(digits, rungs=["prior"]), f"{digits}.onnx")
        >>> quantize(exported.path, f"{digits}-int8.onnx", images=[np.zeros((8, 8, 1), np.uint8)], labels=np.array([0]))
        Traceback (most recent call last):
        firstlight.errors.ArgumentError: prior has no float32 weights, so there is nothing to quantize; ...
    """
    source, path, labels = Path(model), Path(out), np.asarray(labels)
    if path.suffix.lower() != ".onnx":
        raise ArgumentError(f"The model would be written to {path}; give the file the ending .onnx.")
    if path.resolve() == source.resolve():
        raise ArgumentError(f"{path} is the model itself, which is still needed to compare; name another file.")
    if labels.shape != (len(images),) or not (labels >= 0).any():
        raise ArgumentError(
            f"{len(images)} images came with labels {labels.shape}, {int((labels >= 0).sum())} of them known; pass a "
            "label for each image, and at least one that is known."
        )
    session = Session.of(source)
    name, size = session.about["name"], source.stat().st_size
    small = _with_integers(source, name)
    other = Runtime(small.SerializeToString())
    first, seconds = _each(session, images)
    second, seconds_after = _each(other, images)
    assert np.array_equal(first.pixels, second.pixels), "quantizing changed the preprocessing"
    known = labels >= 0
    right, right_after = (answer.labels[known] == labels[known] for answer in (first, second))
    after = _accuracy(right_after)
    data = _described(small, session.about, second, after, len(right)).SerializeToString()
    with new_file(path, RunError) as part:
        part.write_bytes(data)
    return Quantized(
        path,
        name,
        Measured(size, *_accuracy(right), seconds),
        Measured(len(data), *after, seconds_after),
        _compared(name, right, right_after),
        float((first.labels == second.labels).mean()),
        float(np.abs(first.probabilities - second.probabilities).max()),
    )


def labelled_images(run: Run, rung: RungResult) -> tuple[np.ndarray, np.ndarray]:
    """The images that a rung was measured on, for `quantize`; the caller counts a reading of the test split.

    Args:
        run: which the rung belongs to.
        rung: one of its rungs.

    Returns:
        uint8 (N, h, w, c), brought to the model's size as the graph itself does, which aligns them as well; and
        their labels (N,).

    Raises:
        RunError: where the images of the run are gone, or are not those that it was made from.
    """
    seen, own = rung.predictions, own_images(run)
    pixels = load(own.table.select(own.places(seen)), loading=replace(own.loading, align="none"))
    if len(pixels) < len(seen):
        raise RunError(
            f"{pixels.unreadable.keys[0]} in {own.table.root} can no longer be read; put it back, or climb again."
        )
    return pixels.values, seen.labels


def _with_integers(source: Path, name: str) -> ModelProto:
    with require("export", purpose="Models in the ONNX format"):
        import onnx
        from onnxruntime.quantization import quantize_dynamic
        from onnxruntime.quantization.quant_utils import add_pre_process_metadata
    model = onnx.load(source)
    floats = {one.name for one in model.graph.initializer if one.data_type == onnx.TensorProto.FLOAT}
    if not any(node.op_type in WEIGHTED and node.input[1] in floats for node in model.graph.node):
        raise ArgumentError(
            f"{name} has no float32 weights, so there is nothing to quantize; take {source} as it is, or name a rung "
            "that is trained."
        )
    for number, node in enumerate(model.graph.node):
        node.name = node.name or f"node_{number}"  # onnxruntime names its own nodes after them
    described = list(model.metadata_props)
    add_pre_process_metadata(model)  # else it warns that the graph was not simplified, which would inline functions
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "int8.onnx"
        quantize_dynamic(model, made, op_types_to_quantize=BY_INTEGERS, per_channel=True)
        small = onnx.load(made)
    del small.metadata_props[:]
    small.metadata_props.extend(described)
    return small


def _each(engine: Session | Runtime, images: Sequence[np.ndarray]) -> tuple[Answer, float]:
    """N answers, of each image by itself, and the median of their seconds."""
    answers, seconds = [], []
    engine.answer(images[0][None])  # the first call prepares
    for image in images:
        started = time.perf_counter()
        answers.append(engine.answer(image[None]))
        seconds.append(time.perf_counter() - started)
    whole = {
        part: np.concatenate([getattr(answer, part) for answer in answers])
        for part in ("labels", "probabilities", "pixels")
    }
    return Answer(**whole, distances=None), float(np.median(seconds))


def _accuracy(right: np.ndarray) -> tuple[float, tuple[float, float]]:
    low, high = wilson(int(right.sum()), len(right))
    return float(right.mean()), (float(low), float(high))


def _compared(name: str, before: np.ndarray, after: np.ndarray) -> Comparison:
    """The quantized one beside the one before, on the same images."""
    only_after, only_before, n = int((after & ~before).sum()), int((before & ~after).sum()), len(before)
    interval = paired_bootstrap(only_before, only_after, n, generator=np.random.default_rng(0))
    difference, p = (only_after - only_before) / n, mcnemar(only_after, only_before)
    return Comparison(f"{name} as {TYPE}", name, n, difference, interval, only_after, only_before, p)


def _described(
    model: ModelProto, about: dict[str, Any], seen: Answer, accuracy: tuple[float, tuple[float, float]], n: int
) -> ModelProto:
    """The document of the quantized model: what was measured is its own, and the parity of the other is left out."""
    import onnx

    sure = np.quantile(seen.probabilities.max(axis=1), about["in_distribution"]["share"], method="lower")
    told = {name: value for name, value in about.items() if name != "parity"} | {
        "metrics": {"split": about["metrics"]["split"], "n": n, "accuracy": accuracy[0], "interval": accuracy[1]},
        "in_distribution": about["in_distribution"] | {"probability": sure},
        "quantized": {"weights": TYPE, "before": about["metrics"]},
    }
    onnx.helper.set_model_props(model, {METADATA: json.dumps(plain(told))})
    return model
