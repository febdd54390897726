"""`firstlight compare`: the rungs of a run with one of them, two runs, or both by slices of the data."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from firstlight.apps.screen import print_json
from firstlight.apps.terminal import say, width
from firstlight.errors import ArgumentError
from firstlight.evaluation.compare import compare
from firstlight.evaluation.comparison import Comparison, Comparisons
from firstlight.runs.folder import read_run
from firstlight.runs.results import Run
from firstlight.runs.slicing import simpson, slices
from firstlight.wording import shortlist


def show_comparison(
    run: Path, other: Path | None, *, against: str | None, by: str | None, as_json: bool, quiet: bool
) -> None:
    """Compares and prints.

    Raises:
        ArgumentError: where a run is not finished, an option has no effect, there is no such column, or two runs
            without ``by`` were not measured on the same images.
        RunError: where slices are requested and the images are no longer where the run was climbed from.
    """
    if against is not None and (by is not None or other is not None):
        instead = "--by" if by is not None else "a second run"
        raise ArgumentError(f"--against {against} has no effect with {instead}; omit one of the two.")
    first = _finished(run)
    if by is None:
        found = compare(first, against=against) if other is None else _with_other(first, run, other)
        print_json(found.to_dict()) if as_json else _show(found)
        return
    sliced = slices(first, by=by, progress=not quiet)
    document: dict[str, Any] = {"slices": sliced.to_dict()}
    lines = [str(sliced), "", *(sliced.worse or ["No rung is shown to be worse in one slice than in the others."])]
    if other is not None:
        paradox = simpson(first, _finished(other), by=by, progress=not quiet)
        document["simpson"] = paradox.to_dict()
        lines += ["", str(paradox)]
    print_json(document) if as_json else say(*"\n".join(lines).split("\n"))


def _show(found: Comparison | Comparisons) -> None:
    if isinstance(found, Comparison):
        say(found)
    else:
        say(*found.lines(width(sys.stdout)))


def _with_other(first: Run, run: Path, other: Path) -> Comparison | Comparisons:
    """Each rung of a run compared with the rung of the same name in another run."""
    second = _finished(other)
    try:
        return compare(first, against=second)
    except ArgumentError as error:
        raise ArgumentError(
            f"{run} and {other} cannot be compared image by image ({str(error).rstrip('.')}); "
            "compare them by slices of their data instead, for example with --by brightness."
        ) from error


def _finished(folder: Path) -> Run:
    """The run; an unfinished one has no p-values, which are corrected for the comparisons of all its rungs."""
    run = read_run(folder)
    if not run.finished:
        there = shortlist([rung.name for rung in run], len(run)) or "none"
        missing = shortlist([name for name in run.request.rungs if name not in run], len(run.request.rungs))
        raise ArgumentError(
            f"{folder} is not finished (complete: {there}; missing: {missing or 'the advice'}); repeat its climb, "
            "which resumes."
        )
    return run
