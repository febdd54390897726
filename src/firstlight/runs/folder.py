"""The run folder: written completely or not at all, and read with every file checked."""

from __future__ import annotations

import os
from dataclasses import replace
from itertools import chain, count
from pathlib import Path

from firstlight.atomic import new_folder
from firstlight.characters import is_text, visible
from firstlight.errors import ArgumentError, RunError
from firstlight.runs.document import RungDocument, document, read_document, write_document
from firstlight.runs.files import READINGS, RUN, RUNGS, FileRecord, existing, put, reading
from firstlight.runs.ledger import readings_of
from firstlight.runs.outputs import Stored, write_outputs
from firstlight.runs.readings import Readings, read_readings, write_readings
from firstlight.runs.results import Run
from firstlight.runs.rung_result import RungResult


def next_folder(parent: str | Path, name: str) -> Path:
    """The first of ``parent/name``, ``parent/name-2``, ... that does not exist; nothing is created.

    Args:
        parent: the folder of run folders.
        name: one part of a path, such as the name of the folder of images.

    Raises:
        ArgumentError: where ``name`` would lead to another folder.

    Example:
        >>> next_folder("/nowhere/runs", "photos").name
        'photos'
    """
    if name in ("", ".", "..") or Path(name).name != name:
        raise ArgumentError(f"{name!r} cannot name a run folder; pass one part of a path, without slashes.")
    names = chain([name], (f"{name}-{number}" for number in count(2)))
    return next(path for path in (Path(parent) / each for each in names) if not _taken(path))


def refuse_taken(folder: str | Path) -> None:
    """Checks before any work that a run can be written there.

    Raises:
        RunError: where something of that name already exists, or the name is not UTF-8.
    """
    if not is_text(folder):
        raise RunError(f"{visible(folder)} is not a name in UTF-8, which files of a run need; pass another --out.")
    if _taken(Path(folder)):
        raise RunError(f"{folder} already exists and is not overwritten; pass another --out or remove it.")


def write_run(run: Run, folder: str | Path) -> Run:
    """Writes a run folder, which appears under its name only when it is complete.

    Nothing is ever overwritten. Where the power fails or the process is killed, there is no folder of that
    name (a hidden one that ends in ``.part`` may be left next to it).

    Args:
        run: the run.
        folder: where to write it; its parents are created.

    Returns:
        The run with its ``path``, and with one reading of the test split where it measures on that.

    Raises:
        RunError: where something of that name already exists, the disk is full, or there is no permission.

    Example:
        >>> import tempfile
        >>> from firstlight.runs.readings import count_test_reading
        >>> from firstlight.runs.request import Request
        >>> about = {"request": Request(), "decided": (), "versions": {}, "seed": 7, "fingerprint": ""}
        >>> run = Run(**about, classes=("3", "7"), split="test", unreadable=0, rungs=())
        >>> with tempfile.TemporaryDirectory() as parent:
        ...     folder = write_run(run, f"{parent}/photos").path
        ...     print(read_run(folder).seed, count_test_reading(folder))
        7 2
    """
    folder = Path(folder)
    refuse_taken(folder)
    try:
        return _write(run, folder)
    except RunError:
        refuse_taken(folder)  # another process was faster
        raise


def read_run(folder: str | Path) -> Run:
    """Reads a run folder: its numbers at once, predictions and models at first use.

    Every file is compared with its recorded size and digest when it is read, and no file can run code.

    Args:
        folder: what `write_run` wrote.

    Returns:
        The run as it was written, and how often the test split has been read since.

    Raises:
        RunError: where Firstlight did not write the folder, or a file is missing, cut off, changed, too large, of
            another version, or a link that leads out of the folder. Of predictions and models the size is checked
            now and the content at first use.

    Example:
        >>> read_run("nowhere")
        Traceback (most recent call last):
        firstlight.errors.RunError: nowhere is not there; pass a run folder, such as firstlight climb writes.
    """
    if not isinstance(folder, str | os.PathLike):
        raise ArgumentError(f"{type(folder).__name__} is not a run; pass a run, or the folder of one.")
    folder = Path(folder)
    with reading(folder):
        if not (folder / RUN).exists():
            state = "a file" if folder.is_file() else "without a run.json" if folder.is_dir() else "not there"
            raise RunError(f"{folder} is {state}; pass a run folder, such as firstlight climb writes.")
        path = existing(folder, RUN)
        about = read_document(path.read_bytes(), path)
        rungs = tuple(_result(rung, Stored(folder, rung.name, about.classes, about.files)) for rung in about.rungs)
        readings = read_readings(folder)
    values = {name: value for name, value in vars(about).items() if name not in ("rungs", "files")}
    times = max(readings.test, readings_of(about.test_dataset))
    return Run(**values, rungs=rungs, path=folder, test_readings=times)


def _result(rung: RungDocument, outputs: Stored) -> RungResult:
    return RungResult(**vars(rung), outputs=outputs)


def _write(run: Run, folder: Path) -> Run:
    readings = Readings(int(run.split == "test"))
    with new_folder(folder, RunError) as part:
        files: dict[str, FileRecord] = {}
        write_document(document(run, files), folder / RUN)  # what could not be read again is not written
        for rung in run.rungs:
            (part / RUNGS / rung.name).mkdir(parents=True)
            files |= write_outputs(rung, part, put)
        put(part / RUN, write_document(document(run, files), folder / RUN))
        put(part / READINGS, write_readings(readings))
    return replace(run, path=folder, test_readings=max(readings.test, run.test_readings))


def _taken(path: Path) -> bool:
    return path.is_symlink() or path.exists()
