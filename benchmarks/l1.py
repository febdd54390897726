"""The L1 distance of 70,000 images of 784 pixels to 10 means."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from scipy.spatial.distance import cdist

from firstlight.models.closed_form.distances import to_centres
from rounds import Benchmark


def in_c(images: np.ndarray, means: np.ndarray) -> Callable[[], np.ndarray] | None:
    """The loop in C, compiled on the spot; None where there is no compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        library = f"{folder}/l1.so"
        source = str(Path(__file__).with_name("l1.c"))
        flags = ["-O3", "-march=native", "-ffast-math", "-fopenmp", "-shared", "-fPIC"]
        subprocess.run([compiler, *flags, source, "-o", library, "-lm"], check=True)
        function = ctypes.CDLL(library).l1
    centres = means.astype(np.float32)
    out = np.empty((len(images), len(means)), np.float32)
    arrays = [ctypes.c_void_p(array.ctypes.data) for array in (images, centres, out)]
    sizes = [ctypes.c_long(number) for number in (*out.shape, images.shape[1])]

    def work() -> np.ndarray:
        function(*arrays, *sizes)
        return out

    return work


def seventy_thousand() -> Benchmark:
    """Random pixels: the time does not depend on them."""
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (70_000, 784), dtype=np.uint8)
    counts = np.full(10, 6000)
    sums = generator.integers(0, 255 * 6000, (10, 784))
    means = sums / counts[:, None]
    floats, centres = torch.tensor(images).float(), torch.tensor(means).float()

    def ours() -> np.ndarray:
        return to_centres(images, sums, counts, "l1")

    compiled = in_c(images, means)
    contenders: dict[str, Callable[[], object]] = {
        "firstlight": ours,
        "torch.cdist": lambda: torch.cdist(floats, centres, p=1),
        "SciPy cdist": lambda: cdist(images, means, "cityblock"),
        "only reading (floor)": lambda: images.view(np.uint64).max(),
    }
    if compiled is not None:
        contenders["C with OpenMP, float32"] = compiled

    def check() -> None:
        expected = cdist(images[:2000], means, "cityblock") / (784 * 255)
        if not np.allclose(expected, ours()[:2000], rtol=0, atol=1e-8):
            raise SystemExit("l1: the distances are not SciPy's")

    silent = {name: lambda work=work: work() is None or None for name, work in contenders.items()}
    return Benchmark("l1", "70,000 x 784 uint8 to 10 means", silent, check)
