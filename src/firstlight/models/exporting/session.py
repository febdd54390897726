"""`Session`: a model that classifies decoded images of any size, the same wherever it is used; without torch."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from firstlight.characters import visible
from firstlight.data.decoding.align import aligned
from firstlight.data.decoding.loading import Loading, Preprocessing
from firstlight.data.table import Table
from firstlight.errors import RunError, require
from firstlight.evaluation.predictions import log_softmax
from firstlight.models.checkpoint import NETWORK, intact, restore
from firstlight.models.classifier import Classifier
from firstlight.models.exporting.document import FORMAT, NEEDED, document
from firstlight.parsing import parsed
from firstlight.runs.checks import sound
from firstlight.runs.description import of_images
from firstlight.runs.folder import read_run
from firstlight.runs.records import record
from firstlight.runs.results import Run
from firstlight.runs.tensors import METADATA, SavedModel
from firstlight.wording import plural

NAMES = ("label", "probabilities", "pixels")  # outputs that every graph has
AGAIN = "export the run again, or fit it again where the run itself is damaged"
ALWAYS = ("labels", "probabilities", "pixels")  # arrays that every answer has


@dataclass(frozen=True, eq=False)
class Answer:
    """The predictions for N images.

    Attributes:
        labels: (N,) int64, index into the classes.
        probabilities: (N, K) float32.
        distances: (N, K) float32 to each class's mean image; None for a model without mean images.
        pixels: (N, h, w, c) uint8, the images as the model sees them.
    """

    labels: np.ndarray
    probabilities: np.ndarray
    distances: np.ndarray | None
    pixels: np.ndarray


def in_distribution(about: Mapping[str, Any], answer: Answer) -> np.ndarray:
    """(N,) bool: whether each image is within the limits that all but 1 in 100 of the measured images met.

    A low top probability is the baseline for out-of-distribution images (Hendrycks and Gimpel 2017, arXiv 1610.02136).
    """
    limits = about["in_distribution"]
    inside = answer.probabilities.max(axis=1) >= limits["probability"]
    if answer.distances is not None and limits["distance"] is not None:
        inside &= answer.distances.min(axis=1) <= limits["distance"]
    return inside


class Engine(Protocol):
    """What computes the answers."""

    def answer(self, images: np.ndarray) -> Answer:
        """(N, H, W, C) uint8 -> N answers."""
        ...

    def ideal(self) -> np.ndarray | None:
        """(K, h, w, c) float32, 0 to 255."""
        ...


class Session:
    """A model in use.

    Args:
        about: its `document`.
        engine: computes the answers.

    Example:
        >>> import firstlight as fl
        >>> session = Session.of(fl.climb(digits, rungs=["centroid-l2"]))
        >>> answer = session.answer(np.zeros((1, 30, 20, 3), np.uint8))  # any size, gray or RGB
        >>> answer.probabilities.shape, answer.pixels.shape
        ((1, 10), (1, 8, 8, 1))
    """

    def __init__(self, about: Mapping[str, Any], engine: Engine) -> None:
        found = record(_About, dict(about), "The model's document", AGAIN)
        sound(found, "The model's document", AGAIN, of_images(found.classes, found.shape, found.preprocessing))
        self.about = dict(about)
        self.classes, self.shape = found.classes, found.shape
        self.preprocessing = Preprocessing.from_dict(found.preprocessing.to_dict())
        self.ideal = engine.ideal()
        if self.ideal is not None and self.ideal.shape != (len(self.classes), *self.shape):
            raise RunError(f"The model has mean images of another shape than its document says; {AGAIN}.")
        self._engine = engine

    def __repr__(self) -> str:
        return visible(f"<Session of {self.about['name']}: {plural(len(self.classes), 'class', 'classes')}>")

    @classmethod
    def of(cls, source: Run | str | Path, rung: str | None = None) -> Session:
        """The session of a run's rung, or of an exported file.

        Closed-form rungs use NumPy; networks use ONNX Runtime, which starts in a fraction of the time that torch
        takes, and torch if ONNX Runtime is not installed.

        Args:
            source: a run, its folder, an ``.onnx`` file that `export` wrote, or a folder with a model card.
            rung: its name; the advised one by default.

        Raises:
            ArgumentError: if the run has no such rung, or advises none yet.
            RunError: if the folder or file is damaged or was not written by Firstlight.
            MissingExtraError: if a package that computes it is not installed.
        """
        if not isinstance(source, Run | str | os.PathLike):
            source = read_run(source)  # which says what it takes
        if not isinstance(source, Run) and Path(source).suffix.lower() == ".onnx":
            return cls(*_exported(Path(source)))
        if not isinstance(source, Run) and (Path(source) / "config.json").is_file():
            from firstlight.models.exporting.folder import read_folder

            return cls._answering(*read_folder(source))
        run = source if isinstance(source, Run) else read_run(source)
        result = run.chosen(rung)
        return cls._answering(document(run, result.name), result.model)

    @classmethod
    def _answering(cls, about: Mapping[str, Any], saved: SavedModel) -> Session:
        if intact(saved).config["kind"] == NETWORK and not saved.config["options"]["own"] and _runtime_is_there():
            from firstlight.models.exporting.graph import graph

            return cls(about, Runtime(graph(saved, about).SerializeToString()))
        return cls(about, InPython(restore(saved)))

    def answer(self, images: np.ndarray) -> Answer:
        """Classifies images.

        Args:
            images: (N, H, W, C) uint8 as `firstlight.data.decoding.decode.decode` returns them; C = 1 or 3, H and W
                any.
        """
        if "quantized" not in self.about or len(images) < 2:
            return self._checked(self._engine.answer(images), len(images))
        # With int8 weights a batch shares one scale, and an image's answer would depend on the others.
        each = [self._checked(self._engine.answer(image[None]), 1) for image in images]
        distances = None if each[0].distances is None else np.concatenate([one.distances for one in each])
        labels, shares, pixels = (np.concatenate([getattr(one, name) for one in each]) for name in ALWAYS)
        return Answer(labels, shares, distances, pixels)

    def answer_files(self, table: Table) -> tuple[Answer, list[str | None]] | None:
        """Classifies image files; None for a model that needs them decoded.

        Args:
            table: a row for each file.

        Returns:
            The answers for the readable ones, without pixels, and (N,) why each of the others cannot be read.
        """
        if not isinstance(self._engine, InPython):
            return None
        found = self._engine.classifier.model.scores_of_files(table)
        if found is None:
            return None
        scores, problems = found
        none = np.zeros((0, *self.shape), np.uint8)
        return self._engine.answer_of(scores[[problem is None for problem in problems]], none), problems

    def _checked(self, answer: Answer, count: int) -> Answer:
        """The answer, if it is of so many images, of the classes and of the shape that the document names."""
        known = (count, len(self.classes))
        shapes = (answer.probabilities.shape, answer.pixels.shape, answer.labels.shape)
        distances = known if answer.distances is None else answer.distances.shape
        if shapes != (known, (count, *self.shape), (count,)) or distances != known:
            raise RunError(f"The model gives answers of other shapes than its document says; {AGAIN}.")
        if not (
            np.isfinite(answer.probabilities).all()
            and 0 <= answer.labels.min(initial=0) <= answer.labels.max(initial=0) < known[1]
        ):
            raise RunError(f"The model gives classes that it does not have, or no probabilities; {AGAIN}.")
        return answer


@dataclass(frozen=True, kw_only=True)
class _Limits:
    """Beyond which 1 in 100 of the measured images are."""

    probability: float
    distance: float | None


@dataclass(frozen=True, kw_only=True)
class _About:
    """What a session reads of a document; see `document`."""

    name: str
    classes: tuple[str, ...]
    shape: tuple[int, int, int]
    preprocessing: Loading
    outputs: tuple[str, ...]
    in_distribution: _Limits


class InPython:
    """Answers computed by the classifier itself."""

    def __init__(self, classifier: Classifier) -> None:
        self.classifier = classifier

    def answer(self, images: np.ndarray) -> Answer:
        """uint8 (N, H, W, C) -> N answers."""
        how = self.classifier.preprocessing
        pixels = aligned(np.stack([how.shaped(image) for image in images]), how.align)
        return self.answer_of(self.classifier.model.scores(pixels), pixels)

    def answer_of(self, scores: np.ndarray, pixels: np.ndarray) -> Answer:
        """Scores (N, K), and the pixels that they are of -> N answers."""
        probabilities = np.exp(log_softmax(scores, self.classifier.temperature)).astype(np.float32)
        distances = self.classifier.model.distances(scores)
        return Answer(
            labels=scores.argmax(axis=1),
            probabilities=probabilities,
            distances=None if distances is None else distances.astype(np.float32),
            pixels=pixels,
        )

    def ideal(self) -> np.ndarray | None:
        """(K, h, w, c) float32, 0 to 255."""
        centres = self.classifier.model.centres
        return None if centres is None else (centres * 255).reshape(-1, *self.classifier.shape).astype(np.float32)


class Runtime:
    """Answers computed by ONNX Runtime, from the bytes of an exported model."""

    def __init__(self, model: bytes) -> None:
        onnxruntime = _onnxruntime()
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # nothing but what ends the process: errors are raised
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # leaves the processor to others
        try:
            self.session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its exceptions have no other common parent
            raise _cannot_run(error) from error
        self.metadata: dict[str, str] = self.session.get_modelmeta().custom_metadata_map
        self.outputs = {one.name for one in self.session.get_outputs()}
        if [one.name for one in self.session.get_inputs()] != ["images"] or not set(NAMES) <= self.outputs:
            raise RunError(f"The model does not have the input images and the outputs {', '.join(NAMES)}; {AGAIN}.")

    def answer(self, images: np.ndarray) -> Answer:
        """uint8 (N, H, W, C) -> N answers."""
        names = [*NAMES, *({"distances"} & self.outputs)]
        found = dict(zip(names, self._run(names, images), strict=True))
        return Answer(found["label"], found["probabilities"], found.get("distances"), found["pixels"])

    def ideal(self) -> np.ndarray | None:
        """(K, h, w, c) float32, 0 to 255."""
        if "ideal" not in self.outputs:
            return None
        ideal: np.ndarray = self._run(["ideal"], np.zeros((1, 1, 1, 1), np.uint8))[0]
        return ideal

    def _run(self, names: list[str], images: np.ndarray) -> list[np.ndarray]:
        try:
            found: list[np.ndarray] = self.session.run(names, {"images": images})
        except Exception as error:  # its exceptions have no other common parent
            raise _cannot_run(error) from error
        return found


def _cannot_run(error: Exception) -> RunError:
    """One sentence without the runtime's own words, which are of graphs and nodes."""
    return RunError(f"The model is not an ONNX model that ONNX Runtime can run ({type(error).__name__}); {AGAIN}.")


def _exported(path: Path) -> tuple[dict[str, Any], Runtime]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise RunError(
            f"{path} cannot be read ({error.strerror}); name a file that firstlight export wrote."
        ) from error
    try:
        engine = Runtime(data)
    except RunError as error:
        raise RunError(str(error).replace("The model", str(path), 1)) from error
    try:
        about = parsed(engine.metadata[METADATA])
    except (KeyError, ValueError) as error:
        raise RunError(f"{path} was not written by firstlight export: it has no description of the model.") from error
    if not isinstance(about, dict) or not about.keys() >= NEEDED or about["format"] != FORMAT:
        raise RunError(f"{path} was written by another version of Firstlight; export the model again.")
    return about, engine


def _runtime_is_there() -> bool:
    return find_spec("onnx") is not None and find_spec("onnxruntime") is not None


def _onnxruntime() -> Any:
    with require("export", purpose="Exported models"):
        import onnxruntime
    return onnxruntime
