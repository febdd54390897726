"""A climb that was stopped at any moment goes on and ends with the bits of an undisturbed one."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import firstlight as fl
from blobs import blobs
from firstlight.data.fetching.catalog import write_digits
from firstlight.data.pixels import Pixels
from firstlight.errors import RunError
from firstlight.models.training import checkpoints
from firstlight.runs.results import Run

RUNGS = ("prior", "linear", "cnn")
OPTIONS: dict[str, Any] = {"effort": "quick", "rungs": RUNGS, "epochs": 3, "batch_size": 12}  # 3 steps an epoch
needs_signals = pytest.mark.skipif(sys.platform == "win32", reason="signals are sent otherwise there")


def same_bits(one: Run, other: Run) -> None:
    """Weights, scores, numbers and epochs are equal; only times differ."""
    assert [rung.name for rung in one] == [rung.name for rung in other]
    for first, second in zip(one, other, strict=True):
        assert first.model.tensors.keys() == second.model.tensors.keys()
        for name, tensor in first.model.tensors.items():
            assert np.array_equal(tensor, second.model.tensors[name]), f"{first.name} {name}"
        assert np.array_equal(first.predictions.scores, second.predictions.scores)
        assert first.to_dict()["correct"] == second.to_dict()["correct"]
        assert [replace(e, seconds=0) for e in first.history] == [replace(e, seconds=0) for e in second.history]


@pytest.fixture(scope="module")
def pixels() -> Pixels:
    return blobs()


@pytest.fixture(scope="module")
def undisturbed(pixels: Pixels) -> Run:
    return fl.climb(pixels, **OPTIONS)


@pytest.fixture(autouse=True)
def saved_after_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "SECONDS_BETWEEN", -1.0)
    monkeypatch.setattr(checkpoints, "SHARE_OF_TIME", float("inf"))


def stopping(at: int, how: Callable[[], object]) -> tuple[Callable[[fl.Step], None], list[int]]:
    """Who stops the climb at a step, counted over all trainings; and the steps that were seen."""
    steps: list[int] = []

    def progress(step: fl.Step) -> None:
        if step.unit == "steps":
            steps.append(step.done)
            if len(steps) == at:
                how()

    return progress, steps


@pytest.mark.slow
@needs_signals
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("at", [1, 9, 14, 18])
def test_ctrl_c_at_any_step_loses_nothing(
    pixels: Pixels, undisturbed: Run, tmp_path: Path, at: int, number: signal.Signals
) -> None:
    """The step is completed and kept; the same climb takes only the steps that were left."""
    progress, before = stopping(at, lambda: signal.raise_signal(number))
    with pytest.raises(KeyboardInterrupt):
        fl.climb(pixels, **OPTIONS, out=tmp_path / "run", progress=progress)
    assert at == len(before)
    assert not fl.read_run(tmp_path / "run").finished
    progress, after = stopping(0, lambda: None)
    same_bits(undisturbed, fl.climb(pixels, **OPTIONS, out=tmp_path / "run", progress=progress))
    assert 18 == len(before) + len(after)
    same_bits(undisturbed, fl.read_run(tmp_path / "run"))


class Killed(BaseException):
    """Stands for a death that leaves no time to keep anything."""


def die() -> None:
    raise Killed


@pytest.mark.slow
@pytest.mark.parametrize("at", [1, 8, 9, 10, 17])
def test_a_death_at_any_step_costs_that_step_at_most(pixels: Pixels, undisturbed: Run, tmp_path: Path, at: int) -> None:
    """What was kept last is gone on from, several times over."""
    for later in (at, 1, 2):
        progress, _ = stopping(later, die)
        try:
            fl.climb(pixels, **OPTIONS, out=tmp_path / "run", progress=progress)
        except Killed:
            assert not fl.read_run(tmp_path / "run").finished
    same_bits(undisturbed, fl.climb(pixels, **OPTIONS, out=tmp_path / "run"))
    left = sorted(path.name for path in (tmp_path / "run").rglob("*") if "training" in path.name)
    assert [] == left


@pytest.mark.slow
def test_a_finished_climb_trains_no_further(pixels: Pixels, tmp_path: Path) -> None:
    """No step is taken, no file is touched, and every rung is told again."""
    first = fl.climb(pixels, **OPTIONS, out=tmp_path / "run")
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*")}
    told: list[str] = []

    def progress(step: fl.Step) -> None:
        assert step.unit != "steps"
        if isinstance(step.result, fl.RungResult):
            told.append(step.result.name)

    second = fl.climb(pixels, **OPTIONS, out=tmp_path / "run", progress=progress)
    assert list(RUNGS) == told
    assert times == {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*")}
    assert first.to_dict() == second.to_dict()


@pytest.mark.slow
def test_several_seeds_go_on_too(pixels: Pixels, tmp_path: Path) -> None:
    """Stopped in the second of three seeds, none of the first's steps is taken again."""
    options = OPTIONS | {"rungs": ("linear",), "seed": (5, 6, 7)}
    whole = fl.climb(pixels, **options)
    progress, before = stopping(13, die)
    with pytest.raises(Killed):
        fl.climb(pixels, **options, out=tmp_path / "run", progress=progress)
    progress, after = stopping(0, lambda: None)
    again = fl.climb(pixels, **options, out=tmp_path / "run", progress=progress)
    same_bits(whole, again)
    assert 27 + 1 == len(before) + len(after)  # the step of the death is taken twice
    found, expected = again["linear"].training, whole["linear"].training
    assert found is not None and found.seeds is not None and expected is not None and expected.seeds is not None
    assert (5, 6, 7) == found.seeds.seeds and found.seeds.accuracies == expected.seeds.accuracies
    alone = fl.climb(pixels, **OPTIONS | {"rungs": ("linear",), "seed": 5})
    assert np.array_equal(alone["linear"].predictions.scores, again["linear"].predictions.scores)


