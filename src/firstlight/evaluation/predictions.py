"""`Predictions`: what a classifier said of every image; the currency of everything after the model."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from firstlight.atomic import new_file
from firstlight.errors import ArgumentError, MissingExtraError, RunError

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True, eq=False, repr=False)
class Predictions:
    """The scores of N images for K classes.

    Attributes:
        name: of the rung that made them.
        keys: (N,) Arrow strings, the images' names below their root.
        classes: (K,) the class names, in the order of the scores.
        labels: (N,) int32, index into ``classes``; -1 where the true class is not known.
        scores: (N, K) float64, higher is better.
        temperature: probabilities are softmax(scores / temperature).
        split: of the images, or None.
        unreadable: how many images were left out because they could not be read.

    Raises:
        ArgumentError: where the parts do not fit together, or a score is not finite.

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

    def __post_init__(self) -> None:
        keys = self.keys if isinstance(self.keys, pa.ChunkedArray) else pa.chunked_array([self.keys], pa.string())
        object.__setattr__(self, "keys", keys)
        object.__setattr__(self, "classes", tuple(self.classes))
        object.__setattr__(self, "labels", np.asarray(self.labels, np.int32))
        object.__setattr__(self, "scores", np.asarray(self.scores, np.float64))
        n, k = len(keys), len(self.classes)
        if self.scores.shape != (n, k) or self.labels.shape != (n,):
            raise ArgumentError(
                f"{n} keys and {k} classes came with scores {self.scores.shape} and labels {self.labels.shape}; "
                f"expected ({n}, {k}) and ({n},)."
            )
        if not np.isfinite(self.scores).all():
            raise ArgumentError(f"A score of {self.name} is not finite; mend the model before measuring it.")
        if n and not -1 <= self.labels.min() <= self.labels.max() < k:
            raise ArgumentError(f"A label is outside -1..{k - 1}; labels count in the {k} classes.")
        if not 0 < self.temperature < np.inf:
            raise ArgumentError(f"The temperature is {self.temperature}; it has to be positive and finite.")

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        return f"<Predictions of {self.name}: {len(self):,} images, {len(self.classes)} classes>"

    @cached_property
    def predicted(self) -> np.ndarray:
        """(N,) int32: the class of the highest score; of equal ones the first."""
        return self.scores.argmax(axis=1).astype(np.int32)

    @cached_property
    def correct(self) -> np.ndarray:
        """(N,) bool: whether the predicted class is the true one; False where that is not known."""
        return self.predicted == self.labels

    @cached_property
    def log_probabilities(self) -> np.ndarray:
        """(N, K) float64: log softmax(scores / temperature), which cannot overflow."""
        scaled = (self.scores - self.scores.max(axis=1, keepdims=True)) / self.temperature
        return scaled - np.log(np.exp(scaled).sum(axis=1, keepdims=True))

    @property
    def probabilities(self) -> np.ndarray:
        """(N, K) float64: softmax(scores / temperature)."""
        return np.exp(self.log_probabilities)

    def select(self, rows: np.ndarray) -> Predictions:
        """Some of the rows: booleans (N,) or row numbers, in their order."""
        keys = self.keys.filter(pa.array(rows)) if rows.dtype == bool else self.keys.take(pa.array(rows))
        return replace(self, keys=keys, labels=self.labels[rows], scores=self.scores[rows])

    def frame(self) -> pandas.DataFrame:
        """One row an image: key, label, predicted, probability of the predicted class, correct."""
        try:
            import pandas
        except ImportError as error:
            raise MissingExtraError("Data frames", "pandas") from error
        names = np.array([*self.classes, None], object)  # -1 is the last: not known
        columns = {
            "key": self.keys.to_pylist(),
            "label": names[self.labels],
            "predicted": names[self.predicted],
            "probability": self.probabilities.max(axis=1),
            "correct": self.correct,
        }
        return pandas.DataFrame(columns)

    def to_parquet(self, path: str | Path) -> None:
        """Writes one Parquet file, atomically: key, label, predicted, and scores as a list of K numbers."""
        import pyarrow.parquet as parquet

        names = pa.array(self.classes, pa.string())
        label = pa.array(self.labels, mask=self.labels < 0)
        columns = {
            "key": self.keys,
            "label": pa.DictionaryArray.from_arrays(label, names),
            "predicted": pa.DictionaryArray.from_arrays(pa.array(self.predicted), names),
            "scores": pa.FixedSizeListArray.from_arrays(self.scores.ravel(), len(self.classes)),
        }
        about = {name: getattr(self, name) for name in ("name", "classes", "temperature", "split", "unreadable")}
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
            rows = parquet.read_table(path)
            about: dict[str, Any] = json.loads((rows.schema.metadata or {})[b"firstlight.predictions"])
            classes = tuple(map(str, about["classes"]))
            label = rows["label"].cast(pa.string()).combine_chunks()
            index = {name: number for number, name in enumerate(classes)}
            scores = rows["scores"].combine_chunks()
            return cls(
                name=str(about["name"]),
                keys=rows["key"].cast(pa.string()),
                classes=classes,
                labels=np.array([-1 if name is None else index[name] for name in label.to_pylist()], np.int32),
                scores=scores.flatten().to_numpy().reshape(len(rows), len(classes)),
                temperature=float(about["temperature"]),
                split=about["split"],
                unreadable=int(about["unreadable"]),
            )
        except (OSError, KeyError, TypeError, ValueError, AttributeError, pa.ArrowException) as error:
            raise RunError(
                f"{path} does not hold whole predictions of Firstlight's; make them anew with firstlight predict."
            ) from error
