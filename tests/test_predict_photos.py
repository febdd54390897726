"""Prediction of folders of photos by a pretrained rung: each file is read once, and its embedding computed once."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import firstlight as fl
from firstlight.apps.predicted.inputs import sources
from firstlight.apps.predicted.stream import answered
from firstlight.data.decoding.decode import decode
from firstlight.models.exporting.session import Session
from firstlight.models.pretrained.backbone import Backbone
from photos import photos
from tiny_backbone import tiny_backbone

__all__ = ["tiny_backbone"]


@pytest.fixture
def session(tmp_path: Path, tiny_backbone: Backbone) -> Session:
    return Session.of(fl.climb(photos(tmp_path / "photos"), rungs=["embed-linear"], size=8))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five photos that the climb has not seen, and two files that are none."""
    photos(tmp_path / "other", each=3, side=(70, 100))
    shutil.copytree(tmp_path / "other" / "train", tmp_path / "new")
    Image.new("RGB", (30, 20), "red").save(tmp_path / "new" / "fine" / "9.png")
    for name in ("coarse/0a.jpg", "fine/5.jpg"):
        (tmp_path / "new" / name).write_bytes(b"no image")
    return tmp_path / "new"


def test_each_embedding_of_a_folder_is_computed_once_and_no_pixels_are_saved(
    session: Session, folder: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answers are those to decoded images; what cannot be read has its reason, and its place among the others."""

    def saved() -> set[Path]:
        return {path for path in own_cache.rglob("*") if path.parent.name != "embeddings"}

    original, computed, before = Backbone.batch, [], saved()
    monkeypatch.setattr(Backbone, "batch", lambda one, images: computed.append(len(images)) or original(one, images))
    with contextlib.ExitStack() as stack:
        found = sources([str(folder)], stack=stack)
        batches = [next(answered(session, found)) for _ in range(2)]
    assert 5 == sum(computed) and before == saved()
    for batch in batches:
        broken = [path for path, problem in zip(batch.paths, batch.problems, strict=True) if problem is not None]
        assert [str(folder / "coarse" / "0a.jpg"), str(folder / "fine" / "5.jpg")] == broken
        images = [decode(Path(path).read_bytes()) for path in batch.paths if path not in broken]
        expected = [session.answer(image[None]).probabilities for image in images]  # type: ignore[index]
        assert batch.answer is not None
        assert np.array_equal(np.concatenate(expected), batch.answer.probabilities)
