"""What few images a class reach: pixels, embeddings of a pretrained network, and a network trained from nothing.

`python benchmarks/transfer.py sign_digits --out build/transfer.json` fits every rung on 5, 10, 20 and 50 images a
class, three times with other images, and measures all on the same images, which no choice has seen. What is in the file
already is not measured again. `python benchmarks/transfer.py --write build/transfer.json` writes docs/transfer.md and
its picture.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import mean, stdev
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import numpy as np

import firstlight as fl
from firstlight.data.pixels import Pixels
from firstlight.data.table import SPLITS
from firstlight.evaluation.uncertainty import wilson
from firstlight.models.inference import scored
from folders import folder

EACH = (5, 10, 20, 50)  # training images of a class
SEEDS = (0, 1, 2)
RUNGS = ("centroid-l2", "embed-centroid", "embed-linear", "fine-tune", "cnn")
MEASURED, MONITORED = 1000, 10  # images that are measured at most, and of each class for the networks' monitoring
DOCS = Path(__file__).resolve().parent.parent / "docs"


def divided(name: str) -> Pixels:
    """A fifth of the images to measure on, the same for all; the rest to draw training images from."""
    table = fl.scan(folder(name))
    table = fl.split(table.with_columns(splits=np.full(len(table), -1)), test=0.2, validation=0.0, seed=17)
    measured = np.flatnonzero(table.splits == SPLITS.index("test"))
    left_out = np.random.default_rng(17).permutation(measured)[MEASURED:]
    return fl.load(table.select(np.delete(np.arange(len(table)), left_out)))


def drawn(pixels: Pixels, each: int, seed: int) -> Pixels:
    """So many training images of a class (those of fewer are among them), ten more to monitor, all measured ones."""
    generator = np.random.default_rng(seed)
    splits = np.full(len(pixels), -1)
    splits[pixels.splits == SPLITS.index("test")] = SPLITS.index("test")
    for label in range(len(pixels.classes)):
        pool = generator.permutation(
            np.flatnonzero((pixels.splits == SPLITS.index("train")) & (pixels.labels == label))
        )
        splits[pool[:MONITORED]] = SPLITS.index("validation")
        splits[pool[MONITORED : MONITORED + each]] = SPLITS.index("train")
    rows = np.flatnonzero(splits >= 0)
    some = pixels.select(rows)
    return replace(some, table=some.table.with_columns(splits=splits[rows]))


def measured(name: str, rungs: list[str], known: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every rung on every number of images and seed that is not known yet."""
    pixels = divided(name)
    for each in EACH:
        for seed in SEEDS:
            some = drawn(pixels, each, seed)
            for rung in rungs:
                key = f"{name} {rung} {each} {seed}"
                if key not in known:
                    started = time.process_time()
                    seen = fl.evaluate(scored(fl.fit(rung, some, seed=seed), some, "test"))
                    spent = time.process_time() - started
                    yield key, {"accuracy": seen.accuracy, "n": seen.n, "log_loss": seen.log_loss, "seconds": spent}


def main() -> None:
    """Measures, or writes the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", nargs="?", help="a folder of images: sign_digits or cifar10")
    parser.add_argument("--rungs", default=",".join(RUNGS))
    parser.add_argument("--out", type=Path, default=Path("build/transfer.json"))
    parser.add_argument("--write", type=Path, help="write docs/transfer.md from such a file")
    wanted = parser.parse_args()
    if wanted.write:
        write(json.loads(wanted.write.read_text("utf-8")))
        return
    known = json.loads(wanted.out.read_text("utf-8")) if wanted.out.exists() else {}
    for key, found in measured(wanted.name, wanted.rungs.split(","), known):
        known[key] = found
        wanted.out.parent.mkdir(parents=True, exist_ok=True)
        wanted.out.write_text(json.dumps(known, indent=1), "utf-8")
        print(f"{key:32} {found['accuracy']:.3f} {found['log_loss']:.2f} {found['seconds']:.1f} CPU s", flush=True)


def table(known: dict[str, Any], name: str) -> list[str]:
    """Rows of Markdown: a rung's mean accuracy over the seeds, its interval for one draw, and the seeds' deviation."""
    lines = [f"| rung | {' | '.join(f'{each} a class' for each in EACH)} | CPU s at {EACH[-1]} |"]
    lines.append("|---|" + "---|" * (len(EACH) + 1))
    for rung in RUNGS:
        cells, seconds = [], ""
        for each in EACH:
            found = [known[key] for seed in SEEDS if (key := f"{name} {rung} {each} {seed}") in known]
            if not found:
                cells.append("")
                continue
            n, accuracy = found[0]["n"], mean(one["accuracy"] for one in found)
            low, high = wilson(round(accuracy * n), n)
            deviation = f", sd {stdev(one['accuracy'] for one in found):.3f}" if len(found) > 1 else ""
            cells.append(f"{accuracy:.3f} [{low:.3f}, {high:.3f}]{deviation}")
            seconds = f"{mean(one['seconds'] for one in found):.1f}"
        if any(cells):
            lines.append(f"| {rung} | {' | '.join(cells)} | {seconds} |")
    return lines


def write(known: dict[str, Any]) -> None:
    """The tables between the marks of docs/transfer.md, and its picture."""
    page = DOCS / "transfer.md"
    text = page.read_text("utf-8")
    for name in ("sign_digits", "cifar10"):
        start, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
        before, _, rest = text.partition(start)
        _, _, after = rest.partition(end)
        text = f"{before}{start}\n{chr(10).join(table(known, name))}\n\n{end}{after}"
    page.write_text(text, "utf-8")
    draw(known)


def draw(known: dict[str, Any]) -> None:
    """Accuracy by images a class, a panel for each set; lines differ in color and in marker."""
    import matplotlib.pyplot as plt

    from firstlight.reporting.picture import LIGHT

    figure, panels = plt.subplots(1, 2, figsize=(9, 3.6), sharey=True, layout="constrained")
    for panel, name in zip(panels, ("sign_digits", "cifar10"), strict=True):
        for rung, color, marker in zip(RUNGS, LIGHT.series * 2, "os^Dv", strict=False):
            points = {
                each: [known[key]["accuracy"] for seed in SEEDS if (key := f"{name} {rung} {each} {seed}") in known]
                for each in EACH
            }
            points = {each: values for each, values in points.items() if values}
            if points:
                means = [mean(values) for values in points.values()]
                spread = [[m - min(v) for m, v in zip(means, points.values(), strict=True)]]
                spread.append([max(v) - m for m, v in zip(means, points.values(), strict=True)])
                panel.errorbar(list(points), means, spread, color=color, marker=marker, label=rung, capsize=2)
        panel.set(title=name, xlabel="training images a class", xscale="log", ylim=(0, 1))
        panel.set_xticks(EACH, [str(each) for each in EACH])
        panel.minorticks_off()
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("accuracy")
    panels[1].legend(frameon=False)
    figure.savefig(DOCS / "transfer.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
