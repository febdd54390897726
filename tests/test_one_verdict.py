"""A pair of rungs has one p and one verdict: on the terminal, in the advice, in the report and in `compare --json`."""

from __future__ import annotations

import html
import json
import re
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import stats
from sklearn.datasets import load_digits
from statsmodels.stats.multitest import multipletests

import firstlight as fl
from firstlight.apps.climbing import Wanted, show_climb
from firstlight.apps.comparing import show_comparison

pytestmark = pytest.mark.slow

RUNGS = ["prior", "ink", "centroid", "centroid-l1-median"]
NO_DIFFERENCE = "no difference shown"


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Noisy 3s, 5s and 8s: 70 validation images, on which some differences are shown and some are not."""
    images, labels = load_digits(return_X_y=True)
    generator, home, counts = np.random.default_rng(1), tmp_path_factory.mktemp("few"), {}
    for image, label in zip(images, labels.tolist(), strict=True):
        counts[label] = counts.get(label, 0) + 1
        if label in (3, 5, 8) and counts[label] <= 93:
            pixels = np.clip(image * 15 + generator.normal(0, 90, 64), 0, 255).astype(np.uint8).reshape(8, 8)
            split = "validation" if counts[label] <= 23 + (label == 3) else "train"
            folder = home / "few" / split / str(label)
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(folder / f"{counts[label]}.png")
    return home / "few"


def rows_of(page: str) -> list[list[str]]:
    """The cells of every row of every table of a page, as text."""
    text = re.compile(r"<[^>]+>")
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", page, flags=re.DOTALL)
    cells = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, flags=re.DOTALL) for row in rows]
    return [[" ".join(html.unescape(text.sub(" ", cell)).split()) for cell in row] for row in cells]


def test_one_p_per_pair_everywhere(
    few: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Table, advice, report, card of JSON and `compare` against each rung show statsmodels' Holm of SciPy's tests."""
    monkeypatch.setenv("COLUMNS", "80")
    run = show_climb(few, Wanted(RUNGS, out=few.parent / "run", quiet=True))
    printed = capsys.readouterr().out
    assert run.path is not None and run.advice is not None
    assert {70} == {rung.metrics.n for rung in run}
    names = [rung.name for rung in run]
    right = {rung.name: rung.predictions.correct for rung in run}
    counts = {
        (later, earlier): (int((right[later] & ~right[earlier]).sum()), int((right[later] != right[earlier]).sum()))
        for earlier, later in combinations(names, 2)
    }
    raw = [stats.binomtest(k, n).pvalue if n else 1.0 for k, n in counts.values()]
    expected = dict(zip(counts, multipletests(raw, method="holm")[1].tolist(), strict=True))
    expected |= {(b, a): p for (a, b), p in expected.items()}
    assert {True, False} == {p < 0.05 for p in expected.values()}

    for name in names:
        show_comparison(run.path, None, against=name, by=None, as_json=True, quiet=True)
        for row in json.loads(capsys.readouterr().out)["rows"]:
            low, high = row["interval"]
            assert pytest.approx(expected[row["name"], name]) == row["p"]
            assert (row["p"] < 0.05) == (low > 0 or high < 0) == (row["verdict"] != NO_DIFFERENCE)

    shown = {key: f"p = {p:.3f}" if p >= 0.001 else "p < 0.001" for key, p in expected.items()}
    advised = run.advice.rung
    below = printed[printed.index("Compared with") :]
    table = [line for line in below.splitlines() if line.split()[:1] and line.split()[0] in names and "  [" in line]
    assert set(names) - {advised} == {line.split()[0] for line in table}
    for line in table:
        p = shown[line.split()[0], advised]
        assert f"  {p.removeprefix('p').replace(' ', '').removeprefix('=')}  " in line
        assert (expected[line.split()[0], advised] >= 0.05) == (NO_DIFFERENCE in line)

    quoted = re.search(r"\(([\w-]+) [+-][\d.]+, (p [<=] [\d.]+)\)", run.advice.sentence)
    assert quoted is not None
    assert shown[quoted[1], advised] == quoted[2]

    page = (run.path / "report.html").read_text(encoding="utf-8")
    found = [row for row in rows_of(page) if len(row) == 7 and row[0] in names and row[1] in names]
    assert len(expected) // 2 + len(names) - 1 == len(found)
    for this, other, _, _, _, p, verdict in found:
        assert shown[this, other] == p
        assert (expected[this, other] >= 0.05) == (verdict == NO_DIFFERENCE)
    ladder = rows_of(page[page.index('class="sortable ladder"') : page.index("How to read this table")])
    for before, name in pairwise(names):
        (row,) = [row for row in ladder if row[0].removesuffix(" advised") == name]
        assert any(cell.startswith(shown[name, before]) for cell in row)
    assert run.advice.sentence in html.unescape(page)


def test_the_advice_names_what_the_images_can_show(few: Path) -> None:
    """In the record, in JSON and in the sentence; and the most accurate rung is less than 0.01 ahead."""
    run = fl.climb(few, rungs=RUNGS)
    advice = run.to_dict()["advice"]
    assert 0 < advice["smallest_shown"] < 0.5
    assert f"{advice['smallest_shown']:.3f}" in advice["sentence"]
    assert max(rung.metrics.accuracy for rung in run) - run[advice["rung"]].metrics.accuracy < 0.01
