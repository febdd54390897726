"""Out of fold: no image is scored by a model that has seen it; planted wrong labels come first."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import firstlight as fl
from firstlight.data.fetching.catalog import write_digits
from firstlight.errors import ArgumentError
from firstlight.models import crossfit as room
from firstlight.models.auditing.labels import LabelCheck, check_of
from firstlight.models.rungs import named
from tables import noise, write_images


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> fl.Pixels:
    """The embedded digits."""
    return fl.load(fl.scan(write_digits(tmp_path_factory.mktemp("digits") / "digits")))


def relabelled(pixels: fl.Pixels, labels: np.ndarray) -> fl.Pixels:
    """The same images with other labels."""
    rows = pixels.table.rows
    columns = {name: rows[name] for name in ("size", "modified")}
    table = fl.Table.build(
        pixels.table.root, rows["key"], classes=pixels.classes, labels=labels, splits=pixels.splits, columns=columns
    )
    return replace(pixels, table=table)


@pytest.mark.slow
def test_every_image_is_scored_by_a_model_that_has_not_seen_it(
    digits: fl.Pixels, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A spy keeps what each fold was fitted on and what it scored; together they are everything, once."""
    (rung,) = named(["centroid-l2"])
    folds: list[tuple[set[bytes], list[bytes]]] = []

    def fit(training, setting):
        fitted = rung.fit(training, setting)
        trained = {image.tobytes() for image in training.images}
        scored: list[bytes] = []
        folds.append((trained, scored))

        class Spy:
            def scores(self, images: np.ndarray) -> np.ndarray:
                scored.extend(image.tobytes() for image in images)
                return fitted.model.scores(images)

        return replace(fitted, model=Spy())

    monkeypatch.setattr(room, "named", lambda names: (replace(rung, fit=fit),))
    fl.crossfit(digits, rung="centroid-l2", folds=4)
    every = sorted(image.tobytes() for image in digits.values)
    assert 4 == len(folds)
    assert every == sorted(name for _, scored in folds for name in scored)
    twice = {name for name, other in pairwise(every) if name == other}
    for trained, scored in folds:
        assert not (trained & set(scored)) - twice


def test_folds_have_about_as_many_of_each_class(digits: fl.Pixels) -> None:
    """Each class is dealt out in turn."""
    dealt = room._folds(digits.labels, np.arange(len(digits)), 5, np.random.default_rng(0))
    counts = np.array([np.bincount(digits.labels[dealt == fold], minlength=10) for fold in range(5)])
    assert (counts.max(axis=0) - counts.min(axis=0)).max() <= 1


def test_equal_files_are_in_one_fold(tmp_path: Path) -> None:
    """By the digest that the table knows after a split."""
    images = {f"{'ab'[n % 2]}/{n:03}.png": noise(6, 6, seed=n // 4 * 2 + n % 2) for n in range(80)}  # each twice
    table = fl.split(fl.scan(write_images(tmp_path / "twins", images)))
    assert table.rows["digest"].null_count == 0
    pixels = fl.load(table)
    inputs = room.inputs_of(pixels, named("ink")[0], lambda step: None)
    dealt = room._folds(pixels.labels, inputs.together, 5, np.random.default_rng(0))
    digests = np.array(pixels.table.rows["digest"].to_pylist())
    for one in np.unique(digests):
        assert 1 == len(set(dealt[digests == one].tolist()))


def test_a_seed_gives_the_same_bits(digits: fl.Pixels) -> None:
    """And another seed other folds."""
    first, again, other = (fl.crossfit(digits, rung="centroid-l2", seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first.scores, again.scores)
    assert not np.array_equal(first.scores, other.scores)


@pytest.mark.slow
def test_planted_wrong_labels_come_first(digits: fl.Pixels) -> None:
    """Of 40 flipped labels among 1,797 most are found, and most of the first 40 candidates are flipped ones."""
    generator = np.random.default_rng(0)
    labels = digits.labels.copy()
    flipped = generator.choice(len(labels), 40, replace=False)
    labels[flipped] = (labels[flipped] + generator.integers(1, 10, 40)) % 10
    found = fl.label_errors(fl.crossfit(relabelled(digits, labels), rung="linear"))
    assert np.isin(found.rows[:40], flipped).mean() >= 0.7
    assert np.isin(flipped, found.rows).mean() >= 0.8


def checked(pixels: fl.Pixels) -> LabelCheck:
    return check_of([fl.crossfit(pixels, rung="centroid-l2")], pixels.table, seconds=0.0)


def test_a_finding_says_by_what_and_how_many(digits: fl.Pixels) -> None:
    """Rung, accuracy with its interval, count, and the ranked keys with the probabilities of both classes."""
    seen = checked(digits)
    (found,) = seen.found
    assert "FL503" == found.code
    assert found.count == len(found.keys) == len(seen.candidates) > 0
    assert "centroid-l2" == found.facts["rung"]
    assert seen.remarks[0].startswith("Labels were checked by centroid-l2 with 5-fold")
    for key, one in zip(found.keys, seen.candidates, strict=True):
        assert key == one.key and one.label != one.suggested and one.label == key.split("/")[0]
    margins = [one.label_probability - one.probability for one in seen.candidates]
    assert margins[0] < 0 and margins == sorted(margins)


def test_too_few_images_are_reported_and_no_crash(tmp_path: Path) -> None:
    """Labels are not checked then, and it says so."""
    images = {f"{'ab'[n % 2]}/{n}.png": noise(6, 6, seed=n) for n in range(6)}
    pixels = fl.load(fl.scan(write_images(tmp_path / "few", images)))
    found = fl.audit(pixels, labels=True)
    assert found.with_code("FL503") is None
    assert any(remark.startswith("Labels were not checked.") for remark in found.remarks)
    with pytest.raises(ArgumentError, match="1 fold"):
        fl.crossfit(pixels, folds=1)


def test_an_image_whose_class_no_other_fold_has_is_not_doubted(tmp_path: Path) -> None:
    """The only one of a class, and copies of one: no model has seen the class, and it says how many there are."""
    images = {f"{name}/{n}.png": noise(6, 6, seed=n) // 4 + 150 * at for at, name in enumerate("ab") for n in range(20)}
    images |= {"alone/0.png": noise(6, 6, seed=99), "copies/0.png": noise(6, 6, seed=98)}
    root = write_images(tmp_path / "rare", {name: np.asarray(image, np.uint8) for name, image in images.items()})
    (root / "copies" / "1.png").write_bytes((root / "copies" / "0.png").read_bytes())
    pixels = fl.load(fl.split(fl.scan(root)))  # which knows equal files
    assert {"alone", "copies"}.isdisjoint(key.split("/")[0] for key in fl.crossfit(pixels, rung="ink").keys.to_pylist())
    seen = checked(pixels)
    assert not [one for one in seen.candidates if one.label in ("alone", "copies")]
    assert any("3 images were not checked" in remark and "alone and copies" in remark for remark in seen.remarks)


def test_a_model_that_only_guesses_doubts_no_label(tmp_path: Path) -> None:
    """Noise without classes: nothing is listed."""
    images = {f"{'ab'[n % 2]}/{n}.png": noise(6, 6, seed=n) for n in range(60)}
    seen = checked(fl.load(fl.scan(write_images(tmp_path / "noise", images))))
    assert () == seen.found == seen.candidates
    assert "not shown to be better" in seen.remarks[-1]
