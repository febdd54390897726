"""`firstlight predict`: a rung of a run names the class of images that it has not seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from firstlight.apps.climbing import unreadable_lines
from firstlight.apps.screen import print_json, remark
from firstlight.atomic import new_file
from firstlight.data.pixels import load
from firstlight.data.scanning.entries import IMAGES
from firstlight.data.sources import scan
from firstlight.data.table import SPLITS, Table
from firstlight.errors import ArgumentError
from firstlight.evaluation.metrics import evaluate
from firstlight.evaluation.predictions import Predictions
from firstlight.models.checkpoint import restore
from firstlight.models.inference import predict
from firstlight.progress import Meter
from firstlight.runs.folder import count_test_reading, read_run


@dataclass(frozen=True)
class Wanted:
    """What was asked of a prediction.

    Attributes:
        rung: the rung's name; None: the one that the run advises.
        split: only this split, or None.
        out: the file to write, .parquet or .csv, or None.
        allow_unreadable: go on when more than 5 % cannot be read.
        as_json: one JSON document instead of lines.
        quiet: no progress and no remarks.
    """

    rung: str | None = None
    split: str | None = None
    out: Path | None = None
    allow_unreadable: bool = False
    as_json: bool = False
    quiet: bool = False


def show_predictions(folder: Path, data: str, wanted: Wanted) -> Predictions:
    """Loads the images as the rung was fitted on, predicts, and prints or writes the classes."""
    if wanted.out is not None and wanted.out.suffix.lower() not in WRITERS:
        raise ArgumentError(f"{wanted.out} ends in neither .parquet nor .csv; give it one of these endings.")
    run = read_run(folder)
    if wanted.rung is None and not run.finished:
        raise ArgumentError(
            f"{folder} is not finished, so it advises no rung yet; name one with --rung, or type the climb again."
        )
    classifier = restore(run[wanted.rung or run.advice["rung"]].model)
    table = _table(data)
    if wanted.split is not None:
        table = table.select(wanted.split)
    with Meter("decoding", wanted.quiet) as meter:
        allow = wanted.allow_unreadable
        pixels = load(table, **classifier.preprocessing, allow_unreadable=allow, progress=meter)
    seen = predict(classifier, pixels, split=wanted.split)
    measured = evaluate(seen) if (seen.labels >= 0).any() else None
    if measured is not None and SPLITS.index("test") in pixels.splits:
        count_test_reading(folder)
    if not wanted.quiet and len(pixels.unreadable):
        remark(*unreadable_lines(pixels.unreadable))
    if wanted.out is not None:
        WRITERS[wanted.out.suffix.lower()](seen, wanted.out)
    rows = [] if wanted.out else _columns(seen).to_pylist()
    if wanted.as_json:
        bad = pixels.unreadable
        problems = dict(zip(bad.keys, bad.rows["problem"].to_pylist(), strict=True))
        document = {"rung": seen.name, "classes": seen.classes, "n": len(seen), "unreadable": problems}
        document |= {"evaluation": None if measured is None else measured.to_dict()}
        print_json(document | {"out": str(wanted.out)} if wanted.out else document | {"predictions": rows})
        return seen
    wide = max((len(row["key"]) for row in rows), default=0)
    for row in rows:
        print(f"{row['key']:<{wide}}  {row['probability']:.3f}  {row['predicted']}")
    if measured is not None and not wanted.quiet:
        remark(f"{seen.name}: {measured}")
    return seen


def _table(data: str) -> Table:
    """What `scan` makes of it, or a table of one row where it is one image."""
    path = Path(data).absolute()
    if path.suffix.lower() not in IMAGES or not path.is_file():
        return scan(data)
    about, unknown = path.stat(), np.array([-1])
    columns = {"size": [about.st_size], "modified": [about.st_mtime_ns]}
    root = str(path.parent)
    return Table.build(root, [path.name], classes=(), labels=unknown, splits=unknown, columns=columns)


def _columns(seen: Predictions) -> pa.Table:
    """Key, label, predicted class and its probability."""
    names = np.array([*seen.classes, None], object)  # -1 is the last: not known
    columns = {"key": seen.keys, "label": names[seen.labels], "predicted": names[seen.predicted]}
    return pa.table(columns | {"probability": seen.probabilities.max(axis=1)})


def _to_csv(seen: Predictions, path: Path) -> None:
    import pyarrow.csv as csv

    with new_file(path) as part:
        csv.write_csv(_columns(seen), part)


WRITERS: dict[str, Callable[[Predictions, Path], None]] = {".parquet": Predictions.to_parquet, ".csv": _to_csv}
