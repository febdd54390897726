"""`explain()`: maps that add up to what they explain, checked by hand, NumPy and SciPy; and the command."""

from __future__ import annotations

import json
import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from torch import Tensor, nn

import firstlight as fl
import firstlight.models.classifier
from classifiers import classifier_of, closed, names, network
from firstlight.apps.explaining import Wanted, show_explanations
from firstlight.data.fetching.catalog import write_digits
from firstlight.data.pixels import Pixels
from firstlight.data.table import SPLITS, Table
from firstlight.errors import ArgumentError, DataError, MissingExtraError, RunError
from firstlight.models.checkpoint import save
from firstlight.models.classifier import Classifier, Model
from firstlight.models.closed_form.baselines import Ink, Prior
from firstlight.models.closed_form.centroid import Centroid
from firstlight.models.explaining import neighbours as looking
from firstlight.models.explaining.explain import explain
from firstlight.models.explaining.explanation import Explanation
from firstlight.models.training.network import Network, views_of
from firstlight.runs.rung_result import InMemory, RungResult, Seconds
from tables import noise

CENTROIDS = ("l1", "l2", "cosine")


def pixels_of(
    images: np.ndarray, labels: np.ndarray | int = -1, classes: int = 2, split: str | None = "validation"
) -> Pixels:
    """Images (N, H, W, C) as `load` gives them, all of one split."""
    count = len(images)
    table = Table.build(
        "nowhere",
        [f"{row}.png" for row in range(count)],
        classes=names(classes),
        labels=np.broadcast_to(np.asarray(labels), count),
        splits=np.full(count, SPLITS.index(split) if split else -1),
    )
    color = "gray" if images.shape[3] == 1 else "rgb"
    return Pixels(images, table, table.select(np.zeros(count, bool)), images.shape[1:3], color, "squish")  # type: ignore[arg-type]


def own(module: nn.Module, shape: tuple[int, int, int], classes: int = 2) -> Classifier:
    return classifier_of(Network(module=module.eval(), mean=0.4, std=0.3, about={"own": True}), shape, classes, "own")


def differences(scores: np.ndarray, explained: tuple[Explanation, ...]) -> np.ndarray:
    """By how much the highest score is above the second highest."""
    ordered = np.sort(scores, axis=1)
    assert len(scores) == len(explained)
    return ordered[:, -1] - ordered[:, -2]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("classes", [2, 10])
@pytest.mark.parametrize("kind", [*CENTROIDS, "ink"])
def test_the_map_adds_up_to_the_difference_of_the_scores(kind: str, classes: int, channels: int) -> None:
    """On a thousand random images, to 1e-12: the sum is that of the rung's own scores, computed elsewhere."""
    images = noise(1000, 7, 5, channels)
    classifier = closed(kind, (7, 5, channels), classes)
    explained = explain(classifier, pixels_of(images, classes=classes), count=1000)
    sums = np.array([one.map.sum() for one in explained])
    expected = differences(classifier.model.scores(images), explained)
    assert np.abs(sums - expected).max() < 1e-12
    assert all(one.exact and abs(one.remainder) < 1e-12 for one in explained)
    assert {(7, 5)} == {one.map.shape for one in explained}


