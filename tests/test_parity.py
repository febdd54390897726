"""Every rung gives the same answer in Python, in ONNX Runtime, over HTTP and in a real browser."""

from __future__ import annotations

from pathlib import Path

import pytest

import firstlight as fl
from parity import differences, measured_files, odd_files
from photos import photos
from tables import gray_folder

RUNGS = ("prior", "ink", "centroid-l1", "centroid-l2", "centroid-cosine", "linear", "mlp", "cnn")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("parity")
    gray_folder(folder / "images", count=60, side=16)
    fl.climb(folder / "images", rungs=list(RUNGS), out=folder / "run", effort="quick", epochs=2)
    return folder / "run"


@pytest.mark.slow
@pytest.mark.parametrize("rung", RUNGS)
def test_four_ways_give_one_answer(run: Path, rung: str, tmp_path: Path) -> None:
    """Within 1e-4 of a probability, in the browser within 1e-3, and the same class."""
    files = [*measured_files(run, rung, 20), *odd_files(28)]
    compare(run, rung, tmp_path / "page", files)


@pytest.mark.slow
def test_photos_get_one_answer_four_ways(tmp_path: Path) -> None:
    """Of a pretrained rung; the folder of its page is below 25 MB, with the runtime and the backbone in it."""
    fl.climb(photos(tmp_path / "photos"), rungs=["embed-linear"], out=tmp_path / "run", size=32)
    files = [*measured_files(tmp_path / "run", "embed-linear", 4), *odd_files(5)]
    compare(tmp_path / "run", "embed-linear", tmp_path / "page", files)
    assert sum(path.stat().st_size for path in (tmp_path / "page").iterdir()) < 25e6


def compare(run: Path, rung: str, page: Path, files: list[bytes]) -> None:
    found = differences(run, rung, page, files)
    assert dict.fromkeys(found, 0) == {way: one.named for way, one in found.items()}
    limits = {"ONNX Runtime": 1e-4, "HTTP": 1e-4, "browser": 1e-3}
    assert {} == {way: one.probability for way, one in found.items() if not one.probability <= limits[way]}
