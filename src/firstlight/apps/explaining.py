"""`firstlight explain`: why a rung of a run decided as it did, in words, as colored maps, as JSON and as pictures."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

import numpy as np

from firstlight.apps.climbing import unreadable_lines
from firstlight.apps.screen import print_json
from firstlight.apps.terminal import remark, say
from firstlight.data.pixels import Pixels, load
from firstlight.data.scanning.entries import IMAGES
from firstlight.data.sources import scan
from firstlight.data.table import SPLITS, Table
from firstlight.errors import ArgumentError, DataError, RunError
from firstlight.models.checkpoint import restore
from firstlight.models.classifier import Classifier
from firstlight.models.explaining.explain import explain
from firstlight.models.explaining.explanation import Explanation
from firstlight.models.explaining.neighbours import neighbours
from firstlight.progress import Meter
from firstlight.reporting.picture import LIGHT
from firstlight.runs.folder import read_run
from firstlight.runs.images import own_images
from firstlight.runs.readings import count_test_reading
from firstlight.runs.results import Run

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

COLUMNS = 24  # that a picture of small images has in the terminal


class Wanted(TypedDict):
    """What was asked of an explanation.

    Attributes:
        rung: the rung's name; None: the one that the run advises.
        split: only this split, or None.
        most: ``"wrong"``, ``"uncertain"``, ``"typical"``, or None for the first images.
        count: how many images of a folder, or of the run.
        against: the class to argue against, or None.
        out: the folder for pictures, or None.
        as_json: one JSON document instead of lines.
        quiet: no progress and no remarks.
    """

    rung: str | None
    split: str | None
    most: str | None
    count: int
    against: str | None
    out: Path | None
    as_json: bool
    quiet: bool


def show_explanations(run: Path, images: Sequence[str], **wanted: Unpack[Wanted]) -> None:
    """Explains the images named, or those of the run, and prints, draws or writes why each was decided so."""
    found, out = read_run(run), wanted["out"]
    if out is not None and out.exists() and not out.is_dir():
        raise ArgumentError(f"{out} is a file; name a folder for the pictures.")
    classifier = restore(found.chosen(wanted["rung"]).model)
    explained, readings = (_of_images if images else _of_run)(found, classifier, images, wanted)
    if readings:
        count_test_reading(run)
    pictures = [] if out is None else _written(explained, out)
    if wanted["as_json"]:
        asked = {"rung": classifier.name, "split": wanted["split"], "most": wanted["most"]}
        told = [one.to_dict() for one in explained]
        print_json(asked | {"explanations": told, "pictures": list(map(str, pictures))})
        return
    if not explained:
        say(f"There is no image that {classifier.name} was {'right' if wanted['most'] == 'typical' else 'wrong'} on.")
    _print(explained)
    if pictures and not wanted["quiet"]:
        remark(f"{len(pictures)} pictures: {out}")


Explained = tuple[list[Explanation], bool]  # and whether classes of the test split were read


def _of_images(run: Run, classifier: Classifier, images: Sequence[str], wanted: Wanted) -> Explained:
    """Those of the files, folders, archives and lists that were named."""
    files = [one for one in dict.fromkeys(images) if Path(one).suffix.lower() in IMAGES and Path(one).is_file()]
    tables = [_files([Path(one).absolute() for one in files])] if files else []
    tables += [scan(one) for one in dict.fromkeys(images) if one not in files]
    explained: list[Explanation] = []
    read = False
    for table in tables:
        every = bool(files) and table is tables[0] and wanted["most"] is None
        pixels = _load(table, classifier, wanted["quiet"])
        count = len(pixels) if every else wanted["count"]
        explained += _explain(classifier, pixels, count, wanted)
        chosen = pixels.splits == SPLITS.index("test")
        read |= wanted["split"] in (None, "test") and bool((chosen & (pixels.labels >= 0)).any())
    if not explained or classifier.model.search_space(explained[0].image[None]) is None:
        return explained, read  # the model compares no images
    try:
        own = _own(run, wanted["quiet"])[0]
    except RunError as error:
        if not wanted["quiet"]:
            remark(f"Without the nearest training images: {error}")
        return explained, read
    return _beside(classifier, explained, own), read


def _of_run(run: Run, classifier: Classifier, _: Sequence[str], wanted: Wanted) -> Explained:
    """Those of the data that the run was made from; of the split that it measured on where none was asked for."""
    split = wanted["split"] = wanted["split"] or run.split
    own, table = _own(run, wanted["quiet"])
    if split != "test" or run.split == "test":
        return _explain(classifier, own, wanted["count"], wanted), split == "test"
    test = _load(table.select("test"), classifier, wanted["quiet"])
    return _beside(classifier, _explain(classifier, test, wanted["count"], wanted), own), True


def _explain(classifier: Classifier, pixels: Pixels, count: int, wanted: Wanted) -> list[Explanation]:
    chosen = {"split": wanted["split"], "most": wanted["most"], "against": wanted["against"]}
    return list(explain(classifier, pixels, count=count, **chosen))


def _files(paths: Sequence[Path]) -> Table:
    """A table of single images, whose classes nobody told."""
    root = Path(os.path.commonpath([path.parent for path in paths]))
    stats, unknown = [path.stat() for path in paths], np.full(len(paths), -1)
    columns = {"size": [one.st_size for one in stats], "modified": [one.st_mtime_ns for one in stats]}
    keys = [path.relative_to(root).as_posix() for path in paths]
    return Table.build(str(root), keys, classes=(), labels=unknown, splits=unknown, columns=columns)


def _load(table: Table, classifier: Classifier, quiet: bool) -> Pixels:
    """The images as the classifier sees them; what cannot be read is told."""
    if not len(table):
        raise DataError(f"{table.root} has no image in the split that was asked for; choose another.")
    with Meter("decoding", quiet) as meter:
        pixels = load(table, loading=classifier.preprocessing.loading(allow_unreadable=True), progress=meter)
    if not quiet and len(pixels.unreadable):
        remark(*unreadable_lines(pixels.unreadable))
    return pixels


def _own(run: Run, quiet: bool) -> tuple[Pixels, Table]:
    """What the run was made from, training images and those measured on, and the table of everything.

    Raises:
        RunError: where the images are gone, or are not those that the run was made from.
    """
    with Meter("decoding", quiet) as meter:
        images = own_images(run, progress=meter)
        return images.pixels(meter), images.source


def _beside(classifier: Classifier, explained: list[Explanation], own: Pixels) -> list[Explanation]:
    """The explanations with the nearest training images of the run."""
    if not explained:
        return explained
    near, searched = neighbours(classifier, np.stack([one.image for one in explained]), own)
    return [replace(one, neighbours=some, searched=searched) for one, some in zip(explained, near, strict=True)]


def _written(explained: Sequence[Explanation], out: Path) -> list[Path]:
    """A picture of each, as PNG; nothing is written over what is there."""
    from firstlight.reporting.sheets import explanation_maps

    names = (re.sub(r"[^\w.-]", "_", Path(one.key).stem)[:80] for one in explained)
    paths = [out / f"{place:02}-{name}.png" for place, name in enumerate(names, 1)]
    for path in paths:
        if path.exists():
            raise ArgumentError(f"{path} is there already and is not written over; name another folder.")
    out.mkdir(parents=True, exist_ok=True)
    for one, path in zip(explained, paths, strict=True):
        title = f"{Path(one.key).name}: {one.predicted}, not {one.against}"
        explanation_maps(one.image[None], one.map[None], [title]).save(path)
    return paths


def _print(explained: Sequence[Explanation]) -> None:
    """Each account, and on a terminal the image with its map."""
    from rich.console import Console

    console = Console()
    for one in explained:
        say(one)
        if console.is_terminal:
            say(f"  Left: the image. Right: blue pixels support {one.predicted}, orange pixels {one.against}.")
            console.print(drawn(one, console), soft_wrap=True)
        print()


def drawn(one: Explanation, console: Console) -> Text:
    """The image and its map side by side in half blocks, a pixel a column; small ones are made larger, wide ones
    smaller."""
    from rich.text import Text

    across = max(1, console.width // 2 - 2)  # columns of each, with two left free before it
    ratio, times = -(-one.map.shape[1] // across), max(1, min(COLUMNS, across) // one.map.shape[1])
    parts = (_smaller(values, ratio) for values in (one.image, one.map[..., None]))
    image, signed = (np.repeat(np.repeat(values, times, axis=0), times, axis=1) for values in parts)
    signed /= np.abs(signed).max() or 1
    ends = [np.array([int(color[at : at + 2], 16) for at in (1, 3, 5)]) for color in LIGHT.signed]
    against, nothing, towards = ends
    shades = nothing + np.abs(signed) * np.where(signed > 0, towards - nothing, against - nothing)  # (h, w, 3)
    gap = np.full((len(image), 2, 3), -1.0)
    both = np.concatenate([gap, np.broadcast_to(image, shades.shape), gap, shades], axis=1)
    both = np.pad(both, ((0, len(both) % 2), (0, 0), (0, 0)), constant_values=-1)
    text = Text()
    for upper, lower in zip(both[::2].tolist(), both[1::2].tolist(), strict=True):
        for top, bottom in zip(upper, lower, strict=True):
            if top[0] < 0:
                text.append(" ")
            else:
                text.append("▀", _hexadecimal(top) + ("" if bottom[0] < 0 else f" on {_hexadecimal(bottom)}"))
        text.append("\n")
    return text


def _smaller(values: np.ndarray, ratio: int) -> np.ndarray:
    """(H, W, C) as the means of squares of ``ratio`` px, float64; those at the edges may be cut."""
    height, width = values.shape[:2]
    rows, columns = np.arange(0, height, ratio), np.arange(0, width, ratio)
    sums = np.add.reduceat(np.add.reduceat(values, rows, axis=0, dtype=np.float64), columns, axis=1)
    counts = np.diff(rows, append=height)[:, None] * np.diff(columns, append=width)
    return sums / counts[..., None]


def _hexadecimal(color: Sequence[float]) -> str:
    return "#" + "".join(f"{round(part):02x}" for part in color)
