"""`Run` and `RungResult`: what a climb gave, as values; nothing here knows of files."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Generic, TypeVar

from firstlight.errors import ArgumentError
from firstlight.evaluation.predictions import Predictions
from firstlight.runs.seal import plain
from firstlight.runs.tensors import SavedModel

Value = TypeVar("Value")
WIDTH = 88  # of a printed sentence: a notebook's lines are not much wider


class _Late(Generic[Value]):
    """A field that takes a value, or a function that gives it and is called when the field is first read."""

    def __init__(self, *default: Value) -> None:
        self.default = default

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, rung: object, owner: type) -> Value:
        if rung is None:
            if self.default:
                return self.default[0]
            raise AttributeError(self.name)  # so tells dataclass that the field has no default
        value = vars(rung)[self.name]
        if callable(value):
            value = vars(rung)[self.name] = value()
        return value

    def __set__(self, rung: object, value: Value | Callable[[], Value]) -> None:
        vars(rung)[self.name] = value


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class RungResult:
    """What one rung of a run gave; of a run that was read, predictions and model are read when asked for.

    Attributes:
        name: the rung's name: letters, digits, ``-`` and ``_``.
        predictions: its scores on the split that the run measures on; or a function that gives them.
        metrics: what was measured on them, as plain values: ``n``, ``correct``, ``accuracy``, ``interval``,
            ``recall`` and so on.
        model: the fitted model as plain data; or a function that gives it.
        against_previous: the paired comparison with the rung before; None for the first.
        seconds: how long ``fit`` and ``predict`` took, each in all.
        training: of a rung that was trained in epochs, what was used and decided: recipe, parameters, device,
            reasons, what other seeds reached; empty for the others.
        history: its epochs, each a dict; or a function that gives them.

    Example:
        >>> metrics = {"n": 2038, "accuracy": 0.9514, "interval": [0.9412, 0.9599]}
        >>> model = SavedModel({"kind": "centroid"}, {})
        >>> rung = RungResult(name="ink", predictions=lambda: 1 / 0, metrics=metrics, model=lambda: model)
        >>> rung  # nothing is called as long as nobody asks for it
        ink  0.951 [0.941, 0.960]  n=2038
        >>> rung.model is model
        True
    """

    name: str
    predictions: _Late[Predictions] = _Late()
    metrics: Mapping[str, Any]
    model: _Late[SavedModel] = _Late()
    against_previous: Mapping[str, Any] | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    history: _Late[tuple[Mapping[str, Any], ...]] = _Late(())

    def to_dict(self) -> dict[str, Any]:
        """The rung's numbers as plain values: name, metrics, comparison and times in one dict."""
        about = {"against_previous": self.against_previous, "seconds": self.seconds, "training": self.training}
        return plain({"name": self.name, **self.metrics, **about})

    def __repr__(self) -> str:
        return self.told()

    def told(self, width: int = 0) -> str:
        """Its accuracy, interval and n behind its name, which is given so much room."""
        metrics = self.to_dict()
        low, high = metrics["interval"]
        return f"{self.name:<{width}}  {metrics['accuracy']:.3f} [{low:.3f}, {high:.3f}]  n={metrics['n']}"


