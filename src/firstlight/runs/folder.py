"""The run folder: written whole or not at all; every file is checked when it is read, and named here only."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import chain, count
from pathlib import Path
from typing import Any

from firstlight.atomic import new_file, new_folder
from firstlight.errors import ArgumentError, FirstlightError, RunError
from firstlight.evaluation.predictions import Predictions
from firstlight.runs.history import from_csv, to_csv
from firstlight.runs.results import Run, RungResult
from firstlight.runs.seal import digest, plain, seal, unseal
from firstlight.runs.tensors import SavedModel, pack, unpack

# run.json, readings.json, and of every rung: rungs/NAME/{predictions.parquet, model.json, model.safetensors},
# with history.csv where it was trained in epochs
RUN, READINGS, RUNGS = "run.json", "readings.json", "rungs"
PREDICTIONS, MODEL, TENSORS, HISTORY = "predictions.parquet", "model.json", "model.safetensors", "history.csv"

# A file beyond its bound is refused before it is read, so that a forged one cannot fill the memory.
MIB = 2**20
LIMITS = {
    # 10 rungs with the recall of 10,000 classes are 8 MiB; Python holds about ten times the text.
    RUN: 64 * MIB,
    READINGS: MIB,
    # A million images with 1,000 classes are 8 GB before compression.
    PREDICTIONS: 2**14 * MIB,
    # The class names, and the names and shapes of some thousand tensors.
    MODEL: 16 * MIB,
    # A billion float32 parameters, more than an image classifier has.
    TENSORS: 2**12 * MIB,
    # A hundred thousand epochs.
    HISTORY: 16 * MIB,
}

# What the documents say, and the type of each.
RUN_FIELDS: Mapping[str, Any] = {
    "asked": dict,
    "decided": list,
    "versions": dict,
    "seed": int,
    "fingerprint": str,
    "classes": list,
    "split": str,
    "unreadable": int,
    "rungs": list,
    "comparisons": list,
    "advice": dict,
    "files": dict,
}
RUNG_FIELDS: Mapping[str, Any] = {
    "name": str,
    "n": int,
    "accuracy": int | float,
    "interval": list,
    "against_previous": dict | None,
    "seconds": dict,
    "training": dict,
}
FILE_FIELDS: Mapping[str, Any] = {"bytes": int, "blake2b": str}
RUNG_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")  # so that no name leads out of the folder
AGAIN = "run firstlight climb again or take it from a copy"


def next_folder(parent: str | Path, name: str) -> Path:
    """The first of ``parent/name``, ``parent/name-2``, ... where nothing stands; nothing is made.

    Args:
        parent: where run folders are kept.
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
    """Says at once, before any work, that a run could not be written there.

    Raises:
        RunError: where something stands there already.
    """
    if _taken(Path(folder)):
        raise RunError(f"{folder} stands already and is not overwritten; pass another --out or remove it.")


def write_run(run: Run, folder: str | Path, *, or_next: bool = False) -> Run:
    """Writes a run folder, which appears under its name only when it is whole.

    Nothing is ever overwritten. Where the power fails or the process is killed, no folder stands under
    the name (a hidden one that ends in ``.part`` may be left beside it).

    Args:
        run: what shall be written.
        folder: where; its parents are made.
        or_next: where something stands there already, take ``folder-2``, ``folder-3``, ... Several
            processes may do so at once: the renaming decides, and each gets a folder of its own.

    Returns:
        The run with its ``path``, and with one reading of the test split where it measures on that.

    Raises:
        RunError: where something stands there already, the disk is full, or there is no permission.

    Example:
        >>> import tempfile
        >>> about = {"asked": {}, "decided": [], "advice": {}, "versions": {}, "seed": 7, "fingerprint": ""}
        >>> run = Run(**about, classes=("3", "7"), split="test", unreadable=0, rungs=())
        >>> with tempfile.TemporaryDirectory() as parent:
        ...     folder = write_run(run, f"{parent}/photos").path
        ...     print(read_run(folder).seed, count_test_reading(folder))
        7 2
    """
    folder = Path(folder)
    while True:
        target = next_folder(folder.parent, folder.name) if or_next else folder
        if not _taken(target):
            try:
                return _write(run, target)
            except RunError:
                if not _taken(target):  # else another process was faster
                    raise
        if not or_next:
            refuse_taken(folder)


