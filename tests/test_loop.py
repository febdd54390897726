"""The loop against steps by hand and the lesson's own figures; how it stops; what a module or loss may not do."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import binomtest
from torch import nn

import firstlight as fl
from blobs import Own, blobs, pixels_of
from firstlight.errors import ArgumentError, DataError
from firstlight.models.checkpoint import restore, save
from firstlight.models.closed_form.training_set import TrainingSet
from firstlight.models.training.architectures import Linear
from firstlight.models.training.loop import Training
from firstlight.models.training.monitoring import training_set
from firstlight.models.training.network import Network
from firstlight.models.training.recipes import Recipe
from firstlight.runs.history import Epoch

PLAIN: dict[str, Any] = {
    **{"loss": "l1", "batch_size": 256, "optimizer": "sgd", "schedule": "constant"},
    **{"momentum": 0.0, "weight_decay": 0.0, "normalize": False, "label_smoothing": 0.0},
}


def linear_training(**options: Any) -> Training:
    """A linear network on random images, always with the same first weights."""
    generator = np.random.default_rng(0)
    data = TrainingSet(generator.integers(0, 256, (40, 4, 4, 1), dtype=np.uint8), np.arange(40) % 3, 3)
    torch.manual_seed(0)
    recipe = Recipe(**{"schedule": "constant", "lr": 0.5, "momentum": 0.0, **options})
    return Training(Network(module=Linear((4, 4, 1), 3), mean=0.0, std=1.0), data, recipe, 0)


def weights_of(training: Training) -> torch.Tensor:
    return training.network.module.head.layer.weight.detach().clone()  # type: ignore[union-attr, operator, return-value]


def test_a_step_is_the_step_by_hand() -> None:
    """Weights after one step of SGD are the old ones minus lr times the gradient, worked out in float64."""
    training = linear_training()
    rows = np.arange(0, 40, 3)
    before = weights_of(training).double()
    bias = training.network.module.head.layer.bias.detach().double()  # type: ignore[union-attr, operator]
    images = torch.from_numpy(training.data.images[rows].reshape(len(rows), 16) / 255)
    targets = torch.eye(3, dtype=torch.float64)[torch.from_numpy(training.data.labels[rows])]
    probabilities = (images @ before.T + bias).softmax(dim=1)
    gradient = (probabilities - targets).T @ images / len(rows)  # of the mean cross-entropy
    loss = training.step(rows, seed=0, lr=0.5)
    assert float(-(probabilities.log() * targets).sum(dim=1).mean()) == pytest.approx(float(loss), abs=1e-6)
    assert torch.allclose(before - 0.5 * gradient, weights_of(training).double(), atol=1e-6)


def test_gradients_that_are_not_forgotten_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without zero_grad the second step goes by the sum of both gradients, and ends elsewhere."""
    right, wrong = linear_training(), linear_training()
    monkeypatch.setattr(wrong.optimizer, "zero_grad", lambda: None)
    rows = np.arange(10)
    start = weights_of(right)
    for training in (right, wrong):
        training.step(rows, seed=0, lr=0.5)
    first = weights_of(right)
    assert torch.equal(first, weights_of(wrong))
    for training in (right, wrong):
        training.step(rows, seed=0, lr=0.5)
    second_step = weights_of(right) - first
    both = weights_of(wrong) - first
    assert torch.allclose(second_step + (first - start), both, atol=1e-6)
    assert not torch.allclose(second_step, both, atol=1e-3)


@pytest.mark.slow
def test_the_linear_model_of_the_lesson(mnist_sample: Path) -> None:
    """L1 loss, lr 1, batches of 256, 10 epochs: at least 0.965, with 785 parameters."""
    pixels = fl.load(fl.scan(mnist_sample))
    classifier = fl.fit("linear", pixels, epochs=10, lr=1.0, **PLAIN)
    assert 785 == classifier.training.parameters
    assert fl.evaluate(fl.predict(classifier, pixels, split="validation")).accuracy >= 0.965


@pytest.mark.slow
def test_the_network_of_the_lesson(mnist_sample: Path) -> None:
    """784-30-1 with ReLU, lr 0.1, 40 epochs: at least 0.980, with 23,581 parameters."""
    pixels = fl.load(fl.scan(mnist_sample))
    classifier = fl.fit("mlp", pixels, epochs=40, lr=0.1, sizes={"hidden": 30}, **PLAIN)
    assert 23_581 == classifier.training.parameters
    assert fl.evaluate(fl.predict(classifier, pixels, split="validation")).accuracy >= 0.980


