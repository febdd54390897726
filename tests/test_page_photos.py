"""The page of a model of photos in a real Chromium: file and camera first, no sheet to draw on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import firstlight as fl
from browser import Opened, context
from firstlight.models.exporting.session import Session
from serving import served
from tables import noise, write_images

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve noisy color images of two classes, one reddish and one bluish."""
    images = {}
    for number in range(12):
        image = noise(24, 32, 3, seed=number) // 2
        image[..., 2 * (number % 2)] += 100
        images[f"{('warm', 'cold')[number % 2]}/{number:02}.png"] = image
    return write_images(tmp_path_factory.mktemp("photos"), images)


@pytest.fixture(scope="module")
def address(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the model is served."""
    run = fl.climb(photos, rungs=["centroid-l2"], out=tmp_path_factory.mktemp("run") / "run")
    with served(Session.of(run)) as at:
        yield at


@pytest.mark.parametrize("width", [390, 1280])
def test_a_model_of_photos_offers_file_and_camera_first(address: str, photos: Path, width: int) -> None:
    """The buttons come before the preview, nothing can be drawn, and a chosen photo is answered; axe finds no fault."""
    with context(viewport={"width": width, "height": 900}) as browser:
        shown = Opened(browser.new_page())
        shown.page.on("pageerror", lambda error: shown.errors.append(str(error)))
        page = shown.page
        page.goto(address)
        page.wait_for_selector("html[data-ready]")
        assert not page.locator("#paper").is_visible() and not page.locator("#pen").is_visible()
        button, drop = page.locator("label[for=file]").bounding_box(), page.locator("#drop").bounding_box()
        assert button["y"] + button["height"] <= drop["y"]
        assert [] == shown.serious()
        with page.expect_file_chooser() as chooser:
            page.locator("#drop").click()
        chooser.value.set_files(photos / "warm" / "00.png")
        page.wait_for_selector("#bars li")
        assert "warm" in page.inner_text("#verdict")
        assert page.locator("#preview").is_visible()
        assert [] == shown.serious()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert [] == shown.errors


def test_a_model_of_drawings_offers_the_sheet(tmp_path: Path) -> None:
    """White strokes on black are drawings, in color files too."""
    images = {}
    for number in range(12):
        image = np.zeros((24, 24, 3), np.uint8)
        image[4:20, 10:14] = 255
        image[(4, 18)[number % 2] : (6, 20)[number % 2], 4 + number % 3 : 20] = 255
        images[f"{'tf'[number % 2]}/{number:02}.png"] = np.asarray(Image.fromarray(image))
    run = fl.climb(write_images(tmp_path / "drawings", images), rungs=["centroid-l2"], out=tmp_path / "run")
    with served(Session.of(run)) as at, context(viewport={"width": 390, "height": 900}) as browser:
        page = browser.new_page()
        page.goto(at)
        page.wait_for_selector("html[data-ready]")
        assert page.locator("#paper").is_visible() and page.locator("#pen").is_visible()
