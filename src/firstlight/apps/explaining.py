"""`firstlight explain`: explanations of predictions as text, colored maps, JSON and pictures."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypedDict, Unpack

import numpy as np

from firstlight.apps.climbing import unreadable_lines
from firstlight.apps.explanation_map import drawn
from firstlight.apps.screen import guessing_lines, print_json
from firstlight.apps.terminal import colored, remark, say
from firstlight.atomic import writing
from firstlight.characters import visible
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
from firstlight.progress import Meters
from firstlight.runs.folder import read_run
from firstlight.runs.images import own_images
from firstlight.runs.readings import count_test_reading
from firstlight.runs.results import Run
from firstlight.wording import plural

Explained = tuple[list[Explanation], bool]  # and whether labelled images of the test split were read


class Wanted(TypedDict):
    """The options of an explanation.

    Attributes:
        rung: the rung's name; None: the one that the run advises.
        split: only this split, or None.
        most: ``"wrong"``, ``"uncertain"``, ``"typical"``, or None for the first images.
        count: how many images of a folder or of the run.
        against: the class to compare the predicted one with, or None.
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
    """Explains images, by default those of the run, and prints, draws or writes the explanations."""
    found, out = read_run(run), wanted["out"]
    if out is not None and out.exists() and not out.is_dir():
        raise ArgumentError(f"{out} is a file; name a folder for the pictures.")
    classifier = restore(found.chosen(wanted["rung"]).model)
    if not wanted["quiet"]:
        remark(*guessing_lines(classifier.name, wanted["rung"]))
    explained, readings = (_of_images if images else _of_run)(found, classifier, images, wanted)
    if readings:
        count_test_reading(run)
    pictures = [] if out is None else _written(explained, out)
    if wanted["as_json"]:
        options = {"rung": classifier.name, "split": wanted["split"], "most": wanted["most"]}
        explanations = [one.to_dict() for one in explained]
        print_json(options | {"explanations": explanations, "pictures": list(map(str, pictures))})
        return
    if not explained:
        say(f"{classifier.name} is {'right' if wanted['most'] == 'typical' else 'wrong'} on none of these images.")
    _print(explained)
    if pictures and not wanted["quiet"]:
        remark(f"{plural(len(pictures), 'picture')} in {out}", *_unshown(explained))


def _of_images(run: Run, classifier: Classifier, images: Sequence[str], wanted: Wanted) -> Explained:
    """Explanations of the files, folders, archives and lists that were named."""
    for one in images:
        if Path(one).suffix.lower() in IMAGES and not Path(one).exists():
            raise DataError(f"{one} does not exist; pass an image, a folder of images, a .zip, a .csv or a .parquet.")
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
            remark(f"The nearest training images are missing: {error}")
        return explained, read
    return _with_neighbours(classifier, explained, own), read


def _of_run(run: Run, classifier: Classifier, _: Sequence[str], wanted: Wanted) -> Explained:
    """Explanations of the run's own images, by default of the split that it measured on."""
    split = wanted["split"] = wanted["split"] or run.split
    own, table = _own(run, wanted["quiet"])
    if split != "test" or run.split == "test":
        return _explain(classifier, own, wanted["count"], wanted), split == "test"
    test = _load(table.select("test"), classifier, wanted["quiet"])
    return _with_neighbours(classifier, _explain(classifier, test, wanted["count"], wanted), own), True


def _explain(classifier: Classifier, pixels: Pixels, count: int, wanted: Wanted) -> list[Explanation]:
    chosen = {"split": wanted["split"], "most": wanted["most"], "against": wanted["against"]}
    return list(explain(classifier, pixels, count=count, **chosen))


def _files(paths: Sequence[Path]) -> Table:
    """A table of single images of unknown classes."""
    root = Path(os.path.commonpath([path.parent for path in paths]))
    stats, unknown = [path.stat() for path in paths], np.full(len(paths), -1)
    columns = {"size": [one.st_size for one in stats], "modified": [one.st_mtime_ns for one in stats]}
    keys = [path.relative_to(root).as_posix() for path in paths]
    return Table.build(str(root), keys, classes=(), labels=unknown, splits=unknown, columns=columns)


def _load(table: Table, classifier: Classifier, quiet: bool) -> Pixels:
    """The images as the classifier sees them; unreadable ones are reported."""
    if not len(table):
        raise DataError(f"{table.root} has no images in this split; choose another --split.")
    with Meters(quiet) as meter:
        pixels = load(table, loading=classifier.preprocessing.loading(allow_unreadable=True), progress=meter)
    if not quiet and len(pixels.unreadable):
        remark(*unreadable_lines(pixels.unreadable))
    return pixels


def _own(run: Run, quiet: bool) -> tuple[Pixels, Table]:
    """The run's training and evaluation images, and the table of all its images.

    Raises:
        RunError: where the images are gone or have changed.
    """
    with Meters(quiet) as meter:
        images = own_images(run, progress=meter)
        return images.pixels(meter), images.source


def _with_neighbours(classifier: Classifier, explained: list[Explanation], own: Pixels) -> list[Explanation]:
    """The explanations with the nearest training images of the run."""
    if not explained:
        return explained
    near, searched = neighbours(classifier, np.stack([one.image for one in explained]), own)
    return [replace(one, neighbours=some, searched=searched) for one, some in zip(explained, near, strict=True)]


def _unshown(explained: Sequence[Explanation]) -> list[str]:
    """A sentence on letters that the pictures show as their numbers."""
    from firstlight.reporting.letters import unshown

    letters = unshown("".join(f"{one.key}{one.predicted}{one.against}" for one in explained))
    if not letters:
        return []
    return [f"No font of this system has {letters}; the pictures show {visible(ascii(letters)[1:-1])} instead."]


def _written(explained: Sequence[Explanation], out: Path) -> list[Path]:
    """A picture of each, as PNG; no file is overwritten."""
    from firstlight.reporting.sheets import explanation_maps

    names = (re.sub(r"[^\w.-]", "_", Path(one.key).stem)[:80] for one in explained)
    paths = [out / f"{place:02}-{name}.png" for place, name in enumerate(names, 1)]
    for path in paths:
        if path.exists():
            raise ArgumentError(f"{path} already exists; name another folder with --out.")
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
        for one, path in zip(explained, paths, strict=True):
            title = visible(f"{Path(one.key).name}: {one.predicted}, not {one.against}")
            explanation_maps(one.image[None], one.map[None], [title]).save(path)
    return paths


def _print(explained: Sequence[Explanation]) -> None:
    """Each explanation, and on a terminal the image with its map."""
    from rich.console import Console

    console = Console(file=colored(sys.stdout))
    for one in explained:
        say(*str(one).split("\n"))
        if console.is_terminal:
            say(f"  Left: the image. Right: blue pixels support {one.predicted}, orange pixels {one.against}.")
            console.print(drawn(one, console), soft_wrap=True)
        say("")