def read_run(folder: str | Path) -> Run:
    """Reads a run folder: its numbers at once, predictions and models when they are asked for.

    Every file is held against its stated size and digest when it is read, and no file can run code.

    Args:
        folder: what `write_run` wrote.

    Returns:
        The run, as it was when it was written, and how often the test split was read since.

    Raises:
        RunError: where the folder is none that Firstlight wrote, or a file is missing, cut off, changed,
            too large, of another version, or a link that leads out of the folder. Of predictions and
            models the size is checked now and the content when it is asked for.

    Example:
        >>> read_run("nowhere")
        Traceback (most recent call last):
        firstlight.errors.RunError: nowhere is not there; pass a run folder, such as firstlight climb writes.
    """
    folder = Path(folder)
    with _reading(folder):
        if not (folder / RUN).exists():
            state = "a file" if folder.is_file() else "without a run.json" if folder.is_dir() else "not there"
            raise RunError(f"{folder} is {state}; pass a run folder, such as firstlight climb writes.")
        path = _standing(folder, RUN)
        content = _document(unseal("run", path.read_bytes(), path), path)
        files, classes = content.pop("files"), tuple(content.pop("classes"))
        results = tuple(_stored(folder, about, files, classes) for about in content.pop("rungs"))
        readings = _readings(folder)
    return Run(**content, classes=classes, rungs=results, path=folder, test_readings=readings)


def count_test_reading(folder: str | Path) -> int:
    """Counts one more reading of the test split for a run that stands.

    Args:
        folder: the run folder.

    Returns:
        How often the test split was read now.

    Raises:
        RunError: where the folder is no whole run folder, or cannot be written to.

    Example:
        >>> count_test_reading("nowhere")
        Traceback (most recent call last):
        firstlight.errors.RunError: ...nowhere is missing, so nowhere is no whole run folder; ...
    """
    folder = Path(folder)
    with _reading(folder):
        readings = _readings(folder) + 1
    with new_file(folder / READINGS, RunError) as part:
        part.write_bytes(seal("readings", {"test": readings}))
    return readings


def _write(run: Run, folder: Path) -> Run:
    readings = int(run.split == "test")
    with new_folder(folder, RunError) as part:
        files: dict[str, Any] = {}
        _document(plain(content_of(run, files)), folder / RUN)  # what could not be read again is not written
        for rung in run.rungs:
            (part / RUNGS / rung.name).mkdir(parents=True)
            files |= put_rung(rung, part, _put)
        _put(part / RUN, seal("run", content_of(run, files)))
        _put(part / READINGS, seal("readings", {"test": readings}))
    return replace(run, path=folder, test_readings=readings)


def content_of(run: Run, files: Mapping[str, Any]) -> dict[str, Any]:
    """What run.json says of a run whose rungs have these files."""
    content = {name: getattr(run, name) for name in RUN_FIELDS if name != "files"}
    return content | {"rungs": [rung.to_dict() for rung in run.rungs], "files": files}


def put_rung(rung: RungResult, folder: Path, put: Callable[[Path, bytes], None]) -> dict[str, Any]:
    """Writes the files of a rung into a run folder; of each its size and digest."""
    files: dict[str, Any] = {}
    path = folder / _inside(rung.name, PREDICTIONS)
    try:
        rung.predictions.to_parquet(path)
    except RunError as error:  # may name a temporary folder; the cause is told of the final one
        raise error.__cause__ or error from None
    files[_inside(rung.name, PREDICTIONS)] = {"bytes": path.stat().st_size, "blake2b": _digest(path)}
    written = dict(zip((MODEL, TENSORS), pack(rung.model), strict=True))
    if rung.history:
        written[HISTORY] = to_csv(rung.history)
    for name, data in written.items():
        files[_inside(rung.name, name)] = {"bytes": len(data), "blake2b": digest(data)}
        put(folder / _inside(rung.name, name), data)
    return files


def _put(path: Path, data: bytes) -> None:
    """Writes a file and brings it to the disk, else a power cut after the renaming may leave it empty."""
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _inside(name: str, file: str) -> str:
    return f"{RUNGS}/{name}/{file}"


