"""One climb as a person sees it: progress, a row for each rung as soon as it is there, the advice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from firstlight.apps.screen import (
    climb_header,
    climb_row,
    comparison_lines,
    finding_lines,
    print_json,
    remark,
    training_lines,
)
from firstlight.data.arrange import arrange, needed
from firstlight.data.pixels import load_as
from firstlight.data.sources import scan
from firstlight.data.table import Table
from firstlight.ladder import climb
from firstlight.models.training.recipes import Options
from firstlight.models.training.setting import Callbacks, Epoch
from firstlight.progress import Meter
from firstlight.reporting.report import report
from firstlight.runs.evidence import kept_evidence
from firstlight.runs.growing import Numbered
from firstlight.runs.results import Run, RungResult


@dataclass(frozen=True)
class Asked:
    """What was asked of a climb.

    Attributes:
        rungs: names, simplest first; None: every rung there is.
        split: ``"validation"`` or ``"test"``.
        seeds: where all randomness comes from; networks are trained once with each.
        effort: ``"quick"``, ``"standard"`` or ``"thorough"``.
        options: fields of `Recipe` in the place of the recipes' own.
        loading: how images are brought to one shape: size, color, fit, align; and allow_unreadable.
        out: the run folder; None: runs/NAME, or runs/NAME-2 and so on where another climb stands there.
        as_json: one JSON document instead of the table.
        quiet: no progress and no remarks.
    """

    rungs: Sequence[str] | None
    split: str = "validation"
    seeds: Sequence[int] = (0,)
    effort: str = "standard"
    options: Options = field(default_factory=lambda: Options())
    loading: Mapping[str, Any] = field(default_factory=dict)
    out: Path | Numbered | None = None
    as_json: bool = False
    quiet: bool = False


def show_climb(data: str | Path, asked: Asked) -> Run:
    """Scans, splits, loads, climbs, prints, and writes the run folder."""
    out = asked.out or Numbered(Path("runs") / Path(data).absolute().stem)
    table = arrange(scan(data), split=asked.split, seed=asked.seeds[0])
    with Meter("decoding", asked.quiet) as meter:
        how = dict(asked.loading)
        allow = how.pop("allow_unreadable", False)
        pixels = load_as(table.select(needed(table, asked.split)), how, allow_unreadable=allow, progress=meter)
    if not asked.quiet:
        remark(*table.notes, *pixels.reasons, *unreadable_lines(pixels.unreadable), "")
    with _Screen(asked, pixels.classes) as screen:
        run = climb(
            pixels,
            rungs=asked.rungs,
            effort=asked.effort,
            split=asked.split,
            out=out,
            seed=asked.seeds,
            callbacks=Callbacks(screen.rung, screen.epoch, screen.step, screen.advice, screen.look),
            **asked.options,
        )
    page = report(run)
    if asked.as_json:
        print_json(run.to_dict() | {"report": str(page)})
    elif not asked.quiet:
        evidence = kept_evidence(run)
        remark(*finding_lines(evidence.about) if evidence else (), f"run folder: {run.path}", f"report: {page}")
    return run


class _Screen:
    """A row for each rung as soon as it is there, below it what a training decided; its epochs go by in between."""

    def __init__(self, asked: Asked, classes: Sequence[str]) -> None:
        self.asked, self.classes, self.started = asked, classes, False
        self.meter: Meter | None = None  # of the training or the audit under way

    def __enter__(self) -> _Screen:
        return self

    def __exit__(self, *_: object) -> None:
        if self.meter is not None:
            self.meter.__exit__()
            self.meter = None

    def step(self, done: int, total: int) -> None:
        if self.meter is None:
            self.meter = Meter("training", self.asked.quiet, "steps")
        self.meter(done, total)

    def rung(self, result: RungResult) -> None:
        self.__exit__()
        if self.asked.as_json:
            return
        if not self.started:
            self.started = True
            print(climb_header(self.classes))
        about = result.to_dict()
        print(climb_row(about), flush=True)
        if lines := training_lines(about):
            self.remark(*lines)

    def epoch(self, epoch: Epoch) -> None:
        self.remark(f"  {epoch}")

    def advice(self, run: Run) -> None:
        self.__exit__()
        if self.asked.as_json:
            return
        for line in comparison_lines(run.to_dict()):
            print(line)
        print(f"\n{run.advice['sentence']}", flush=True)

    def look(self, done: int, total: int) -> None:
        if self.meter is None:
            self.meter = Meter("looking at the data for the report", self.asked.quiet)
        self.meter(done, total)

    def remark(self, *lines: str) -> None:
        if not self.asked.quiet:
            remark(*lines)


def unreadable_lines(unreadable: Table, most: int = 10) -> list[str]:
    """What could not be read, a line each, with the reason."""
    if not len(unreadable):
        return []
    rows = unreadable.rows.slice(0, most)
    pairs = zip(rows["key"].to_pylist(), rows["problem"].to_pylist(), strict=True)
    lines = [
        f"{len(unreadable)} unreadable images were left out:",
        *(f"  {key}: {why}" for key, why in pairs),
    ]
    return lines if len(unreadable) <= most else [*lines, f"  and {len(unreadable) - most} more"]
