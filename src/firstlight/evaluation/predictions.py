"""`Predictions`: a classifier's scores for every image; what all evaluation takes."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cached_property
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from firstlight.arrow import booleans, dictionary, numbers, strings, to_numpy
from firstlight.atomic import new_file
from firstlight.characters import visible
from firstlight.errors import ArgumentError, RunError, require
from firstlight.evaluation.calibration import crossfit_temperatures
from firstlight.notebook import MOST_ROWS, Shown, View
from firstlight.parsing import parsed
from firstlight.tabular import Column, text_table
from firstlight.wording import plural

if TYPE_CHECKING:
    import pandas

# What a forged file raises besides Arrow's own errors: an ArgumentError of the constructor is a ValueError, JSON
# may be nested too deeply or contain Infinity as a count.
NOT_WHOLE = (LookupError, TypeError, ValueError, OverflowError, RecursionError)


class Prediction(NamedTuple):
    """The prediction for one image.

    Attributes:
        key: the image's path or name.
        predicted: the class with the highest score.
        probability: of this class.
        label: the true class; None where it is not known.
        correct: whether both are the same; None where the true class is not known.

    Example:
        >>> seen = Predictions("ink", ["a.png"], ("3", "7"), np.array([-1]), np.array([[2.0, 0.0]]))
        >>> seen[0].key, seen[0].predicted, seen[0].correct
        ('a.png', '3', None)
    """

    key: str
    predicted: str
    probability: float
    label: str | None
    correct: bool | None


SHORT = 88  # characters of a repr


@dataclass(frozen=True, eq=False, repr=False)
class Predictions(Shown):
    """The scores of N images for K classes; ``for one in predictions`` gives a `Prediction` for each image.

    Attributes:
        name: of the rung.
        keys: (N,) Arrow strings, the images' paths below their root.
        classes: (K,) the class names, each once, in the order of the scores.
        labels: (N,) int32, index into ``classes``; -1 where the true class is not known.
        scores: (N, K) float64, higher is better.
        temperature: probabilities are softmax(scores / temperature).
        split: of the images, or None.
        unreadable: how many images were skipped because they could not be read.
        calibrated_here: whether the temperature was fitted on these images, or may have been on some of them; then
            figures of the probabilities take `unseen_log_probabilities`.

    Raises:
        ArgumentError: where the shapes do not match, or a score is not finite.

    Example:
        >>> seen = Predictions("ink", ["a.png", "b.png"], ("3", "7"), np.array([0, 1]), np.array([[2., 0], [1, 0]]))
        >>> seen.predicted.tolist(), seen.correct.tolist()
        ([0, 0], [True, False])
        >>> seen.probabilities.round(3).tolist()
        [[0.881, 0.119], [0.731, 0.269]]
    """

    name: str
    keys: pa.ChunkedArray
    classes: tuple[str, ...]
    labels: np.ndarray
    scores: np.ndarray
    temperature: float = 1.0
    split: str | None = None
    unreadable: int = 0
    calibrated_here: bool = False

    def __post_init__(self) -> None:
        keys = _chunked(self.keys)
        classes, labels, scores = tuple(self.classes), np.asarray(self.labels), np.asarray(self.scores, np.float64)
        n, k = len(keys), len(classes)
        if not k or len(set(classes)) < k or not all(isinstance(name, str) for name in classes):
            raise ArgumentError(f"The classes of {self.name} are {classes}; pass at least one name, each once.")
        if keys.null_count:
            raise ArgumentError(f"{keys.null_count} of {n} keys are missing; pass a key for each image.")
        if scores.shape != (n, k) or labels.shape != (n,):
            raise ArgumentError(
                f"{n} keys and {k} classes came with scores {scores.shape} and labels {labels.shape}; "
                f"expected ({n}, {k}) and ({n},)."
            )
        if not np.isfinite(scores).all():
            raise ArgumentError(f"A score of {self.name} is not finite; repair the model first.")
        # Before the conversion to int32, which would cut 0.5 to 0 and 2**32 to 0.
        if n and not (labels.dtype.kind in "iu" and -1 <= labels.min() <= labels.max() < k):
            raise ArgumentError(f"A label is outside -1..{k - 1} or not whole; pass indexes of the {k} classes, or -1.")
        if not 0 < self.temperature < np.inf:
            raise ArgumentError(f"The temperature is {self.temperature}; it must be positive and finite.")
        fitting = {"keys": keys.cast(pa.string()), "classes": classes, "labels": labels.astype(np.int32, copy=False)}
        plain = {"scores": scores, "temperature": float(self.temperature), "unreadable": int(self.unreadable)}
        for name, value in {**fitting, **plain}.items():
            object.__setattr__(self, name, value)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, row: int) -> Prediction:
        """The prediction for one image; loops over the predictions use it, too."""
        if not isinstance(row, Integral):
            raise ArgumentError(f"{row!r} is not the number of an image; pass one, or rows to select().")
        label, predicted = int(self.labels[row]), int(self.predicted[row])
        return Prediction(
            key=self.keys[int(row) % len(self)].as_py(),
            predicted=self.classes[predicted],
            probability=float(np.exp(log_softmax(self.scores[[row]], self.temperature)).max()),
            label=self.classes[label] if label >= 0 else None,
            correct=label == predicted if label >= 0 else None,
        )

    def __repr__(self) -> str:
        classes = plural(len(self.classes), "class", "classes")
        head = visible(f"Predictions of {self.name}: {plural(len(self), 'image')}, {classes}")
        shown = (self[row] for row in range(min(3, len(self))))
        first = ", ".join(visible(f"{one.predicted} ({one.probability:.3f})") for one in shown)
        more = ", ..." if len(self) > 3 else ""
        text = f"<{head}: {first}{more}>"
        return text if first and len(text) <= SHORT else f"<{head}>"

    def __str__(self) -> str:
        shown = [self[row] for row in range(min(len(self), MOST_ROWS))]
        columns = [Column("key"), Column("predicted"), Column("probability", right=True), Column("label")]
        rows = [(one.key, one.predicted, f"{one.probability:.3f}", one.label or "") for one in shown]
        known = 4 if (self.labels >= 0).any() else 3  # no column of labels where none is known
        more = [f"and {len(self) - MOST_ROWS:,} more"] if len(self) > MOST_ROWS else []
        return "\n".join([*text_table(columns[:known], [row[:known] for row in rows]), *more])

    def _view(self) -> View:
        return View(repr(self), Prediction._fields, map(self.__getitem__, range(len(self))), len(self))

    @cached_property
    def predicted(self) -> np.ndarray:
        """(N,) int32: the class of the highest score; of equal ones the first."""
        return self.scores.argmax(axis=1).astype(np.int32)

    @property
    def constant(self) -> bool:
        """Whether every image gets the same class, as by the prior."""
        return len(self) > 0 and bool((self.predicted == self.predicted[0]).all())

    @cached_property
    def correct(self) -> np.ndarray:
        """(N,) bool: whether the predicted class is the true one; masked where the true class is not known."""
        right, known = self.predicted == self.labels, self.labels >= 0
        return right if known.all() else np.ma.masked_array(right, ~known)

    @cached_property
    def log_probabilities(self) -> np.ndarray:
        """(N, K) float64: log softmax(scores / temperature); -inf where float64 cannot hold the ratio."""
        return log_softmax(self.scores, self.temperature)

    @cached_property
    def unseen_log_probabilities(self) -> np.ndarray:
        """(N, K) float64: log softmax by temperatures that were fitted without the image: to measure calibration.

        The model's own temperature, unless that was fitted on these images; then one of two, cross-fitted in halves.
        """
        if not self.calibrated_here:
            return self.log_probabilities
        return log_softmax(self.scores, crossfit_temperatures(self.scores, self.labels)[:, None])

    @property
    def probabilities(self) -> np.ndarray:
        """(N, K) float64: softmax(scores / temperature)."""
        return np.exp(self.log_probabilities)

    def select(self, rows: np.ndarray) -> Predictions:
        """Some of the rows: booleans (N,) or row numbers, in their order."""
        keys = self.keys.filter(booleans(rows)) if rows.dtype == bool else self.keys.take(numbers(rows))
        return replace(self, keys=keys, labels=self.labels[rows], scores=self.scores[rows])

    def frame(self) -> pandas.DataFrame:
        """One row an image: key, label, predicted, probability of the predicted class, correct.

        Label and correct are missing where the true class is not known.
        """
        with require("pandas", purpose="Data frames"):
            import pandas
        names = np.array([*self.classes, None], object)  # -1 is the last: unknown
        columns = {
            "key": self.keys.to_pylist(),
            "label": names[self.labels],
            "predicted": names[self.predicted],
            "probability": self.probabilities.max(axis=1),
            "correct": pandas.arrays.BooleanArray(self.predicted == self.labels, self.labels < 0),
        }
        return pandas.DataFrame(columns)

    def to_parquet(self, path: str | Path) -> None:
        """Writes one Parquet file, atomically: key, label, predicted, and scores as a list of K numbers."""
        import pyarrow.parquet as parquet

        columns = {
            "key": self.keys,
            "label": dictionary(self.labels, self.classes),
            "predicted": dictionary(self.predicted, self.classes),
            "scores": pa.FixedSizeListArray.from_arrays(numbers(self.scores.ravel()), len(self.classes)),
        }
        plain = ("name", "classes", "temperature", "split", "unreadable", "calibrated_here")
        about = {name: getattr(self, name) for name in plain}
        rows = pa.table(columns).replace_schema_metadata({b"firstlight.predictions": json.dumps(about).encode()})
        with new_file(Path(path), RunError) as part:
            parquet.write_table(rows, part, compression="zstd")

    @classmethod
    def from_parquet(cls, path: str | Path) -> Predictions:
        """Reads what `to_parquet` wrote.

        Raises:
            RunError: where the file holds no predictions, or they do not fit together.
        """
        import pyarrow.parquet as parquet

        try:
            # One open file: no folder, no column from its path, whose bytes need not be UTF-8 either.
            with Path(path).open("rb") as raw, parquet.ParquetFile(raw) as file:
                rows = file.read(use_threads=False)
            about: dict[str, Any] = parsed((rows.schema.metadata or {})[b"firstlight.predictions"])
            classes = tuple(about["classes"])
            kinds = {"key": pa.string(), "label": pa.string(), "scores": pa.list_(pa.float64(), len(classes))}
            rows = rows.select(list(kinds)).cast(pa.schema(kinds.items()))
            labels = pc.index_in(rows["label"], strings(classes))
            if labels.null_count > rows["label"].null_count:
                raise ValueError("a label is no class")
            return cls(
                name=str(about["name"]),
                keys=rows["key"],
                classes=classes,
                labels=to_numpy(labels),
                scores=to_numpy(rows["scores"].combine_chunks().flatten()).reshape(len(rows), len(classes)),
                temperature=float(about["temperature"]),
                split=None if about["split"] is None else str(about["split"]),
                unreadable=int(about["unreadable"]),
                calibrated_here=bool(about.get("calibrated_here", False)),
            )
        except (OSError, *NOT_WHOLE, pa.ArrowException) as error:
            raise RunError(
                f"{path} does not hold complete predictions of Firstlight; run firstlight predict again."
            ) from error


class Holder(Protocol):
    """Anything that holds predictions, such as a rung of a run."""

    @property
    def predictions(self) -> Predictions: ...


def predictions_of(source: Any) -> Predictions:
    """The predictions themselves, or those that something holds, such as a rung of a run.

    Raises:
        ArgumentError: where it is neither.

    Example:
        >>> predictions_of("photos/")
        Traceback (most recent call last):
        firstlight.errors.ArgumentError: str holds no predictions; pass what predict returns, or a rung of a run.
    """
    found = getattr(source, "predictions", source)
    if isinstance(found, Predictions):
        return found
    raise ArgumentError(f"{type(source).__name__} holds no predictions; pass what predict returns, or a rung of a run.")


def log_softmax(scores: np.ndarray, temperature: float | np.ndarray) -> np.ndarray:
    """(N, K) float64: log softmax(scores / temperature), of one temperature or (N, 1); -inf beyond float64's range.

    Example:
        >>> np.exp(log_softmax(np.array([[2.0, 0.0]]), 2.0)).round(3).tolist()
        [[0.731, 0.269]]
    """
    with np.errstate(over="ignore"):
        scaled = (scores - scores.max(axis=1, keepdims=True)) / temperature
    return scaled - np.log(np.exp(scaled).sum(axis=1, keepdims=True))


def _chunked(keys: Any) -> pa.ChunkedArray:
    if isinstance(keys, pa.ChunkedArray):
        return keys
    return pa.chunked_array([keys if isinstance(keys, pa.Array) else strings(keys)])
