"""One climb as a person sees it: progress, a row for each rung as soon as it is there, the advice."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from firstlight.apps.screen import Bar, climb_header, climb_row, print_json
from firstlight.data.pixels import load
from firstlight.data.sources import scan
from firstlight.data.table import Table
from firstlight.ladder import arrange, climb, needed
from firstlight.runs import Run, RungResult, next_folder


@dataclass(frozen=True)
class Asked:
    """What was asked of a climb.

    Attributes:
        rungs: names, simplest first.
        split: ``"validation"`` or ``"test"``.
        seed: where all randomness comes from.
        size, colour, fit, allow_unreadable: as `load` takes them.
        out: the run folder; None: runs/NAME, the first that is free.
        as_json: one JSON document instead of the table.
        quiet: no progress and no remarks.
    """

    rungs: Sequence[str]
    split: str = "validation"
    seed: int = 0
    size: str = "auto"
    colour: str = "auto"
    fit: str = "squish"
    allow_unreadable: bool = False
    out: Path | None = None
    as_json: bool = False
    quiet: bool = False


def show_climb(data: str | Path | Table, asked: Asked) -> Run:
    """Scans, splits, loads, climbs, prints, and writes the run folder."""
    table = arrange(data if isinstance(data, Table) else scan(data), split=asked.split, seed=asked.seed)
    with Bar("decoding", asked.quiet) as bar:
        pixels = load(
            table.select(needed(table, asked.split)),
            size=asked.size if asked.size == "auto" else int(asked.size),
            colour=asked.colour,
            fit=asked.fit,
            allow_unreadable=asked.allow_unreadable,
            progress=bar,
        )
    if not asked.quiet:
        lines = [*table.notes, *pixels.reasons, *unreadable_lines(pixels.unreadable)]
        print(*lines, sep="\n", end="\n\n" if lines else "", file=sys.stderr)
    names: list[str] = []

    def show(rung: RungResult) -> None:
        if asked.as_json:
            return
        if not names:
            print(climb_header(pixels.classes))
        names.append(rung.name)
        print(climb_row(rung.to_dict()), flush=True)

    out = asked.out or next_folder(Path("runs"), Path(table.root).stem)
    run = climb(pixels, rungs=asked.rungs, split=asked.split, out=out, seed=asked.seed, on_rung=show)
    if asked.as_json:
        print_json(run.to_dict())
    else:
        print(f"\n{run.advice['sentence']}")
        if not asked.quiet:
            print(f"run folder: {run.path}", file=sys.stderr)
    return run


def unreadable_lines(unreadable: Table, most: int = 10) -> list[str]:
    """What could not be read, a line each, with the reason."""
    if not len(unreadable):
        return []
    rows = unreadable.rows.slice(0, most)
    pairs = zip(rows["key"].to_pylist(), rows["problem"].to_pylist(), strict=True)
    lines = [f"{len(unreadable)} unreadable images were left out:", *(f"  {key}: {why}" for key, why in pairs)]
    return lines if len(unreadable) <= most else [*lines, f"  and {len(unreadable) - most} more"]
