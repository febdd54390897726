"""`explain()`: why a model decided as it did, as numbers: a signed map whose sum is accounted for, and its likes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from firstlight.data.table import SPLITS
from firstlight.errors import ArgumentError, require
from firstlight.evaluation.extremes import extremes
from firstlight.evaluation.predictions import Predictions
from firstlight.models.checkpoint import restore
from firstlight.models.classifier import Classifier
from firstlight.models.closed_form.centroid import Centroid, Ink, Prior
from firstlight.models.closed_form.prototypes import Prototypes
from firstlight.models.explaining.closed import Account, closed_form
from firstlight.models.explaining.neighbours import Neighbour, neighbours
from firstlight.models.inference import predict
from firstlight.runs.results import RungResult
from firstlight.runs.seal import plain
from firstlight.runs.tensors import SavedModel

if TYPE_CHECKING:
    import pandas

    from firstlight.data.pixels import Pixels


@dataclass(frozen=True, eq=False, repr=False)
class Explanation:
    """Why a rung named one class of an image and not another.

    ``difference == baseline + map.sum() + remainder``: what cannot be shared among the pixels is told, not hidden.

    Attributes:
        rung: the rung's name.
        key: the image's.
        image: (H, W, C) uint8, as the model sees it.
        classes: (K,) the class names, in the order of the scores.
        label: the true class, or None where it is not known.
        predicted: the class with the highest score.
        against: the class argued against.
        scores: (K,) float64, higher is better; for centroid and ink minus the distances, for linear in float64.
        probabilities: (K,) float64.
        distances: (K,) float64 for centroid and ink, NaN for a class without training images; else None.
        map: (H, W) float64; a positive pixel argues for ``predicted``, a negative one for ``against``.
        baseline: the difference of the scores before any pixel spoke: for integrated gradients that of the flat image
            where they begin; else 0.
        method: how the map was made, in words.
        exact: whether the map adds up to the difference but for rounding.
        occlusion: (H, W) float64, of networks: by how much the difference falls where the pixel is covered; or None.
        neighbours: the nearest training images, the nearest first: key, distance, class.
        searched: which training images were looked through, and by what distance, in words.
    """

    rung: str
    key: str
    image: np.ndarray
    classes: tuple[str, ...]
    label: str | None
    predicted: str
    against: str
    scores: np.ndarray
    probabilities: np.ndarray
    distances: np.ndarray | None
    map: np.ndarray
    baseline: float
    method: str
    exact: bool
    occlusion: np.ndarray | None = None
    neighbours: tuple[Neighbour, ...] = ()
    searched: str = ""

    @property
    def difference(self) -> float:
        """The predicted class's score minus that of the class argued against."""
        return float(self._of(self.scores, self.predicted) - self._of(self.scores, self.against))

    @property
    def remainder(self) -> float:
        """What baseline and map leave of the difference: rounding, the completeness error of integrated gradients,
        or everything where no pixel argues."""
        return self.difference - self.baseline - float(self.map.sum())

    def __str__(self) -> str:
        lines = [f"{self.key}: {self._verdict()}", f"  {self._sum()}.", f"  How: {self.method}."]
        if self.occlusion is not None and self.occlusion.max() > 0:
            row, column = np.unravel_index(self.occlusion.argmax(), self.occlusion.shape)
            lines.append(
                f"  Covering what lies around row {row}, column {column} would cost most: {self.occlusion.max():.3g}."
            )
        if self.neighbours:
            near = ", ".join(f"{one.key} ({one.label}, {one.distance:.3g})" for one in self.neighbours)
            lines.append(f"  Nearest of {self.searched}: {near}.")
        return "\n".join(lines)

    def _verdict(self) -> str:
        right, meant = self.label == self.predicted, self.label == self.against
        known = self.label is not None and not right and not meant
        return (
            f"{self.rung} says {self.predicted}{', which it is,' if right else ''} and not {self.against}"
            f"{', which it is' if meant else ''}{f'; it is {self.label}' if known else ''} "
            f"(probability {self._of(self.probabilities, self.predicted):.3f} and "
            f"{self._of(self.probabilities, self.against):.3f})"
        )

    def _sum(self) -> str:
        """The account of the difference, in words."""
        first, second = (self._of(self.scores, name) for name in (self.predicted, self.against))
        head = f"score {_told(first)} against {_told(second)}"
        if self.distances is not None:
            name = "the mean pixel of" if self.rung == "ink" else "the ideal"
            head = (
                f"distance to {name} {self.predicted} {_told(-first)}, to {name} {self.against} "
                f"{_told(-second) if np.isfinite(self._of(self.distances, self.against)) else 'none'}"
            )
        if not self.exact and not self.map.any():
            return f"{head}; no pixel argues for the difference {_told(self.difference)}"
        positive, negative = self.map.clip(min=0).sum(), self.map.clip(max=0).sum()
        pixels = f"{self.map.size:,} pixels: {positive:+.3g} for {self.predicted}, {negative:+.3g} for {self.against}"
        if self.exact:
            return f"{head}; the difference {_told(self.difference)} is the sum of the map's {pixels}"
        return (
            f"{head}; of the difference {_told(self.difference)} a flat gray image has {_told(self.baseline)} already, "
            f"{_told(self.map.sum())} is the sum of the map's {pixels}; {self.remainder:.2g} is the completeness error"
        )

    def _of(self, values: np.ndarray, name: str) -> float:
        return values[self.classes.index(name)]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, the image and the maps as nested lists."""
        names = [name for name in self.__dataclass_fields__ if name != "neighbours"]
        about = {name: getattr(self, name) for name in names}
        about |= {"difference": self.difference, "remainder": self.remainder}
        return plain(about | {"neighbours": [one._asdict() for one in self.neighbours]})

    def frame(self) -> pandas.DataFrame:
        """The map as rows: row, column, the pixel's value or values, what it argues, and occlusion where there is."""
        with require("pandas", purpose="Data frames"):
            import pandas
        rows, columns = np.indices(self.map.shape)
        names = ("value",) if self.image.shape[2] == 1 else ("red", "green", "blue")
        found = {"row": rows.ravel(), "column": columns.ravel()}
        found |= {name: self.image[..., place].ravel() for place, name in enumerate(names)}
        found["argues"] = self.map.ravel()
        if self.occlusion is not None:
            found["occlusion"] = self.occlusion.ravel()
        return pandas.DataFrame(found)


