"""`firstlight predict`: the classes of new images, in batches, however many there are."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from firstlight.apps.predicted.inputs import sources
from firstlight.apps.predicted.parts import WRITERS, Parts
from firstlight.apps.predicted.rows import Columns, Screen
from firstlight.apps.predicted.source import Source, mark_of
from firstlight.apps.predicted.stream import answered
from firstlight.apps.predicted.tally import Tally
from firstlight.apps.screen import guessing_lines, print_json
from firstlight.apps.terminal import remark, say_json, say_whole
from firstlight.characters import columns_of, visible
from firstlight.data.files import digest
from firstlight.data.table import SPLITS, Table
from firstlight.errors import ArgumentError, DataError, FirstlightError
from firstlight.models.exporting.session import Session
from firstlight.progress import Meter
from firstlight.runs.files import RUN
from firstlight.runs.folder import read_run
from firstlight.runs.images import own_images
from firstlight.runs.readings import count_test_reading
from firstlight.runs.tensors import pack
from firstlight.wording import plural


@dataclass(frozen=True)
class Wanted:
    """The options of a prediction.

    Attributes:
        rung: the rung's name; None: the one that the run advises.
        split: only this split, or None.
        out: the file to write, .parquet, .csv or .jsonl, or None.
        top: how many classes are listed per image.
        probabilities: add those of all classes, and the distances of a centroid.
        listed: standard input is a list of paths.
        as_json: JSON lines; with ``out`` one document with the counts.
        quiet: no progress and no remarks.
    """

    rung: str | None = None
    split: str | None = None
    out: Path | None = None
    top: int = 1
    probabilities: bool = False
    listed: bool = False
    as_json: bool = False
    quiet: bool = False


def show_predictions(model: Path, paths: Sequence[str], wanted: Wanted | None = None) -> Tally:
    """Predicts, and prints or writes one row per image; for an unreadable one with the reason.

    Args:
        model: a run folder, or an ``.onnx`` file that `export` wrote.
        paths: files, folders, archives, lists, or ``-`` for standard input; none for those of a split of the run's own
            images.
        wanted: the options.

    Returns:
        The counts.

    Raises:
        ArgumentError: where an option is not one that can be passed.
        DataError: where a path does not exist, or there is no image.
        RunError: where there is no model, or the unfinished file belongs to another prediction.
    """
    wanted = wanted or Wanted()
    _check(model, wanted)
    with contextlib.ExitStack() as stack:
        found = sources(paths, listed=wanted.listed, stack=stack) if paths else [_own(model, wanted)]
        every = found
        if wanted.split is not None:
            found = [one.select(wanted.split) for one in found]
        if not sum(map(len, found)):
            raise DataError(f"There is no image in the {wanted.split or 'list'}; pass at least one.")
        session, mark = _opened(model, wanted.rung)
        measured = [one.table for one in found if set(one.table.classes) & set(session.classes)]
        own = bool(measured) and wanted.split != "test" and (model / RUN).is_file()
        own = own and _are_its_own(model, [one.table for one in every])
        columns = Columns(session.about, wanted.top, wanted.probabilities, truth=bool(measured))
        if not wanted.quiet:
            remark(*guessing_lines(session.about["name"], wanted.rung), *_left_out(found))
        work = _Work(session, found, columns)
        tally = _write(work, mark, wanted) if wanted.out else _print(work, wanted)
    readings = None
    if tally.known and (model / RUN).is_file() and any(map(_holds_test, measured)):
        readings = count_test_reading(model, measured)
    if wanted.out is not None and wanted.as_json:
        about = {"rung": session.about["name"], "out": str(wanted.out), "test_readings": readings, "own_images": own}
        print_json(about | tally.to_dict())
    if not wanted.quiet:
        remark(*tally.lines(session.about["name"]))
        if own and tally.known:
            name = session.about["name"]
            remark(f"Some or all of these are images that {name} was fitted on or chosen by; expect less on new ones.")
        if readings is not None:
            remark(f"The test split has been read {plural(readings, 'time')}.")
        if wanted.out is not None:
            remark(f"{plural(tally.images, 'row')} in {wanted.out}")
    return tally


@dataclass(frozen=True)
class _Work:
    """A model, the images and the columns of the rows."""

    session: Session
    found: Sequence[Source]
    columns: Columns

    @property
    def total(self) -> int:
        return sum(map(len, self.found))

    def rows(self, meter: Meter, done: int = 0) -> Iterator[pa.Table]:
        with contextlib.closing(answered(self.session, self.found, skip=done)) as batches:
            for batch in batches:
                done += len(batch.paths)
                yield self.columns.table(batch)
                meter(done, self.total)


def _print(work: _Work, wanted: Wanted) -> Tally:
    columns, tally = work.columns, Tally()
    longest = max(columns_of(visible(name)) for name in columns.classes)
    screen = Screen(columns.schema, max(source.widest for source in work.found), longest)
    if not wanted.as_json:
        say_whole(screen.table.head)
    # On a terminal the rows themselves show the progress, and a bar would get in their way.
    with Meter("predicting", wanted.quiet or sys.stdout.isatty()) as meter:
        for rows in work.rows(meter):
            if wanted.as_json:
                say_json(*columns.lines(rows))
            else:
                say_whole(*screen.lines(rows))
            tally.add(rows)
    return tally


def _write(work: _Work, mark: str, wanted: Wanted) -> Tally:
    assert wanted.out is not None
    tally = Tally()
    options = f"top {wanted.top}, probabilities {wanted.probabilities}, split {wanted.split}"
    about = {"model": mark, "options": options, "images": mark_of(work.found)}
    with Parts(wanted.out, work.columns, about) as parts, Meter("predicting", wanted.quiet) as meter:
        if parts.done and not wanted.quiet:
            remark(f"Resumed: {plural(parts.done, 'row is', 'rows are')} there already.")
        for rows in work.rows(meter, parts.done):
            parts.add(rows)
        parts.finish(work.total, tally.add)
    return tally


def _check(model: Path, wanted: Wanted) -> None:
    if wanted.out is not None and wanted.out.suffix.lower() not in WRITERS:
        raise ArgumentError(f"{wanted.out} must end in one of {', '.join(WRITERS)}.")
    if wanted.out is not None and wanted.out.is_dir():
        raise ArgumentError(f"{wanted.out} is a folder; name a file to write.")
    if wanted.top < 1:
        raise ArgumentError(f"--top is {wanted.top}; pass a whole number of at least 1.")
    if wanted.rung is not None and _is_exported(model):
        raise ArgumentError(f"{model} holds a single model; omit --rung {wanted.rung}, or pass the run folder.")


def _opened(model: Path, rung: str | None) -> tuple[Session, str]:
    """The model, and a text that changes whenever the model does."""
    if _is_exported(model):
        return Session.of(model), digest(model.read_bytes())
    if (model / "config.json").is_file():  # with a model card
        return Session.of(model), digest((model / "config.json").read_bytes())
    run = read_run(model)
    description, _ = pack(run.chosen(rung).model)  # it contains the digest of the arrays
    return Session.of(run, rung), digest(description)


def _own(model: Path, wanted: Wanted) -> Source:
    """The images that the run was made from, of every split."""
    if wanted.split is None or not (model / RUN).is_file():
        raise ArgumentError(
            f"No images were passed for {model}; pass images, folders, archives or -, or a run folder with --split "
            "for the run's own."
        )
    run = read_run(model)
    table = own_images(run).source
    if wanted.split == "test" and not len(table.select("test")):
        aside, command = run.set_aside
        raise DataError(f"The climb of {model} set no test images aside. {aside}: {command}")
    return Source(table, os.path.join(table.root, ""))  # noqa: PTH118 - a path is shown as it was typed


def _are_its_own(model: Path, tables: Sequence[Table]) -> bool:
    """Whether images that the run was fitted or measured on are among these."""
    try:
        own = own_images(read_run(model)).table
    except FirstlightError:  # they are gone, or changed
        return False
    home = Path(own.root).resolve()
    files = set(own.keys)
    for one in tables:
        root = Path(one.root).resolve()
        if root == home or (root.is_relative_to(home) and not home.is_file()):
            inside = "" if root == home else f"{root.relative_to(home).as_posix()}/"
            if any(inside + key in files for key in one.rows["key"].to_pylist()):
                return True
    return False


def _is_exported(model: Path) -> bool:
    return model.suffix.lower() == ".onnx"


def _holds_test(table: Table) -> bool:
    return bool(((table.splits == SPLITS.index("test")) & (table.labels >= 0)).any())


def _left_out(found: Sequence[Source]) -> Iterator[str]:
    for source in found:
        for reason, count in source.table.skipped.items():
            yield f"{visible(source.prefix)}: skipped {count:,} ({reason})"
