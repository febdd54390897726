"""`Evidence`: the findings, images and maps that a report shows next to the numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from firstlight.data.auditing.findings import Findings
from firstlight.evaluation.slices import Slices


@dataclass(frozen=True, eq=False, kw_only=True)
class ShownImage:
    """An image and what the advised rung said of it.

    Attributes:
        key: the image's name.
        label: its class; None where that is not known.
        predicted: the class that was predicted.
        probability: of the predicted class, in [0, 1].
        image: uint8 (h, w, C), in the proportions of its file.
    """

    key: str
    label: str | None
    predicted: str
    probability: float
    image: np.ndarray = field(repr=False)


@dataclass(frozen=True, eq=False, kw_only=True)
class ShownExplanation:
    """Why a rung decided as it did on an image; see `Explanation`.

    Attributes:
        rung: its name.
        predicted: the class that it predicted.
        against: the class that it is compared with.
        probability: of the predicted class, in [0, 1].
        difference: of the two classes' scores.
        remainder: the part of the difference that the map does not explain.
        method: how the map was made, in words.
        exact: whether the map adds up to the difference except for rounding.
        map: float32 (H, W); positive pixels support ``predicted``, negative ones ``against``.
        image: uint8 (H, W, C) as this rung sees it; None where it sees what the others see.
    """

    rung: str
    predicted: str
    against: str
    probability: float
    difference: float
    remainder: float
    method: str
    exact: bool
    map: np.ndarray = field(repr=False)
    image: np.ndarray | None = field(default=None, repr=False)


@dataclass(frozen=True, eq=False, kw_only=True)
class ShownNeighbour:
    """A training image that is near another image.

    Attributes:
        key: the image's name.
        label: its class.
        distance: to the other image.
        image: uint8 (h, w, C).
    """

    key: str
    label: str | None
    distance: float
    image: np.ndarray = field(repr=False)


@dataclass(frozen=True, eq=False, kw_only=True)
class ExplainedImage(ShownImage):
    """An image that every rung explains.

    Attributes:
        why: it was chosen: ``"wrong"``, ``"uncertain"`` or ``"typical"``.
        explanations: of each rung that can explain.
        neighbours: the nearest training images of the advised rung, where it has a pretrained network.
    """

    why: str
    explanations: tuple[ShownExplanation, ...]
    neighbours: tuple[ShownNeighbour, ...] = ()


@dataclass(frozen=True, eq=False, kw_only=True)
class ImageMap:
    """Images as points of a plane: what a pretrained network finds alike is near.

    Attributes:
        keys: (n,) the images' names.
        labels: (n,) indices of their classes; -1 where a class is not known.
        wrong: (n,) whether the advised rung took it for another class.
        share: of the variance that the plane keeps, in [0, 1].
        images: how many there are in all, of which the n are evenly spaced.
        points: float32 (n, 2), from 0 to 1.
        thumbs: uint8 (n, h, w, C).
    """

    keys: tuple[str, ...]
    labels: tuple[int, ...]
    wrong: tuple[bool, ...]
    share: float
    images: int
    points: np.ndarray = field(repr=False)
    thumbs: np.ndarray = field(repr=False)


@dataclass(frozen=True)
class Accuracy:
    """An accuracy with its interval.

    Attributes:
        n: images.
        accuracy: the share that is right.
        interval: Wilson's 95 % interval.
    """

    n: int
    accuracy: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class WithoutLeaked:
    """The rungs measured again without the images that (nearly) are also among the training images.

    Attributes:
        left_out: how many images those are.
        rungs: by name.
    """

    left_out: int
    rungs: Mapping[str, Accuracy]


@dataclass(frozen=True)
class GatheringSeconds:
    """How long the gathering took.

    Attributes:
        audit: of the images.
        rest: everything else.
    """

    audit: float
    rest: float


@dataclass(frozen=True, eq=False, kw_only=True)
class Evidence:
    """What was gathered at the end of a climb, so that its report needs neither the images nor torch.

    Attributes:
        date: when the climb ended, ISO 8601, such as ``"2026-11-27"`` (UTC).
        findings: of the audit.
        counts: images by split and class.
        without_leaked: the accuracies without leaked images; None where there are none.
        slices: accuracy by slices of the data, one for each column.
        remarks: what could not be explained and why.
        seconds: how long the gathering took.
        ideals: uint8 (K, H, W, C), the mean training image of each class.
        samples: by class, uint8 (n, h, w, C): some of its training images.
        mistakes: the most confident mistakes of the advised rung, class by class.
        explained: a few images as every rung sees them.
        image_map: images as points of a plane; None without a pretrained network.
    """

    date: str
    findings: Findings
    counts: Mapping[str, Mapping[str, int]]
    without_leaked: WithoutLeaked | None
    slices: tuple[Slices, ...]
    remarks: tuple[str, ...]
    seconds: GatheringSeconds
    ideals: np.ndarray = field(repr=False)
    samples: Mapping[str, np.ndarray] = field(repr=False)
    mistakes: tuple[ShownImage, ...]
    explained: tuple[ExplainedImage, ...]
    image_map: ImageMap | None = None
