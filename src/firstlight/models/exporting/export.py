"""`export()`: a rung of a run as one ONNX file, preprocessing included, checked before it is saved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from firstlight.atomic import new_file
from firstlight.errors import ArgumentError, RunError
from firstlight.models.checkpoint import restore
from firstlight.models.exporting.document import document
from firstlight.models.exporting.graph import graph
from firstlight.models.exporting.parity import Parity, images_of, parity
from firstlight.models.exporting.session import InPython, Runtime
from firstlight.runs.folder import read_run
from firstlight.runs.results import Run
from firstlight.runs.seal import plain

TOLERANCE = 1e-4  # of a probability


@dataclass(frozen=True)
class Exported:
    """An exported model.

    Attributes:
        path: the file.
        rung: the name of the rung.
        bytes: its size.
        parity: how it differs from Python.

    Example:
        >>> import firstlight as fl
        >>> exported = fl.export(fl.climb(digits, rungs=["prior"]), f"{digits}-prior.onnx")
        >>> exported.path.suffix, exported.rung, exported.parity.labels
        ('.onnx', 'prior', 0)
    """

    path: Path
    rung: str
    bytes: int
    parity: Parity

    def to_dict(self) -> dict[str, Any]:
        """The record as plain values."""
        return plain(asdict(self))

    def __str__(self) -> str:
        return f"{self.path}: {self.rung}, {self.bytes:,} bytes\nCompared with Python: {self.parity}"


def export(
    run: Run | str | Path, out: str | Path, *, rung: str | None = None, images: Sequence[np.ndarray] | None = None
) -> Exported:
    """Writes a rung as an ONNX model that includes the preprocessing.

    The input is ``images`` uint8 (N, H, W, C), C = 1 or 3, of any H and W: decoded images. The outputs are ``label``
    int64 (N,), ``probabilities`` float32 (N, K), ``pixels`` uint8 (N, h, w, c) as the model sees them, and for a
    centroid ``distances`` float32 (N, K) and ``ideal`` float32 (K, h, w, c), 0 to 255. The metadata hold the classes,
    the preprocessing and the provenance as JSON under ``firstlight``, and how ONNX Runtime differs from Python on
    images of the run and on images of odd sizes.

    Args:
        run: a run, or its folder.
        out: the file to write, ending in .onnx; an existing one is replaced.
        rung: the name of the rung; if None, the recommended one.
        images: decoded images to check it on, uint8 (H, W, C) each; if None, the run's evaluation images.

    Returns:
        The file, its size and the largest difference from Python.

    Raises:
        ArgumentError: where ``out`` has another ending, the run has no such rung, or the rung is your own module.
        MissingExtraError: where onnx or onnxruntime is not installed.
        RunError: where a probability differs by more than 1e-4 or a label differs; then nothing is written.

    Example:
        >>> import firstlight as fl
        >>> run = fl.climb(digits, rungs=["centroid-l2"])
        >>> exported = fl.export(run, f"{digits}.onnx")
        >>> exported.rung, exported.parity.labels, exported.parity.probability < 1e-6
        ('centroid-l2', 0, True)
    """
    path = Path(out)
    if path.suffix.lower() != ".onnx":
        raise ArgumentError(f"{path} does not end in .onnx; name a file with the ending .onnx.")
    run = run if isinstance(run, Run) else read_run(run)
    result = run.chosen(rung)
    about = document(run, result.name)
    model = graph(result.model, about)
    found, of = images_of(run, result) if images is None else (list(images), "as passed")
    engine = Runtime(model.SerializeToString())
    seen = parity(engine, InPython(restore(result.model)), found, of=of)
    if seen.labels or not seen.probability <= TOLERANCE:
        raise RunError(f"{path} was not written, because the exported {result.name} differs from Python: {seen}.")
    data = graph(result.model, about | {"parity": asdict(seen)}).SerializeToString()
    with new_file(path, RunError) as part:
        part.write_bytes(data)
    return Exported(path, result.name, len(data), seen)
