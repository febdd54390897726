"""The networks of the ladder and `Network`: counts, shapes, two classes, first filters, normalizing, refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812  # the field's name for it
from scipy.special import expit, softmax
from torch import Tensor, nn

from firstlight.errors import ArgumentError, RunError
from firstlight.models.training.architectures import CNN, NETWORKS, Block, build
from firstlight.models.training.network import Network, laid_out, load_weights, statistics
from firstlight.models.training.recipes import EFFORTS, RECIPES
from tables import noise


def made(name: str, shape: tuple[int, int, int], classes: int, seed: int = 0, **sizes: Any) -> nn.Module:
    """A network with the weights of this seed, ready to score."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build(name, shape, classes, sizes).eval()


def scored(network: nn.Module, images: Tensor) -> np.ndarray:
    with torch.inference_mode():
        return network(images).numpy()


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_the_books_linear_model_has_785_parameters() -> None:
    """784 weights and a bias, as in fastbook, chapter 4."""
    assert 785 == count(made("linear", (28, 28, 1), 2))


def test_the_books_network_has_23581_parameters() -> None:
    """784 x 30 weights, 30 biases, 30 weights and a bias, as in fastbook, chapter 4."""
    assert 23581 == count(made("mlp", (28, 28, 1), 2, hidden=30))


@pytest.mark.parametrize(("classes", "expected"), [(2, 3073), (3, 3 * 3073), (10, 10 * 3073)])
def test_linear_has_a_weight_for_each_value_and_class(classes: int, expected: int) -> None:
    """32 x 32 x 3 weights and a bias a class; two classes share theirs."""
    assert expected == count(made("linear", (32, 32, 3), classes))


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("classes", [2, 10, 1000])
@pytest.mark.parametrize(
    "size", [(1, 1), (7, 5), (16, 16), (28, 28), (33, 33)], ids=lambda size: f"{size[0]}x{size[1]}"
)
def test_scores_have_a_row_an_image_and_a_column_a_class(
    name: str, channels: int, classes: int, size: tuple[int, int]
) -> None:
    """(B, C, H, W) gives (B, K) finite scores for any size, odd ones and one pixel included."""
    scores = scored(made(name, (*size, channels), classes), normal(3, channels, *size))
    assert (3, classes) == scores.shape
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("size", [(224, 224), (224, 37), (1, 60)], ids=lambda size: f"{size[0]}x{size[1]}")
def test_large_and_long_images_are_scored(name: str, size: tuple[int, int]) -> None:
    """Images of 224 px, and images much longer than high, in color."""
    assert (2, 3) == scored(made(name, (*size, 3), 3), normal(2, 3, *size)).shape


@pytest.mark.parametrize("effort", EFFORTS)
@pytest.mark.parametrize("name", NETWORKS)
def test_the_sizes_of_every_recipe_fit_their_network(name: str, effort: str) -> None:
    """Each effort builds a network, for gray and color, and a higher effort never a smaller one."""
    sizes = [RECIPES[name][one].sizes for one in EFFORTS[: EFFORTS.index(effort) + 1]]
    for channels in (1, 3):
        counts = [count(build(name, (28, 28, channels), 10, one)) for one in sizes]
        assert sorted(counts) == counts


@pytest.mark.parametrize("name", NETWORKS)
def test_two_classes_are_a_sigmoid_of_one_number(name: str) -> None:
    """The first score is 0, and the second class's softmax is the second score's sigmoid."""
    scores = scored(made(name, (9, 9, 1), 2), normal(20, 1, 9, 9)).astype(np.float64)
    assert not scores[:, 0].any()
    assert scores[:, 1].std() > 0
    assert softmax(scores, axis=1)[:, 1] == pytest.approx(expit(scores[:, 1]))


@pytest.mark.parametrize("name", NETWORKS)
def test_the_gradient_reaches_every_parameter(name: str) -> None:
    """No weight of a network is out of the loss's reach."""
    network = made(name, (16, 16, 3), 3).train()
    network(normal(8, 3, 16, 16)).logsumexp(dim=1).sum().backward()
    for told, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.any(), told


