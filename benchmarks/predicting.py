"""`firstlight predict`: images a second beside only decoding and a loop of one's own; one image in a fresh process."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import firstlight as fl
from firstlight.apps.predicting import Wanted, show_predictions
from firstlight.models.classifier import Classifier
from folders import files, folder, read
from rounds import Benchmark, Figure

COMMAND = str(Path(sys.executable).with_name("firstlight"))
RUNGS = ("centroid-l2", "cnn")
BATCH = 256


def _run(home: Path, root: Path) -> Path:
    """A run whose networks have their usual size; how well they were trained changes no time."""
    table = fl.scan(root)
    fl.climb(table.select(np.arange(0, len(table), 20)), rungs=RUNGS, out=home / "run", epochs=1)
    return home / "run"


def whole_folder() -> Benchmark:
    """Two rungs over cifar10's test folder, from the listing to the written file."""
    root, home = folder("cifar10") / "test", Path(tempfile.mkdtemp())
    run, paths, out = _run(home, root), files(root), home / "seen.parquet"
    classifiers = {name: fl.restore(fl.read_run(run)[name].model) for name in RUNGS}
    seconds: dict[str, list[float]] = {}

    def timed(name: str, work: Callable[[], object]) -> Callable[[], float]:
        def turn() -> float:
            started = time.perf_counter()
            work()
            seconds.setdefault(name, []).append(time.perf_counter() - started)
            return seconds[name][-1]

        return turn

    def ours(rung: str) -> None:
        show_predictions(run, [str(root)], Wanted(rung, out=out, quiet=True))

    def decoding() -> None:
        fl.load(fl.scan(root), cache=False)

    def loop(classifier: Classifier) -> np.ndarray:
        """What one writes by hand: Pillow, a batch, the model (torch for the cnn)."""
        scores = []
        for first in range(0, len(paths), BATCH):
            images = [np.asarray(Image.open(path).convert("RGB")) for path in paths[first : first + BATCH]]
            scores.append(classifier.model.scores(np.stack(images)))
        return np.concatenate(scores)

    def reading() -> None:
        for path in paths:
            read(path)

    def check() -> None:
        import pyarrow.parquet as parquet

        for rung, classifier in classifiers.items():
            ours(rung)
            labels = [classifier.classes[label] for label in loop(classifier).argmax(axis=1)]
            if parquet.read_table(out)["label"].to_pylist() != labels:
                raise SystemExit(f"{rung}: not the classes that the loop names")

    def figures() -> dict[str, Figure]:
        return {
            f"{name}, images a second": Figure(len(paths) / float(np.median(taken[1:])))
            for name, taken in seconds.items()
        }

    contenders: dict[str, Callable[[], float | None]] = {}
    for rung in RUNGS:
        contenders[f"firstlight predict, {rung}"] = timed(f"firstlight predict, {rung}", lambda rung=rung: ours(rung))
    for rung in RUNGS:
        one = classifiers[rung]
        contenders[f"Pillow loop, {rung}"] = timed(f"Pillow loop, {rung}", lambda one=one: loop(one))
    contenders["only decoding (floor)"] = timed("only decoding (floor)", decoding)
    contenders["only reading"] = timed("only reading", reading)
    about = f"cifar10's test folder, {len(paths):,} JPEGs of 32 x 32, to a Parquet file"
    return Benchmark("predict", about, contenders, check=check, figures=figures, versions=_versions)


def one_image() -> Benchmark:
    """From typing the command to its row, beside what a tool has to import that computes by torch."""
    root, home = folder("cifar10") / "test", Path(tempfile.mkdtemp())
    run, image = _run(home, root), files(root)[0]
    fl.export(run, home / "cnn.onnx", rung="cnn")

    def fresh(*command: str) -> Callable[[], None]:
        return lambda: subprocess.run(command, check=True, capture_output=True) and None

    contenders: dict[str, Callable[[], float | None]] = {
        f"firstlight predict, {rung}": fresh(COMMAND, "predict", str(run), image, "--rung", rung) for rung in RUNGS
    }
    contenders["firstlight predict, cnn as .onnx"] = fresh(COMMAND, "predict", str(home / "cnn.onnx"), image)
    contenders["python -c import torch, PIL"] = fresh(sys.executable, "-c", "import torch, PIL.Image")
    contenders["python -c pass (floor)"] = fresh(sys.executable, "-c", "pass")
    return Benchmark("predict-one", "one image in a fresh process", contenders, versions=_versions)


def _versions() -> dict[str, str]:
    return {name: version(name) for name in ("onnxruntime", "onnx")} | {"torch threads": str(torch.get_num_threads())}
