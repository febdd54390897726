"""What an audit sees with embeddings: crops, turned copies and outliers; made photos and a tiny backbone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import firstlight as fl
from firstlight.data.auditing.crops import fitting, turned
from firstlight.data.auditing.facts import Facts, gather
from firstlight.models.auditing import lookalikes
from firstlight.models.auditing.lookalikes import lookalike_findings, nearest
from firstlight.models.auditing.outliers import outlier_findings
from firstlight.models.crossfit import crossfitted, inputs_of
from firstlight.models.pretrained.backbone import Backbone
from firstlight.models.pretrained.embeddings import embeddings, saved_embeddings
from firstlight.models.rungs import named
from tables import write_images
from tiny_backbone import tiny_backbone

__all__ = ["tiny_backbone"]


def photo(seed: int, side: int = 80) -> Image.Image:
    """Smooth random colors, unlike any other."""
    coarse = np.random.default_rng(seed).integers(0, 256, (7, 7, 3), np.uint8)
    return Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)


def thumb(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("L").resize((32, 32), Image.Resampling.BILINEAR))


def folder(root: Path, planted: dict[str, Image.Image]) -> Path:
    """Forty photos of two classes in two splits, and others."""
    names = [f"{'train' if n % 4 else 'val'}/{'ab'[n // 4 % 2]}/{n:02}.png" for n in range(40)]
    images = {name: np.asarray(photo(n)) for n, name in enumerate(names)}
    return write_images(root, images | {name: np.asarray(image) for name, image in planted.items()})


@pytest.mark.parametrize("box", [(0, 0, 64, 64), (11, 5, 73, 61), (20, 0, 80, 80), (0, 17, 80, 80)])
def test_a_part_fits_into_its_picture_and_other_pictures_do_not(box: tuple[int, int, int, int]) -> None:
    """Cut by Pillow, in either order, mirrored or not; brightness and contrast change nothing."""
    whole = photo(0)
    part = whole.crop(box)
    paler = Image.fromarray((np.asarray(part) * 0.5 + 60).astype(np.uint8))
    mirrored = part.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    thumbs = np.stack([thumb(one) for one in (whole, part, paler, mirrored, photo(1), photo(2))])
    found = fitting(thumbs, np.array([[0, 1], [1, 0], [0, 2], [3, 0], [0, 4], [0, 5], [4, 5]]))
    assert (found[:4] > 0.98).all()
    assert (found[4:] < 0.9).all()


def test_turned_copies_are_recognised_in_all_ways() -> None:
    """Three turns, and mirrored; not the picture itself, which other codes report."""
    image = thumb(photo(0))
    ways = [np.rot90(one, quarter) for one in (image, image[:, ::-1]) for quarter in (1, 2, 3)]
    thumbs = np.stack([image, *ways])
    pairs = np.array([[0, way] for way in range(1, 7)])
    assert turned(thumbs, pairs).min() > 0.999
    assert turned(thumbs, np.array([[0, 0]]))[0] < 0.9


def test_nearest_embeddings_are_those_of_the_largest_cosines() -> None:
    """Against all products at once, more rows than one block has."""
    vectors = np.random.default_rng(0).normal(size=(700, 8))
    directions = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    products = directions @ directions.T
    np.fill_diagonal(products, -2)
    found = nearest(vectors, 3)
    assert np.array_equal(np.argsort(-products, axis=1)[:, :3], found.rows)
    assert np.allclose(np.sort(products, axis=1)[:, :-4:-1], found.cosines, atol=1e-6)


def test_one_image_far_from_all_others_is_reported_alone() -> None:
    """Nothing without it; nothing among few images."""
    generator = np.random.default_rng(0)
    vectors = generator.normal(size=(80, 32)) * 0.5
    vectors[:, 0] += 3
    names = [f"a/{n}.png" for n in range(80)]
    table = fl.Table.build("", names, classes=("a",), labels=np.zeros(80, int), splits=np.full(80, -1))
    assert [] == outlier_findings(table, vectors, np.arange(80))
    vectors[17] = -vectors[17]
    (found,) = outlier_findings(table, vectors, np.arange(80))
    assert ("FL504", 1, (("a/17.png",),)) == (found.code, found.count, found.examples)
    assert [] == outlier_findings(table, vectors, np.arange(49))


def facts_of(root: Path) -> tuple[fl.Table, Facts]:
    table = fl.scan(root)
    return table, gather(table)


def test_copies_of_copies_are_one_group_and_leak_once(tmp_path: Path) -> None:
    """A crop across splits and a turned copy inside one; embeddings say only which images to compare."""
    cut, turn = photo(0).crop((5, 5, 69, 66)), photo(9).rotate(90)
    root = folder(tmp_path / "set", {"train/a/cut.png": cut, "train/a/turn.png": turn})
    table, facts = facts_of(root)
    vectors = np.random.default_rng(0).normal(size=(len(table), 64))
    at = {key: row for row, key in enumerate(table.keys)}
    for one, other in (("train/a/cut.png", "val/a/00.png"), ("train/a/turn.png", "train/a/09.png")):
        vectors[at[one]] = vectors[at[other]] + 0.01
    found = lookalike_findings(table, facts, vectors, np.arange(len(table)))
    across, inside = sorted(found.found, key=lambda one: one.code)
    assert ("FL207", ("val/a/00.png",)) == (across.code, across.keys)
    assert ("FL209", 1) == (inside.code, inside.count)
    assert found.together[at["train/a/cut.png"]] == found.together[at["val/a/00.png"]]
    assert len(table) - 2 == len(np.unique(found.together))
    known = lookalike_findings(table, facts, vectors, np.arange(len(table)), known={"val/a/00.png"})
    assert "FL207" not in [one.code for one in known.found]


@pytest.mark.slow
def test_photos_are_seen_with_labels_and_then_from_the_store(
    tmp_path: Path, tiny_backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is embedded by a plain audit, which says what --labels adds, until the embeddings are saved."""
    monkeypatch.setattr(lookalikes, "NEAREST", 40)  # random weights tell few images apart
    root = folder(tmp_path / "set", {"train/a/cut.png": photo(0).crop((5, 5, 69, 66))})
    plain = fl.audit(root)
    assert plain.with_code("FL207") is None
    assert any("--labels searches them" in remark for remark in plain.remarks)
    checked = fl.audit(root, labels=True)
    assert any("embed-linear with 5-fold" in remark for remark in checked.remarks)
    for found in (checked, fl.audit(root)):
        assert ("val/a/00.png",) == found.with_code("FL207").keys == found.leaked
    table = fl.scan(root)
    assert np.array_equal(embeddings(table, tiny_backbone), saved_embeddings(table, tiny_backbone))
    (root / "train/a/new.png").write_bytes((root / "train/a/cut.png").read_bytes())
    assert saved_embeddings(fl.scan(root), tiny_backbone) is None


def test_copies_are_scored_by_no_model_that_has_seen_one(tmp_path: Path, tiny_backbone: Backbone) -> None:
    """Each fold of embed-linear is fitted without the images that are together with those it scores."""
    table = fl.scan(folder(tmp_path / "set", {}))
    (rung,) = named("embed-linear")
    together = np.arange(len(table)) // 4 * 4
    inputs = inputs_of(table, rung, lambda step: None).kept_together(together)
    fits: list[set[bytes]] = []

    def fit(training, setting):
        fits.append({one.tobytes() for one in training.images})
        return rung.fit(training, setting)

    seen = crossfitted(inputs, replace(rung, fit=fit), folds=5, seed=0, report=lambda step: None)
    assert len(table) == len(seen) and 5 == len(fits)
    for group in np.unique(together):
        members = {one.tobytes() for one in inputs.values[together == group]}
        assert all(not members & one or members <= one for one in fits)
