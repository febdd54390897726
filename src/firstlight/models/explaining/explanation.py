"""`Explanation`: why a model predicts one class of an image and not another, in numbers and in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from firstlight.characters import visible
from firstlight.models.explaining.neighbours import Neighbour
from firstlight.notebook import Shown, View, data_frame
from firstlight.runs.seal import plain

if TYPE_CHECKING:
    import pandas

VERTICAL, HORIZONTAL = ("top", "", "bottom"), ("left", "", "right")


@dataclass(frozen=True, eq=False, repr=False)
class Explanation(Shown):
    """Why a rung predicts one class of an image and not another.

    ``difference == baseline + map.sum() + remainder``: what no pixel adds is reported, too.

    Attributes:
        rung: the rung's name.
        key: the image's name.
        image: (H, W, C) uint8, as the model sees it.
        classes: (K,) the class names, in the order of the scores.
        label: the true class, or None where it is not known.
        predicted: the class with the highest score.
        against: the class that it is compared with.
        scores: (K,) float64, higher is better; for centroid and ink minus the distances, for linear in float64.
        probabilities: (K,) float64.
        distances: (K,) float64 for centroid and ink, NaN for a class without training images; else None.
        map: (H, W) float64; a positive pixel supports ``predicted``, a negative one ``against``.
        baseline: the part of the difference that is there for any image: for integrated gradients the difference of
            the flat image where they start; for class-activation maps the bias; else 0.
        method: how the map was computed, in words.
        exact: whether baseline and map sum to the difference, up to rounding.
        occlusion: (H, W) float64, for networks: by how much the difference falls when the pixel is hidden; or None.
        neighbours: the nearest training images, the nearest first: key, distance, class.
        searched: which training images were searched, and by which distance, in words.

    Example:
        >>> import firstlight as fl
        >>> (why,) = fl.explain(fl.fit("centroid", digits), digits, count=1)
        >>> why.map.shape, why.predicted, bool(abs(why.map.sum() - why.difference) < 1e-9)
        ((8, 8), '0', True)
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
        """The predicted class's score minus that of the class it is compared with."""
        return float(self._of(self.scores, self.predicted) - self._of(self.scores, self.against))

    @property
    def remainder(self) -> float:
        """The difference minus baseline and map: rounding, the completeness error of integrated gradients, or the
        whole difference if no pixel contributes."""
        return self.difference - self.baseline - float(self.map.sum())

    def __repr__(self) -> str:
        return visible(f"<Explanation of {self.key}: {self.rung} predicts {self.predicted}, not {self.against}>")

    def _view(self) -> View:
        near = ((one.key, one.label, one.distance) for one in self.neighbours)
        columns = ("nearest training image", "class", "distance") if self.neighbours else ()
        return View(repr(self), columns, near, remarks=str(self).splitlines())

    def __str__(self) -> str:
        lines = [f"{self.key}: {self._verdict()}", f"  {self._account()}.", f"  Method: {self.method}."]
        if self.occlusion is not None and self.occlusion.max() > 0:
            row, column = np.unravel_index(self.occlusion.argmax(), self.occlusion.shape)
            lines.append(
                f"  Hiding the {_region(int(row), int(column), self.occlusion.shape)} (around row {row}, column "
                f"{column}) lowers the score most: by {self.occlusion.max():.3g}."
            )
        if self.neighbours:
            near = ", ".join(f"{one.key} ({one.label}, {one.distance:.3g})" for one in self.neighbours)
            lines.append(f"  Its nearest neighbours among {self.searched}: {near}.")
        return "\n".join(map(visible, lines))

    def _verdict(self) -> str:
        if self.label == self.predicted:
            truth = " and is right"
        else:
            truth = "" if self.label is None else f"; the true class is {self.label}"
        first, second = (self._of(self.probabilities, name) for name in (self.predicted, self.against))
        return (
            f"{self.rung} predicts {self.predicted}, not {self.against}{truth} "
            f"(probabilities {first:.3f} and {second:.3f})"
        )

    def _account(self) -> str:
        """What the difference of the two scores consists of, in words."""
        first, second = (self._of(self.scores, name) for name in (self.predicted, self.against))
        head = f"Score for {self.predicted}: {_rounded(first)}, for {self.against}: {_rounded(second)}"
        if self.distances is not None:
            what = "mean pixel" if self.rung.startswith("ink") else "centre"
            known = np.isfinite(self._of(self.distances, self.against))
            head = (
                f"Distance to the {what} of {self.predicted}: {_rounded(-first)}, "
                f"of {self.against}: {_rounded(-second) if known else 'none'}"
            )
        difference = f"the difference of {_rounded(self.difference)}"
        if not self.exact and not self.map.any():
            return f"{head}; no pixel contributes to {difference}"
        positive, negative = self.map.clip(min=0).sum(), self.map.clip(max=0).sum()
        pixels = f"{self.map.size:,} pixels: {positive:+.3g} for {self.predicted}, {negative:+.3g} for {self.against}"
        if self.exact:
            bias = f"{_rounded(self.baseline)}, the bias for any image, and " if self.baseline else ""
            return f"{head}; {difference} is the sum of {bias}the {pixels}"
        return (
            f"{head}; of {difference}, {_rounded(self.baseline)} is the bias for any image; this image adds "
            f"{_rounded(float(self.map.sum()))}, the sum of the {pixels} (completeness error {self.remainder:.2g})"
        )

    def _of(self, values: np.ndarray, name: str) -> float:
        return values[self.classes.index(name)]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, the image and the maps as nested lists."""
        names = [name for name in self.__dataclass_fields__ if name != "neighbours"]
        values = {name: getattr(self, name) for name in names}
        values |= {"difference": self.difference, "remainder": self.remainder}
        return plain(values | {"neighbours": [one._asdict() for one in self.neighbours]})

    def frame(self) -> pandas.DataFrame:
        """One row per pixel: row, column, its value or values, its contribution, and the occlusion if there is any."""
        rows, columns = np.indices(self.map.shape)
        names = ("value",) if self.image.shape[2] == 1 else ("red", "green", "blue")
        found = {"row": rows.ravel(), "column": columns.ravel()}
        found |= {name: self.image[..., place].ravel() for place, name in enumerate(names)}
        found["contribution"] = self.map.ravel()
        if self.occlusion is not None:
            found["occlusion"] = self.occlusion.ravel()
        return data_frame(found)


def _region(row: int, column: int, shape: tuple[int, ...]) -> str:
    """The third of the height and of the width in which a pixel is."""
    vertical, horizontal = VERTICAL[3 * row // shape[0]], HORIZONTAL[3 * column // shape[1]]
    if vertical and horizontal:
        return f"{vertical} {horizontal} corner"
    return f"{vertical or horizontal} edge" if vertical or horizontal else "centre"


def _rounded(number: float) -> str:
    """Three decimals, or three digits where that would hide the number."""
    return f"{number:.3f}" if abs(number) >= 0.01 or number == 0 else f"{number:.3g}"
