"""Images of poor quality: each planted look is found under its code and nothing else, and clean photos have none."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter
from scipy.ndimage import gaussian_filter

import firstlight as fl
from firstlight.data.auditing.compression import SUMS, jpeg_quality
from firstlight.data.auditing.detail import fineness, noise
from tables import write_images

QUALITIES = {f"FL4{number}" for number in range(11, 19)}
EACH, SIDE = 20, 100


def scene(seed: int) -> Image.Image:
    """Rectangles of random colors over a slope: sharp edges, plain areas, no two alike."""
    generator = np.random.default_rng(seed)
    image = np.full((SIDE, SIDE, 3), generator.integers(60, 200, 3), np.uint8)
    for _ in range(12):
        top, left = generator.integers(0, SIDE - 20, 2)
        high, wide = generator.integers(10, 50, 2)
        image[top : top + high, left : left + wide] = generator.integers(0, 256, 3)
    image[:3, :3], image[-3:, -3:] = 0, 255
    return Image.fromarray(image)


def saved(picture: Image.Image, quality: int = 92) -> bytes:
    """The bytes of a JPEG file."""
    with io.BytesIO() as file:
        picture.save(file, "JPEG", quality=quality)
        return file.getvalue()


def mapped(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Image.Image], bytes]:
    """A file whose gray levels, float64 (H, W, 3), are changed so."""
    return lambda picture: saved(Image.fromarray(change(np.asarray(picture, float)).clip(0, 255).astype(np.uint8)))


def grainy(levels: np.ndarray) -> np.ndarray:
    return levels + np.random.default_rng(5).normal(0, 30, levels.shape)


CHANGES: dict[str, Callable[[Image.Image], bytes]] = {
    "FL411": mapped(lambda levels: levels * 0.25),
    "FL412": mapped(lambda levels: 230 + levels * 0.1),
    "FL413": mapped(lambda levels: 115 + levels * 0.1),
    "FL414": lambda picture: saved(picture.filter(ImageFilter.GaussianBlur(2))),
    "FL415": mapped(grainy),
    "FL416": lambda picture: saved(picture.resize((260, 40))),
    "FL417": lambda picture: saved(picture.resize((20, 20))),
    "FL418": lambda picture: saved(picture, quality=20),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Forty photos of two classes, whose numbers say nothing of the class."""
    numbers = np.random.default_rng(3).permutation(10_000)
    images = {f"{'ab'[n % 2]}/{numbers[n]:05}.jpg": saved(scene(n)) for n in range(2 * EACH)}
    return write_images(tmp_path / "scenes", images)


def reported(root: Path) -> dict[str, int]:
    """The codes of quality that an audit gives, with their counts."""
    return {one.code: one.count for one in fl.audit(root) if one.code in QUALITIES}


def test_clean_photos_have_no_finding(folder: Path) -> None:
    """None of these codes where nothing is wrong."""
    assert {} == reported(folder)


@pytest.mark.parametrize("code", CHANGES)
def test_a_planted_look_is_found_and_nothing_else(folder: Path, code: str) -> None:
    """Two images in one way, the sentence with their count, and their names as examples."""
    paths = sorted(folder.glob("a/*.jpg"))[:2]
    for path in paths:
        path.write_bytes(CHANGES[code](Image.open(path)))
    assert {code: 2} == reported(folder)
    one = fl.audit(folder).with_code(code)
    assert one is not None and one.message.startswith("2 images are") and one.advice.endswith(".")
    assert {(f"a/{path.name}",) for path in paths} == set(one.examples) and len(one.keys) == 2


@pytest.mark.parametrize("code", ["FL411", "FL414", "FL415", "FL418"])
def test_the_look_of_a_whole_folder_is_no_fault(folder: Path, code: str) -> None:
    """Photos of the night, or of a microscope without a sharp edge, are what they are."""
    for path in folder.rglob("*.jpg"):
        path.write_bytes(CHANGES[code](Image.open(path)))
    assert {} == reported(folder)


