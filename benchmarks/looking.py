"""The audit of 70,000 PNGs and of 60,000 JPEGs beside only reading them, and the report of a climb."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import firstlight as fl
from folders import files, folder, read
from rounds import Benchmark, Figure

COMMAND = str(Path(sys.executable).with_name("firstlight"))


def audits() -> Benchmark:
    """From the folder to the findings, scan and duplicates included, labels not."""
    roots = {name: folder(name) for name in ("mnist_png", "cifar10")}

    def audit(root: Path) -> Callable[[], None]:
        def work() -> None:
            fl.audit(root)

        return work

    def reading(root: Path) -> Callable[[], None]:
        paths = files(root)

        def work() -> None:
            for path in paths:
                read(path)

        return work

    contenders: dict[str, Callable[[], None]] = {}
    for name, root in roots.items():
        contenders |= {f"audit of {name}": audit(root), f"only reading {name} (floor)": reading(root)}
    about = "mnist_png (70,000 PNGs) and cifar10 (60,000 JPEGs), from the folder to the findings"
    return Benchmark("audit", about, contenders)


def reports() -> Benchmark:
    """The command in a fresh process, of a climb of mnist_sample's closed-form rungs and linear."""
    home = tempfile.mkdtemp()
    run = fl.climb(folder("mnist_sample"), rungs=["prior", "ink", "centroid", "linear"], out=f"{home}/run")

    def report() -> None:
        subprocess.run([COMMAND, "report", str(run.path)], check=True, capture_output=True)

    def figures() -> dict[str, Figure]:
        size = (Path(str(run.path)) / "report.html").stat().st_size / 1e6
        return {"size of the page": Figure(size, "MB")}

    contenders = {
        "firstlight report": report,
        "python -c 'import matplotlib.figure, jinja2' (floor)": lambda: (
            subprocess.run([sys.executable, "-c", "import matplotlib.figure, jinja2"], check=True) and None
        ),
    }
    return Benchmark("report", "the report of mnist_sample, process start included", contenders, figures=figures)