def test_each_epoch_is_reported_with_its_numbers() -> None:
    """The last one has the accuracy of the finished network, counted by NumPy, with SciPy's Wilson interval."""
    told: list[Epoch] = []
    pixels = blobs()

    def progress(step: fl.Step) -> None:
        if isinstance(step.result, Epoch):
            told.append(step.result)

    classifier = fl.fit("linear", pixels, epochs=3, batch_size=16, progress=progress)
    assert [1, 2, 3] == [epoch.epoch for epoch in told]
    held = pixels.select("validation")
    right = int((classifier.model.scores(held.values).argmax(axis=1) == held.labels).sum())
    assert (right / 12, 12) == (told[-1].accuracy, told[-1].n)
    known = binomtest(right, 12).proportion_ci(method="wilson")
    assert pytest.approx((known.low, known.high)) == told[-1].interval
    assert told == list(classifier.history)
    assert told[-1].seconds >= told[0].seconds > 0
    assert "epoch 3/3  train loss" in str(told[-1])


def test_class_weights_raise_the_recall_of_a_rare_class() -> None:
    """With 4 of 120 images in a class, balanced weights find more of it."""
    generator = np.random.default_rng(0)
    labels = (np.arange(160) % 40 < 2).astype(int)
    images = (generator.integers(0, 240, (160, 4, 4, 1)) + 15 * labels[:, None, None, None]).astype(np.uint8)
    pixels = pixels_of(images, labels, 2)
    recalls = []
    for class_weights in ("none", "balanced"):
        classifier = fl.fit("linear", pixels, epochs=10, batch_size=16, lr=0.01, class_weights=class_weights)
        scores = classifier.model.scores(images[labels == 1])
        recalls.append(float((scores.argmax(axis=1) == 1).mean()))
    assert recalls[0] < recalls[1]


def test_a_bound_for_the_gradient_is_kept() -> None:
    """With clip the step is no longer than lr times the bound."""
    free, bound = linear_training(lr=1.0), linear_training(lr=1.0, clip=0.01)
    before = weights_of(free)
    for training in (free, bound):
        training.step(np.arange(10), seed=0, lr=1.0)
    assert float((weights_of(free) - before).norm()) > 0.01
    assert float((weights_of(bound) - before).norm()) <= 0.01 + 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_both_precisions_learn(precision: Any) -> None:
    """Ten epochs are enough for classes of different brightness."""
    pixels = blobs(count=96)
    classifier = fl.fit("cnn", pixels, effort="quick", epochs=10, batch_size=16, precision=precision)
    assert fl.evaluate(fl.predict(classifier, pixels, split="validation")).accuracy > 0.8


def test_the_rate_can_be_found_by_the_range_test() -> None:
    """The curve is kept, and the rate lies within it."""
    classifier = fl.fit("linear", blobs(), epochs=2, batch_size=16, lr="auto")
    assert classifier.training is not None and classifier.training.lr_range is not None
    curve = classifier.training.lr_range
    assert len(curve.rates) == len(curve.losses) > 20
    assert list(curve.rates) == sorted(curve.rates)
    assert curve.rates[0] / 10 <= classifier.training.recipe["lr"] < curve.rates[-1]
    assert any("range test" in reason for reason in classifier.training.reasons)
    json.dumps(classifier.training.to_dict())