def test_drawings_are_neither_dark_nor_bright(tmp_path: Path) -> None:
    """A thin line on black, or on white, is what a drawing is."""
    lines = np.zeros((40, 28, 28), np.uint8)
    for number, image in enumerate(lines):
        image[4:24, 3 + number % 20] = 255
        image[4 + number // 2 % 20, 4:24] = 255
    for name, images in (("black", lines), ("white", 255 - lines)):
        files = {f"{'ab'[n % 2]}/{n * 37 % 101}.png": png(image) for n, image in enumerate(images)}
        assert {} == reported(write_images(tmp_path / name, files))


def png(image: np.ndarray) -> bytes:
    with io.BytesIO() as file:
        Image.fromarray(image).save(file, "PNG")
        return file.getvalue()


@pytest.mark.parametrize("scale", [1, 2, 7])
def test_blur_is_measured_at_one_scale(scale: int) -> None:
    """A photo and the same photo in more pixels are as fine as each other; in blurred ones a ramp is left."""
    picture = scene(1).convert("L")
    large = picture.resize((SIDE * scale, SIDE * scale), Image.Resampling.NEAREST)
    measured = fineness(np.asarray(large)[None])[0]
    blurred = fineness(np.asarray(large.filter(ImageFilter.GaussianBlur(2 * scale)))[None])[0]
    assert 0.4 < measured < 0.55
    assert 0.25 <= blurred < 0.285


@pytest.mark.parametrize("sigma", [6, 12, 24])
def test_noise_is_measured_in_gray_levels(sigma: int) -> None:
    """The tenth with least noise has a little less than was added; a scene without noise has next to none."""
    luma = np.asarray(scene(2).convert("L").resize((300, 300), Image.Resampling.NEAREST), float)[None]
    luma = 60 + luma / 2
    added = np.random.default_rng(0).normal(0, sigma, luma.shape)
    assert 0.7 * sigma < noise(luma + added)[0] < 1.05 * sigma
    assert noise(luma)[0] < 0.1


def test_texture_is_not_noise() -> None:
    """Grains as large as gravel's in a photo count as none, of less or more contrast."""
    grains = gaussian_filter(np.random.default_rng(0).normal(0, 1, (1, 300, 300)), (0, 0.7, 0.7))
    for deviation in (30, 60):
        assert 0 == noise(128 + grains / grains.std() * deviation)[0]


def test_small_images_have_no_measured_detail() -> None:
    """Of 63 px, or of one color."""
    small = np.random.default_rng(0).integers(0, 256, (2, 63, 300)).astype(np.uint8)
    assert [0, 0] == fineness(small).tolist() == noise(small).tolist()
    plain = np.full((1, 90, 90), 7, np.uint8)
    assert [0] == fineness(plain).tolist() == noise(plain).tolist()


@pytest.mark.parametrize("quality", [1, 5, 10, 30, 49, 50, 51, 75, 92, 95])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_the_quality_is_that_of_the_file(quality: int, mode: str) -> None:
    """As Pillow's libjpeg was given it."""
    assert quality == jpeg_quality(saved(scene(0).convert(mode), quality))


def test_the_table_of_a_thumbnail_is_not_read() -> None:
    """A small picture inside the Exif segment has tables of its own."""
    exif = Image.Exif()
    exif[270] = "x" * 10 + saved(scene(3), 5)[:600].decode("latin-1").replace("\0", " ")
    with io.BytesIO() as file:
        scene(0).save(file, "JPEG", quality=88, exif=exif.tobytes())
        assert 88 == jpeg_quality(file.getvalue())


def test_a_cut_file_has_a_quality_or_none() -> None:
    """Wherever it is cut, and whatever byte of its header is changed."""
    data = saved(scene(0), 40)
    for end in range(0, 700, 7):
        assert jpeg_quality(data[:end]) in (0, 40)
    generator = np.random.default_rng(0)
    for _ in range(300):
        changed = bytearray(data[:700])
        changed[int(generator.integers(700))] = int(generator.integers(256))
        assert 0 <= jpeg_quality(bytes(changed)) <= 100
    assert (np.diff(SUMS) <= 0).all()
