"""The benchmarks' targets: a missed one fails `./scripts/bench --check`, one that was given up says why."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from conftest import CHECKOUT

FAKE = '''"""Work whose seconds are known."""
from rounds import Benchmark, Figure

def work():
    contenders = {"firstlight": lambda: 2.0, "peer": lambda: 6.0}
    return Benchmark("fake", "nothing", contenders, figures=lambda: {"memory of one": Figure(100.0, "MiB")})
'''


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The modules of scripts/bench, and a benchmark that takes 2 s where its peer takes 6."""
    (tmp_path / "fake_work.py").write_text(FAKE, encoding="utf-8")
    for folder in (CHECKOUT / "benchmarks", tmp_path):
        monkeypatch.syspath_prepend(str(folder))
    names = ("targets", "rounds", "run")
    modules: dict[str, ModuleType] = {}
    for name in (*names, "fake_work"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    for name in names:
        modules[name] = importlib.import_module(name)
        monkeypatch.setitem(sys.modules, name, modules[name])
    return SimpleNamespace(**modules)


def checked(bench: SimpleNamespace, *arguments: str, **targets: Any) -> int:
    found = {"fake": bench.targets.Targets(**targets)}
    return bench.run.main(["--check", "--rounds", "5", *arguments], {"fake": "fake_work.work"}, found)


@pytest.mark.parametrize(("times", "verdict", "status"), [(3.0, "reached", 0), (3.1, "MISSED", 1)])
def test_a_ratio_decides_the_exit_status(
    bench: SimpleNamespace, capsys: pytest.CaptureFixture[str], times: float, verdict: str, status: int
) -> None:
    """Three times is three times; 3.1 is missed."""
    assert status == checked(bench, ratios=(bench.targets.Ratio("peer", "firstlight", times),))
    row = capsys.readouterr().out.splitlines()[-1]
    assert ["fake", "peer / firstlight", "3 times", f"at least {times:g}", verdict] == row.split("  ")[:1] + [
        cell.strip() for cell in row.split("  ")[1:] if cell.strip()
    ]


@pytest.mark.parametrize(
    ("figure", "limits", "status"),
    [
        ("memory of one", {"at_most": 100.0}, 0),
        ("memory of *", {"at_most": 99.0}, 1),
        ("memory of *", {"at_least": 101.0}, 1),
        ("firstlight", {"at_most": 2.0}, 0),  # the median seconds of a contender
        ("firstlight", {"at_most": 1.9}, 1),
    ],
)
def test_a_bound_decides_the_exit_status(
    bench: SimpleNamespace, figure: str, limits: dict[str, float], status: int
) -> None:
    """Of a figure and of a contender's seconds, from above and from below."""
    assert status == checked(bench, bounds=(bench.targets.Bound(figure, **limits),))


def test_a_target_that_was_given_up_says_why_and_fails_nothing(
    bench: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    """The reason is part of the table."""
    given_up = bench.targets.Ratio("peer", "firstlight", 30.0, given_up="see the log of that day")
    assert 0 == checked(bench, ratios=(given_up,))
    assert "see the log of that day" in capsys.readouterr().out.splitlines()[-1]


def test_a_target_without_its_peer_is_not_measured(bench: SimpleNamespace) -> None:
    """And says what is missing; a peer that nobody has heard of is our own mistake."""
    (row,) = bench.rounds.measure(
        importlib.import_module("fake_work").work(),
        5,
        bench.targets.Targets((bench.targets.Ratio("another", "firstlight", 1.0, needs="another"),)),
    )["targets"]
    assert ("not measured", "another is missing") == (row["verdict"], row["why"])
    with pytest.raises(KeyError, match="another"):
        checked(bench, ratios=(bench.targets.Ratio("another", "firstlight", 1.0),))
    with pytest.raises(SystemExit, match="nowhere"):
        checked(bench, bounds=(bench.targets.Bound("nowhere", at_most=1.0),))


def test_the_check_is_for_machines_too(bench: SimpleNamespace, capsys: pytest.CaptureFixture[str]) -> None:
    """One JSON document, with the same exit status."""
    assert 1 == checked(bench, "--json", ratios=(bench.targets.Ratio("peer", "firstlight", 4.0),))
    (result,) = json.loads(capsys.readouterr().out)
    assert (3.0, "MISSED") == (result["targets"][0]["measured"], result["targets"][0]["verdict"])


def test_every_target_belongs_to_a_benchmark(bench: SimpleNamespace) -> None:
    """A benchmark that is renamed takes its targets along; one given up names the log."""
    assert set(bench.targets.TARGETS) <= set(bench.run.BENCHMARKS)
    for targets in bench.targets.TARGETS.values():
        for one in (*targets.ratios, *targets.bounds):
            assert "docs/log.md" in one.given_up or not one.given_up


def test_every_benchmark_can_be_imported(bench: SimpleNamespace) -> None:
    """Each place in the list is a function of a module that imports, with what it takes from the tests."""
    for place in bench.run.BENCHMARKS.values():
        module, _, function = place.partition(".")
        assert callable(getattr(importlib.import_module(module), function)), place
