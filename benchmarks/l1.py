"""The L1 distance of 70,000 images of 784 pixels to 10 means."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from scipy.spatial.distance import cdist

from firstlight.models.closed_form.distances import FRACTION, _l1_numpy, to_centres
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


def without_numba(images: np.ndarray, centres: np.ndarray, part: Callable[..., None]) -> np.ndarray:
    """The same integers, computed part by part in as many threads as there are processors."""
    out = np.empty((len(images), len(centres)), np.int64)
    workers = os.cpu_count() or 1
    rows = -(-len(images) // (4 * workers))
    with ThreadPoolExecutor(workers) as pool:
        list(
            pool.map(lambda at: part(images[at : at + rows], centres, out[at : at + rows]), range(0, len(images), rows))
        )
    return out


def by_scipy(images: np.ndarray, centres: np.ndarray, out: np.ndarray) -> None:
    """Whole numbers in float64, so that its sums are exact; in blocks, since they take eight times the memory."""
    for at in range(0, len(images), 512):
        out[at : at + 512] = cdist(images[at : at + 512] * float(FRACTION), centres.astype(np.float64), "cityblock")


def seventy_thousand() -> Benchmark:
    """Random pixels: the time does not depend on them."""
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (70_000, 784), dtype=np.uint8)
    counts = np.full(10, 6000)
    sums = generator.integers(0, 255 * 6000, (10, 784))
    means = sums / counts[:, None]
    floats, centres = torch.tensor(images).float(), torch.tensor(means).float()

    fixed = ((2 * FRACTION * sums + counts[:, None]) // (2 * counts[:, None])).astype(np.int32)

    def ours() -> np.ndarray:
        return to_centres(images, sums, counts, "l1")

    compiled = in_c(images, means)
    contenders: dict[str, Callable[[], object]] = {
        "firstlight": ours,
        "torch.cdist": lambda: torch.cdist(floats, centres, p=1),
        "SciPy cdist": lambda: cdist(images, means, "cityblock"),
        "without Numba, NumPy": lambda: without_numba(images, fixed, _l1_numpy),
        "without Numba, SciPy": lambda: without_numba(images, fixed, by_scipy),
        "only reading (floor)": lambda: images.view(np.uint64).max(),
    }
    if compiled is not None:
        contenders["C with OpenMP, float32"] = compiled

    def check() -> None:
        expected = cdist(images[:2000], means, "cityblock") / (784 * 255)
        if not np.allclose(expected, ours()[:2000], rtol=0, atol=1e-8):
            raise SystemExit("l1: the distances are not SciPy's")
        for part in (_l1_numpy, by_scipy):
            if not np.array_equal(without_numba(images[:2000], fixed, part) / (FRACTION * 255.0 * 784), ours()[:2000]):
                raise SystemExit(f"l1: {part.__name__} gives other bits")

    silent = {name: lambda work=work: work() is None or None for name, work in contenders.items()}
    return Benchmark("l1", "70,000 x 784 uint8 to 10 means", silent, check)
