"""A run folder that grows rung by rung and is readable at every moment, with checkpoints of a training under way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, count
from pathlib import Path

from firstlight.atomic import new_file, remove_abandoned, writing
from firstlight.errors import RunError
from firstlight.evaluation.advice import Advice
from firstlight.evaluation.comparison import Comparison
from firstlight.runs.document import document, read_document, write_document
from firstlight.runs.files import HISTORY, READINGS, RUN, RUNGS, FileRecord
from firstlight.runs.folder import next_folder, read_run, refuse_taken, write_run
from firstlight.runs.history import Epoch, to_csv
from firstlight.runs.outputs import write_outputs
from firstlight.runs.results import Run
from firstlight.runs.rung_result import RungResult
from firstlight.runs.seal import plain
from firstlight.runs.tensors import SavedModel, pack_one, unpack_one
from firstlight.wording import plural, shortlist

CHECKPOINT = "training-{seed}.safetensors"  # in the folder of a rung, until the rung is complete
SAME = ("request", "versions", "seed", "fingerprint", "classes", "split")  # what makes two climbs the same


@dataclass(frozen=True)
class Numbered:
    """One of ``first``, ``first-2``, ``first-3``, ...: the one with the same climb, else the first free one.

    Attributes:
        first: the first of them.
    """

    first: Path


def begin_run(run: Run, folder: str | Path | Numbered) -> Run:
    """A run folder to which rungs are added: a new one, or the one that the same climb left there.

    Args:
        run: the run before its first rung.
        folder: its folder.

    Returns:
        The run with its path, and with the rungs that are complete already.

    Raises:
        RunError: where the folder holds anything else, or cannot be written.
    """
    folder = _among(run, folder.first) if isinstance(folder, Numbered) else Path(folder)
    found = _same(run, folder)
    if found is not None:
        for place in (folder, *(folder / RUNGS).glob("*/")):  # what a killed climb left half-written
            remove_abandoned(place)
        return found
    if (folder / RUN).is_file():
        other = read_run(folder)
        if not _nothing_yet(other):
            raise RunError(
                f"{folder} holds a run with other {_differs(run, other)} and is not overwritten; pass another --out, "
                "or remove the folder."
            )
        with writing(folder, RunError):  # such as one of a climb that failed in its first rung
            (folder / READINGS).unlink()
            (folder / RUN).unlink()
            folder.rmdir()
    refuse_taken(folder)
    return write_run(run, folder)


def _nothing_yet(run: Run) -> bool:
    """Whether a run folder holds no rung, no part of one and nothing else."""
    assert run.path is not None
    return not len(run) and {path.name for path in run.path.iterdir()} == {RUN, READINGS}


def refuse_other(folder: str | Path | Numbered) -> None:
    """Checks before any work that the place of a run holds nothing else; whose run it is, is checked later.

    Raises:
        RunError: where something else of that name exists.
    """
    if not isinstance(folder, Numbered) and not (Path(folder) / RUN).is_file():
        refuse_taken(folder)


def already(run: Run) -> str:
    """What an earlier climb left in the folder of a run, as a sentence; empty where nothing."""
    assert run.path is not None
    if run.finished:
        return f"This climb is finished already; these are the results in {run.path}."
    checkpoints = (run.path / RUNGS).glob(f"*/{CHECKPOINT.format(seed='*')}")
    training = sorted({path.parent.name for path in checkpoints})
    there = [f"{plural(len(run), 'rung is', 'rungs are')} complete"] if len(run) else []
    there += [f"{shortlist(training)} from a checkpoint"] if training else []
    return f"Resumed in {run.path}: {', '.join(there)}." if there else ""


def add_rung(run: Run, rung: RungResult) -> Run:
    """Adds a rung to a run folder: its files first, then its entry in run.json, so that it is there or not.

    Raises:
        RunError: where the folder cannot be written to, or is not a run folder any more.
    """
    assert run.path is not None
    home = run.path / RUNGS / rung.name
    with writing(home, RunError):
        home.mkdir(parents=True, exist_ok=True)
        files = write_outputs(rung, run.path, _replace)
    grown = replace(run, rungs=(*run.rungs, rung))
    _write_document(grown, files)
    for path in home.glob(CHECKPOINT.format(seed="*")):
        path.unlink(missing_ok=True)
    return grown


def end_run(run: Run, comparisons: Sequence[Comparison], advice: Advice) -> Run:
    """Adds what can be said when all rungs are there; the run is then finished."""
    ended = replace(run, comparisons=tuple(comparisons), advice=advice)
    if ended.path is not None:
        _write_document(ended, {})
    return ended


def save_checkpoint(run: Run, rung: str, seed: int, state: SavedModel, history: Sequence[Epoch]) -> None:
    """Saves the state of a training under way in one file, which is replaced atomically, and its epochs so far.

    Raises:
        RunError: where it cannot be written; the previous checkpoint is then still there.
    """
    assert run.path is not None
    home = run.path / RUNGS / rung
    _replace(home / CHECKPOINT.format(seed=seed), pack_one(state))
    _replace(home / HISTORY, to_csv(history))


def load_checkpoint(run: Run, rung: str, seed: int) -> SavedModel | None:
    """The last checkpoint of a training; None where there is no intact one."""
    assert run.path is not None
    path = run.path / RUNGS / rung / CHECKPOINT.format(seed=seed)
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


def _write_document(run: Run, files: Mapping[str, FileRecord]) -> None:
    """Replaces run.json; what it says of the files of earlier rungs stays."""
    assert run.path is not None
    path = run.path / RUN
    with writing(path, RunError):
        written = read_document(path.read_bytes(), path).files
    _replace(path, write_document(document(run, {**written, **files}), path))


def _replace(path: Path, data: bytes) -> None:
    with new_file(path, RunError) as part:
        part.write_bytes(data)


def _differs(run: Run, found: Run) -> str:
    """What makes two runs different, in words; empty where they are of the same climb."""
    both = [{name: plain(getattr(one, name)) for name in SAME} for one in (run, found)]
    for one in both:
        one["versions"].pop("platform", None)  # a new kernel changes no bit
    words = {"request": "arguments", "fingerprint": "images"}
    return " and ".join(words.get(name, name) for name in SAME if both[0][name] != both[1][name])