def _stored(folder: Path, about: dict[str, Any], files: dict[str, Any], classes: tuple[str, ...]) -> RungResult:
    """A rung whose files stand in their stated sizes; what is in them is read when it is asked for."""
    name = about.pop("name")
    stated = {}
    for file in (PREDICTIONS, MODEL, TENSORS, *([HISTORY] if _inside(name, HISTORY) in files else [])):
        inside = _inside(name, file)
        stated[file] = (folder, inside, _checked(files.get(inside), FILE_FIELDS, folder / RUN))
        _standing(*stated[file])

    def predictions() -> Predictions:
        with _reading(folder):
            path = _whole(*stated[PREDICTIONS])
            try:
                found = Predictions.from_parquet(path)
            except FirstlightError as error:
                raise RunError(f"{path} does not hold the predictions of a rung; {AGAIN}.") from error
        if (found.name, tuple(found.classes)) != (name, classes):
            raise RunError(f"{path} holds the predictions of another rung or of other classes; {AGAIN}.")
        return found

    def model() -> SavedModel:
        with _reading(folder):
            text, data = _whole(*stated[MODEL]), _whole(*stated[TENSORS])
            return unpack(text.read_bytes(), data.read_bytes(), text)

    def history() -> tuple[dict[str, Any], ...]:
        if HISTORY not in stated:
            return ()
        with _reading(folder):
            path = _whole(*stated[HISTORY])
            return from_csv(path.read_bytes(), path)

    more = {key: about.pop(key) for key in ("against_previous", "seconds", "training")}
    return RungResult(name=name, predictions=predictions, metrics=about, model=model, history=history, **more)


def _readings(folder: Path) -> int:
    content = unseal("readings", _standing(folder, READINGS).read_bytes(), folder / READINGS)
    readings = int(_checked(content, {"test": int}, folder / READINGS)["test"])
    if readings < 0:
        raise RunError(f"{folder / READINGS} counts {readings} readings, which cannot be; {AGAIN}.")
    return readings


def _standing(folder: Path, inside: str, stated: Mapping[str, Any] | None = None) -> Path:
    """The path of a file that is a file, lies inside the folder, and has the size that was stated."""
    path = folder / inside
    if not Path(os.path.realpath(path, strict=True)).is_relative_to(os.path.realpath(folder)):
        raise RunError(f"{path} is a link that leads out of the run folder, which is not followed; {AGAIN}.")
    about = path.stat()
    if not stat.S_ISREG(about.st_mode):  # a pipe would wait for ever
        raise RunError(f"{path} is no ordinary file; {AGAIN}.")
    if about.st_size > LIMITS[path.name]:
        raise RunError(f"{path} has {about.st_size:,} bytes, and at most {LIMITS[path.name]:,} are read; {AGAIN}.")
    if stated and about.st_size != stated["bytes"]:
        raise RunError(f"{path} has {about.st_size:,} bytes and not {stated['bytes']:,} as written; {AGAIN}.")
    return path


def _whole(folder: Path, inside: str, stated: Mapping[str, Any]) -> Path:
    path = _standing(folder, inside, stated)
    if _digest(path) != stated["blake2b"]:
        raise RunError(f"{path} was changed after it was written: its digest differs; {AGAIN}.")
    return path


def _digest(path: Path) -> str:
    with path.open("rb") as file:  # in pieces, since predictions may be larger than memory
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def _document(content: dict[str, Any], path: Path) -> dict[str, Any]:
    """The fields of run.json and no others, each of its type, with rung names that make safe paths."""
    _checked(content, RUN_FIELDS, path)
    names = [_checked(about, RUNG_FIELDS, path)["name"] for about in content["rungs"]]
    for name in names:
        if not RUNG_NAME.fullmatch(name):
            raise RunError(f"{path} names a rung {name[:60]!r}; only letters, digits, '-' and '_' can be used.")
    if len({name.lower() for name in names}) < len(names):  # some file systems take a and A for the same
        raise RunError(f"{path} has the rungs {', '.join(names)}; their names must differ, not in case alone.")
    intervals = [about["interval"] for about in content["rungs"]]
    if not all(len(ends) == 2 and all(isinstance(end, int | float) for end in ends) for ends in intervals):
        raise RunError(f"{path} has an interval that is not two numbers; {AGAIN}.")
    if not all(isinstance(name, str) for name in content["classes"]):
        raise RunError(f"{path} has a class name that is no text; {AGAIN}.")
    return {name: content[name] for name in RUN_FIELDS}


def _checked(content: Any, fields: Mapping[str, Any], path: Path) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise RunError(f"{path} holds {str(content)[:60]!r} where a JSON object was expected; {AGAIN}.")
    for name, kind in fields.items():
        value = content.get(name)
        if not isinstance(value, kind) or isinstance(value, bool):  # a bool would pass as int
            raise RunError(f"{path} has {str(value)[:60]!r} as {name}, which is of another type; {AGAIN}.")
    return content


def _taken(path: Path) -> bool:
    return path.is_symlink() or path.exists()


@contextlib.contextmanager
def _reading(folder: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        missing = f"{error.filename} is missing, so {folder} is no whole run folder"
        raise RunError(f"{missing}; {AGAIN}.") from error
    except OSError as error:
        reason = f"{error.filename or folder} could not be read ({error.strerror or error})"
        raise RunError(f"{reason}; change its permission or take a copy.") from error