@pytest.mark.parametrize("views", ["one", "many"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("classes", [2, 10])
def test_the_map_of_linear_adds_up_to_the_difference_of_the_scores(classes: int, channels: int, views: str) -> None:
    """On a thousand random images: to 1e-12 in float64 by NumPy, to 1e-5 of the scores that torch rounds to float32."""
    images, shape = noise(1000, 7, 5, channels), (7, 5, channels)
    looks = views_of(shape, mirrored=True) if views == "many" else ((0, 0, False),)
    classifier = network("linear", shape, classes, looks)
    explained = explain(classifier, pixels_of(images, classes=classes), count=1000)
    sums = np.array([one.map.sum() for one in explained])
    assert np.abs(sums - [one.difference for one in explained]).max() < 1e-12
    assert np.abs(sums - differences(classifier.model.scores(images), explained)).max() < 1e-5
    if views == "one":
        weights, bias = (part.detach().double().numpy() for part in classifier.model.module.parameters())  # type: ignore[attr-defined]
        flat = (images.transpose(0, 3, 1, 2).reshape(1000, -1) / 255 - 0.4) / 0.3
        scores = flat @ weights.T + bias
        scores = np.pad(scores, ((0, 0), (1, 0))) if classes == 2 else scores
        assert np.abs(sums - differences(scores, explained)).max() < 1e-12


SQUARE = np.array([[0, 255], [255, 0]], np.uint8)
IDEALS = np.array([[0, 255, 0, 0], [0, 0, 255, 255]])
ROOT = 2**0.5


@pytest.mark.parametrize(
    ("kind", "against", "expected"),
    [
        ("l1", "b", [0, 1 / 4, -1 / 4, 1 / 4]),
        ("l2", "b", np.array([0, 1 / 4, -1 / 4, 1 / 4]) / (1 / 2 + 1 / ROOT)),
        ("cosine", "b", [0, 1 / ROOT, -1 / 2, 0]),
        ("ink", "a", [-0.1875, 0.3125, 0.3125, -0.1875]),  # 2 (x - 95.625) / (255 * 4): halfway of 63.75 and 127.5
    ],
)
def test_four_pixels_worked_out_by_hand(kind: str, against: str, expected: Any) -> None:
    """An image of 2 x 2 px between two ideal images of black and white."""
    model = Ink(IDEALS.sum(axis=1), np.array([4, 4])) if kind == "ink" else Centroid(IDEALS, np.array([1, 1]), kind)
    (one,) = explain(classifier_of(model, (2, 2, 1), 2), pixels_of(SQUARE[None, :, :, None]))
    assert against == one.against
    assert np.asarray(expected) == pytest.approx(one.map.ravel(), abs=1e-15)
    assert one.distances is not None and one.distances == pytest.approx(-one.scores, abs=0)


def test_ink_brighter_than_both_classes_is_shared_evenly_by_equal_pixels() -> None:
    """A white image beside means of 63.75 and 127.5: 0.25 of difference, a quarter of it for each of four pixels."""
    model = Ink(IDEALS.sum(axis=1), np.array([4, 4]))
    (one,) = explain(classifier_of(model, (2, 2, 1), 2), pixels_of(np.full((1, 2, 2, 1), 255, np.uint8)))
    assert ("b", 0.25) == (one.predicted, pytest.approx(one.difference))
    assert np.full((2, 2), 0.0625) == pytest.approx(one.map)


@pytest.mark.parametrize("kind", CENTROIDS)
def test_a_pixel_that_does_not_matter_contributes_nothing(kind: str) -> None:
    """Where both ideal images, or the image and both of them by cosine, are black, the map is 0, and not elsewhere."""
    sums = noise(2, 16, seed=5).astype(np.int64) + 1
    sums[:, [3, 9]] = 0
    (one,) = explain(classifier_of(Centroid(sums, np.array([2, 2]), kind), (4, 4, 1), 2), pixels_of(noise(1, 4, 4, 1)))
    assert [3, 9] == np.flatnonzero(one.map == 0).tolist()


def test_a_pixel_without_weight_contributes_nothing() -> None:
    """In a linear network without biases."""
    classifier = network("linear", (4, 4, 1), 3)
    with torch.no_grad():
        weights, bias = classifier.model.module.parameters()  # type: ignore[attr-defined]
        weights[:, [3, 9]] = 0
        bias[:] = 0
    (one,) = explain(classifier, pixels_of(noise(1, 4, 4, 1), classes=3))
    assert [3, 9] == np.flatnonzero(one.map == 0).tolist()


def test_black_images_have_no_angle() -> None:
    """By cosine a black image is as far from every ideal: nothing is divided by zero."""
    (one,) = explain(closed("cosine", (4, 4, 1), 2), pixels_of(np.zeros((1, 4, 4, 1), np.uint8)))
    assert (0.0, 0.0) == (np.abs(one.map).max(), one.difference)


def test_an_image_that_is_both_ideals_has_no_difference() -> None:
    """By l2 the two distances are both 0, and nothing is divided by them."""
    image = noise(1, 4, 4, 1)
    sums = np.tile(image.reshape(1, 16).astype(np.int64), (2, 1))
    (one,) = explain(classifier_of(Centroid(sums, np.array([1, 1]), "l2"), (4, 4, 1), 2), pixels_of(image))
    assert (0.0, 0.0) == (np.abs(one.map).max(), one.difference)


def test_no_pixel_contributes_to_the_prior() -> None:
    """Its map is empty, and the whole difference, here log(6 / 3), is the remainder."""
    (one,) = explain(classifier_of(Prior(np.array([2, 5])), (4, 4, 1), 2), pixels_of(noise(1, 4, 4, 1)))
    assert ("b", "a", False, 0.0) == (one.predicted, one.against, one.exact, np.abs(one.map).max())
    assert np.log(2) == pytest.approx(one.remainder) == one.difference
    assert "no pixel contributes" in str(one) and "0.693" in str(one)


@pytest.mark.parametrize("kind", ["l1", "ink"])
def test_a_class_without_training_images_has_nothing_to_compare(kind: str) -> None:
    """The map against it is empty, its distance is not there, and the account says so."""
    model: Model = Centroid(np.array([[9, 9], [0, 0]]), np.array([1, 0]), kind)
    if kind == "ink":
        model = Ink(np.array([18, 0]), np.array([2, 0]))
    (one,) = explain(classifier_of(model, (1, 2, 1), 2), pixels_of(noise(1, 1, 2, 1), 1))
    assert ("a", "b", False) == (one.predicted, one.against, one.exact)
    assert one.distances is not None and np.isnan(one.distances[1]) and not one.map.any()
    assert one.difference == one.remainder != 0
    assert "has no training image" in str(one) and one.to_dict()["distances"][1] is None


THREE = np.array([[0.0, 0.0], [100.0, 0.0], [250.0, 250.0]]).astype(np.int64)


@pytest.mark.parametrize(
    ("label", "asked", "expected"),
    [
        (-1, None, "b"),
        (0, None, "b"),
        (1, None, "b"),
        (2, None, "c"),
        (2, "b", "b"),
        (0, "c", "c"),
        (2, "a", "c"),
        (0, "a", "b"),
    ],
)
def test_the_class_argued_against(label: int, asked: str | None, expected: str) -> None:
    """The true one of a mistake, else the runner-up; or the one asked for, unless that is the one predicted."""
    classifier = classifier_of(Centroid(THREE, np.array([1, 1, 1]), "l1"), (1, 2, 1), 3)
    (one,) = explain(classifier, pixels_of(np.zeros((1, 1, 2, 1), np.uint8), label, 3), against=asked)
    assert ("a", expected) == (one.predicted, one.against)


@pytest.mark.parametrize(
    ("label", "asked", "words"),
    [
        (-1, None, "l1 predicts a, not b (prob"),
        (0, None, "l1 predicts a, not b and is right (prob"),
        (2, None, "l1 predicts a, not c; the true class is c (prob"),
        (2, "b", "l1 predicts a, not b; the true class is c (prob"),
    ],
)
def test_the_account_in_words(label: int, asked: str | None, words: str) -> None:
    """What was said, what is true, the two distances, and what the map adds up to."""
    classifier = classifier_of(Centroid(THREE, np.array([1, 1, 1]), "l1"), (1, 2, 1), 3, "l1")
    (one,) = explain(classifier, pixels_of(np.full((1, 1, 2, 1), 10, np.uint8), label, 3), against=asked)
    assert words in str(one)
    if one.against == "b":  # |10 - 0| = 10 twice; |10 - 100| and |10 - 0|
        said = re.findall(r"[+]?\d[.\d]*\d|[+]0", str(one).splitlines()[1])
        assert ["0.039", "0.196", "0.157", "+0.157", "+0"] == said


def test_which_images_are_explained() -> None:
    """The first of the split, or the most wrong, uncertain or typical of it."""
    images = np.array([[0, 0], [90, 10], [60, 60], [250, 250], [44, 0]], np.uint8).reshape(5, 1, 2, 1)
    pixels = pixels_of(images, np.array([0, 0, 2, 2, 0]), 3)
    classifier = classifier_of(Centroid(THREE, np.array([1, 1, 1]), "l1"), (1, 2, 1), 3)
    for most, expected in ((None, "012"), ("wrong", "12"), ("typical", "034")):
        explained = explain(classifier, pixels, split="validation", most=most, count=3)
        assert [f"{row}.png" for row in expected] == [one.key for one in explained]
    (least,) = explain(classifier, pixels, most="uncertain", count=1)
    assert ("4.png", "a", "b") == (least.key, least.predicted, least.against)  # mean distances 22 and 28
    right = pixels.select(np.array([0, 3]))
    assert () == explain(classifier, right, most="wrong")


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"against": "z"}, "'z'.* a, b"),
        ({"count": 0}, "count=0"),
        ({"split": "tests"}, "'tests'"),
        ({"split": "test"}, "test"),
        ({"most": "best"}, "'best'"),
        ({"most": "wrong"}, "class"),
    ],
)
def test_what_cannot_be_explained_is_refused(asked: dict[str, Any], words: str) -> None:
    """In one sentence that says what can be asked."""
    with pytest.raises(ArgumentError, match=words):
        explain(closed("l1", (4, 4, 1), 2), pixels_of(noise(3, 4, 4, 1)), **asked)


