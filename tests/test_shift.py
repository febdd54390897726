"""Splits that differ: in class shares and in the look of their images; clean random splits raise no alarm."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter
from scipy.stats import chi2_contingency, ks_2samp

import firstlight as fl
from firstlight.data.auditing.facts import Facts, gather
from firstlight.data.auditing.findings import Finding
from firstlight.data.auditing.shift import equal_shares, kolmogorov_smirnov, shift_findings
from tables import write_images

SIDE = 24
Change = Callable[[Image.Image], Image.Image]


def picture(seed: int) -> Image.Image:
    """A random smooth picture with some noise, unlike any other."""
    generator = np.random.default_rng(seed)
    coarse = Image.fromarray(generator.integers(0, 256, (5, 5, 3), np.uint8))
    smooth = np.asarray(coarse.resize((SIDE, SIDE), Image.Resampling.BICUBIC), float)
    return Image.fromarray(np.clip(smooth + generator.normal(0, 12, smooth.shape), 0, 255).astype(np.uint8))


def folder(root: Path, change: Change | None = None, *, shares: tuple[float, float] = (0.5, 0.5)) -> Path:
    """120 pictures in train and 60 in valid; ``shares`` are those of the first class, the change is that of valid."""
    images = {}
    for number in range(180):
        inside = number % 3 == 2
        label = "cat" if (number // 3 % 20) / 20 < shares[inside] else "dog"
        made = picture(number)
        made = change(made) if inside and change is not None else made
        with io.BytesIO() as file:
            made.save(file, "PNG")
            images[f"{('train', 'valid')[inside]}/{label}/{number * 7919 % 10007:05}.png"] = file.getvalue()
    return write_images(root, images)


def found_in(root: Path) -> dict[str, Finding]:
    return {one.code: one for one in fl.audit(root) if one.code in ("FL106", "FL410")}


def named(found: dict[str, Finding]) -> set[object]:
    return {about["statistic"] for about in found["FL410"].facts["differences"]}


@pytest.mark.slow
def test_clean_splits_do_not_differ(tmp_path: Path) -> None:
    """Neither in their shares nor in their looks."""
    assert {} == found_in(folder(tmp_path / "photos"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("statistic", "change"),
    [
        ("brightness", lambda image: image.point(lambda value: value * 0.6)),
        ("contrast", lambda image: image.point(lambda value: 60 + value * 0.5)),
        ("color", lambda image: image.convert("L").convert("RGB")),
        ("sharpness", lambda image: image.filter(ImageFilter.GaussianBlur(1.5))),
        ("shorter side in px", lambda image: image.resize((SIDE // 2, SIDE // 2))),
        ("aspect ratio", lambda image: image.resize((SIDE * 2, SIDE))),
    ],
)
def test_a_split_that_looks_different_is_found(tmp_path: Path, statistic: str, change: Change) -> None:
    """Each change of the validation images is named, with the median of both splits."""
    found = found_in(folder(tmp_path / "photos", change))
    assert {"FL410"} == set(found)
    assert statistic in named(found)
    assert "warning" == found["FL410"].severity and "validation" in found["FL410"].message


@pytest.mark.slow
def test_class_shares_that_differ_are_found(tmp_path: Path) -> None:
    """A quarter of the training images are cats and three quarters of the validation images."""
    found = found_in(folder(tmp_path / "photos", shares=(0.25, 0.75)))
    assert {"FL106"} == set(found)
    (pair,) = found["FL106"].facts["pairs"]
    assert ["train", "validation"] == pair["splits"] and 0.5 == pytest.approx(pair["largest_difference"])
    assert "25%" in found["FL106"].message and "75%" in found["FL106"].message


@pytest.mark.slow
def test_few_images_tell_no_difference(tmp_path: Path) -> None:
    """Of a split with fewer than twenty images nothing is said, however dark they are."""
    root = folder(tmp_path / "photos", lambda image: image.point(lambda value: value // 4))
    for path in sorted(root.glob("valid/*/*.png"))[19:]:
        path.unlink()
    assert {} == found_in(root)


def test_tests_agree_with_scipy() -> None:
    """Kolmogorov and Smirnov's p to a fifth of itself (asymptotic with a correction), chi-squared's to chance."""
    generator = np.random.default_rng(0)
    for n, m, shift in ((40, 70, 0.6), (300, 100, 0.3), (2000, 1000, 0.1), (25, 25, 0.0), (60, 60, 2.0)):
        first, second = generator.normal(0, 1, n), generator.normal(shift, 1, m)
        distance, p = kolmogorov_smirnov(first, second)
        expected = ks_2samp(first, second, method="exact")
        assert expected.statistic == pytest.approx(distance)
        assert expected.pvalue == pytest.approx(p, rel=0.2, abs=1e-5)
    for counts in ([[60, 40, 30], [50, 52, 33]], [[300, 200], [170, 130]], [[90, 10], [70, 30]]):
        expected = chi2_contingency(counts, correction=False).pvalue
        assert expected == pytest.approx(equal_shares(np.array(counts), generator=generator), rel=0.25, abs=0.002)
    assert 1.0 == kolmogorov_smirnov(np.ones(30), np.ones(40))[1]


@pytest.mark.slow
def test_random_splits_raise_no_alarm(tmp_path: Path) -> None:
    """Of 200 random splits into three at most 4 are said to differ (2 %)."""
    table, facts = measured(tmp_path)
    generator = np.random.default_rng(1)
    alarms = 0
    for _ in range(200):
        splits = np.searchsorted([0.6, 0.8], generator.random(len(table)))
        alarms += bool(shift_findings(table.with_columns(splits=splits), facts))
    assert alarms <= 4


def measured(root: Path) -> tuple[fl.Table, Facts]:
    """600 rows with the facts of 180 pictures, drawn again with small changes."""
    small = fl.scan(folder(root / "photos"))
    facts = gather(small)
    generator = np.random.default_rng(0)
    rows = generator.integers(0, len(small), 600)
    drawn = {
        name: getattr(facts, name)[rows] + generator.normal(0, 0.01, 600)
        for name in ("brightness", "contrast", "color", "sharpness")
    }
    sizes = {name: getattr(facts, name)[rows] for name in ("widths", "heights")}
    return small.select(rows), replace(facts, **drawn, **sizes)
