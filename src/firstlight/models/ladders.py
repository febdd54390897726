"""`ladder_for()`: the rungs that a climb takes by default, by what its images are, and why these."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np

from firstlight.data.decoding.size import size_of
from firstlight.data.files import reader
from firstlight.data.pixels import Pixels
from firstlight.data.table import SPLITS
from firstlight.errors import DataError, MissingExtraError
from firstlight.models.rungs import Rung, climbed, left_out, named, refuse_missing
from firstlight.models.training.kinds import kind_of

LARGE = 64  # px of the shorter side, above which photos have more in them than pixel rungs can use (docs/transfer.md)
FEW = 5000  # training images, up to which smaller photos climb on embeddings too: there they beat a cnn
LOOKED_AT = 60  # images that tell the size and the kind, evenly spaced
CHEAP = 128  # px of the shorter side of the loaded images, up to which a cnn is trained in about a minute
PHOTOS = ("prior", "centroid-l2", "embed-centroid", "embed-linear")


@dataclass(frozen=True)
class Ladder:
    """The rungs of a climb.

    Attributes:
        rungs: simplest first.
        reason: why these, in a sentence; empty where they were requested.
        remark: what is left out since an optional package is missing; empty where nothing is.
    """

    rungs: tuple[Rung, ...]
    reason: str = ""
    remark: str = ""


def ladder_for(pixels: Pixels, effort: str) -> Ladder:
    """The rungs that suit the images: photos climb on the embeddings of a pretrained network.

    Args:
        pixels: the images of a climb.
        effort: ``"quick"``, ``"standard"`` or ``"thorough"``.

    Example:
        >>> import firstlight as fl
        >>> ladder = ladder_for(fl.load(fl.scan(digits)), "quick")
        >>> [rung.name for rung in ladder.rungs][:2], ladder.reason
        (['prior', 'ink'], '')
    """
    side = shorter_side(pixels)
    count = int((pixels.splits == SPLITS.index("train")).sum())
    if not suits_embeddings(pixels.values[:: -(-len(pixels) // LOOKED_AT)], side=side, count=count):
        return Ladder(named(climbed()), remark=left_out())
    trained: tuple[str, ...] = {"quick": (), "thorough": ("cnn", "fine-tune")}.get(
        effort, ("cnn",) if min(pixels.size) <= CHEAP else ("fine-tune",)
    )
    remark = ""
    if trained and find_spec("torch") is None:
        remark = f"{' and '.join(trained)} left out: {MissingExtraError('trained rungs (PyTorch)', 'train')}"
        trained = ()
    rungs = named((*PHOTOS, *trained))
    try:
        refuse_missing(rungs)
    except MissingExtraError as error:
        return Ladder(named(climbed()), remark=f"The images are photos, for which pretrained rungs are best. {error}")
    why = f"more than {LARGE} px" if side > LARGE else f"smaller, and at most {FEW:,} are for training"
    reason = f"Rungs for photos, since the images are in color and {why}; --rungs (rungs=) chooses others."
    return Ladder(rungs, reason, remark)


def suits_embeddings(images: np.ndarray, *, side: float, count: int) -> bool:
    """Whether pretrained rungs suit images: photos that are large, or few.

    Args:
        images: some of them, uint8 (n, H, W, C).
        side: the median shorter side of their files, px.
        count: of the training images.
    """
    return (side > LARGE or count <= FEW) and kind_of(images) == "photo"


def shorter_side(pixels: Pixels) -> float:
    """The median of the shorter sides of the images' files, in px; that of the pixels where there are no files."""
    keys = pixels.table.rows["key"]
    rows = np.unique(np.linspace(0, len(keys) - 1, min(LOOKED_AT, len(keys))).astype(int))
    try:
        read = reader(pixels.table)
        sizes = [size_of(read(keys[int(row)].as_py())) for row in rows]
    except (DataError, OSError):
        sizes = []
    sides = [min(size) for size in sizes if size is not None]
    return float(np.median(sides)) if sides else float(min(pixels.size))
