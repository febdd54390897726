"""One climb on the terminal: progress, a row for each rung when it is fitted, the advice."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from firstlight.apps.ladder_table import LadderTable, comparison_lines
from firstlight.apps.screen import (
    finding_lines,
    print_json,
    training_lines,
)
from firstlight.apps.terminal import remark, say, say_whole, width
from firstlight.data.decoding.loading import Loading
from firstlight.data.pixels import Pixels
from firstlight.data.scanning.options import Scanning
from firstlight.data.sources import scan
from firstlight.data.table import Table
from firstlight.ladder import climb
from firstlight.progress import Meters, Step
from firstlight.reporting.report import report
from firstlight.runs.evidence_file import read_evidence
from firstlight.runs.growing import Numbered
from firstlight.runs.results import Run
from firstlight.runs.rung_result import RungResult
from firstlight.wording import plural


@dataclass(frozen=True)
class Wanted:
    """The options of a climb.

    Attributes:
        rungs: names, simplest first; None: all that are climbed by default.
        split: ``"validation"`` or ``"test"``.
        seeds: the random seeds; each network is trained once per seed.
        effort: ``"quick"``, ``"standard"`` or ``"thorough"``.
        options: fields of `Recipe` that replace those of the networks' recipes.
        loading: how the images are loaded.
        out: the run folder; None: runs/NAME, or runs/NAME-2 and so on if that is another climb's.
        as_json: one JSON document instead of the table.
        quiet: no progress and no remarks.
        scanning: how the source is read.
    """

    rungs: Sequence[str] | None
    split: str = "validation"
    seeds: Sequence[int] = (0,)
    effort: str = "standard"
    options: Mapping[str, Any] = field(default_factory=dict)
    loading: Loading = field(default_factory=Loading)
    out: Path | Numbered | None = None
    as_json: bool = False
    quiet: bool = False
    scanning: Scanning = field(default_factory=Scanning)


def show_climb(data: str | Path, wanted: Wanted) -> Run:
    """Climbs, prints what happens, and writes the run folder."""
    out = wanted.out or Numbered(Path("runs") / Path(data).absolute().stem)
    with _Screen(wanted) as screen:
        run = climb(
            data if wanted.scanning == Scanning() else scan(data, **vars(wanted.scanning)),
            rungs=wanted.rungs,
            effort=wanted.effort,
            split=wanted.split,
            loading=wanted.loading,
            out=out,
            seed=wanted.seeds,
            progress=screen,
            **wanted.options,
        )
    page = report(run)
    if wanted.as_json:
        print_json(run.to_dict() | {"report": str(page)})
    elif not wanted.quiet:
        evidence = read_evidence(run)
        remark(*finding_lines(evidence) if evidence else (), f"run folder: {run.path}", f"report: {page}")
    return run


class _Screen:
    """Prints a row for each rung when it is fitted, and what was decided in the trainings below the whole table.

    What an epoch reached is in the rung's history.csv.
    """

    def __init__(self, wanted: Wanted) -> None:
        self.wanted = wanted
        self.classes: Sequence[str] = ()
        self.ladder: LadderTable | None = None  # from the first rung on
        self.rungs: list[RungResult] = []
        self.meters = Meters(wanted.quiet)

    def __enter__(self) -> _Screen:
        return self

    def __call__(self, step: Step) -> None:
        match step.result:
            case Pixels():
                self.load(step.result)
            case RungResult():
                self.rung(step.result)
            case Run():
                self.advice(step.result)
            case str():
                self.remark(step.result, "")
            case _:
                self.meters(step)

    def __exit__(self, *_: object) -> None:
        self.meters.__exit__()

    def load(self, pixels: Pixels) -> None:
        self.__exit__()
        self.classes = pixels.classes
        self.remark(*pixels.table.notes, *pixels.reasons, *unreadable_lines(pixels.unreadable), "")

    def rung(self, result: RungResult) -> None:
        self.__exit__()
        if self.wanted.as_json:
            return
        if self.ladder is None:
            self.ladder = LadderTable(self.classes, width(sys.stdout))
            say(*self.ladder.head(result))
        say(self.ladder.line(result, self.rungs[-1] if self.rungs else None))
        self.rungs.append(result)

    def advice(self, run: Run) -> None:
        self.__exit__()
        if self.wanted.as_json:
            return
        if lines := [line for rung in self.rungs for line in training_lines(rung)]:
            self.remark("", *lines)
        say(*comparison_lines(run, width(sys.stdout)), "", str(run.advice))
        if run.test_hint is not None and not self.wanted.quiet:
            say("", f"{run.test_hint.text}:")
            say_whole(f"  {run.test_hint.command}")

    def remark(self, *lines: str) -> None:
        if not self.wanted.quiet:
            remark(*lines)


def unreadable_lines(unreadable: Table, most: int = 10) -> list[str]:
    """The unreadable images, one line each, with the reason."""
    if not len(unreadable):
        return []
    rows = unreadable.rows.slice(0, most)
    pairs = zip(rows["key"].to_pylist(), rows["problem"].to_pylist(), strict=True)
    lines = [
        f"{plural(len(unreadable), 'unreadable image was', 'unreadable images were')} skipped:",
        *(f"  {key}: {why}" for key, why in pairs),
    ]
    return lines if len(unreadable) <= most else [*lines, f"  and {len(unreadable) - most} more"]
