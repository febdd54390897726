"""The rung `fine-tune`: its start, its options, its stops, and what becomes of its model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

import firstlight as fl
from firstlight.errors import ArgumentError, MissingExtraError, RunError
from firstlight.models import rungs
from firstlight.models.inference import as_seen
from firstlight.models.pretrained.backbone import Backbone
from firstlight.models.pretrained.embedded import Embedded
from firstlight.models.pretrained.tail import Tail
from firstlight.models.training import checkpoints
from photos import photos
from tiny_backbone import NETWORK, TINY, tiny_backbone

__all__ = ["tiny_backbone"]


def test_a_tail_in_torch_computes_what_the_graph_computes() -> None:
    """From the middle maps, in evaluation; its first version is the image itself."""
    images = np.random.default_rng(0).integers(0, 256, (3, *TINY.shape), dtype=np.uint8)
    maps = TINY.middle(images)
    tail = Tail(NETWORK, maps.shape[3], maps.shape[1]).eval()
    both = np.concatenate([maps, np.zeros_like(maps)], axis=3)
    with torch.inference_mode():
        found = tail.embed(torch.from_numpy(both.astype(np.float32) / 255).permute(0, 3, 1, 2)).numpy()
    assert np.abs(found - TINY.embed(images).astype(np.float32)).max() < 5e-3 * np.abs(found).max()


def test_fine_tuning_starts_from_the_linear_head_and_trains_on(
    tmp_path: Path, own_cache: Path, tiny_backbone: Backbone
) -> None:
    """A rate of nearly nothing gives the linear rung; the tuned weights are saved, restored and exported."""
    pixels = fl.load(fl.scan(photos(tmp_path / "photos", each=12)))
    linear = fl.fit("embed-linear", pixels)
    still = fl.fit("fine-tune", pixels, epochs=1, lr=1e-12)
    expected, found = (fl.predict(one, pixels, split="validation").scores for one in (linear, still))
    differences = [scores[:, 0] - scores[:, 1] for scores in (expected / linear.temperature, found)]
    assert np.abs(differences[0] - differences[1]).max() < 0.02 * np.abs(differences[0]).max()
    tuned = fl.fit("fine-tune", pixels, epochs=3, lr=1e-2)
    assert isinstance(tuned.model, Embedded) and tuned.model.changed and 3 == len(tuned.history)
    assert not np.allclose(tuned.model.changed["_conv_head.weight"], NETWORK.weights["_conv_head.weight"])
    again = fl.restore(fl.save(tuned))
    scores = fl.predict(tuned, pixels).scores
    assert np.array_equal(scores, fl.predict(again, pixels).scores)
    saved = fl.save(tuned)
    bent = type(saved)(saved.config, saved.tensors | {"tuned._fc.weight": np.zeros(3, np.float16)})
    with pytest.raises(RunError, match="_fc"):
        fl.restore(bent)


@pytest.mark.parametrize("options", [{"tta": True}, {"augment": "auto"}, {"sizes": {"width": 3}}])
def test_options_that_fine_tuning_has_not_are_refused(
    options: dict[str, object], tmp_path: Path, own_cache: Path, tiny_backbone: Backbone
) -> None:
    with pytest.raises(ArgumentError, match=next(iter(options))):
        fl.fit("fine-tune", photos(tmp_path), **options)  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.parametrize("at", [1, 4, 8])
def test_fine_tuning_that_was_stopped_at_a_step_ends_with_the_same_bits(
    at: int, tmp_path: Path, own_cache: Path, tiny_backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of three epochs of three steps each, with two seeds; only the step that was stopped is taken again."""
    monkeypatch.setattr(checkpoints, "SECONDS_BETWEEN", -1.0)
    monkeypatch.setattr(checkpoints, "SHARE_OF_TIME", float("inf"))
    pixels = fl.load(fl.scan(photos(tmp_path / "photos", each=12)))
    options: dict[str, Any] = {"rungs": "fine-tune", "epochs": 3, "batch_size": 6, "seed": (1, 2)}
    steps: list[int] = []

    def progress(step: fl.Step) -> None:
        if step.unit == "steps":
            steps.append(step.done)
            if len(steps) == at:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fl.climb(pixels, **options, out=tmp_path / "run", progress=progress)
    found = fl.climb(pixels, **options, out=tmp_path / "run", progress=progress)["fine-tune"]
    expected = fl.climb(pixels, **options)["fine-tune"]
    assert len(steps) <= 18 + 1
    assert np.array_equal(expected.predictions.scores, found.predictions.scores)
    for name, tensor in expected.model.tensors.items():
        assert np.array_equal(tensor, found.model.tensors[name]), name
    assert expected.training is not None and expected.training.seeds is not None
    first, second = expected.training.seeds.accuracies
    assert len(expected.training.seeds.seeds) == 2 and 0 <= min(first, second)


@pytest.mark.slow
def test_fine_tuning_is_measured_on_test_images_and_exported(
    tmp_path: Path, own_cache: Path, tiny_backbone: Backbone
) -> None:
    """With training images held out for the temperature; ONNX Runtime gives the probabilities of the model."""
    table = fl.split(fl.scan(photos(tmp_path / "photos", each=30)), validation=0.0, test=0.2, seed=0)
    pixels = fl.load(table)
    run = fl.climb(pixels, rungs="fine-tune", split="test", epochs=2, lr=1e-2)
    record = run["fine-tune"].training
    assert record is not None and any("held out" in reason for reason in record.reasons), record
    tuned = fl.restore(run["fine-tune"].model)
    exported = fl.export(run, tmp_path / "model.onnx", rung="fine-tune")
    assert 0 == exported.parity.labels
    images = as_seen(tuned, pixels).values[:4]
    session = onnxruntime.InferenceSession(exported.path)
    (found,) = session.run(["probabilities"], {"images": images})
    expected = fl.predict(tuned, pixels).probabilities[:4]
    assert np.abs(expected - found).max() < 1e-4


def test_fine_tuning_without_pytorch_names_the_line_that_installs_it(
    tmp_path: Path, own_cache: Path, tiny_backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rungs, "find_spec", lambda name: None if name == "torch" else object())
    with pytest.raises(MissingExtraError, match=r"fine-tune.*PyTorch.*\[train\]"):
        fl.fit("fine-tune", photos(tmp_path))