def _told(number: float) -> str:
    """Three decimals, or three digits where that would hide the number."""
    return f"{number:.3f}" if abs(number) >= 0.01 or number == 0 else f"{number:.3g}"


def explain(
    classifier: Classifier | RungResult | SavedModel,
    pixels: Pixels,
    *,
    split: str | None = None,
    most: str | None = None,
    count: int = 8,
    against: str | None = None,
) -> tuple[Explanation, ...]:
    """Why a rung decided as it did on a few images.

    For prior, ink, centroid and linear the map is exact: its sum is the difference of the two scores. Networks are
    explained by integrated gradients (Sundararajan et al. 2017, arXiv 1703.01365) and occlusion (Zeiler and Fergus
    2014, arXiv 1311.2901), by Captum.

    Args:
        classifier: what `fit` gave, or a rung of a run: ``run["cnn"]``.
        pixels: images of the shape that the classifier was fitted on. Their training images are looked through for
            the nearest ones.
        split: ``"train"``, ``"validation"`` or ``"test"``: only those; everything where it is left out.
        most: ``"wrong"``, ``"uncertain"`` or ``"typical"``, as `extremes` has it; the first images where it is left
            out.
        count: how many images at most.
        against: the class argued against. Where it is left out, or is the predicted one: the true class of an image
            that was mistaken, else the one with the second highest score.

    Returns:
        An explanation for each image chosen, in the order that ``most`` gives.

    Raises:
        ArgumentError: where an argument is not one of those above, or the images have another shape.
        MissingExtraError: where a network is to be explained and Captum is not installed.

    Example:
        >>> import firstlight as fl
        >>> pixels = fl.load(fl.split(fl.scan(digits)))
        >>> found = explain(fl.fit("centroid", pixels), pixels, split="validation", most="wrong", count=2)
        >>> [(one.predicted, one.against, one.map.shape) for one in found]
        [('7', '4', (8, 8)), ('7', '2', (8, 8))]
        >>> bool(abs(found[0].map.sum() - found[0].difference) < 1e-9)
        True
    """
    if isinstance(classifier, RungResult):
        classifier = classifier.model
    if isinstance(classifier, SavedModel):
        classifier = restore(classifier)
    if count < 1:
        raise ArgumentError(f"count={count} was passed; ask for at least one image.")
    if against is not None and against not in classifier.classes:
        raise ArgumentError(
            f"{classifier.name} knows no class {against!r}; choose from {', '.join(classifier.classes)}."
        )
    if split is not None and split not in SPLITS:
        raise ArgumentError(f"{split!r} is no split; choose from {', '.join(SPLITS)}.")
    rows = np.arange(len(pixels)) if split is None else np.flatnonzero(pixels.splits == SPLITS.index(split))
    if not len(rows):
        raise ArgumentError(f"There is no image in the {split or 'pixels'}; choose a split that has some.")
    if most is None:
        rows = rows[:count]
    else:
        rows = rows[extremes(predict(classifier, pixels, split=split), most=most, count=count)]
        if not len(rows):
            return ()  # no mistake, or nothing right
    chosen = pixels.select(rows)
    seen = predict(classifier, chosen)
    account = _account(classifier, chosen.values, _pairs(seen, against), seen.scores)
    near, searched = neighbours(classifier, chosen.values, pixels)
    explained = (_explanation(row, seen, chosen.values[row], account) for row in range(len(seen)))
    return tuple(replace(one, neighbours=near[row], searched=searched) for row, one in enumerate(explained))