@pytest.mark.parametrize("name", NETWORKS)
def test_the_seed_gives_the_weights(name: str) -> None:
    """The same seed gives the same scores to the bit, another one others."""
    images = normal(4, 1, 8, 8)
    first, again, other = (scored(made(name, (8, 8, 1), 3, seed), images) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.allclose(first, other)


@pytest.mark.parametrize("name", NETWORKS)
def test_an_image_has_the_scores_that_it_has_among_many(name: str) -> None:
    """Scoring does not depend on which other images are in the batch."""
    network, images = made(name, (12, 10, 3), 4), normal(6, 3, 12, 10)
    alone = np.concatenate([scored(network, images[row : row + 1]) for row in range(6)])
    assert alone == pytest.approx(scored(network, images), abs=1e-5)


def test_linear_is_a_product_of_pixels_and_weights() -> None:
    """Its scores are the matrix product and the bias, computed by NumPy."""
    network = made("linear", (4, 3, 2), 3)
    weights, bias = (parameter.detach().numpy() for parameter in network.parameters())
    images = normal(5, 2, 4, 3)
    expected = images.numpy().reshape(5, 24) @ weights.T + bias
    assert expected == pytest.approx(scored(network, images), abs=1e-5)


def test_mlp_is_two_products_with_what_is_negative_left_out_between() -> None:
    """Its scores are max(0, x A + a) B + b, computed by NumPy."""
    network = made("mlp", (4, 3, 2), 3, hidden=7)
    first, first_bias, last, last_bias = (parameter.detach().numpy() for parameter in network.parameters())
    images = normal(5, 2, 4, 3)
    hidden = np.maximum(0, images.numpy().reshape(5, 24) @ first.T + first_bias)
    assert hidden @ last.T + last_bias == pytest.approx(scored(network, images), abs=1e-5)


def test_cnn_finds_a_thing_wherever_it_is() -> None:
    """Since the maximum of each feature counts, a patch is scored the same after a move that all halvings divide."""
    network, patch = made("cnn", (16, 16, 1), 3), normal(4, 4)
    images = torch.zeros(3, 1, 160, 160)  # so large that the patch is far from the edges
    images[0, 0, 72:76, 72:76] = patch
    images[1, 0, 88:92, 56:60] = patch
    first, second, nothing = scored(network, images)
    assert first == pytest.approx(second, abs=1e-5)
    assert np.abs(first - nothing).max() > 1e-3


@pytest.mark.parametrize(("inputs", "outputs"), [(4, 8), (4, 4), (8, 4)])
def test_a_block_passes_features_through_at_the_start(inputs: int, outputs: int) -> None:
    """Its first convolution gives back as many of the maps as it has filters for, and so does its second."""
    with torch.random.fork_rng(devices=[]):
        block, maps = Block(inputs, outputs), normal(2, inputs, 6, 6)
        passed = min(inputs, outputs)
        with torch.inference_mode():
            torch.testing.assert_close(block.first(maps)[:, :passed], maps[:, :passed])
            torch.testing.assert_close(block.second(maps[:, :1].expand(-1, outputs, -1, -1))[:, 0], maps[:, 0])


@pytest.mark.parametrize(("size", "expected"), [((8, 8), (4, 4)), ((7, 5), (4, 3)), ((1, 1), (1, 1)), ((1, 6), (1, 3))])
def test_a_block_halves_the_map_and_rounds_up(size: tuple[int, int], expected: tuple[int, int]) -> None:
    """No row or column at the edge is lost, and one pixel stays one."""
    with torch.random.fork_rng(devices=[]):
        assert (2, 6, *expected) == Block(3, 6).eval()(normal(2, 3, *size)).shape


def whitened(images: Tensor) -> CNN:
    network = made("cnn", (*images.shape[2:], images.shape[1]), 3)  # type: ignore[arg-type]
    assert isinstance(network, CNN)
    network.start_from(images)
    return network


def smooth(number: int, channels: int, side: int = 16) -> Tensor:
    """Images whose neighbouring pixels resemble each other, as those of real images do."""
    return F.avg_pool2d(normal(number, channels, side + 2, side + 2), 3, stride=1) * 3


def patches_of(images: Tensor, side: int, step: int) -> np.ndarray:
    """Every patch of ``side`` px that lies whole in an image, ``step`` px apart, a row each, by NumPy."""
    windows = np.lib.stride_tricks.sliding_window_view(images.double().numpy(), (side, side), axis=(2, 3))
    return windows[:, :, ::step, ::step].transpose(0, 2, 3, 1, 4, 5).reshape(-1, images.shape[1] * side**2)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_first_filters_whiten_the_images_patches(channels: int) -> None:
    """On the images, the answers of the first half are uncorrelated and of size 1, measured by NumPy."""
    images = smooth(100, channels)
    filters = whitened(images).stem.weight.detach().double().numpy()
    half = len(filters) // 2
    answers = patches_of(images, filters.shape[2], 1) @ filters[:half].reshape(half, -1).T
    products = answers.T @ answers / len(answers)
    assert np.eye(half) == pytest.approx(products, abs=0.05)


@pytest.mark.parametrize(("side", "channels"), [(16, 1), (32, 1), (64, 3)])
def test_the_first_filters_are_the_main_directions_of_the_patches(side: int, channels: int) -> None:
    """They are NumPy's, those of the largest spread first, each over the root of its spread, where filters look."""
    images = smooth(20, channels, side)
    stem = whitened(images).stem
    half, (step, _) = stem.out_channels // 2, stem.stride
    patches = patches_of(images, stem.kernel_size[0], step)
    _, values, directions = np.linalg.svd(patches / np.sqrt(len(patches)), full_matrices=False)
    expected = directions[:half] / np.sqrt(values[:half, None] ** 2 + 5e-4)
    found = stem.weight.detach().double().numpy()[:half].reshape(half, -1)
    signs = np.sign((found * expected).sum(axis=1, keepdims=True))
    assert signs * expected == pytest.approx(found, rel=1e-3, abs=1e-4)


def test_the_second_half_of_the_first_filters_is_the_first_with_the_other_sign() -> None:
    """What the ReLU cuts off of one filter, its opposite keeps."""
    filters = whitened(smooth(50, 1)).stem.weight.detach()
    half = len(filters) // 2
    assert filters[:half].any()
    assert torch.equal(filters[:half], -filters[half : 2 * half])


def test_the_first_filters_are_fixed_once_they_are_set() -> None:
    """Their weights take no gradient; every other parameter does."""
    network = whitened(smooth(50, 1))
    fixed = [name for name, parameter in network.named_parameters() if not parameter.requires_grad]
    assert ["stem.weight"] == fixed


def test_the_first_filters_do_not_know_the_order_of_the_images() -> None:
    """Images backwards give the same filters, but for their signs."""
    images = smooth(50, 1)
    first, second = (whitened(one).stem.weight.detach() for one in (images, images.flip(0)))
    torch.testing.assert_close(first.abs(), second.abs(), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 9, 1)], ids=str)
