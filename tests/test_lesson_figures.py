"""The lesson told with the images of the chapter gives out the chapter's figures."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import firstlight as fl
from conftest import archive_of
from lesson_pages import PAGES, lesson, said

pytestmark = pytest.mark.slow


@pytest.fixture
def fetched(mnist_sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The chapter's images as `fl.get` takes them: their archive, or their name where they were fetched before."""
    archive = archive_of("mnist_sample")
    monkeypatch.setenv("FIRSTLIGHT_DATA", str(tmp_path if archive else mnist_sample.parent))
    return str(archive or fl.get("mnist_sample", progress=False).name)


def shortened(page: Path, home: Path) -> Path:
    """A copy of the page whose convolutional networks, of which no figure is known, are trained for one epoch."""
    text = page.read_text("utf-8")
    text, found = re.subn(r"\bepochs=4\b", "epochs=1", text)
    assert found == 2 * page.stem.startswith("8-")
    copy = home / page.name
    copy.write_text(text, "utf-8")
    return copy


def test_the_figures_of_the_chapter_are_computed(fetched: str, tmp_path: Path) -> None:
    """By all pages with mnist_sample in place of the digits, by the one word that differs; none fails, and what the
    golden file knows of these images stands in what they give out."""
    words = [page.read_text("utf-8").count(f'fl.get("{lesson.EMBEDDED}")') for page in PAGES]
    assert [1] * 9 + [0, 1] == words  # the tenth page has photos
    everything = "\n".join(
        said(shortened(page, tmp_path), fetched) for page, count in zip(PAGES, words, strict=True) if count
    )
    golden = Path(__file__).with_name("golden.json")  # computed from the files with float64 NumPy and Pillow alone
    known = json.loads(golden.read_text())["mnist_sample"]
    right, three = known["correct_on_valid"], known["train/3/10000.png"]
    pairs = known["mcnemar_exact"]
    figures = [
        f"{distance} {right[distance]['all']} {right[distance]['accuracy']}" for distance in ("l1", "l2", "cosine")
    ]
    figures += [f"{place}/{name} {n}" for place, classes in known["images"].items() for name, n in classes.items()]
    figures += [", ".join(f"{value:3d}" for value in row) for row in three["rows 4:10, columns 4:10"]]
    for name in ("3", "7"):
        distances = three[f"distance_to_mean_{name}"]
        figures.append(f"to the ideal {name}: L1 {distances['l1']:.4f}, L2 {distances['l2_rmse']:.4f}")
        figures.append(f"{name}: {right['l1'][name]} of {known['images']['valid'][name]}, recall")
    figures.append(f"{right['l1']['accuracy']} [{', '.join(map(str, right['l1']['wilson95']))}]")
    figures.append(f"{right['ink']['accuracy']:.3f} [{', '.join(f'{end:.3f}' for end in right['ink']['wilson95'])}]")
    figures += [f"{pair['only_second_right']} : {pair['only_first_right']} " for pair in pairs.values()]
    figures += [f"{name}: {known['mean_pixel_in_[0,1]'][name]:.4f} is ink" for name in ("3", "7")]
    figures.append(f"median image    {right['l1_to_class_median']['accuracy']:.3f}")
    figures += ["-> 0.4333", "-> 0.2333", "tensor(6.)", "tensor([ 6.,  8., 20.])", "here 23,581"]  # of its last group
    assert [] == [figure for figure in figures if figure not in everything]
    trained = {name: float(share) for name, share in re.findall(r"(\S+), \d+ epochs: accuracy ([\d.]+)", everything)}
    linear = re.search(
        r"([\d.]+)-([\d.]+)$", known["sgd_from_the_book_(ranges_not_exact)"]["linear, lr 1, batch 256, 10 epochs"]
    )
    assert linear is not None
    assert float(linear[1]) <= trained["linear"] <= float(linear[2])
    assert 0.98 <= trained["hidden"]
