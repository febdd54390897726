"""`own_images()`: the images that a run was made from, found again and checked against its fingerprint."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow.compute as pc

from firstlight.arrow import to_numpy
from firstlight.data.arrange import arrange, needed
from firstlight.data.decoding.loading import Loading
from firstlight.data.pixels import Pixels, load
from firstlight.data.sources import scan
from firstlight.data.table import Table
from firstlight.errors import DataError, RunError
from firstlight.evaluation.predictions import Predictions
from firstlight.progress import Progress
from firstlight.runs.results import Run


@dataclass(frozen=True)
class OwnImages:
    """The images of a run.

    Made by `own_images`.

    Attributes:
        source: every image that the run's source holds, with the splits that the run had.
        table: the training images and those that were measured on, as far as they could be read; the fingerprint of
            this table is the run's.
        loading: how they were loaded, with the size and the color that were chosen.
        loaded: their pixels, where they are loaded already.
    """

    source: Table
    table: Table
    loading: Loading
    loaded: Pixels | None = field(default=None, repr=False)

    def pixels(self, progress: Progress = None) -> Pixels:
        """The pixels of `table`, as the run loaded them.

        Args:
            progress: called with a `Step` now and then while decoding.

        Raises:
            RunError: where a file can no longer be read.
        """
        if self.loaded is not None:
            return self.loaded
        pixels = load(self.table, loading=self.loading, progress=progress)
        if len(pixels.unreadable):
            raise RunError(
                f"{len(pixels.unreadable):,} of the run's images in {self.table.root} can no longer be read, such as "
                f"{pixels.unreadable.keys[0]}; put them back, or climb again."
            )
        return pixels

    def places(self, seen: Predictions) -> np.ndarray:
        """(N,) int32: the row of `table` of each prediction, in the order of the predictions."""
        return to_numpy(pc.index_in(seen.keys, self.table.rows["key"].combine_chunks()))


def own_images(run: Run, *, progress: Progress = None) -> OwnImages:
    """The images that a run was made from: its source scanned and split again, and loaded in the same way.

    Nothing is decoded before `OwnImages.pixels` is called, unless the run left out unreadable images.

    Args:
        run: of which the images are needed.
        progress: called with a `Step` now and then while decoding.

    Returns:
        Tables and pixels whose fingerprint is the run's.

    Raises:
        RunError: where the images are no longer there, others are there now, or the run had splits of its own.

    Example:
        >>> import firstlight as fl
        >>> run = fl.climb(digits, rungs=["prior"])
        >>> images = own_images(run)
        >>> len(images.table), images.loading.sides, images.table.fingerprint == run.fingerprint
        (1797, (8, 8), True)
    """
    data, loading = run.request.data, replace(run.request.loading, allow_unreadable=True)
    try:
        source = arrange(scan(data, **vars(run.request.scanning)), split=run.split, seed=run.seed)
        table, loaded = source.select(needed(source, run.split)), None
        if run.unreadable:
            loaded = load(table, loading=loading, progress=progress)
            table = loaded.table
    except DataError as error:
        raise RunError(
            f"The images that the run was made from are no longer in {data} ({str(error).rstrip('.')}); put them back, "
            "or climb again."
        ) from error
    if table.fingerprint != run.fingerprint:
        raise RunError(
            f"{data} does not hold the images and splits that the run was made from{_missing(run, table)}; put them "
            "back, or climb again."
        )
    return OwnImages(source, table, loading, loaded)


def _missing(run: Run, table: Table) -> str:
    """How many of the measured images are no longer there, as a remark."""
    measured = run.rungs[0].predictions.keys.to_pylist() if run.rungs else []
    there = set(table.keys)
    missing = [key for key in measured if key not in there]
    if not missing:
        return ""
    return f" ({len(missing):,} of {len(measured):,} measured images are missing, such as {missing[0]})"
