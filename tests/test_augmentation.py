"""Augmentation: shifts and mirror images by NumPy, turns by np.rot90 and by moments, blanked squares, repeats."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from torch import Generator, Tensor

from firstlight.models.training.augmentation import augment
from firstlight.models.training.recipes import Augmentation

EVERYTHING = Augmentation(shift=0.2, rotate=20, scale=0.2, cutout=0.3, mirror=True)
WITHOUT_MIXING = Augmentation(shift=0.3, mirror=True)
WAYS = {
    "shift": Augmentation(shift=0.3),
    "mirror": Augmentation(mirror=True),
    "shift and mirror": WITHOUT_MIXING,
    "rotate": Augmentation(rotate=20),
    "scale": Augmentation(scale=0.2),
    "cutout": Augmentation(cutout=0.5),
    "everything": EVERYTHING,
}
each_way = pytest.mark.parametrize("how", WAYS.values(), ids=WAYS)


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def numbered(count: int, channels: int, height: int, width: int) -> Tensor:
    """The same image ``count`` times, each of its values another whole number from 1 on."""
    size = channels * height * width
    return torch.arange(1.0, size + 1).reshape(1, channels, height, width).repeat(count, 1, 1, 1)


def shifted(image: np.ndarray, down: int, right: int, mode: str) -> np.ndarray:
    """NumPy's shift of (C, H, W), with what is left bare filled by ``np.pad``."""
    _, height, width = image.shape
    most = max(abs(down), abs(right))
    padded = np.pad(image, ((0, 0), (most, most), (most, most)), mode=mode)  # type: ignore[call-overload]
    return padded[:, most + down : most + down + height, most + right : most + right + width]


def which(found: np.ndarray, candidates: dict[tuple[int, ...], np.ndarray]) -> tuple[int, ...]:
    """The one candidate that an image is, to the bit."""
    same = [name for name, candidate in candidates.items() if np.array_equal(candidate, found)]
    assert 1 == len(same)
    return same[0]


def blob(height: int, width: int, *, along: float, across: float) -> Tensor:
    """A bright bar along the rows in the middle, (1, 1, H, W): a normal density of these deviations in px."""
    y = torch.arange(height)[:, None] - (height - 1) / 2
    x = torch.arange(width)[None, :] - (width - 1) / 2
    return torch.exp(-(x**2 / along**2 + y**2 / across**2) / 2)[None, None]


