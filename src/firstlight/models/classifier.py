"""`Classifier`: a fitted model with its classes and preprocessing; and `Model`: what every kind of model provides."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol

import numpy as np

from firstlight.characters import visible
from firstlight.data.decoding.loading import Preprocessing
from firstlight.models.attribution import Attribution
from firstlight.notebook import Shown, View, data_frame
from firstlight.runs.history import Epoch
from firstlight.runs.training import TrainingRecord
from firstlight.wording import plural

if TYPE_CHECKING:
    import pandas

    from firstlight.data.pixels import Pixels
    from firstlight.data.table import Table
    from firstlight.evaluation.predictions import Predictions

BLOCK = 2**22  # values at a time, 32 MiB as int64
MOST_VALUES = 2**27  # of candidates: 892 images of 224 x 224 px in color, which take a cnn some 10 s


class SearchSpace(NamedTuple):
    """The space in which the nearest neighbours of n images are searched.

    Attributes:
        distances: from pixels and the row numbers of M candidates among them to the distances, (n, M) float64.
        description: how the distance is computed, to follow "1,000 training images".
        most: candidates that can be searched in a few seconds.
    """

    distances: Callable[[Pixels, np.ndarray], np.ndarray]
    description: str
    most: int

    @classmethod
    def of_values(cls, distances: Callable[[np.ndarray], np.ndarray], description: str, *, values: int) -> SearchSpace:
        """A space in which the pixels themselves are compared.

        Args:
            distances: (M, H, W, C) uint8 candidates -> (n, M) float64.
            description: as above.
            values: of each image.
        """
        at_once = max(1, BLOCK // values)

        def in_blocks(pixels: Pixels, rows: np.ndarray) -> np.ndarray:
            blocks = (rows[first : first + at_once] for first in range(0, len(rows), at_once))
            return np.concatenate([distances(pixels.values[block]) for block in blocks], axis=1)

        return cls(in_blocks, description, max(1, MOST_VALUES // values))


class Model(Protocol):
    """Every kind of model: subclass it, implement the methods, and name the kind in `firstlight.models.checkpoint`.

    Attributes:
        kind: its name in model files.
    """

    kind: ClassVar[str]

    def scores(self, images: np.ndarray) -> np.ndarray:
        """(N, H, W, C) uint8 -> (N, K) float64, higher is better."""
        ...

    @property
    def preprocessing(self) -> Preprocessing | None:
        """What an image goes through for this model, whatever the other rungs see; None: the same as for these."""
        return None

    def scores_of(self, pixels: Pixels) -> np.ndarray:
        """(N, K) float64, as `scores`; a model with its own `preprocessing` decodes the files of the pixels."""
        return self.scores(pixels.values)

    def scores_of_files(self, table: Table) -> tuple[np.ndarray, list[str | None]] | None:
        """(N, K) float64 and (N,) why an image cannot be read, or None; None for a model that reads no files itself."""
        return None

    def embeddings_of(self, pixels: Pixels, rows: np.ndarray) -> np.ndarray | None:
        """(n, D), of the images of these rows; None for a model without a pretrained network."""
        return None

    def attribute(self, images: np.ndarray, pairs: np.ndarray, scores: np.ndarray) -> Attribution:
        """How much each pixel adds to the score of one class over another.

        Args:
            images: (n, H, W, C) uint8.
            pairs: (n, 2) integers, the predicted class and the class it is compared with.
            scores: (n, K) float64, the scores of these images.
        """
        ...

    def options(self) -> dict[str, Any]:
        """The plain values that the model file saves."""
        ...

    def tensors(self) -> dict[str, np.ndarray]:
        """The arrays that the model file saves, by name."""
        ...

    @property
    def centres(self) -> np.ndarray | None:
        """(K, P) float64 in [0, 1]: each class's mean (or median) image; None for a model without such images."""
        return None

    def distances(self, scores: np.ndarray) -> np.ndarray | None:
        """(N, K) float64 scores -> the distances to the centres, float64; None for a model without centres."""
        return None

    def search_space(self, images: np.ndarray) -> SearchSpace | None:
        """Where nearest neighbours of images (n, H, W, C) are searched; None for a model that compares no images."""
        return None


@dataclass(frozen=True, eq=False, repr=False)
class Classifier(Shown):
    """A fitted rung.

    Attributes:
        name: the rung's name.
        model: computes the scores.
        classes: the class names, in the order of the scores.
        temperature: probabilities are softmax(scores / temperature).
        shape: (H, W, C) of the images that it was fitted on.
        preprocessing: what an image goes through to have that shape.
        fingerprint: of the table that it was fitted on.
        seed: the random seed of its fit.
        training: how it was trained; None for a closed-form rung.
        history: the epochs of its training. A checkpoint does not save them.
        calibrated_on: fingerprint of the validation images that the temperature was fitted on; empty where these were
            held-out training images. Figures of probabilities on these images are cross-fitted.

    Example:
        >>> import firstlight as fl
        >>> classifier = fl.fit("centroid", fl.load(fl.scan(digits)), distance="l2")
        >>> classifier.name, classifier.shape, classifier.preprocessing.size
        ('centroid-l2', (8, 8, 1), (8, 8))
    """

    name: str
    model: Model
    classes: tuple[str, ...]
    temperature: float
    shape: tuple[int, int, int]
    preprocessing: Preprocessing
    fingerprint: str = ""
    seed: int = 0
    training: TrainingRecord | None = None
    history: tuple[Epoch, ...] = ()
    calibrated_on: str = ""

    def __repr__(self) -> str:
        height, width = self.preprocessing.size
        of = f"{plural(len(self.classes), 'class', 'classes')}, {height} x {width} px, {self.preprocessing.color}"
        return visible(f"<Classifier {self.name}: {of}>")

    def _facts(self) -> dict[str, Any]:
        how = self.preprocessing.to_dict() | {"align": self.preprocessing.align}
        about = {"name": self.name, "kind": self.model.kind, "classes": ", ".join(self.classes)} | how
        return about | {"temperature": self.temperature, "seed": self.seed, "fingerprint": self.fingerprint}

    def _view(self) -> View:
        return View(repr(self), ("what", "value"), list(self._facts().items()))

    def frame(self) -> pandas.DataFrame:
        """One row: name, kind, classes, preprocessing, temperature, seed, fingerprint of the table."""
        return data_frame([self._facts()])

    def predict(self, images: Any, *, split: str | None = None) -> Predictions:
        """Scores images, as `firstlight.predict` does.

        Args:
            images: an image as a file, its bytes, a picture of Pillow or an array; a list of these; a folder; a table;
                or pixels.
            split: only its images; all images by default.

        Returns:
            One row per image.

        Example:
            >>> import firstlight as fl
            >>> classifier = fl.fit("centroid", digits)
            >>> classifier.predict(np.zeros((28, 28), np.uint8)).frame().columns.tolist()
            ['key', 'label', 'predicted', 'probability', 'correct']
        """
        from firstlight.models.inference import predict

        return predict(self, images, split=split)
