"""Framing by the ink, held against SciPy's own affine sampling; what it leaves alone."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

import firstlight as fl
from firstlight.data.decoding.align import Align, aligned
from firstlight.errors import ArgumentError
from tables import gray_folder, noise

ALIGNMENTS: tuple[Align, ...] = ("box", "mass", "deskew")


def drawing(seed: int, side: int = 20) -> np.ndarray:
    """(side, side) float64: a blurred random line on black."""
    generator = np.random.default_rng(seed)
    image = np.zeros((side, side))
    ends = generator.uniform(3, side - 4, (2, 2))
    for share in np.linspace(0, 1, 60):
        row, column = ends[0] + share * (ends[1] - ends[0])
        image[round(row), round(column)] = 255
    return np.rint(ndimage.gaussian_filter(image, 0.7))


def aligned_by_scipy(image: np.ndarray, align: Align) -> np.ndarray:
    """The same map by SciPy: its centre of mass, its linear interpolation, the ground outside."""
    height, width = image.shape
    border = np.concatenate([image[0], image[-1], image[1:-1, 0], image[1:-1, -1]])
    ink = np.abs(image - border.mean())
    y, x = ndimage.center_of_mass(ink)
    matrix, offset = np.eye(2), np.zeros(2)
    if align == "mass":
        offset = np.array([y - (height - 1) / 2, x - (width - 1) / 2])
    elif align == "deskew":
        rows, columns = np.mgrid[:height, :width]
        slant = np.cov(rows.ravel(), columns.ravel(), aweights=ink.ravel(), ddof=0)
        matrix = np.array([[1, 0], [slant[0, 1] / slant[0, 0], 1]])
        offset = np.array([0, -matrix[1, 0] * y])
    else:
        (down, right), *_ = ndimage.find_objects((ink >= ink.max() / 2).astype(int))
        scale = np.array([(down.stop - down.start) / height, (right.stop - right.start) / width])
        matrix, offset = np.diag(scale), np.array([down.start, right.start]) + scale / 2 - 0.5
    return ndimage.affine_transform(image, matrix, offset, order=1, mode="constant", cval=border.mean())


@pytest.mark.parametrize("align", ALIGNMENTS)
@pytest.mark.parametrize("light", [True, False])
def test_an_aligned_drawing_is_scipys(align: Align, light: bool) -> None:
    """Within the rounding to whole gray levels, of light ink and of dark ink."""
    for seed in range(20):
        image = drawing(seed) if light else 255 - drawing(seed)
        actual = aligned(image.astype(np.uint8)[None, :, :, None], align)[0, :, :, 0]
        expected = aligned_by_scipy(image, align)
        inside = np.s_[1:-1, 1:-1]  # SciPy cuts hard where a place lies half a pixel outside
        assert np.abs(actual - expected)[inside].max() <= 0.5 + 1e-6


@pytest.mark.parametrize("align", ALIGNMENTS)
def test_framing_twice_changes_little_and_light_and_dark_are_the_same(align: Align) -> None:
    """What is aligned stays where it is, but for the sampling; an inverted image gives the inverted result."""
    images = np.stack([drawing(seed) for seed in range(10)]).astype(np.uint8)[..., None]
    once = aligned(images, align)
    assert np.abs(aligned(once, align).astype(int) - once).mean() < np.abs(once.astype(int) - images).mean() / 2
    assert np.abs(255 - aligned(255 - images, align).astype(int) - once).max() <= 1


@pytest.mark.parametrize("align", ALIGNMENTS)
def test_colors_move_together_and_batches_do_not_matter(align: Align) -> None:
    """Three equal channels stay equal to the gray one; an image alone gives what it gives among others."""
    images = np.stack([drawing(seed) for seed in range(5)]).astype(np.uint8)[..., None]
    np.testing.assert_array_equal(aligned(images, align).repeat(3, axis=3), aligned(images.repeat(3, axis=3), align))
    np.testing.assert_array_equal(aligned(images[2:3], align), aligned(images, align)[2:3])


@pytest.mark.parametrize("align", ALIGNMENTS)
def test_an_image_without_ink_stays(align: Align) -> None:
    """Even images, a single pixel, and none at all."""
    for image in (
        np.full((2, 7, 5, 3), 90, np.uint8),
        np.zeros((1, 1, 1, 1), np.uint8),
        np.zeros((0, 4, 4, 1), np.uint8),
    ):
        np.testing.assert_array_equal(image, aligned(image, align))


def test_a_run_brings_new_images_to_the_same_alignment(tmp_path: object) -> None:
    """The align is part of the preprocessing, from load over the run folder to a session."""
    from pathlib import Path

    from firstlight.models.exporting.session import Session

    folder = Path(str(tmp_path))
    gray_folder(folder / "images", side=9)
    pixels = fl.load(fl.split(fl.scan(folder / "images")), align="mass")
    assert {"size": [9, 9], "color": "gray", "resize": "squish", "align": "mass"} == pixels.preprocessing.to_dict()
    plain = fl.load(pixels.table)
    np.testing.assert_array_equal(aligned(plain.values, "mass"), pixels.values)
    run = fl.climb(pixels, rungs=["centroid-l2"], out=folder / "run")
    answer = Session.of(folder / "run").answer(plain.values)
    np.testing.assert_array_equal(pixels.values, answer.pixels)
    assert run["centroid-l2"].model.config["preprocessing"]["align"] == "mass"


def test_another_alignment_is_refused() -> None:
    """One sentence names the choices."""
    with pytest.raises(ArgumentError, match="none, box, mass, deskew"):
        aligned(noise(1, 4, 4, 1), "upright")  # type: ignore[arg-type]
