"""A run folder that grows rung by rung and is readable at every moment; what is under way is kept beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain, count
from pathlib import Path
from typing import Any

from firstlight.atomic import new_file, told
from firstlight.errors import RunError
from firstlight.runs.folder import (
    HISTORY,
    RUN,
    RUNGS,
    content_of,
    next_folder,
    put_rung,
    read_run,
    refuse_taken,
    write_run,
)
from firstlight.runs.history import to_csv
from firstlight.runs.results import Run, RungResult
from firstlight.runs.seal import plain, seal, unseal
from firstlight.runs.tensors import SavedModel, pack_one, unpack_one

UNDER_WAY = "training-{seed}.safetensors"  # beside the files of a rung, as long as the rung is not there
SAME = ("asked", "versions", "seed", "fingerprint", "classes", "split")  # what makes two climbs the same


@dataclass(frozen=True)
class Numbered:
    """One of ``first``, ``first-2``, ``first-3``, ...: where the same climb stands, else the first that is free."""

    first: Path


def begin_run(run: Run, folder: str | Path | Numbered) -> Run:
    """A run folder to which rungs are added: a new one, or the one that the same climb left there.

    Args:
        run: what was asked, without rungs.
        folder: where it stands or shall stand.

    Returns:
        The run with its path, and with the rungs that are there already.

    Raises:
        RunError: where something else stands there, or it cannot be written.
    """
    folder = _among(run, folder.first) if isinstance(folder, Numbered) else Path(folder)
    found = _same(run, folder)
    if found is not None:
        return found
    if (folder / RUN).is_file():
        differs = _differs(run, read_run(folder))
        raise RunError(f"{folder} holds a run with other {differs}, and is not overwritten; pass another --out.")
    refuse_taken(folder)
    return write_run(run, folder)


def add_rung(run: Run, rung: RungResult) -> Run:
    """Adds a rung to a run folder: its files first, then its line in run.json, so that it is there or not.

    Raises:
        RunError: where the folder cannot be written to, or is no run folder any more.
    """
    assert run.path is not None
    home = run.path / RUNGS / rung.name
    with told(home, RunError):
        home.mkdir(parents=True, exist_ok=True)
        files = put_rung(rung, run.path, _replace)
    grown = replace(run, rungs=(*run.rungs, rung))
    _write_document(grown, files)
    for path in home.glob(UNDER_WAY.format(seed="*")):
        path.unlink(missing_ok=True)
    return grown


def end_run(run: Run, comparisons: Sequence[Any], advice: Any) -> Run:
    """Adds what can be said when all rungs are there; from then on the run is finished."""
    ended = replace(run, comparisons=comparisons, advice=advice)
    if ended.path is not None:
        _write_document(ended, {})
    return ended


def keep_training(run: Run, rung: str, seed: int, state: SavedModel, history: Sequence[Any]) -> None:
    """Keeps a training under way: its state in one file, which is replaced whole, and its epochs so far.

    Raises:
        RunError: where it cannot be written; what was kept before is still there.
    """
    assert run.path is not None
    home = run.path / RUNGS / rung
    _replace(home / UNDER_WAY.format(seed=seed), pack_one(state))
    _replace(home / HISTORY, to_csv(history))


def kept_training(run: Run, rung: str, seed: int) -> SavedModel | None:
    """What `keep_training` kept last; None where there is nothing whole."""
    assert run.path is not None
    path = run.path / RUNGS / rung / UNDER_WAY.format(seed=seed)
    if not path.is_file():
        return None
    try:
        return unpack_one(path.read_bytes(), path)
    except RunError:
        return None


def _among(run: Run, first: Path) -> Path:
    free = next_folder(first.parent, first.name)
    names = (first.with_name(f"{first.name}-{number}") for number in count(2))
    for folder in chain([first], names):
        if folder == free or _same(run, folder) is not None:
            return folder
    raise AssertionError("the names do not end")


def _same(run: Run, folder: Path) -> Run | None:
    """The run in the folder, where it is of the same climb: the same data, arguments, seed and versions."""
    if not (folder / RUN).is_file():
        return None
    try:
        found = read_run(folder)
    except RunError:
        return None
    return None if _differs(run, found) else found


def _write_document(run: Run, files: dict[str, Any]) -> None:
    """Replaces run.json; the files of the rungs before keep what is stated of them."""
    assert run.path is not None
    path = run.path / RUN
    with told(path, RunError):
        stated = unseal("run", path.read_bytes(), path)["files"]
    _replace(path, seal("run", content_of(run, {**stated, **files})))


def _replace(path: Path, data: bytes) -> None:
    with new_file(path, RunError) as part:
        part.write_bytes(data)


def _differs(run: Run, found: Run) -> str:
    def asked(one: Run, name: str) -> Any:
        value = plain(getattr(one, name))
        if name == "versions":
            value.pop("platform", None)  # a new kernel changes no bit
        return value

    names = [name for name in SAME if asked(run, name) != asked(found, name)]
    words = {"asked": "arguments", "fingerprint": "images"}
    return " and ".join(words.get(name, name) for name in names)
