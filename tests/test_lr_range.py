"""The learning-rate range test: the rates it tries, the mean it reads, where it stops, what it leaves alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import firstlight as fl
from blobs import Own, blobs
from firstlight.errors import ArgumentError
from firstlight.models.checkpoint import restore, save
from firstlight.models.closed_form.training_set import TrainingSet
from firstlight.models.training.architectures import MLP
from firstlight.models.training.loop import Training
from firstlight.models.training.lr_range import RangeTest, find_lr
from firstlight.models.training.network import Network
from firstlight.models.training.recipes import Recipe
from firstlight.runs.tensors import pack, unpack

pytestmark = pytest.mark.slow

Steps = list[tuple[np.ndarray, int, float]]


def images_of_three_classes(count: int = 40) -> TrainingSet:
    """Noise whose brightness tells the class."""
    labels = np.arange(count) % 3
    noise = np.random.default_rng(0).integers(0, 60, (count, 4, 4, 1)) + 60 * labels[:, None, None, None]
    return TrainingSet(noise.astype(np.uint8), labels, 3)


def small_network() -> Network:
    torch.manual_seed(0)
    return Network(module=MLP((4, 4, 1), 3, hidden=5), mean=0.4, std=0.2)


def tried(network: Network | None = None, seed: int = 0, count: int = 40, **options: Any) -> RangeTest:
    """The test on a small network; nine images a batch."""
    recipe = Recipe(**{"batch_size": 9, "lr": "auto", **options})
    return find_lr(network or small_network(), images_of_three_classes(count), recipe, seed)


def scripted(monkeypatch: pytest.MonkeyPatch, loss_at: Callable[[int], float]) -> Steps:
    """Steps that train nothing and give the loss that a function of their number says; what they were called with."""
    calls: Steps = []

    def step(self: Training, rows: np.ndarray, seed: int, lr: float) -> torch.Tensor:
        calls.append((rows, seed, lr))
        return torch.tensor(loss_at(len(calls) - 1), dtype=torch.float64)

    monkeypatch.setattr(Training, "step", step)
    return calls


@pytest.mark.parametrize(("optimizer", "low", "high"), [("sgd", 1e-4, 10.0), ("adamw", 1e-6, 1.0)])
def test_a_hundred_rates_rise_by_equal_factors(
    optimizer: str, low: float, high: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are NumPy's geometric sequence between the bounds of the optimizer, and each step is taken with its own."""
    calls = scripted(monkeypatch, lambda _: 1.0)
    found = tried(optimizer=optimizer)
    assert 100 == len(found.rates) == len(found.losses)
    assert np.allclose(np.geomspace(low, high, 100), found.rates, rtol=1e-12, atol=0)
    assert [lr for *_, lr in calls] == list(found.rates)


