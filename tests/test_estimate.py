"""What a climb says of a rung that takes long, and how it ends in time."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

import firstlight as fl
from drawings import write_digits
from firstlight.errors import ArgumentError
from firstlight.models import measuring
from firstlight.models.estimate import DoesNotFitError, Estimate
from firstlight.runs.folder import read_run


def estimated(seconds: float, steps: int, deadline: float | None = None) -> list[str]:
    """What is announced of so many steps of so many seconds each; the first takes a minute."""
    clock, said, counted = itertools.chain([0.0], (60 + seconds * step for step in itertools.count())), [], []
    estimate = Estimate(
        "cnn",
        lambda done, total: counted.append(done),
        lambda step: said.append(step.result),
        deadline=deadline,
        clock=lambda: next(clock),
    )
    for done in range(1, steps + 1):
        estimate(done, steps)
    assert list(range(1, steps + 1)) == counted
    return said


def test_a_long_rung_is_announced_once_and_a_short_one_is_not() -> None:
    """By the steps after the first, which also loads libraries."""
    (sentence,) = estimated(1.0, 601)
    assert "cnn" in sentence and "9.9 min" in sentence
    assert [] == estimated(0.01, 601)


@pytest.mark.parametrize("deadline", [100.0, 659.0, 700.0])
def test_a_rung_that_would_end_too_late_is_given_up_at_its_first_steps(deadline: float) -> None:
    if deadline < 660:
        with pytest.raises(DoesNotFitError) as refused:
            estimated(1.0, 601, deadline)
        assert 660 == pytest.approx(refused.value.seconds)
    else:
        assert 1 == len(estimated(1.0, 601, deadline))


def test_a_climb_skips_and_names_what_does_not_fit(
    tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others are there and the run is finished; other minutes are another climb."""

    def never(rung: Any, climb: Any, run: Any) -> Any:
        if rung.name == "mlp":
            raise DoesNotFitError(3000)
        return original(rung, climb, run)

    original = measuring.measured_rung
    monkeypatch.setattr("firstlight.ladder.measured_rung", never)
    folder = write_digits(tmp_path / "digits", ("3", "7"))
    run = fl.climb(folder, rungs=["prior", "ink", "mlp"], minutes=5, out=tmp_path / "run")
    assert ["prior", "ink"] == [rung.name for rung in read_run(tmp_path / "run")]
    assert run.finished and "mlp" in run.decided[-1] and "50 min" in run.decided[-1]
    assert run.decided == read_run(tmp_path / "run").decided
    with pytest.raises(ArgumentError, match="5 minutes"):
        fl.climb(folder, rungs=["mlp"], minutes=5)


def test_without_time_left_nothing_begins(tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_digits(tmp_path / "digits", ("3", "7"))
    monkeypatch.setattr(measuring, "monotonic", lambda: 1e12)
    with pytest.raises(ArgumentError, match=r"0\.5 minutes"):
        fl.climb(folder, rungs=["prior"], minutes=0.5)


@pytest.mark.parametrize("minutes", [0, -1, "5", float("nan"), True])
def test_minutes_are_a_number_above_0(minutes: Any, tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="minutes="):
        fl.climb(tmp_path, minutes=minutes)