def moments(images: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Mean place (B, 2) and covariance (B, 2, 2) of the middle square of each image, from its centre, in px, (x, y)."""
    side = min(images.shape[2:])
    top, left = ((whole - side) // 2 for whole in images.shape[2:])
    values = images[:, 0, top : top + side, left : left + side].double().numpy()  # (B, side, side)
    values = values / values.sum(axis=(1, 2), keepdims=True)
    y, x = (np.arange(side) - (side - 1) / 2 for side in values.shape[1:])
    places = np.stack(np.broadcast_arrays(x[None, :], y[:, None]))  # (2, H, W)
    means = np.einsum("bhw,ihw->bi", values, places)
    second = np.einsum("bhw,ihw,jhw->bij", values, places, places)
    return means, second - means[:, :, None] * means[:, None, :]


def test_an_augmentation_of_zeros_changes_nothing() -> None:
    """The batch comes back as it is, and not a random number is drawn."""
    images, generator = numbered(2, 1, 4, 4), seeded()
    before = generator.get_state()
    assert augment(images, Augmentation(), generator) is images
    assert torch.equal(before, generator.get_state())


@pytest.mark.parametrize(
    "how", [Augmentation(shift=0.04), Augmentation(cutout=0.09), Augmentation(shift=0.04, cutout=0.09)], ids=str
)
def test_less_than_a_pixel_is_nothing(how: Augmentation) -> None:
    """A share that is no whole px of ten leaves the images as they are."""
    images = numbered(20, 1, 10, 10)
    assert torch.equal(images, augment(images, how, seeded()))


@pytest.mark.parametrize(("height", "width"), [(6, 6), (5, 9), (9, 5)])
@pytest.mark.parametrize("channels", [1, 3])
def test_shifts_are_whole_pixels_with_the_rest_reflected(height: int, width: int, channels: int) -> None:
    """Every image is one of NumPy's 25 shifts by up to 2 px, all of them occur, and the channels move together."""
    images = numbered(400, channels, height, width)
    share = 2 / min(height, width)
    found = augment(images, Augmentation(shift=share), seeded()).numpy()
    ways = product(range(-2, 3), repeat=2)
    candidates = {way: shifted(images[0].numpy(), *way, mode="reflect") for way in ways}
    assert set(candidates) == {which(image, candidates) for image in found}


def test_the_largest_shift_is_half_of_the_image() -> None:
    """Of 4 x 4 px, up to 2 px any way."""
    images = numbered(400, 1, 4, 4)
    found = augment(images, Augmentation(shift=0.5), seeded()).numpy()
    candidates = {way: shifted(images[0].numpy(), *way, mode="reflect") for way in product(range(-2, 3), range(-2, 3))}
    assert {-2, -1, 0, 1, 2} == {which(image, candidates)[0] for image in found}


def test_mirroring_mirrors_half_of_the_images_and_nothing_else() -> None:
    """Every image is as it was or turned left to right, never upside down."""
    images = numbered(400, 2, 3, 4)
    found = augment(images, Augmentation(mirror=True), seeded()).numpy()
    image = images[0].numpy()
    mirrored = [which(one, {(0,): image, (1,): image[:, :, ::-1]})[0] for one in found]
    assert 160 <= sum(mirrored) <= 240  # 4 deviations of 400 tosses


def test_a_shift_of_a_mirrored_image_goes_either_way() -> None:
    """Shift and mirror together give all 18 pictures of an image shifted by up to 1 px."""
    images = numbered(600, 1, 4, 4)
    found = augment(images, Augmentation(shift=1 / 4, mirror=True), seeded()).numpy()
    image = images[0].numpy()
    candidates = {}
    for down, right in product(range(-1, 2), repeat=2):
        candidates[(0, down, right)] = shifted(image, down, right, "reflect")
        candidates[(1, down, right)] = shifted(image, down, right, "reflect")[:, :, ::-1]
    assert set(candidates) == {which(one, candidates) for one in found}


@pytest.mark.parametrize("mirror", [False, True])
def test_values_are_those_of_the_image_where_nothing_is_turned(mirror: bool) -> None:
    """Shifting and mirroring mix no values, to the bit, and a channel keeps its own."""
    images = torch.randn(50, 3, 7, 6, generator=seeded())
    found = augment(images, Augmentation(shift=0.3, mirror=mirror), seeded())
    for image, other in zip(images.flatten(0, 1), found.flatten(0, 1), strict=True):
        assert set(image.flatten().tolist()) >= set(other.flatten().tolist())


@pytest.mark.parametrize(("height", "width"), [(8, 8), (7, 7), (8, 12), (13, 7)])
def test_turns_of_a_quarter_are_those_of_numpy(height: int, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The middle of the image is turned by 90 degrees about its centre, to one side and to the other."""
    images = torch.randn(1, 2, height, width, generator=seeded())
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    middle = images[0, :, top : top + side, left : left + side].numpy()
    turns = []
    for drawn in (0.0, 1.0):
        monkeypatch.setattr(torch, "rand", lambda *shape, drawn=drawn, **_: torch.full(shape, drawn))
        found = augment(images, Augmentation(rotate=90), seeded())[0, :, top : top + side, left : left + side].numpy()
        turns += [k for k in range(4) if np.allclose(np.rot90(middle, k, axes=(1, 2)), found, atol=1e-4)]
    assert [1, 3] == sorted(turns)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (64, 96), (96, 64)])
def test_turns_and_changes_of_size_stay_in_their_bounds_and_shear_nothing(height: int, width: int) -> None:
    """A bar of 6 x 2 px keeps its form and place; its angle is within 30 degrees, its size within a fifth."""
    images = blob(height, width, along=6, across=2).repeat(300, 1, 1, 1)
    found = augment(images, Augmentation(rotate=30, scale=0.2), seeded())
    means, covariances = moments(found)
    assert np.abs(means).max() < 0.02
    values, vectors = np.linalg.eigh(covariances)  # from the smaller on
    assert np.sqrt(values[:, 1] / values[:, 0]) == pytest.approx(np.full(300, 3.0), rel=0.1)
    angles = np.degrees(np.arctan(vectors[:, 1, 1] / vectors[:, 0, 1]))
    assert -30.5 < angles.min() < -27 and 27 < angles.max() < 30.5
    sizes = np.sqrt(values[:, 1]) / 6
    assert 0.82 < sizes.min() < 0.86 and 1.16 < sizes.max() < 1.22


@pytest.mark.parametrize(("height", "width"), [(40, 40), (40, 60), (60, 40)])
def test_a_disc_stays_a_disc_in_a_long_image(height: int, width: int) -> None:
    """Turned any way and scaled, a round spot is as high as it is wide."""
    images = blob(height, width, along=2.5, across=2.5).repeat(100, 1, 1, 1)
    _, covariances = moments(augment(images, Augmentation(rotate=180, scale=0.1), seeded()))
    assert covariances[:, 0, 0] == pytest.approx(covariances[:, 1, 1], rel=0.05)
    assert np.abs(covariances[:, 0, 1]).max() < 0.05 * covariances[:, 0, 0].min()


@pytest.mark.parametrize(("height", "width"), [(40, 40), (40, 60), (60, 40)])
def test_shifts_of_turned_images_are_pixels_too(height: int, width: int) -> None:
    """A spot in an image of which the shorter side is 40 px moves by up to 4 px each way for a tenth."""
    images = blob(height, width, along=2, across=2).repeat(300, 1, 1, 1)
    means, _ = moments(augment(images, Augmentation(shift=0.1, rotate=1e-6), seeded()))
    for direction in means.T:
        assert -4.1 < direction.min() < -3.7 and 3.7 < direction.max() < 4.1


@pytest.mark.slow
@pytest.mark.parametrize("how", [Augmentation(rotate=1e-6), Augmentation(scale=1e-9)], ids=str)
def test_turning_and_scaling_by_nothing_is_nothing(how: Augmentation) -> None:
    """Every pixel is taken from its own place."""
    images = torch.randn(10, 3, 7, 12, generator=seeded())
    torch.testing.assert_close(augment(images, how, seeded()), images, rtol=0, atol=1e-4)


def test_turned_images_are_mirrored_too() -> None:
    """Half of the images that are turned by next to nothing are mirrored left to right, none upside down."""
    images = torch.randn(1, 1, 6, 9, generator=seeded()).repeat(400, 1, 1, 1)
    found = augment(images, Augmentation(rotate=1e-6, mirror=True), seeded())
    plain = ((found - images).abs().amax(dim=(1, 2, 3)) < 1e-4).numpy()
    mirrored = ((found - images.flip(3)).abs().amax(dim=(1, 2, 3)) < 1e-4).numpy()
    assert (plain ^ mirrored).all()
    assert 160 <= mirrored.sum() <= 240


@pytest.mark.slow
def test_what_a_turn_leaves_bare_is_filled_by_reflection() -> None:
    """An image of one value stays one, with no dark corner."""
    how = Augmentation(shift=0.3, rotate=180, scale=0.5, mirror=True)
    images = torch.full((50, 1, 8, 13), 0.7)
    torch.testing.assert_close(augment(images, how, seeded()), images)


@pytest.mark.parametrize(("height", "width"), [(12, 12), (12, 20), (20, 12)])
@pytest.mark.parametrize("side", [1, 4, 5])
def test_cutout_blanks_one_square_an_image(height: int, width: int, side: int) -> None:
    """A square of the asked side, cut off at the edges, is 0 in all channels; the rest is as it was."""
    images = numbered(500, 3, height, width)
    found = augment(images, Augmentation(cutout=side / 12), seeded())
    blank = (found == 0).numpy()
    assert torch.equal(found[found != 0], images[found != 0])
    whole = 0
    for one in blank:
        assert (one == one[0]).all()
        rows, columns = np.flatnonzero(one[0].any(axis=1)), np.flatnonzero(one[0].any(axis=0))
        assert one[0].sum() == len(rows) * len(columns)  # a rectangle without holes:
        assert len(rows) == np.ptp(rows) + 1 and len(columns) == np.ptp(columns) + 1
        for along, size in ((rows, height), (columns, width)):
            at_edge = along[0] == 0 or along[-1] == size - 1
            assert len(along) == side or (at_edge and side // 2 <= len(along) < side)
        whole += len(rows) == len(columns) == side
    assert whole > 100
    assert side == 1 or blank[:, 0].any(axis=0).all()  # every pixel is blanked in some image


def test_a_cutout_of_everything_may_blank_a_whole_image() -> None:
    """One pixel has no other place for the square."""
    assert not augment(numbered(5, 2, 1, 1), Augmentation(cutout=1.0), seeded()).any()


@each_way
def test_the_same_generator_gives_the_same_bits(how: Augmentation) -> None:
    """The seed decides; another one gives other images."""
    images = torch.randn(20, 1, 10, 10, generator=seeded())
    first, again, other = (augment(images, how, seeded(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@each_way
def test_each_image_of_a_batch_is_augmented_alone(how: Augmentation) -> None:
    """Equal images come back as different ones."""
    found = augment(numbered(20, 1, 10, 10), how, seeded())
    assert len({tuple(image.flatten().tolist()) for image in found}) > 1


@each_way
def test_the_batch_passed_is_not_changed(how: Augmentation) -> None:
    """The augmented images are new; the next epoch augments the original ones again."""
    images = torch.randn(10, 3, 10, 10, generator=seeded())
    before = images.clone()
    augment(images, how, seeded())
    assert torch.equal(before, images)


@each_way
@pytest.mark.parametrize("size", [(1, 1), (1, 7), (2, 2), (9, 4)], ids=lambda size: f"{size[0]}x{size[1]}")
def test_small_and_long_images_keep_their_shape(how: Augmentation, size: tuple[int, int]) -> None:
    """One pixel, one row, and images higher than wide are augmented like any others, into finite numbers."""
    images = torch.randn(6, 3, *size, generator=seeded())
    found = augment(images, how, seeded())
    assert images.shape == found.shape and images.dtype == found.dtype
    assert torch.isfinite(found).all()


@pytest.mark.parametrize("how", [Augmentation(shift=0.5, mirror=True), Augmentation(rotate=180, scale=0.9)], ids=str)
def test_one_pixel_stays_the_pixel_that_it_is(how: Augmentation) -> None:
    """Wherever it is moved or turned, there is no other value."""
    images = torch.tensor([3.0, -1.0]).reshape(2, 1, 1, 1)
    torch.testing.assert_close(augment(images, how, seeded()), images)


@each_way
def test_the_images_stay_in_channels_last_order(how: Augmentation) -> None:
    """Images that lie channels last, as batches do, lie so after."""
    images = torch.randn(4, 9, 9, 3, generator=seeded()).permute(0, 3, 1, 2)
    assert augment(images, how, seeded()).is_contiguous(memory_format=torch.channels_last)


@pytest.mark.slow
@each_way
def test_random_numbers_are_drawn_on_the_cpu_for_every_device(how: Augmentation) -> None:
    """Images on another device are augmented there, and draw as many numbers of the CPU's generator as images here."""
    images = numbered(4, 1, 8, 8)
    here, there = seeded(), seeded()
    augment(images, how, here)
    assert torch.device("meta") == augment(images.to("meta"), how, there).device
    assert torch.equal(here.get_state(), there.get_state())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here")
@each_way
def test_an_accelerator_varies_images_as_the_cpu_does(how: Augmentation) -> None:
    """The same seed gives the same images, up to rounding."""
    images = torch.randn(20, 3, 10, 12, generator=seeded())
    torch.testing.assert_close(
        augment(images.to("cuda"), how, seeded()).cpu(), augment(images, how, seeded()), rtol=1e-3, atol=1e-3
    )