@dataclass(frozen=True, eq=False, repr=False)
class Run:
    """One climb: what was asked, what was decided and why, and what every rung gave.

    Made by `climb`, or by `read_run` from its folder. ``run["centroid-l1"]`` is one rung; iteration goes
    over the rungs from the simplest on.

    Attributes:
        asked: the arguments that were passed.
        decided: what was decided where nothing was passed, each with its reason.
        versions: what `versions` said.
        seed: where all randomness of the run started.
        fingerprint: of the table that it was made from.
        classes: the class names, in the order of the scores' columns.
        split: the split that was measured on.
        unreadable: how many images of that table could not be read and were left out.
        rungs: the results, from the simplest on.
        comparisons: each rung with the one before, and each trained rung with the best one that is not, with
            p-values corrected for their number; empty as long as the run goes on.
        advice: where to stop, and why; empty as long as the run goes on.
        path: the run folder; None before it is written.
        test_readings: how often the test split was read for this run.

    Example:
        >>> about = {"asked": {}, "decided": [], "advice": {}, "versions": {}, "seed": 7, "fingerprint": ""}
        >>> run = Run(**about, classes=("3", "7"), split="validation", unreadable=3, rungs=())
        >>> run
        the run: 0 rungs on validation, 2 classes, seed 7, 3 unreadable images left out, not finished
        >>> run["cnn"]
        Traceback (most recent call last):
        firstlight.errors.ArgumentError: the run has no rung 'cnn'; choose from: none.
    """

    asked: Mapping[str, Any]
    decided: Sequence[Any]
    versions: Mapping[str, str]
    seed: int
    fingerprint: str
    classes: Sequence[str]
    split: str
    unreadable: int
    rungs: Sequence[RungResult]
    advice: Mapping[str, Any]
    comparisons: Sequence[Mapping[str, Any]] = ()
    path: Path | None = None
    test_readings: int = 0

    def __getitem__(self, name: str) -> RungResult:
        for rung in self.rungs:
            if rung.name == name:
                return rung
        there = ", ".join(rung.name for rung in self.rungs) or "none"
        raise ArgumentError(f"{self._where} has no rung {name!r}; choose from: {there}.")

    def chosen(self, name: str | None = None) -> RungResult:
        """The rung of that name; the advised one where none is named.

        Raises:
            ArgumentError: where there is no such rung, or the run is not finished and advises none yet.
        """
        if name is None and not self.finished:
            raise ArgumentError(
                f"{self._where} is not finished, so it advises no rung yet; name one with --rung, or type the climb "
                "again."
            )
        return self[name or self.advice["rung"]]

    def __contains__(self, name: object) -> bool:
        return any(name in (rung, rung.name) for rung in self.rungs)

    def __iter__(self) -> Iterator[RungResult]:
        return iter(self.rungs)

    def __len__(self) -> int:
        return len(self.rungs)

    @property
    def finished(self) -> bool:
        """Whether every rung is there, and the advice."""
        return bool(self.advice)

    @property
    def _where(self) -> str:
        return str(self.path or "the run")

    def to_dict(self) -> dict[str, Any]:
        """The run's numbers as one document of plain values, which strict JSON can hold.

        Returns:
            ``{"classes": [...], "split": "validation", "unreadable": 0, "rungs": [{"name": "prior",
            "n": 2038, "correct": 1028, "accuracy": 0.504, "interval": [low, high], "recall": {...},
            "against_previous": None, "seconds": {...}, "training": {...}}, ...], "comparisons": [...],
            "advice": {...}, "test_readings": 0, "run": "runs/photos"}``; a number that is not finite is None.
        """
        names = ("classes", "split", "unreadable", "rungs", "comparisons", "advice", "test_readings")
        about = {name: getattr(self, name) for name in names}
        about["rungs"] = [rung.to_dict() for rung in self.rungs]
        return plain({**about, "run": self.path})

    def __repr__(self) -> str:
        head = f"{self._where}: {len(self)} rungs on {self.split}, {len(self.classes)} classes, seed {self.seed}"
        head += f", {self.unreadable} unreadable images left out" if self.unreadable else ""
        head += f", test split read {self.test_readings} times" if self.test_readings else ""
        head += "" if self.finished else ", not finished"
        longest = max((len(rung.name) for rung in self.rungs), default=0)
        return "\n".join([head, *(f"  {rung.told(longest)}" for rung in self.rungs)])

    def __str__(self) -> str:
        advice = textwrap.fill(self.advice.get("sentence", ""), WIDTH)
        return "\n".join(filter(None, [repr(self), advice]))


@cache
def versions() -> dict[str, str]:
    """The versions that a run depends on: firstlight, python, numpy, pyarrow, and the platform.

    Example:
        >>> sorted(versions())
        ['firstlight', 'numpy', 'platform', 'pyarrow', 'python']
    """
    import platform
    from importlib.metadata import version

    packages = {name: version(name) for name in ("firstlight", "numpy", "pyarrow")}
    system = f"{platform.system()} {platform.release()} {platform.machine()}"
    return {**packages, "python": platform.python_version(), "platform": system}
