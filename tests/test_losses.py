"""The losses against PyTorch's own, fastbook's figures and scikit-learn's class weights; a user's loss is checked."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812  # the field's name for it
from sklearn.utils.class_weight import compute_class_weight

from firstlight.errors import ArgumentError
from firstlight.models.training.losses import LOSSES, balanced, bce, checked, cross_entropy, l1, mse, one_hot
from firstlight.models.training.recipes import LOSSES as NAMES
from firstlight.models.training.recipes import Recipe


def drawn(classes: int, count: int = 50) -> tuple[torch.Tensor, torch.Tensor]:
    """Random scores (count, classes) and labels (count,), always the same."""
    generator = torch.Generator().manual_seed(classes)
    scores = 3 * torch.randn(count, classes, generator=generator)
    return scores, torch.randint(0, classes, (count,), generator=generator)


@pytest.mark.parametrize(("predictions", "expected"), [([0.9, 0.4, 0.2], 0.4333), ([0.9, 0.4, 0.8], 0.2333)])
def test_l1_of_two_classes_gives_the_figures_of_the_book(predictions: list[float], expected: float) -> None:
    """Targets 1, 0, 1 and fastbook's predictions of the second class give the means that chapter 4 prints."""
    p = torch.tensor(predictions)
    scores = torch.stack([1 - p, p], dim=1).log()
    losses = l1(scores, one_hot(torch.tensor([1, 0, 1]), 2))
    assert expected == round(float(losses.mean()), 4)


def test_l1_is_what_the_right_class_lacks_to_one() -> None:
    """Of three classes with 0.2, 0.5 and 0.3, each as the right one lacks the rest."""
    scores = torch.tensor([[0.2, 0.5, 0.3]]).log().repeat(3, 1)
    assert [0.8, 0.5, 0.7] == pytest.approx(l1(scores, one_hot(torch.arange(3), 3)).tolist(), abs=1e-6)


@pytest.mark.parametrize("classes", [2, 3, 10])
@pytest.mark.parametrize("smoothing", [0.0, 0.2, 0.9])
def test_cross_entropy_is_that_of_pytorch(classes: int, smoothing: float) -> None:
    """Each image's loss is PyTorch's, with and without label smoothing."""
    scores, labels = drawn(classes)
    expected = F.cross_entropy(scores, labels, label_smoothing=smoothing, reduction="none")
    torch.testing.assert_close(cross_entropy(scores, one_hot(labels, classes, smoothing)), expected)


def test_bce_of_two_classes_asks_once() -> None:
    """It is PyTorch's binary cross-entropy of the difference of the two scores."""
    scores, labels = drawn(2)
    expected = F.binary_cross_entropy_with_logits(scores[:, 1] - scores[:, 0], labels.float(), reduction="none")
    torch.testing.assert_close(bce(scores, one_hot(labels, 2)), expected)


def test_bce_of_two_classes_is_their_cross_entropy() -> None:
    """A sigmoid of the difference is the softmax of the two, so the two losses are one, smoothed or not."""
    scores, labels = drawn(2)
    for smoothing in (0.0, 0.3):
        targets = one_hot(labels, 2, smoothing)
        torch.testing.assert_close(bce(scores, targets), cross_entropy(scores, targets))


@pytest.mark.parametrize("classes", [3, 10])
def test_bce_of_more_classes_asks_each_against_the_rest(classes: int) -> None:
    """It is PyTorch's binary cross-entropy of each score, added up over the classes."""
    scores, labels = drawn(classes)
    each = [
        F.binary_cross_entropy_with_logits(scores[:, number], (labels == number).float(), reduction="none")
        for number in range(classes)
    ]
    torch.testing.assert_close(bce(scores, one_hot(labels, classes)), torch.stack(each).sum(dim=0))


def test_mse_of_two_classes_is_the_squared_error_of_either() -> None:
    """It is PyTorch's mse_loss of the second class's probability, and of the first's."""
    scores, labels = drawn(2)
    losses = mse(scores, one_hot(labels, 2))
    p = torch.sigmoid(scores[:, 1] - scores[:, 0])
    torch.testing.assert_close(losses, F.mse_loss(p, labels.float(), reduction="none"))
    torch.testing.assert_close(losses, F.mse_loss(1 - p, 1 - labels.float(), reduction="none"))


def test_mse_of_three_classes_by_hand() -> None:
    """Half of 0.2^2 + 0.5^2 + 0.7^2 where the third of 0.2, 0.5 and 0.3 is right."""
    losses = mse(torch.tensor([[0.2, 0.5, 0.3]]).log(), one_hot(torch.tensor([2]), 3))
    assert [0.39] == pytest.approx(losses.tolist(), abs=1e-6)


def test_losses_are_those_that_the_recipe_knows() -> None:
    """The names that a recipe lets through have each a function here, and no other has one."""
    assert sorted(NAMES) == sorted(LOSSES)
    assert Recipe().loss in LOSSES


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("classes", [2, 5])
def test_a_loss_does_not_know_the_order_of_classes(name: str, classes: int) -> None:
    """Scores and targets with their classes backwards give the same losses."""
    scores, labels = drawn(classes)
    targets = one_hot(labels, classes, 0.1)
    torch.testing.assert_close(LOSSES[name](scores, targets), LOSSES[name](scores.flip(1), targets.flip(1)))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("classes", [2, 5])