def test_filters_larger_than_the_images_stay_random(shape: tuple[int, int, int]) -> None:
    """There is no patch to take, so the first layer is trained like the others."""
    network = made("cnn", shape, 3)
    assert isinstance(network, CNN)
    before = network.stem.weight.detach().clone()
    network.start_from(normal(10, shape[2], *shape[:2]))
    assert torch.equal(before, network.stem.weight)
    assert network.stem.weight.requires_grad


def test_blank_images_make_finite_first_filters() -> None:
    """Patches without any direction give numbers, no division by zero."""
    assert torch.isfinite(whitened(torch.zeros(10, 1, 16, 16)).stem.weight).all()


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("linear", {"hidden": 3}),
        ("mlp", {"width": 3}),
        ("mlp", {"hidden": 0}),
        ("mlp", {"hidden": -1}),
        ("mlp", {"hidden": 2.5}),
        ("mlp", {"hidden": "many"}),
        ("mlp", {"hidden": None}),
        ("cnn", {"hidden": 3}),
        ("cnn", {"width": 0}),
        ("cnn", {"width": -4}),
        ("cnn", {"width": 2.5}),
        ("cnn", {"width": "wide"}),
        ("cnn", {"side": -3}),
        ("cnn", {"side": "long"}),
    ],
    ids=str,
)
def test_a_size_that_does_not_fit_is_reported_in_one_sentence(name: str, sizes: dict[str, Any]) -> None:
    """The sentence names the rung, the sizes and what is wrong with them."""
    with pytest.raises(ArgumentError) as caught:
        build(name, (28, 28, 1), 3, sizes)
    told = str(caught.value)
    assert told.startswith(f"sizes={sizes!r} do not fit {name}: ")
    assert told.endswith(".") and "\n" not in told and not told.endswith("..")


def test_statistics_are_numpys_mean_and_deviation() -> None:
    """Of all channels together, with 255 as 1."""
    images = noise(30, 7, 5, 3)
    assert (images / 255).mean() == pytest.approx(statistics(images)[0], abs=1e-12)
    assert (images / 255).std() == pytest.approx(statistics(images)[1], abs=1e-12)