def test_images_of_another_shape_are_refused() -> None:
    """They are named beside the shape that fits."""
    with pytest.raises(ArgumentError, match=r"4x4x1 .*centroid-l1 .*8x8x1"):
        explain(closed("l1", (8, 8, 1), 2), pixels_of(noise(3, 4, 4, 1)))


def test_a_rung_and_a_saved_model_are_explained_as_the_classifier() -> None:
    """All three give the same map, for a network too."""
    pixels = pixels_of(noise(2, 4, 4, 1), 1)
    for classifier in (closed("l2", (4, 4, 1), 2), network("linear", (4, 4, 1), 2)):
        if isinstance(classifier.model, Network):
            about = {"module": "linear", "own": False, "sizes": {}}
            classifier = replace(classifier, model=replace(classifier.model, about=about))
        saved = save(classifier)
        seen = fl.predict(classifier, pixels)
        rung = RungResult(
            name=seen.name, metrics=fl.evaluate(seen), seconds=Seconds(0, 0), outputs=InMemory(seen, saved)
        )
        first, *others = (explain(one, pixels) for one in (classifier, saved, rung))
        for other in others:
            assert all(np.array_equal(a.map, b.map) for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize("channels", [1, 3])
def test_an_explanation_as_rows_and_as_plain_values(channels: int) -> None:
    """A row a pixel with its values, and a document that strict JSON can hold."""
    pixels = pixels_of(noise(1, 3, 5, channels), 1)
    (one,) = explain(closed("l1", (3, 5, channels), 2), pixels)
    rows = one.frame()
    colors = ["value"] if channels == 1 else ["red", "green", "blue"]
    assert ["row", "column", *colors, "contribution"] == list(rows)
    assert one.map[2, 4] == rows.query("row == 2 and column == 4")["contribution"].item()
    assert pixels.values[0].reshape(15, channels).tolist() == rows[colors].to_numpy().tolist()
    document = json.loads(json.dumps(one.to_dict(), allow_nan=False))
    assert one.map.tolist() == document["map"] and one.difference == document["difference"]
    assert {"key", "image", "probabilities", "remainder", "neighbours", "method"} < document.keys()


class Corner(nn.Module):
    """A network that looks at nothing but four pixels at the upper left."""

    def forward(self, images: Tensor) -> Tensor:
        return torch.stack([torch.zeros(len(images)), 1 + images[:, :, :2, :2].mean(dim=(1, 2, 3)) ** 2], dim=1)


class Plain(nn.Module):
    """A linear network of one's own, which nothing recognises as one."""

    def __init__(self, size: int, classes: int) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.layer = nn.Linear(size, classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.layer(images.flatten(1))


class Writing(nn.Module):
    """A network that writes into the images it is given."""

    def __init__(self, inplace: bool) -> None:
        super().__init__()
        torch.manual_seed(6)
        self.inplace, self.layer = inplace, nn.Linear(36, 2)

    def forward(self, images: Tensor) -> Tensor:
        return self.layer((images.add_(1) if self.inplace else images + 1).flatten(1))


@pytest.mark.parametrize("classes", [2, 4])
def test_integrated_gradients_of_a_linear_module_are_weight_times_input(classes: int) -> None:
    """To 1e-5, and what is there before any pixel is the difference of the biases."""
    images, module = noise(6, 6, 5, 3), Plain(90, classes)
    explained = explain(own(module, (6, 5, 3), classes), pixels_of(images, classes=classes))
    weights, bias = module.layer.weight.detach().numpy(), module.layer.bias.detach().numpy()
    for one, image in zip(explained, images, strict=True):
        a, b = (names(classes).index(name) for name in (one.predicted, one.against))
        floats = (image.transpose(2, 0, 1) / 255 - 0.4) / 0.3
        expected = ((weights[a] - weights[b]).reshape(3, 6, 5) * floats).sum(axis=0)
        assert expected == pytest.approx(one.map, abs=1e-5)
        assert float(bias[a] - bias[b]) == pytest.approx(one.baseline, abs=1e-6)
        assert abs(one.remainder) < 1e-5


def test_a_network_that_looks_at_a_corner_is_explained_by_the_corner() -> None:
    """Integrated gradients are 0 outside it; occlusion is highest in it and 0 where no window can reach it."""
    images = noise(3, 10, 10, 1) // 2 + 128
    for one in explain(own(Corner(), (10, 10, 1)), pixels_of(images)):
        assert one.occlusion is not None
        assert {0, 1} >= set(np.argwhere(one.map).ravel().tolist()) and one.map.any()
        reached = np.argwhere(one.occlusion)
        assert reached.max() == 2 and one.occlusion.argmax() in (0, 1, 10, 11)  # windows of 2 px, 1 px apart
        assert one.occlusion[0, 0] == one.occlusion.max() == pytest.approx(one.scores[1] - 1, rel=1e-5)
        assert () == one.neighbours  # there is no fully connected layer


def test_a_module_that_writes_into_its_input_is_explained_alike() -> None:
    """As the same module that does not."""
    pixels = pixels_of(noise(4, 6, 6, 1))
    first, second = (explain(own(Writing(inplace), (6, 6, 1)), pixels) for inplace in (False, True))
    for one, other in zip(first, second, strict=True):
        assert np.array_equal(one.map, other.map)


def complete(one: Explanation) -> bool:
    """Within 1 % of the difference that pixels account for, or 0.1 % of the map's absolute values, and rounding."""
    allowed = max(0.01 * abs(one.difference - one.baseline), 0.001 * np.abs(one.map).sum())
    return abs(one.difference - one.baseline - one.map.sum()) <= allowed + 1e-5


@pytest.mark.parametrize("views", ["one", "many"])
@pytest.mark.parametrize("channels", [1, 3])
def test_integrated_gradients_of_the_mlp_are_complete(channels: int, views: str) -> None:
    """The map adds up to the difference from the flat image's; the views are those that decide."""
    looks = views_of((8, 8, channels), mirrored=True) if views == "many" else ((0, 0, False),)
    classifier = network("mlp", (8, 8, channels), 4, looks)
    explained = explain(classifier, pixels_of(noise(8, 8, 8, channels), classes=4))
    assert all(complete(one) and not one.exact for one in explained)
    flat = np.full((1, 8, 8, channels), 102, np.uint8)  # 0.4 of 255, the mean of training
    (scores,) = classifier.model.scores(flat)
    for one in explained:
        a, b = (one.classes.index(name) for name in (one.predicted, one.against))
        assert scores[a] - scores[b] == pytest.approx(one.baseline, abs=1e-5)
        assert ("10 views" in one.method) == (views == "many")


@pytest.mark.slow
@pytest.mark.parametrize("classes", [2, 10])
@pytest.mark.parametrize("channels", [1, 3])
def test_integrated_gradients_of_the_cnn_are_complete(channels: int, classes: int) -> None:
    """The map adds up to the difference from the flat image's."""
    classifier = network("cnn", (16, 16, channels), classes)
    explained = explain(classifier, pixels_of(noise(8, 16, 16, channels), classes=classes))
    assert all(complete(one) for one in explained)
    assert "completeness error" in str(explained[0])


@pytest.mark.slow
def test_an_image_is_explained_alone_as_among_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the batch nor its bound changes the map of a cnn, and its mode stays as it was."""
    classifier, images = network("cnn", (12, 12, 1), 3), noise(5, 12, 12, 1)
    classifier.model.module.train()  # type: ignore[attr-defined]
    many = explain(classifier, pixels_of(images, classes=3))
    monkeypatch.setattr("firstlight.models.training.attribution.VALUES_AT_ONCE", 300)  # two images of 144 px
    again = explain(classifier, pixels_of(images, classes=3))
    alone = explain(classifier, pixels_of(images[3:4], classes=3))
    for one, other in ((many[3], again[3]), (many[3], alone[0])):
        assert one.map == pytest.approx(other.map, abs=1e-5)
        assert one.occlusion == pytest.approx(other.occlusion, abs=1e-5)
    assert classifier.model.module.training  # type: ignore[attr-defined]


def test_without_captum_the_line_that_installs_it_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """For networks; linear needs none."""
    monkeypatch.setitem(sys.modules, "captum.attr", None)
    with pytest.raises(MissingExtraError, match=r"\.\[explain\]"):
        explain(network("mlp", (4, 4, 1), 2), pixels_of(noise(1, 4, 4, 1)))
    assert explain(network("linear", (4, 4, 1), 2), pixels_of(noise(1, 4, 4, 1)))


def training(shape: tuple[int, int, int], count: int = 60, classes: int = 3) -> Pixels:
    return pixels_of(noise(count, *shape, seed=8), np.arange(count) % classes, classes, "train")


@pytest.mark.parametrize(("kind", "metric"), [("l1", "cityblock"), ("l2", "euclidean"), ("cosine", "cosine")])
def test_the_nearest_training_images_by_a_centroids_distance(kind: str, metric: str) -> None:
    """In the order and at the distances that SciPy finds; an image among them is its own nearest, at 0."""
    pixels = training((5, 4, 3))
    explained = explain(closed(kind, (5, 4, 3), 3), pixels, count=4)
    flat = pixels.values.reshape(60, 60) / 255
    between = cdist(flat[:4], flat, metric)  # type: ignore[call-overload]
    between = between / {"l1": 60, "l2": 60**0.5, "cosine": 1}[kind]
    for row, one in enumerate(explained):
        nearest = between[row].argsort()[:5]
        assert [f"{number}.png" for number in nearest] == [near.key for near in one.neighbours]
        assert [names(3)[number % 3] for number in nearest] == [near.label for near in one.neighbours]
        assert between[row, nearest] == pytest.approx([near.distance for near in one.neighbours], abs=1e-6)
        assert (f"{row}.png", 0.0) == (one.neighbours[0].key, pytest.approx(one.neighbours[0].distance, abs=1e-12))


def test_the_nearest_training_images_in_the_last_layer() -> None:
    """Of an mlp by what its hidden layer gives, computed by NumPy; an image among them is its own nearest, at 0."""
    pixels, classifier = training((5, 4, 1)), network("mlp", (5, 4, 1), 3)
    weights, bias, *_ = (part.detach().double().numpy() for part in classifier.model.module.parameters())  # type: ignore[attr-defined]
    hidden = np.maximum(0, (pixels.values.reshape(60, 20) / 255 - 0.4) / 0.3 @ weights.T + bias)
    between = cdist(hidden, hidden)
    for row, one in enumerate(explain(classifier, pixels, count=4)):
        nearest = between[row].argsort()[:5]
        assert [f"{number}.png" for number in nearest] == [near.key for near in one.neighbours]
        assert between[row, nearest] == pytest.approx([near.distance for near in one.neighbours], abs=1e-5)
        assert 0.0 == one.neighbours[0].distance
        assert "60 training images by the L2 distance in the last layer" == one.searched


def test_only_so_many_training_images_are_looked_through(monkeypatch: pytest.MonkeyPatch) -> None:
    """Evenly spaced, and it is told; in blocks, which change nothing."""
    pixels, classifier = training((5, 4, 1)), closed("l1", (5, 4, 1), 3)
    whole = explain(classifier, pixels, count=2)
    monkeypatch.setattr(firstlight.models.classifier, "BLOCK", 7 * 20)
    assert [one.neighbours for one in whole] == [one.neighbours for one in explain(classifier, pixels, count=2)]
    monkeypatch.setattr(looking, "MOST_IMAGES", 10)
    (one,) = explain(classifier, pixels, count=1)
    assert one.searched.startswith("10 evenly spaced ones of the 60 training images")
    assert all(int(near.key.removesuffix(".png")) % 6 == 0 for near in one.neighbours)


def test_without_training_images_there_are_no_neighbours() -> None:
    """Neither where none came along, nor for a rung that compares no images."""
    (one,) = explain(closed("l1", (5, 4, 1), 3), pixels_of(noise(1, 5, 4, 1), classes=3))
    assert ((), "") == (one.neighbours, one.searched)
    (one,) = explain(closed("ink", (5, 4, 1), 3), training((5, 4, 1)), count=1)
    assert ((), "") == (one.neighbours, one.searched)


DEFAULTS: dict[str, Any] = {"split": None, "most": None, "count": 8, "against": None, "out": None, "quiet": True}


def show(
    run: Path, *images: Path | str, rung: str | None = "centroid-l1", as_json: bool = False, **wanted: Any
) -> None:
    asked: Wanted = {**DEFAULTS, "rung": rung, "as_json": as_json, **wanted}  # type: ignore[typeddict-item]
    show_explanations(run, list(map(str, images)), **asked)


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The folder of the 3s and 7s, and a run of it."""
    root = tmp_path_factory.mktemp("explained")
    folder = write_digits(root / "digits", ("3", "7"))
    run = root / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FIRSTLIGHT_CACHE", str(root / "cache"))
        fl.climb(folder, rungs=["prior", "ink", "centroid-l1", "linear"], epochs=2, out=run)
    return folder, run


def test_the_command_explains_the_files_named(
    digits: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each of them, wherever it lies, with the nearest training images of the run, and no colors into a pipe."""
    folder, run = digits
    elsewhere = tmp_path / "mine.png"
    shutil.copy(next((folder / "7").glob("*.png")), elsewhere)
    show(run, next((folder / "3").glob("*.png")), elsewhere, count=1)
    said = capsys.readouterr().out
    assert 2 == said.count("centroid-l1 predicts") == said.count("the sum of the 64 pixels")
    assert 2 == said.count("nearest neighbours") and "mine.png: centroid-l1 predicts 7, not 3" in said
    assert "\x1b" not in said


def test_a_file_that_is_not_there_is_named_as_an_image(digits: tuple[Path, Path]) -> None:
    """Before any image is explained."""
    with pytest.raises(DataError, match=r"^missing\.jpg does not exist; pass an image, "):
        show(digits[1], next((digits[0] / "3").glob("*.png")), "missing.jpg")


def test_the_command_as_json_holds_every_number(digits: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    """The maps of the most typical ones, which add up."""
    show(digits[1], as_json=True, most="typical", count=2)
    document = json.loads(capsys.readouterr().out)
    assert ("centroid-l1", "validation", "typical") == (document["rung"], document["split"], document["most"])
    assert ["3", "7"] == [one["label"] for one in document["explanations"]]
    for one in document["explanations"]:
        assert np.array(one["map"]).sum() == pytest.approx(one["difference"], abs=1e-12)
        assert (8, 8, 1) == np.array(one["image"]).shape
        assert 5 == len(one["neighbours"])


def test_the_command_takes_the_advised_rung_and_the_runs_own_images(
    digits: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """As many of validation as were asked for; the prior is always wrong on one class."""
    run = fl.read_run(digits[1])
    show(digits[1], rung=None, count=2)
    assert 2 == capsys.readouterr().out.count(f"{run.chosen().name} predicts")
    show(digits[1], rung="prior", most="wrong", count=3)
    said = capsys.readouterr().out
    assert 3 == said.count("prior predicts") == said.count("no pixel contributes to")
    seen = {key for key in run["prior"].predictions.keys.to_pylist() if key in said}
    assert 3 == len(seen)


def test_the_command_draws_maps_on_a_terminal(
    digits: tuple[Path, Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In half blocks of blue and orange beside the image."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "100")
    show(digits[1], count=1)
    said = capsys.readouterr().out
    assert "blue pixels support" in said
    rows = [line for line in said.splitlines() if "▀" in line]
    assert (12, {48}) == (len(rows), {line.count("▀") for line in rows})  # 8 px, three times as large, twice
    assert "38;2;0;114;178" in said or "38;2;213;94;0" in said  # what argues most


@pytest.mark.parametrize("columns", [10, 20, 300])
def test_a_drawing_fits_the_window(columns: int) -> None:
    """However narrow it is, with an odd height too, and a map of zeros."""
    from rich.console import Console

    from firstlight.apps.explanation_map import drawn

    (one,) = explain(closed("l1", (31, 37, 3), 2), pixels_of(noise(1, 31, 37, 3)))
    for each in (one, replace(one, map=np.zeros_like(one.map))):
        lines = drawn(each, Console(width=columns)).plain.splitlines()
        assert max(map(len, lines)) <= columns
        assert len({len(line.rstrip()) for line in lines}) == 1


def test_the_command_writes_a_picture_for_each_image_and_over_nothing(
    digits: tuple[Path, Path], tmp_path: Path
) -> None:
    """A file in the way is told and stays as it is."""
    out = tmp_path / "pictures"
    show(digits[1], count=2, out=out)
    first, second = sorted(out.iterdir())
    assert b"\x89PNG" == first.read_bytes()[:4] == second.read_bytes()[:4]
    assert ("01-", "02-") == (first.name[:3], second.name[:3])
    second.write_bytes(b"mine")
    first.unlink()
    with pytest.raises(ArgumentError, match=second.name):
        show(digits[1], count=2, out=out)
    assert (False, b"mine") == (first.exists(), second.read_bytes())
    with pytest.raises(ArgumentError, match=second.name):
        show(digits[1], out=second)


def test_a_run_whose_images_are_no_longer_there_still_explains_what_is_named(
    digits: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without neighbours, and it says why; its own images are refused once one is missing."""
    folder = shutil.copytree(digits[0], tmp_path / "digits")
    run = tmp_path / "run"
    fl.climb(folder, rungs=["prior", "centroid-l1"], out=run)
    image = next((folder / "3").glob("*.png"))
    named = tmp_path / image.name
    image.rename(named)
    with pytest.raises(RunError, match=re.escape(str(folder))):
        show(run, most="wrong")
    capsys.readouterr()
    show(run, named, quiet=False)
    said = capsys.readouterr()
    assert "centroid-l1 predicts" in said.out and "nearest neighbours" not in said.out
    assert "nearest training images" in said.err


def test_looking_at_the_test_split_is_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Once for each explanation of images of the split test, and never for others."""
    whole = write_digits(tmp_path / "whole", ("3", "7"))
    folder = tmp_path / "digits"
    for number, path in enumerate(sorted(whole.glob("*/*.png"))[::4]):
        target = folder / ("test" if number % 3 == 0 else "train") / path.parent.name / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        path.rename(target)
    run = tmp_path / "run"
    fl.climb(folder, rungs=["prior", "centroid-l1"], out=run)
    show(run, count=1)
    assert 0 == fl.read_run(run).test_readings
    show(run, count=1, split="test")
    assert 1 == fl.read_run(run).test_readings
    said = capsys.readouterr().out
    assert "test/3/" in said and 2 == said.count("nearest neighbours")
    show(run, folder, count=1, split="test")
    assert 2 == fl.read_run(run).test_readings
    show(run, folder, count=1, split="train")
    assert 2 == fl.read_run(run).test_readings


def test_an_unfinished_run_needs_the_name_of_a_rung(digits: tuple[Path, Path], tmp_path: Path) -> None:
    """Since it advises none."""
    run = shutil.copytree(digits[1], tmp_path / "run")
    with pytest.raises(ArgumentError, match="'cnn'"):
        show(run, rung="cnn")