def test_the_curve_is_the_mean_that_forgets_as_pandas_computes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each loss has 0.95 of the weight of the one after it, corrected for the start."""
    pandas = pytest.importorskip("pandas")
    raw = np.random.default_rng(0).uniform(0.5, 1.0, 100)
    scripted(monkeypatch, lambda number: raw[number])
    expected = pandas.Series(raw).ewm(alpha=0.05, adjust=True).mean()
    assert np.allclose(expected, tried().losses, rtol=1e-12, atol=0)


@pytest.mark.parametrize("lowest", [0, 7, 99])
def test_the_rate_is_a_tenth_of_that_of_the_lowest_mean(lowest: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """To two digits; a running mean is lowest where a loss that fell by half at each step begins to rise at once."""
    scripted(monkeypatch, lambda number: 2.0**-number if number <= lowest else 2.0)
    expected = np.geomspace(1e-4, 10.0, 100)[lowest] / 10
    assert float(f"{expected:.1e}") == tried().lr


def test_no_larger_rate_is_tried_once_the_loss_is_four_times_the_lowest(monkeypatch: pytest.MonkeyPatch) -> None:
    """A loss of 1 that becomes 1,000 in step 11 is noticed there: the mean of eleven weighs the last most."""
    calls = scripted(monkeypatch, lambda number: 1.0 if number < 10 else 1000.0)
    found = tried()
    assert 11 == len(calls)
    assert [1.0] * 10 == pytest.approx(list(found.losses))


def test_a_loss_that_rises_less_is_followed_to_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three times the lowest is no divergence yet."""
    scripted(monkeypatch, lambda number: 1.0 if number < 10 else 3.0)
    assert 100 == len(tried().rates)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_what_is_no_number_ends_the_curve_before_it(bad: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rates before it still give an answer, and the curve has finite numbers only, which JSON can hold."""
    scripted(monkeypatch, lambda number: 2.0 - number / 100 if number < 30 else bad)
    found = tried()
    assert 30 == len(found.rates) == len(found.losses)
    assert np.isfinite(found.losses).all()
    assert float(f"{np.geomspace(1e-4, 10.0, 100)[29] / 10:.1e}") == found.lr


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_at_the_lowest_rate_is_reported(bad: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """No rate could help, so the loss and the module are suspected."""
    scripted(monkeypatch, lambda _: bad)
    with pytest.raises(ArgumentError, match="not finite at the first step") as caught:
        tried()
    assert str(caught.value).endswith(".") and "\n" not in str(caught.value)


def test_a_loss_below_zero_is_followed_as_any_other() -> None:
    """Minus the probability of the right class and one minus it have the same gradient, so they get the same rate."""
    rates = []
    for constant in (0.0, 1.0):

        def loss(scores: torch.Tensor, targets: torch.Tensor, constant: float = constant) -> torch.Tensor:
            return constant - (scores.softmax(dim=1) * targets).sum(dim=1)

        rates.append(tried(loss=loss, optimizer="adamw").lr)
    assert rates[0] == rates[1] > 1e-4


def test_batches_go_round_until_a_hundred_steps_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 40 images in five batches each is seen once in every five steps, in another order each time."""
    calls = scripted(monkeypatch, lambda _: 1.0)
    tried()
    epochs = [np.concatenate([rows for rows, *_ in calls[start : start + 5]]) for start in range(0, 100, 5)]
    assert all(np.array_equal(np.arange(40), np.sort(rows)) for rows in epochs)
    assert 20 == len({rows.tobytes() for rows in epochs})
    assert 100 == len({seed for _, seed, _ in calls})


def test_many_batches_are_not_all_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 134 batches an epoch the first hundred are enough."""
    calls = scripted(monkeypatch, lambda _: 1.0)
    tried(count=400, batch_size=3)
    assert 100 == len(calls)


def test_the_losses_are_those_of_plain_sgd_by_hand() -> None:
    """A loop of PyTorch's own gradients and cross-entropy over the same batches gives the same curve."""
    pandas = pytest.importorskip("pandas")
    network, data = small_network(), images_of_three_classes()
    recipe = Recipe(batch_size=9, momentum=0.0)
    found = tried(momentum=0.0)
    order = Training(small_network(), data, recipe, 0)  # for nothing but the order of the images
    weights = [one.detach().clone().requires_grad_() for one in network.module.parameters()]
    losses: list[float] = []
    for number, rate in enumerate(np.geomspace(1e-4, 10.0, 100)[: len(found.rates)]):
        rows = order.order(number // 5)[0][number % 5]
        images = torch.from_numpy((data.images[rows].reshape(len(rows), 16) / 255 - 0.4) / 0.2).float()
        hidden = (images @ weights[0].T + weights[1]).relu()
        loss = nn.functional.cross_entropy(hidden @ weights[2].T + weights[3], torch.from_numpy(data.labels[rows]))
        losses.append(loss.item())
        for one, gradient in zip(weights, torch.autograd.grad(loss, weights), strict=True):
            one.data -= rate * gradient
    expected = pandas.Series(losses).ewm(alpha=0.05, adjust=True).mean()
    assert len(found.rates) > 50
    assert np.allclose(expected[:50], found.losses[:50], rtol=1e-4)


def test_the_network_stays_as_it_was() -> None:
    """Weights, running statistics, modes, gradients and torch's random numbers are those from before the test."""
    module = nn.Sequential(nn.Flatten(), nn.Linear(16, 6), nn.BatchNorm1d(6), nn.Dropout(), nn.Linear(6, 3))
    module[3].eval()
    network = Network(module=module, mean=0.4, std=0.2)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    random_state = torch.get_rng_state()
    tried(network)
    assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())
    assert [True, True, True, True, False, True] == [part.training for part in module.modules()]
    assert all(parameter.grad is None for parameter in module.parameters())
    assert torch.equal(random_state, torch.get_rng_state())


def test_random_numbers_go_on_as_before_where_the_test_fails() -> None:
    """A loss that raises or is no number leaves torch's generator alone too."""
    network, random_state = small_network(), torch.get_rng_state()

    def broken(scores: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("my own loss")

    def never(scores: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return scores.sum(dim=1) * float("nan")

    with pytest.raises(RuntimeError, match="my own loss"):
        tried(network, loss=broken)
    with pytest.raises(ArgumentError, match="not finite"):
        tried(network, loss=never)
    assert torch.equal(random_state, torch.get_rng_state())


def test_the_same_seed_gives_the_same_curve_and_another_seed_another() -> None:
    """The order of the images hangs on it."""
    first, second, other = (tried(seed=seed) for seed in (3, 3, 4))
    assert first == second
    assert first.losses != other.losses


def test_the_curve_survives_the_model_file() -> None:
    """Rates and losses come back from JSON as they went in."""
    classifier = fl.fit("linear", blobs(), epochs=1, batch_size=16, lr="auto")
    saved = unpack(*pack(save(classifier)), Path("model.json"))
    record = classifier.training
    assert record is not None and record.lr_range is not None and len(record.lr_range.rates) > 20
    assert record == restore(saved).training


def test_a_rate_that_is_passed_is_not_looked_for() -> None:
    """There is no curve and no sentence about one."""
    classifier = fl.fit("linear", blobs(), epochs=1, batch_size=16, lr=0.01)
    assert classifier.training is not None and classifier.training.lr_range is None
    assert not any("range test" in reason for reason in classifier.training.reasons)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("name", ["linear", "mlp", "own"])
def test_the_rate_that_was_found_is_one_to_learn_with(name: str, optimizer: Any) -> None:
    """Images of different brightness are told apart after ten epochs, whatever the optimizer."""
    pixels = blobs(count=96)
    rung = Own(1, 3) if name == "own" else name
    classifier = fl.fit(rung, pixels, epochs=10, batch_size=8, lr="auto", optimizer=optimizer)
    assert fl.evaluate(fl.predict(classifier, pixels, split="validation")).accuracy >= 0.9
