"""One contract for all rungs and a module of one's own: shapes, seeds, saving, any size, any number of classes."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

import firstlight as fl
from blobs import TRAINED, Own, blobs, fit, pixels_of
from firstlight.models.checkpoint import save
from firstlight.models.inference import as_seen
from firstlight.models.rungs import RUNGS
from firstlight.runs.tensors import pack, unpack
from tiny_backbone import tiny_backbone

EMBEDS = [rung.name for rung in RUNGS if rung.embeds]
EVERY = [*(rung.name for rung in RUNGS), "own"]

__all__ = ["tiny_backbone"]
pytestmark = pytest.mark.usefixtures("tiny_backbone")


@cache
def fitted(name: str) -> fl.Classifier:
    """The rung on the blobs, fitted once for all tests that only look at it."""
    return fit(name, blobs())


@pytest.mark.parametrize("name", EVERY)
def test_scores_are_a_row_an_image_and_a_column_a_class(name: str) -> None:
    """(N, K) float64, finite; predictions hold them with a temperature above 0."""
    pixels = blobs()
    classifier = fitted(name)
    seen = fl.predict(classifier, pixels)
    assert (48, 3) == seen.scores.shape and np.float64 == seen.scores.dtype
    assert np.isfinite(seen.scores).all() and seen.temperature > 0
    assert 0.0 == pytest.approx(np.abs(seen.probabilities.sum(axis=1) - 1).max(), abs=1e-12)


@pytest.mark.parametrize("name", EVERY)
def test_the_same_seed_gives_the_same_bits_twice(name: str) -> None:
    """And another seed gives a trained network other weights."""
    pixels = blobs()
    first, second, other = (fit(name, pixels, seed).model.scores_of(pixels) for seed in (3, 3, 4))
    assert np.array_equal(first, second)
    if name in TRAINED:
        assert not np.array_equal(first, other)


@pytest.mark.parametrize("name", EVERY)
def test_saved_and_loaded_it_scores_with_the_same_bits(name: str) -> None:
    """Through the bytes of both files; a module of one's own is passed again, since a file holds no code."""
    pixels = blobs(shape=(9, 7, 3))
    classifier = fit(name, pixels)
    text, data = pack(save(classifier))
    module = Own(3, 3) if name == "own" else None
    after = fl.restore(unpack(text, data, Path("model.json")), module=module)
    assert np.array_equal(classifier.model.scores_of(pixels), after.model.scores_of(pixels))
    assert (classifier.classes, classifier.temperature) == (after.classes, after.temperature)


@pytest.mark.parametrize("name", EVERY)
def test_an_image_alone_scores_as_it_does_among_others(name: str) -> None:
    """To the bit without training, to rounding with it and for products with embeddings."""
    pixels = blobs()
    model = fitted(name).model
    together = model.scores_of(pixels)
    alone = np.concatenate([model.scores_of(pixels.select(np.array([row]))) for row in range(5)])
    assert np.allclose(together[:5], alone, rtol=0, atol=1e-5 if name in TRAINED else 1e-9 if name in EMBEDS else 0)


@pytest.mark.parametrize("shape", [(1, 1, 1), (7, 5, 3), (33, 20, 1), (16, 16, 3), (5, 40, 1)], ids=str)
@pytest.mark.parametrize("name", EVERY)
def test_images_of_any_size_and_color_can_be_learnt_from(name: str, shape: tuple[int, int, int]) -> None:
    """From one pixel on, square or not."""
    pixels = blobs(shape)
    assert (48, 3) == fit(name, pixels).model.scores_of(pixels).shape


