"""A climb of the closed-form rungs on mnist_sample against the chapter's own way of reaching one of them."""

from __future__ import annotations

import itertools
import os
import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from firstlight import climb, scan
from firstlight.models.rungs import CLOSED_FORM
from folders import files, folder, read
from rounds import Benchmark


def chapter(root: Path) -> tuple[float, float]:
    """One Pillow open per file, list, stack, float, mean, broadcast: the L1 accuracy on the 3s and on the 7s."""

    def stacked(part: str) -> torch.Tensor:
        images = [torch.tensor(np.array(Image.open(path))) for path in sorted((root / part).iterdir())]
        return torch.stack(images).float() / 255

    threes, sevens = stacked("train/3"), stacked("train/7")
    mean3, mean7 = threes.mean(0), sevens.mean(0)
    valid3, valid7 = stacked("valid/3"), stacked("valid/7")

    def is_3(images: torch.Tensor) -> torch.Tensor:
        return (images - mean3).abs().mean((-1, -2)) < (images - mean7).abs().mean((-1, -2))

    return is_3(valid3).float().mean().item(), (~is_3(valid7)).float().mean().item()


def whole() -> Benchmark:
    """From the folder to five rungs with their intervals and paired tests."""
    root = folder("mnist_sample")
    paths, table, numbers = files(root), scan(root), itertools.count()
    home = tempfile.mkdtemp()
    warm = f"{home}/warm"

    def first_time() -> None:
        os.environ["FIRSTLIGHT_CACHE"] = f"{home}/{next(numbers)}"
        climb(root, rungs=CLOSED_FORM)

    def from_the_cache() -> None:
        os.environ["FIRSTLIGHT_CACHE"] = warm
        climb(root, rungs=CLOSED_FORM)

    def from_a_table() -> None:
        os.environ["FIRSTLIGHT_CACHE"] = warm
        climb(table, rungs=CLOSED_FORM)

    def with_a_run_folder() -> None:
        os.environ["FIRSTLIGHT_CACHE"] = warm
        climb(root, rungs=CLOSED_FORM, out=f"{home}/run-{next(numbers)}")

    def reading() -> None:
        for path in paths:
            read(path)

    def check() -> None:
        found = {rung.name: rung.to_dict()["correct"] for rung in climb(root, rungs=CLOSED_FORM)}
        three, seven = chapter(root)
        if found["centroid-l1"] != round(three * 1010) + round(seven * 1028):
            raise SystemExit("climb: the L1 rung is not the chapter's")

    contenders = {
        "climb, first time": first_time,
        "climb, from the cache": from_the_cache,
        "climb, from the cache, with its run folder": with_a_run_folder,
        "the chapter's way": lambda: chapter(root) and None,
        "scan alone": lambda: scan(root) and None,
        "climb of a table, from the cache": from_a_table,
        "only reading (floor)": reading,
    }
    about = "mnist_sample from the folder to prior, ink and the nearest mean by l1, l2, cosine, without imports"
    return Benchmark("climb", about, contenders, check)