def _account(classifier: Classifier, images: np.ndarray, pairs: np.ndarray, scores: np.ndarray) -> Account:
    model = classifier.model
    if isinstance(model, Prior | Ink | Centroid | Prototypes):
        return closed_form(model, images, pairs, scores)
    from firstlight.models.explaining.network import account_of
    from firstlight.models.training.network import Network

    assert isinstance(model, Network)
    return account_of(model, images, pairs)


def _pairs(seen: Predictions, against: str | None) -> np.ndarray:
    """(n, 2): the predicted class and the one argued against."""
    others = np.array(seen.scores)
    others[np.arange(len(seen)), seen.predicted] = -np.inf
    runner_up = others.argmax(axis=1)
    second = np.where(seen.correct | (seen.labels < 0), runner_up, seen.labels)
    if against is not None:
        asked = seen.classes.index(against)
        second = np.where(seen.predicted == asked, second, asked)
    return np.stack([seen.predicted, second], axis=1)


def _explanation(row: int, seen: Predictions, image: np.ndarray, account: Account) -> Explanation:
    label, (predicted, against) = int(seen.labels[row]), account.pairs[row]
    return Explanation(
        rung=seen.name,
        key=seen.keys[row].as_py(),
        image=image,
        classes=seen.classes,
        label=seen.classes[label] if label >= 0 else None,
        predicted=seen.classes[predicted],
        against=seen.classes[against],
        scores=(seen.scores if account.scores is None else account.scores)[row],
        probabilities=seen.probabilities[row],
        distances=None if account.distances is None else account.distances[row],
        map=account.maps[row],
        baseline=float(account.baseline[row]),
        method=account.methods[row],
        exact=bool(account.exact[row]),
        occlusion=None if account.occlusion is None else account.occlusion[row],
    )