@pytest.mark.parametrize("classes", [2, 10, pytest.param(1000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", EVERY)
def test_two_to_a_thousand_classes(name: str, classes: int) -> None:
    """Each has a column."""
    pixels = blobs((4, 4, 1), classes, count=max(40, classes + 40))
    assert classes == fit(name, pixels).model.scores_of(pixels.select(np.arange(3))).shape[1]


@pytest.mark.parametrize("name", EVERY)
def test_one_image_in_a_class_is_enough(name: str) -> None:
    """The class is there, however rarely it is chosen."""
    labels = np.zeros(24, int)
    labels[0], labels[1] = 1, 2
    images = np.random.default_rng(0).integers(0, 256, (24, 6, 6, 1), dtype=np.uint8)
    pixels = pixels_of(images, labels, 3)
    assert (24, 3) == fit(name, pixels).model.scores_of(pixels).shape


@pytest.mark.parametrize("name", EVERY)
def test_a_class_in_validation_that_train_lacks_costs_only_its_own_images(name: str) -> None:
    """Every rung goes on, and gets these images wrong or right like any others."""
    labels = np.arange(48) % 2
    labels[3::4] = 2
    images = (np.random.default_rng(0).integers(0, 60, (48, 6, 6, 1)) + 90 * (labels == 1)[:, None, None, None]).astype(
        np.uint8
    )
    pixels = pixels_of(images, labels, 3)
    seen = fl.predict(fit(name, pixels), pixels, split="validation")
    assert 12 == fl.evaluate(seen).n
    assert np.isfinite(seen.scores).all()


@pytest.mark.parametrize("name", EVERY)
def test_no_image_at_all_gives_no_score(name: str) -> None:
    """An empty selection is an array of no rows."""
    pixels = blobs()
    assert (0, 3) == fitted(name).model.scores_of(pixels.select(np.arange(0))).shape


def test_a_module_of_ones_own_is_not_changed() -> None:
    """A copy of it is trained, and torch's own random numbers go on as if nothing had happened."""
    module, pixels = Own(1, 3), blobs()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    state = torch.get_rng_state()
    classifier = fl.fit(module, pixels, epochs=2, lr=0.01)
    assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())
    assert torch.equal(state, torch.get_rng_state())
    assert "Own" == classifier.name
    trained = classifier.model.module.state_dict()  # type: ignore[attr-defined]
    assert not all(torch.equal(before[name], value) for name, value in trained.items())


SAVED = {
    "prior": ({"counts"}, set()),
    "ink": ({"totals", "pixels"}, {"measure"}),
    "centroid": ({"sums", "counts"}, {"distance"}),
    "prototypes": ({"sums", "counts", "owners", "classes"}, {"distance"}),
    "tuned": ({"mean", "weight", "bias"}, {"backbone", "weights", "bytes", "centred"}),
    "embedded": ({"mean", "weight", "bias"}, {"backbone", "weights", "bytes", "centred"}),
}


@pytest.mark.parametrize("name", EVERY)
def test_a_model_file_has_the_tensors_and_options_of_its_kind(name: str) -> None:
    """By their names, which older files share; options are plain JSON, and a network's have its name and views."""
    model = fitted(name).model
    kind = "tuned" if name == "fine-tune" else model.kind
    tensors, options = SAVED.get(
        kind, ({"normalize"}, {"module", "own", "views"} | ({"sizes"} if name != "own" else set()))
    )
    assert options == json.loads(json.dumps(model.options(), allow_nan=False)).keys()
    assert tensors == {key for key in model.tensors() if not key.startswith(("module.", "tuned."))}
    assert (model.kind in ("network", "tuned") or bool(getattr(model, "changed", ()))) == (name in TRAINED)


@pytest.mark.parametrize("name", EVERY)
def test_a_model_attributes_its_scores_to_pixels(name: str) -> None:
    """A value for each pixel; the sum is the difference of the scores where the map is exact."""
    classifier, pairs = fitted(name), np.array([[0, 1], [2, 0]])
    model, images = classifier.model, as_seen(classifier, blobs()).values[:2]
    scores = model.scores(images)
    found = model.attribute(images, pairs, scores)
    assert images.shape[:3] == found.maps.shape and 2 == len(found.methods)
    scores = scores if found.scores is None else found.scores
    assert (name not in ("prior", "mlp", "cnn", "own")) == found.exact.all()
    expected = scores[[0, 1], pairs[:, 0]] - scores[[0, 1], pairs[:, 1]] - found.baseline
    assert expected[found.exact] == pytest.approx(found.maps.sum(axis=(1, 2))[found.exact], abs=1e-5)


@pytest.mark.parametrize("name", EVERY)
def test_a_model_that_compares_images_finds_each_nearest_to_itself(name: str) -> None:
    """At a distance of 0 but for rounding, with a row an image and a column a candidate; prior and ink compare none."""
    classifier, pixels = fitted(name), blobs()
    space = classifier.model.search_space(as_seen(classifier, pixels).values[:2])
    assert (space is None) == (name in ("prior", "ink", "ink-count"))
    if space is not None:
        distances = space.distances(pixels, np.arange(6))
        assert (2, 6) == distances.shape and [0, 1] == distances.argmin(axis=1).tolist()
        assert [0, 0] == pytest.approx(distances.min(axis=1), abs=1e-5)


@pytest.mark.parametrize("name", EVERY)
def test_a_model_with_centres_has_distances(name: str) -> None:
    """Those of its scores; a model without mean images has neither, and several per class have no single one."""
    pixels = blobs()
    model = fitted(name).model
    scores = model.scores_of(pixels)
    distances = model.distances(scores)
    assert (distances is None) == (not name.startswith("centroid"))
    if distances is not None:
        assert np.array_equal(-scores, distances)
    assert (model.centres is None) == (model.kind != "centroid")
    if model.centres is not None:
        assert (3, 64) == model.centres.shape and 0 <= model.centres.min() <= model.centres.max() <= 1
