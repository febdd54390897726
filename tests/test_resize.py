"""One image to the wanted size and color, held against Pillow."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageOps

from firstlight.data.decoding.resize import to_shape
from tables import noise

SHAPES = [(48, 64), (64, 48), (33, 100), (5, 7), (20, 20)]


@pytest.mark.parametrize("shape", SHAPES)
def test_squish_is_pillows_bilinear_resize(shape: tuple[int, int]) -> None:
    """Both sides are brought to the size, antialiased, with Pillow's own values."""
    image = noise(*shape, 3)
    expected = np.asarray(Image.fromarray(image).resize((32, 24), Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(expected, to_shape(image, size=(24, 32), color="rgb"))


@pytest.mark.parametrize("shape", SHAPES)
def test_crop_is_pillows_fit(shape: tuple[int, int]) -> None:
    """The centred part with the wanted proportions is resized, as ImageOps.fit does."""
    image = noise(*shape, 3)
    expected = np.asarray(ImageOps.fit(Image.fromarray(image), (32, 24), Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(expected, to_shape(image, size=(24, 32), color="rgb", resize="crop"))


@pytest.mark.parametrize("shape", [(48, 64), (64, 48), (8, 64), (20, 20)])
def test_pad_is_pillows_pad_on_black(shape: tuple[int, int]) -> None:
    """The whole image is kept, centred on black, as ImageOps.pad does where the rest is even."""
    image = noise(*shape, 3)
    expected = np.asarray(ImageOps.pad(Image.fromarray(image), (32, 32), Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(expected, to_shape(image, size=(32, 32), color="rgb", resize="pad"))


def test_shrinking_two_by_two_to_one_gives_the_mean() -> None:
    """At half the size the widened triangle weighs two neighbours alike."""
    image = np.array([[10, 20], [30, 40]], np.uint8)[:, :, None]
    assert to_shape(image, size=(1, 1), color="gray").tolist() == [[[25]]]


def test_gray_from_rgb_is_the_luma_to_the_bit() -> None:
    """Gray is (19595 R + 38470 G + 7471 B + 32768) >> 16 for every pixel."""
    image = noise(256, 256, 3)
    red, green, blue = np.moveaxis(image.astype(np.int64), 2, 0)
    expected = ((19595 * red + 38470 * green + 7471 * blue + 32768) >> 16).astype(np.uint8)
    np.testing.assert_array_equal(expected, to_shape(image, size=(256, 256), color="gray")[:, :, 0])


def test_gray_is_taken_before_resizing() -> None:
    """An RGB image becomes gray first, as Pillow's convert and then resize would do."""
    image = noise(50, 40, 3)
    expected = np.asarray(Image.fromarray(image).convert("L").resize((16, 16), Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(expected, to_shape(image, size=(16, 16), color="gray")[:, :, 0])


@pytest.mark.parametrize("resize", ["squish", "crop", "pad"])
def test_rgb_from_gray_has_three_equal_channels(resize: str) -> None:
    """The gray channel is repeated, at whatever size and resize."""
    image = noise(10, 20, 1)
    one = to_shape(image, size=(8, 8), color="gray", resize=resize)
    three = to_shape(image, size=(8, 8), color="rgb", resize=resize)
    assert three.shape == (8, 8, 3)
    np.testing.assert_array_equal(np.concatenate([one] * 3, axis=2), three)


def test_an_image_that_fits_is_handed_back_itself() -> None:
    """Nothing is copied where size and color are right already."""
    image = noise(8, 9, 3)
    assert to_shape(image, size=(8, 9), color="rgb", resize="crop") is image


@pytest.mark.parametrize("resize", ["squish", "crop", "pad"])
@pytest.mark.parametrize("shape", [(1, 5000), (5000, 1), (1, 1)])
def test_a_strip_of_one_pixel_comes_out_in_shape(resize: str, shape: tuple[int, int]) -> None:
    """However thin an image is, it neither vanishes nor grows beyond the size."""
    image = np.full((*shape, 1), 200, np.uint8)
    found = to_shape(image, size=(16, 16), color="gray", resize=resize)
    assert found.shape == (16, 16, 1)
    assert found.max() == 200


@pytest.mark.parametrize("resize", ["crop", "pad"])
def test_proportions_are_kept_by_crop_and_pad(resize: str) -> None:
    """A square of ink in the middle of a wide image stays a square."""
    image = np.zeros((40, 80, 1), np.uint8)
    image[10:30, 30:50] = 255
    ink = to_shape(image, size=(40, 40), color="gray", resize=resize)[:, :, 0] > 127
    assert ink.any(axis=0).sum() == ink.any(axis=1).sum() == (20 if resize == "crop" else 10)
