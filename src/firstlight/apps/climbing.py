"""One climb as a person sees it: progress, a row for each rung as soon as it is there, the advice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from firstlight.apps.screen import climb_header, climb_row, print_json, remark
from firstlight.data.pixels import load
from firstlight.data.sources import scan
from firstlight.data.table import Table
from firstlight.ladder import arrange, climb, needed
from firstlight.progress import Meter
from firstlight.runs.folder import next_folder, refuse_taken
from firstlight.runs.results import Run, RungResult


@dataclass(frozen=True)
class Asked:
    """What was asked of a climb.

    Attributes:
        rungs: names, simplest first.
        split: ``"validation"`` or ``"test"``.
        seed: where all randomness comes from.
        loading: what `load` takes: size, colour, fit, allow_unreadable.
        out: the run folder; None: runs/NAME, the first that is free.
        as_json: one JSON document instead of the table.
        quiet: no progress and no remarks.
    """

    rungs: Sequence[str]
    split: str = "validation"
    seed: int = 0
    loading: Mapping[str, Any] = field(default_factory=dict)
    out: Path | None = None
    as_json: bool = False
    quiet: bool = False


def show_climb(data: str | Path, asked: Asked) -> Run:
    """Scans, splits, loads, climbs, prints, and writes the run folder."""
    out = asked.out or next_folder(Path("runs"), Path(data).absolute().stem)
    refuse_taken(out)
    table = arrange(scan(data), split=asked.split, seed=asked.seed)
    with Meter("decoding", asked.quiet) as meter:
        pixels = load(table.select(needed(table, asked.split)), **asked.loading, progress=meter)
    if not asked.quiet:
        remark(*table.notes, *pixels.reasons, *unreadable_lines(pixels.unreadable), "")
    names: list[str] = []

    def show(rung: RungResult) -> None:
        if asked.as_json:
            return
        if not names:
            print(climb_header(pixels.classes))
        names.append(rung.name)
        print(climb_row(rung.to_dict()), flush=True)

    run = climb(pixels, rungs=asked.rungs, split=asked.split, out=out, seed=asked.seed, on_rung=show)
    if asked.as_json:
        print_json(run.to_dict())
    else:
        print(f"\n{run.advice['sentence']}")
        if not asked.quiet:
            remark(f"run folder: {run.path}")
    return run


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