def test_the_deviation_of_equal_pixels_counts_as_one() -> None:
    """Nothing is divided by zero."""
    assert (1.0, 1.0) == statistics(np.full((3, 2, 2, 1), 255, np.uint8))


def test_statistics_of_a_mapped_file_are_those_of_the_array(tmp_path: Path) -> None:
    """Where the pixels lie does not matter."""
    images = noise(10, 4, 4, 1)
    np.save(tmp_path / "images.npy", images)
    assert statistics(images) == statistics(np.load(tmp_path / "images.npy", mmap_mode="r"))


def linear_network(images: np.ndarray, classes: int = 3) -> Network:
    mean, std = statistics(images)
    return Network(module=made("linear", images.shape[1:], classes), mean=mean, std=std)


def test_normalized_images_have_mean_zero_and_deviation_one() -> None:
    """Those that mean and spread were taken of; the uint8 images are left as they are."""
    images = noise(40, 6, 6, 1)
    given = torch.from_numpy(images.copy()).permute(0, 3, 1, 2)
    floats = linear_network(images).floats(given)
    assert torch.float32 == floats.dtype
    assert 0 == pytest.approx(float(floats.double().mean()), abs=1e-6)
    assert 1 == pytest.approx(float(floats.double().std(correction=0)), abs=1e-6)
    assert np.array_equal(images, given.permute(0, 2, 3, 1).numpy())


def test_a_network_scores_uint8_images_in_float64() -> None:
    """Its scores are those of the module on (pixels / 255 - mean) / std, channels first."""
    images = noise(9, 6, 5, 3)
    network = linear_network(images)
    by_hand = ((images / 255 - network.mean) / network.std).transpose(0, 3, 1, 2).reshape(9, -1)
    weights, bias = (parameter.detach().numpy() for parameter in network.module.parameters())
    scores = network.scores(images)
    assert np.float64 == scores.dtype
    assert by_hand @ weights.T + bias == pytest.approx(scores, abs=1e-5)


def test_scoring_in_parts_changes_nothing() -> None:
    """More images than fit one batch of scoring have the scores that they have alone, in their order."""
    images = noise(2100, 2, 2, 1)
    network = linear_network(images)
    scores = network.scores(images)
    assert (2100, 3) == scores.shape
    for row in (0, 1023, 1024, 2099):
        assert network.scores(images[row : row + 1])[0] == pytest.approx(scores[row], abs=1e-6)


@pytest.mark.parametrize("training", [True, False])
def test_scoring_leaves_the_module_in_its_mode(training: bool) -> None:
    """Dropout is off while images are scored, and as it was after."""
    images = noise(4, 3, 3, 1)
    module = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(9, 2)).train(training)
    network = Network(module=module, mean=0.5, std=0.25)
    assert np.array_equal(network.scores(images), network.scores(images))
    assert training == module.training == module[1].training


def test_channels_last_filters_score_as_before() -> None:
    """The memory order changes neither a weight nor, but for rounding, a score."""
    network, images = made("cnn", (12, 12, 3), 3), normal(4, 3, 12, 12)
    before, weights = scored(network, images), {name: value.clone() for name, value in network.state_dict().items()}
    laid_out(network)
    assert all(torch.equal(value, weights[name]) for name, value in network.state_dict().items())
    assert before == pytest.approx(scored(network, images), abs=1e-5)
    filters = [parameter for parameter in network.parameters() if parameter.ndim == 4]
    assert filters and all(one.is_contiguous(memory_format=torch.channels_last) for one in filters)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"head.layer.bias": None}, "'head.layer.bias' is missing"),
        ({"extra": torch.zeros(2)}, "'extra' is float32 (2,) and the module has missing"),
        ({"head.layer.bias": torch.zeros(4)}, "'head.layer.bias' is float32 (4,) and the module has float32 (3,)"),
        ({"head.layer.bias": torch.zeros(3).double()}, "'head.layer.bias' is float64 (3,)"),
    ],
)
def test_weights_that_do_not_fit_are_reported_by_name(change: dict[str, Tensor | None], told: str) -> None:
    """A tensor that is missing, left over, or of another shape or type leaves the module as it was."""
    module = made("linear", (2, 2, 1), 3)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    wrong = {name: value for name, value in ({**before, **change}).items() if value is not None}
    with pytest.raises(RunError) as caught:
        load_weights(module, {name: value + 1 for name, value in wrong.items()})
    assert told in str(caught.value)
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
