"""run.json as a typed record: the one writer, and the one reader with its checks."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from firstlight.data.table import SPLITS
from firstlight.errors import RunError
from firstlight.evaluation.advice import Advice
from firstlight.evaluation.comparison import Comparison
from firstlight.evaluation.metrics import Evaluation
from firstlight.runs.checks import Doubt, of_comparison, of_evaluation, sound
from firstlight.runs.files import AGAIN, FileRecord
from firstlight.runs.records import record
from firstlight.runs.request import Request
from firstlight.runs.results import Run
from firstlight.runs.rung_result import Seconds
from firstlight.runs.seal import plain, seal, unseal
from firstlight.runs.training import TrainingRecord

KIND = "run"
RUNG_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")  # so that no name leads out of the folder


@dataclass(frozen=True, kw_only=True)
class RungDocument:
    """What run.json says of a rung; see `RungResult`."""

    name: str
    metrics: Evaluation
    seconds: Seconds
    training: TrainingRecord | None


@dataclass(frozen=True, kw_only=True)
class RunDocument:
    """What run.json says of a run; see `Run`.

    Attributes:
        files: of all rungs, by their names inside the run folder.
    """

    request: Request
    decided: tuple[str, ...]
    versions: Mapping[str, str]
    seed: int
    fingerprint: str
    classes: tuple[str, ...]
    split: str
    unreadable: int
    rungs: tuple[RungDocument, ...]
    comparisons: tuple[Comparison, ...]
    advice: Advice | None
    test_images: int
    test_dataset: str
    files: Mapping[str, FileRecord]


def document(run: Run, files: Mapping[str, FileRecord]) -> RunDocument:
    """The document of a run whose rungs have these files."""
    names = [name for name in RunDocument.__dataclass_fields__ if name not in ("rungs", "files")]
    rungs = [{name: getattr(rung, name) for name in RungDocument.__dataclass_fields__} for rung in run.rungs]
    return RunDocument(
        **{name: getattr(run, name) for name in names},
        rungs=tuple(RungDocument(**rung) for rung in rungs),
        files=files,
    )


def write_document(document: RunDocument, path: Path) -> bytes:
    """run.json.

    Args:
        document: what it says.
        path: where it will be, for the error message.

    Raises:
        RunError: where it could not be read again.
    """
    _checked(plain(document), path)
    return seal(KIND, plain(document))


def read_document(data: bytes, path: Path) -> RunDocument:
    """Reads what `write_document` wrote.

    Args:
        data: the bytes of the file.
        path: of the file, for the error message.

    Raises:
        RunError: where it was changed, is of another version, or a field is not what it must be.
    """
    return _checked(unseal(KIND, data, path), path)


def _checked(content: dict[str, Any], path: Path) -> RunDocument:
    _infinite(content)
    document = record(RunDocument, content, path, AGAIN)
    names = [rung.name for rung in document.rungs]
    for name in names:
        if not RUNG_NAME.fullmatch(name):
            raise RunError(f"{path} has a rung named {name[:60]!r}; only letters, digits, '-' and '_' can be used.")
    if len({name.lower() for name in names}) < len(names):  # some file systems do not distinguish a and A
        raise RunError(f"{path} has the rungs {', '.join(names)}; their names must differ, and not only in case.")
    for rung in document.rungs:
        recall = rung.metrics.recall
        named = {name for mistake in rung.metrics.mistakes for name in (mistake.label, mistake.predicted)}
        if tuple(recall) != document.classes or not named <= recall.keys():
            raise RunError(f"{path} has other classes for {rung.name} than for the run; {AGAIN}.")
    sound(document, path, AGAIN, _doubts(document))
    return document


def _doubts(document: RunDocument) -> Iterator[Doubt]:
    """What does not fit together."""
    names = [rung.name for rung in document.rungs]
    for place, rung in enumerate(document.rungs):
        where = f"$.rungs[{place}]"
        yield from of_evaluation(rung.metrics, f"{where}.metrics")
        if rung.metrics.name != rung.name:
            yield Doubt(f"{where}.metrics.name", rung.metrics.name, rung.name)
        if rung.metrics.split != document.split:
            yield Doubt(f"{where}.metrics.split", rung.metrics.split, document.split)
    for place, one in enumerate(document.comparisons):
        yield from of_comparison(one, f"$.comparisons[{place}]", names)
    if document.split not in SPLITS:
        yield Doubt("$.split", document.split, f"one of {', '.join(SPLITS)}")
    if document.advice is not None:
        if document.advice.rung not in names:
            yield Doubt("$.advice.rung", document.advice.rung, "the name of a rung")
        for place, one in enumerate(document.advice.comparisons):
            yield from of_comparison(one, f"$.advice.comparisons[{place}]", names)


def _infinite(content: dict[str, Any]) -> None:
    """Puts infinity back where JSON, which has no word for it, says null: a log loss."""
    rungs = content.get("rungs")
    for rung in rungs if isinstance(rungs, list) else ():
        match rung:
            case {"metrics": {"log_loss": None} as metrics}:
                metrics["log_loss"] = math.inf