def test_a_loss_gives_one_number_an_image_that_knows_no_other_image(name: str, classes: int) -> None:
    """The losses of a batch are those of its images one by one, (B,)."""
    scores, labels = drawn(classes)
    targets = one_hot(labels, classes)
    losses = LOSSES[name](scores, targets)
    assert (50,) == losses.shape
    alone = [LOSSES[name](scores[row : row + 1], targets[row : row + 1]) for row in range(50)]
    torch.testing.assert_close(losses, torch.cat(alone))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("classes", [2, 3])
def test_a_loss_and_its_gradient_stay_finite_for_large_scores(name: str, classes: int) -> None:
    """Scores of ten thousand, right or wrong, give neither an infinity nor NaN."""
    scores = torch.zeros(2, classes)
    scores[:, 0] = 1e4
    scores.requires_grad_(True)
    losses = LOSSES[name](scores, one_hot(torch.tensor([0, 1]), classes))
    losses.sum().backward()
    assert scores.grad is not None
    assert torch.isfinite(losses).all() and torch.isfinite(scores.grad).all()
    assert losses[0] < losses[1]


@pytest.mark.parametrize("name", NAMES)
def test_a_step_against_the_gradient_lowers_the_loss(name: str) -> None:
    """Scores moved a little downhill have a smaller loss than before."""
    scores, labels = drawn(4)
    targets = one_hot(labels, 4)
    scores.requires_grad_(True)
    before = LOSSES[name](scores, targets).mean()
    (gradient,) = torch.autograd.grad(before, scores)
    assert LOSSES[name](scores - 0.1 * gradient, targets).mean() < before


def test_one_hot_spreads_the_share_over_all_classes() -> None:
    """Every row adds up to 1, and the right class keeps its own part of what is spread."""
    targets = one_hot(torch.tensor([2, 0]), 5, 0.5)
    assert torch.float32 == targets.dtype
    expected = [[0.1, 0.1, 0.6, 0.1, 0.1], [0.6, 0.1, 0.1, 0.1, 0.1]]
    torch.testing.assert_close(targets, torch.tensor(expected))


def test_one_hot_without_smoothing_is_that_of_pytorch() -> None:
    """Ones and zeros, to the bit."""
    labels = torch.tensor([3, 0, 1, 3])
    assert torch.equal(F.one_hot(labels, 4).float(), one_hot(labels, 4))


def test_balanced_weights_are_those_of_scikit_learn() -> None:
    """The formula is scikit-learn's n / (K n_k)."""
    labels = np.repeat([0, 1, 2], [70, 20, 10])
    expected = compute_class_weight("balanced", classes=np.arange(3), y=labels)
    assert expected == pytest.approx(balanced(torch.from_numpy(labels), 3).tolist())


def test_balanced_weights_have_mean_one_over_the_images_and_equal_sums_by_class() -> None:
    """The loss keeps its size, and every class with images counts as much as any other."""
    labels = torch.from_numpy(np.repeat([0, 1, 3], [5, 30, 65]))
    weights = balanced(labels, 4)
    of_images = weights[labels]
    assert 1.0 == pytest.approx(float(of_images.mean()))
    sums = [float(of_images[labels == label].sum()) for label in (0, 1, 3)]
    assert [100 / 3] * 3 == pytest.approx(sums)
    assert 0.0 == weights[2]  # it has no images, and a division by their number is no infinity


def test_balanced_weights_of_classes_of_one_size_are_one() -> None:
    """Weighing changes nothing where nothing is out of balance."""
    assert [1.0, 1.0, 1.0] == balanced(torch.tensor([0, 1, 2, 2, 1, 0]), 3).tolist()


def test_losses_of_the_right_shape_pass_as_they_are() -> None:
    """What was given comes back, the same tensor."""
    losses = torch.rand(4)
    assert checked(losses, 4) is losses


@pytest.mark.parametrize(
    ("losses", "told"),
    [
        (torch.tensor(0.5), r" \(\) .* 4 images"),
        (torch.rand(4, 1), r"\(4, 1\)"),
        (torch.rand(4, 3), r"\(4, 3\)"),
        (torch.rand(3), r"\(3,\)"),
        (0.5, "float"),
        (None, "NoneType"),
    ],
)
def test_losses_of_another_shape_are_reported_in_one_sentence(losses: object, told: str) -> None:
    """The sentence names the shape that came, the shape that is wanted, and the way there."""
    with pytest.raises(ArgumentError, match=told) as caught:
        checked(losses, 4)  # type: ignore[arg-type]
    assert "(4,)" in str(caught.value) and "mean" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_first_loss_of_k_classes_is_the_logarithm_of_k() -> None:
    """Scores without an opinion cost ln K, whatever the label and the smoothing."""
    for classes in (2, 10, 1000):
        targets = one_hot(torch.tensor([0, 1]), classes, 0.2)
        assert [math.log(classes)] * 2 == pytest.approx(cross_entropy(torch.zeros(2, classes), targets).tolist())