@pytest.mark.slow
@pytest.mark.parametrize("damage", [b"", b"no state at all", None])
def test_a_state_that_was_cut_off_is_not_gone_on_from(
    pixels: Pixels, undisturbed: Run, tmp_path: Path, damage: bytes | None
) -> None:
    """Training starts anew, to the same bits."""
    progress, _ = stopping(5, die)
    with pytest.raises(Killed):
        fl.climb(pixels, **OPTIONS, out=tmp_path / "run", progress=progress)
    (state,) = (tmp_path / "run").rglob("training-0.safetensors")
    state.write_bytes(state.read_bytes()[:-7] if damage is None else damage)
    same_bits(undisturbed, fl.climb(pixels, **OPTIONS, out=tmp_path / "run"))


@pytest.mark.slow
def test_a_disk_that_fills_while_the_state_is_written_costs_nothing(
    pixels: Pixels, undisturbed: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One sentence says so; what was kept before is still there, and the climb goes on from it."""
    import errno

    from firstlight import atomic

    flush, calls = atomic._flush, []

    def filling(path: Path) -> None:
        calls.append(path)
        if len(calls) == 14:
            raise OSError(errno.ENOSPC, "No space left on device")
        flush(path)

    monkeypatch.setattr(atomic, "_flush", filling)
    with pytest.raises(RunError, match=r"disk .*same command"):
        fl.climb(pixels, **OPTIONS, out=tmp_path / "run")
    assert "training-0.safetensors" in calls[-1].name or "history.csv" in calls[-1].name
    assert [] == list((tmp_path / "run").rglob("*.part"))
    progress, steps = stopping(0, lambda: None)
    same_bits(undisturbed, fl.climb(pixels, **OPTIONS, out=tmp_path / "run", progress=progress))
    assert 0 < len(steps) < 18


@needs_signals
@pytest.mark.slow
def test_twenty_kills_at_random_moments(tmp_path: Path) -> None:
    """kill -9 during scan, training, writing: the folder is readable after each, and the last weights are the same."""
    root = write_digits(tmp_path / "digits", ("3", "7"))
    code = (
        "import os, sys, torch; import firstlight as fl\n"
        "from firstlight.models.training import checkpoints\n"
        "checkpoints.SECONDS_BETWEEN, checkpoints.SHARE_OF_TIME = 0.02, 0.5\n"
        "options = {'rungs': ['prior', 'linear', 'cnn'], 'effort': 'quick', 'batch_size': 32}\n"
        "fl.climb(sys.argv[1], epochs=1, **options)\n"  # imports and compiles all that a climb does
        "for out in sys.stdin:\n"
        "    child = os.fork()\n"  # each climb is a process of its own
        "    if not child:\n"
        "        fl.climb(sys.argv[1], epochs=12, out=out.strip(), **options); os._exit(0)\n"
        "    print(child, flush=True); print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)"
    )
    command, pipe = [sys.executable, "-c", code, str(root)], subprocess.PIPE
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, text=True, bufsize=1) as parent:
        assert parent.stdin is not None and parent.stdout is not None
        lines = iter(parent.stdout.readline, "")

        def climb(out: Path, seconds: float | None = None) -> int:
            """The exit status of a climb, which is killed after some seconds."""
            print(out, file=parent.stdin, flush=True)
            child = int(next(lines))
            timer = threading.Timer(seconds or 600, os.kill, (child, signal.SIGKILL))
            timer.start()
            status = int(next(lines))
            timer.cancel()
            return status

        kills_at_random_moments(tmp_path, climb)
        parent.stdin.close()


def kills_at_random_moments(tmp_path: Path, climb: Callable[..., int]) -> None:
    """Twenty of them, with a look at the folder after each."""
    started = time.monotonic()
    assert 0 == climb(tmp_path / "whole")
    length = time.monotonic() - started
    generator, kills, readable = np.random.default_rng(0), 0, 0
    while kills < 20:
        started = time.monotonic()
        if 0 == climb(tmp_path / "killed", generator.uniform(0.1, 0.9) * length):
            length = min(length, time.monotonic() - started)  # the first one may have shared the machine
        else:
            kills += 1
        if (tmp_path / "killed").exists():
            run = fl.read_run(tmp_path / "killed")
            readable += 1
            if run.finished:
                same_bits(fl.read_run(tmp_path / "whole"), run)
                shutil.rmtree(tmp_path / "killed")
    assert readable >= 10
    assert 0 == climb(tmp_path / "killed")
    same_bits(fl.read_run(tmp_path / "whole"), fl.read_run(tmp_path / "killed"))