class Failing:
    """Cross-entropy that is NaN from some call on."""

    def __init__(self, good: int) -> None:
        self.calls, self.good = 0, good

    def __call__(self, scores: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        losses = -(scores.log_softmax(dim=1) * targets).sum(dim=1)
        return losses if self.calls <= self.good else losses * float("nan")


def test_a_loss_that_is_no_number_any_more_stops_and_keeps_the_last_good_weights() -> None:
    """Of three epochs the second fails; the network is that of a training of one epoch, and it is said."""
    pixels = blobs()
    options: dict[str, Any] = {"batch_size": 12, "schedule": "constant", "lr": 0.01}  # 3 steps an epoch
    with pytest.warns(UserWarning, match="nan in epoch 2 .*epoch 1"):
        failed = fl.fit("linear", pixels, epochs=3, loss=Failing(1 + 3 + 1 + 1), **options)  # probe, epoch, look, step
    whole = fl.fit("linear", pixels, epochs=1, **options)
    assert np.array_equal(whole.model.scores(pixels.values), failed.model.scores(pixels.values))
    assert 1 == len(failed.history)


def test_a_loss_that_is_never_a_number_is_reported_at_the_first_step() -> None:
    """The loss is suspected, not the learning rate."""
    with pytest.raises(ArgumentError, match="nan at the first step"):
        fl.fit("linear", blobs(), epochs=2, batch_size=12, loss=Failing(1))


def test_a_rate_that_diverges_before_an_epoch_has_ended_is_reported() -> None:
    """With what to pass instead."""
    with pytest.raises(ArgumentError, match=r"lr=1e\+30"):
        fl.fit("mlp", blobs(), epochs=2, batch_size=4, lr=1e30, optimizer="sgd", schedule="constant", loss="mse")


def test_training_stops_early_and_keeps_the_best_weights() -> None:
    """Labels at random: the validation loss rises soon, and the weights are those of its lowest epoch."""
    generator = np.random.default_rng(1)
    images = generator.integers(0, 256, (80, 4, 4, 1), dtype=np.uint8)
    pixels = pixels_of(images, generator.integers(0, 2, 80), 2)
    options: dict[str, Any] = {"batch_size": 16, "schedule": "constant", "lr": 0.05}
    with pytest.warns(UserWarning, match="Training stopped"):
        classifier = fl.fit("mlp", pixels, epochs=60, patience=3, **options)
    losses = [epoch.validation_loss for epoch in classifier.history]
    best = int(np.argmin(losses))
    assert best + 1 + 3 == len(losses) < 60
    assert f"the weights of epoch {best + 1} " in classifier.training.stopped
    whole = fl.fit("mlp", pixels, epochs=best + 1, patience=60, **options)
    assert np.array_equal(whole.model.scores(images), classifier.model.scores(images))


def test_early_stopping_does_not_look_at_validation_images() -> None:
    """Other validation images leave weights and temperature as they are; a fifth of the training images is held out."""
    pixels = blobs()
    noise = np.random.default_rng(0).integers(0, 256, pixels.values.shape, dtype=np.uint8)
    outside = (pixels.splits == 1)[:, None, None, None]
    options: dict[str, Any] = {"epochs": 4, "batch_size": 8, "patience": 2}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # training may or may not stop early
        one = fl.fit("linear", pixels, **options)
        other = fl.fit("linear", replace(pixels, values=np.where(outside, noise, pixels.values)), **options)
    assert np.array_equal(one.model.scores(pixels.values), other.model.scores(pixels.values))
    assert one.temperature == other.temperature
    assert len(training_set(pixels).held_out.labels) == one.history[0].n
    assert not fl.predict(one, pixels, split="validation").calibrated_here


@pytest.mark.parametrize(("patience", "best"), [(0, 2), (3, 1)])
def test_the_weights_to_go_back_to_are_chosen_on_validation_images_with_early_stopping_only(
    patience: int, best: int
) -> None:
    """Training loss is lowest in epoch 2, validation loss in epoch 1."""
    state = linear_training(patience=patience).state
    for number, (train_loss, validation_loss) in enumerate([(3.0, 1.0), (1.0, 2.0), (2.0, 3.0)], start=1):
        state.end_epoch(
            Epoch(epoch=number, epochs=3, train_loss=train_loss, validation_loss=validation_loss, lr=0.1, seconds=0.0)
        )
    assert best == state.best_epoch
    assert (2 if patience else 0) == state.stale


class Wide(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.layer = nn.Linear(64, width)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.layer(images.flatten(1))


class Empty(nn.Module):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.flatten(1)[:, :3]


@pytest.mark.parametrize(
    ("rung", "options", "said"),
    [
        (Wide(5), {}, r"\(8, 5\) .*\(8, 1, 8, 8\) .*3 classes"),
        (nn.Linear(5, 3), {}, r"module .*\(8, 1, 8, 8\)"),
        (Empty(), {}, "parameter"),
        (Own(1, 3), {"loss": lambda scores, targets: scores.mean()}, r"loss .*\(\) .* 8"),
        (Own(1, 3), {"loss": lambda scores, targets: scores.argmax(dim=1).float()}, "gradient"),
        ("linear", {"loss": "hinge"}, "loss='hinge' .*l1, mse, bce, cross_entropy"),
        ("linear", {"batch_size": 37}, "batch_size=37 .*36"),
        ("linear", {"batch_size": 0}, "batch_size=0"),
        ("linear", {"lr": -1}, "lr=-1"),
        ("linear", {"epoch": 3}, "'epoch'.* epochs"),
        ("linear", {"device": "tpu"}, "device='tpu'"),
        ("mlp", {"sizes": {"units": 3}}, "mlp"),
        ("prior", {"epochs": 3}, "prior .*'epochs'"),
        ("forest", {}, "'forest'"),
    ],
    ids=lambda value: str(value)[:30].split("(")[0],
)
def test_what_does_not_fit_is_reported_in_one_sentence_before_training(rung: Any, options: Any, said: str) -> None:
    """What was passed, what was expected, how to mend it."""
    with pytest.raises(ArgumentError, match=said) as caught:
        fl.fit(rung, blobs(), **options)
    assert str(caught.value).endswith(".") and "\n" not in str(caught.value)


def test_images_of_one_class_are_refused() -> None:
    """There is nothing to tell apart."""
    images = np.zeros((8, 4, 4, 1), np.uint8)
    with pytest.raises(DataError, match="1 class"):
        fl.fit("linear", pixels_of(images, np.zeros(8, int), 2))


def test_a_module_that_cannot_take_the_smallest_batch_is_reported_before_training() -> None:
    """Batch norm needs two images; 36 images in batches of one, or of at most 35 (two batches), tell apart."""
    module = nn.Sequential(nn.Flatten(), nn.Linear(64, 4), nn.BatchNorm1d(4), nn.Linear(4, 3))
    with pytest.raises(ArgumentError, match=r"\(1, 1, 8, 8\): Expected more than 1 value"):
        fl.fit(module, blobs(), epochs=1, batch_size=1, lr=0.01)
    assert "Sequential" == fl.fit(module, blobs(), epochs=1, batch_size=35, lr=0.01).name


def test_the_parts_of_a_module_keep_their_modes_while_it_scores() -> None:
    """A part that was set to evaluation stays so."""
    module = nn.Sequential(nn.Flatten(), nn.Linear(64, 4), nn.Dropout(), nn.Linear(4, 3))
    module[2].eval()
    Network(module=module, mean=0.0, std=1.0).scores(np.zeros((2, 8, 8, 1), np.uint8))
    assert [True, True, True, False, True] == [part.training for part in module.modules()]


def test_sizes_are_not_a_modules_own() -> None:
    """They would be passed over in silence."""
    with pytest.raises(ArgumentError, match="sizes"):
        fl.fit(Own(1, 3), blobs(), sizes={"hidden": 3})


def test_test_time_augmentation_is_the_mean_over_moved_and_mirrored_images() -> None:
    """Five views, or ten where training images are mirrored; saved and restored with the same bits."""
    images = np.random.default_rng(0).integers(0, 256, (48, 8, 8, 3), dtype=np.uint8)
    pixels = pixels_of(images, np.arange(48) % 3, 3)
    for mirror, count in ((False, 5), (True, 10)):
        options: dict[str, Any] = {"epochs": 1, "batch_size": 16, "augment": fl.Augmentation(mirror=mirror)}
        one, many = (fl.fit("cnn", pixels, effort="quick", tta=tta, **options) for tta in (False, True))
        padded = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect")
        looks = [
            padded[:, 1:-1, 1:-1],
            padded[:, :-2, 1:-1],
            padded[:, 2:, 1:-1],
            padded[:, 1:-1, :-2],
            padded[:, 1:-1, 2:],
        ]
        looks += [look[:, :, ::-1] for look in looks] if mirror else []
        expected = np.mean([one.model.scores(np.ascontiguousarray(look)) for look in looks], axis=0)
        assert count == len(looks)
        assert np.allclose(expected, many.model.scores(images), rtol=0, atol=1e-5)
        after = restore(save(many))
        assert np.array_equal(many.model.scores(images), after.model.scores(images))
