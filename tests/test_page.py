"""The page in a real Chromium with a touch screen: drawn, chosen, pasted, photographed; what it says, and to whom."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import firstlight as fl
from browser import Opened, context
from drawings import large_digits
from firstlight.data.fetching.catalog import write_digits
from firstlight.models.explaining.explain import explain
from firstlight.models.exporting.look import look
from firstlight.models.exporting.session import Session
from firstlight.runs.results import Run
from serving import served
from tables import noise, write_images

pytestmark = pytest.mark.slow

DRAWN = Path(__file__).with_name("drawn_digits.json")
PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True, "device_scale_factor": 3}
THREE = [
    [88, 62],
    [130, 62],
    [186, 60],
    [160, 88],
    [132, 116],
    [158, 120],
    [182, 138],
    [192, 168],
    [184, 200],
    [126, 226],
]
SEVEN = [[74, 60], [110, 58], [150, 60], [200, 56], [182, 96], [160, 144], [142, 190], [130, 236]]


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The embedded threes and sevens."""
    return large_digits(tmp_path_factory.mktemp("page") / "digits", ("3", "7"))


@pytest.fixture(scope="module")
def session(digits: Path) -> Session:
    """A model that knows threes and sevens, by their ideal images."""
    return Session.of(fl.climb(digits, rungs=["centroid-l2"], out=digits.parent / "run"))


@pytest.fixture(scope="module")
def address(session: Session) -> Iterator[str]:
    """Where it is served."""
    with served(session) as at:
        yield at


@contextmanager
def opened(address: str, *, prepare: str = "", **options: Any) -> Iterator[Opened]:
    """The page on a phone, once the model is there."""
    with context(**{**PHONE, **options}) as browser:
        shown = Opened(browser.new_page())
        shown.page.on("console", lambda said: said.type in ("error", "warning") and shown.errors.append(said.text))
        shown.page.on("pageerror", lambda error: shown.errors.append(str(error)))
        shown.page.on("request", lambda asked: shown.requests.append(asked.url))
        shown.page.add_init_script(prepare)
        shown.page.goto(address)
        shown.page.wait_for_selector("html[data-ready]")
        yield shown


def answered(page: Any) -> str:
    """What the page says once nothing is on its way."""
    page.wait_for_selector("#answer[aria-busy=false]")
    return page.inner_text("#verdict")


def finger(page: Any, stroke: Sequence[Sequence[float]]) -> None:
    """Draws a stroke on the sheet with a finger; its points are on a sheet of 280 px."""
    page.locator("#paper").scroll_into_view_if_needed()
    box = page.locator("#paper").bounding_box()
    touch = page.context.new_cdp_session(page)
    for number, (x, y) in enumerate(stroke):
        at = {"x": box["x"] + x / 280 * box["width"], "y": box["y"] + y / 280 * box["height"]}
        kind = "touchMove" if number else "touchStart"
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [at]})
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def example(folder: Path, name: str) -> Path:
    """An image of a class."""
    return sorted((folder / name).iterdir())[0]


def png(values: np.ndarray) -> dict[str, Any]:
    """An image as a file that is chosen."""
    file = io.BytesIO()
    Image.fromarray(values).save(file, "PNG")
    return {"name": "image.png", "mimeType": "image/png", "buffer": file.getvalue()}


def choose(page: Any, file: Any) -> str:
    """Chooses a file, and waits for its answer."""
    page.set_input_files("#file", file)
    page.wait_for_selector("#bars li")
    return answered(page)


@pytest.mark.parametrize(("stroke", "name"), [(THREE, "3"), (SEVEN, "7")], ids=["three", "seven"])
def test_a_digit_drawn_with_a_finger_is_reported(address: str, stroke: list[list[float]], name: str) -> None:
    """One stroke is enough, the step from sheet to look is shown, and nothing scrolls or fails meanwhile."""
    with opened(address + "/") as shown:
        finger(shown.page, stroke)
        assert answered(shown.page).startswith(f"It looks like {name}, ")
        assert "turned to light on dark" in shown.page.inner_text("#changes")
        assert shown.page.locator("#before").is_visible() and shown.page.locator("#after").is_visible()
        assert ["3", "7"] == sorted(shown.page.locator("#bars .name").all_text_contents())
        assert [] == shown.errors


def test_strokes_are_undone_and_cleared(address: str) -> None:
    """Undo takes the last stroke back, Clear all of them; without any there is no answer."""
    with opened(address + "/") as shown:
        page = shown.page
        before = page.evaluate("document.getElementById('paper').toDataURL()")
        finger(page, SEVEN)
        seven = page.evaluate("document.getElementById('paper').toDataURL()")
        finger(page, THREE)
        page.click("#undo")  # Playwright's tap is no click after touches by another session
        assert seven == page.evaluate("document.getElementById('paper').toDataURL()")
        assert answered(page).startswith("It looks like 7, ")
        page.click("#clear")
        assert before == page.evaluate("document.getElementById('paper').toDataURL()")
        assert "No image yet." == answered(page)
        assert page.locator("#undo").is_disabled()


def test_the_step_can_be_switched_off(address: str) -> None:
    """The model then sees the sheet as it was drawn, dark on light."""
    ground = "document.querySelector('#seen canvas').getContext('2d').getImageData(0, 0, 1, 1).data[0]"
    with opened(address + "/") as shown:
        finger(shown.page, SEVEN)
        answered(shown.page)
        assert 0 == shown.page.evaluate(ground)
        shown.page.uncheck("#look")
        answered(shown.page)
        assert 255 == shown.page.evaluate(ground)
        assert shown.page.locator("#before").is_hidden()


def test_a_file_that_is_chosen_goes_as_it_is(address: str, session: Session, digits: Path) -> None:
    """Its probability is the session's, and the pixels shown are those of the file."""
    path = example(digits, "7")
    pixels = np.asarray(Image.open(path))
    expected = session.answer(pixels[None, :, :, None]).probabilities[0].max()
    with opened(address + "/") as shown:
        sure = "> 99.9" if expected > 0.9995 else f"{100 * expected:.1f}"
        assert f"It looks like 7, probability {sure} %." == choose(shown.page, path)
        assert not shown.page.is_checked("#look")
        seen = "[...document.querySelector('#seen canvas').getContext('2d').getImageData(0, 0, 28, 28).data]"
        np.testing.assert_array_equal(pixels.ravel(), shown.page.evaluate(seen)[::4])
        assert shown.page.locator("#preview").is_visible()


def test_an_image_is_pasted(address: str, digits: Path) -> None:
    """From the real clipboard, by the keys that everybody knows; text is refused with a sentence."""
    data = base64.b64encode(example(digits, "3").read_bytes()).decode()
    copy = """async (text) => {
      const blob = await (await fetch("data:image/png;base64," + text)).blob();
      await navigator.clipboard.write([new ClipboardItem({"image/png": blob})]);
    }"""
    with opened(address + "/", permissions=["clipboard-read", "clipboard-write"], bypass_csp=True) as shown:
        shown.page.evaluate(copy, data)
        shown.page.keyboard.press("Control+v")
        shown.page.wait_for_selector("#bars li")
        assert answered(shown.page).startswith("It looks like 3, ")
        shown.page.evaluate("navigator.clipboard.writeText('words')")
        shown.page.keyboard.press("Control+v")
        shown.page.wait_for_selector("#problem:visible")
        assert "holds no image" in shown.page.inner_text("#problem")


def test_an_image_is_dropped(address: str, digits: Path) -> None:
    """A file let go anywhere on the page is taken, and the page stays open."""
    data = base64.b64encode(example(digits, "7").read_bytes()).decode()
    drop = """(text) => {
      const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
      const dataTransfer = new DataTransfer();
      dataTransfer.items.add(new File([bytes], "seven.png", {type: "image/png"}));
      const event = new DragEvent("drop", {dataTransfer, bubbles: true, cancelable: true});
      return document.querySelector("footer").dispatchEvent(event);
    }"""
    with opened(address + "/") as shown:
        assert shown.page.evaluate(drop, data) is False
        shown.page.wait_for_selector("#bars li")
        assert answered(shown.page).startswith("It looks like 7, ")


def test_a_camera_picture_is_answered_and_the_camera_let_go(address: str) -> None:
    """The middle square of what the viewfinder shows; no track is live afterwards."""
    live = "document.getElementById('viewfinder').srcObject?.getTracks().some((one) => one.readyState === 'live')"
    with opened(address + "/", permissions=["camera"]) as shown:
        page = shown.page
        page.tap("#camera")
        page.wait_for_selector("#shutter:visible")
        assert page.evaluate(live)
        box = page.locator("#viewfinder").bounding_box()
        assert pytest.approx(box["width"], abs=1) == box["height"]
        page.evaluate("window.tracks = document.getElementById('viewfinder').srcObject.getTracks()")
        page.tap("#shutter")
        page.wait_for_selector("#bars li")
        assert answered(page).startswith("It looks like ")
        assert ["ended"] == page.evaluate("window.tracks.map((one) => one.readyState)")
        assert page.locator("#viewfinder").is_hidden()
        size = page.evaluate(
            "[document.getElementById('preview').naturalWidth, document.getElementById('preview').naturalHeight]"
        )
        assert size[0] == size[1] > 0
        page.tap("#camera")
        page.wait_for_selector("#stop:visible")
        page.tap("#stop")
        assert page.locator("#viewfinder").is_hidden()


@pytest.mark.parametrize(
    ("prepare", "said"),
    [
        (
            "MediaDevices.prototype.getUserMedia = () => Promise.reject(new DOMException('', 'NotFoundError'))",
            "no camera",
        ),
        (
            "MediaDevices.prototype.getUserMedia = () => Promise.reject(new DOMException('', 'NotAllowedError'))",
            "allow it",
        ),
        ("Object.defineProperty(Navigator.prototype, 'mediaDevices', {value: undefined})", "https"),
    ],
    ids=["none", "refused", "plain http"],
)
def test_without_a_camera_it_says_what_to_do(address: str, prepare: str, said: str) -> None:
    """A sentence in place of a picture, and the button can be pressed again."""
    with opened(address + "/", prepare=prepare) as shown:
        shown.page.tap("#camera")
        shown.page.wait_for_selector("#problem:visible")
        assert said in shown.page.inner_text("#problem")
        assert shown.page.locator("#camera").is_enabled()


def test_the_keyboard_is_enough(address: str, digits: Path) -> None:
    """Every control is reached by Tab and seen to be; a file is chosen, the step switched, the sheet cleared."""
    focused = "document.activeElement.id"
    with opened(address + "/", **{"viewport": {"width": 1280, "height": 900}, "has_touch": False}) as shown:
        page = shown.page
        page.on("filechooser", lambda _: None)  # from now on, so that the first one is not missed
        reached = []
        for _ in range(4):
            page.keyboard.press("Tab")
            reached.append(page.evaluate(focused))
        assert ["skip", "pen", "file", "camera"] == reached
        page.keyboard.press("Shift+Tab")
        ring = "getComputedStyle(document.querySelector('label.button')).outlineStyle"
        assert "solid" == page.evaluate(ring)
        with page.expect_file_chooser() as chooser:
            page.keyboard.press("Enter")
        chooser.value.set_files(example(digits, "3"))
        page.wait_for_selector("#bars li")
        assert answered(page).startswith("It looks like 3, ")
        page.locator("#look").focus()
        page.keyboard.press("Space")
        answered(page)
        assert page.locator("#after").is_visible()
        page.locator("#clear").focus()
        page.keyboard.press("Enter")
        assert "No image yet." == answered(page)


@pytest.mark.parametrize("width", [360, 768, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_fault(address: str, width: int, scheme: str) -> None:
    """Empty and with everything shown; nothing is wider than the window, and what is touched is 44 px high."""
    options = {"viewport": {"width": width, "height": 900}, "color_scheme": scheme}
    with opened(address + "/", **options) as shown:
        assert [] == shown.serious()
        finger(shown.page, THREE)
        answered(shown.page)
        assert shown.page.locator("#why").is_visible()
        assert [] == shown.serious()
        assert shown.page.evaluate("document.documentElement.scrollWidth") <= width
        low = """[...document.querySelectorAll("button, .button, .check, #pen")]
          .filter((one) => one.offsetParent && one.offsetHeight < 44).map((one) => one.id)"""
        assert [] == shown.page.evaluate(low)
        assert [] == shown.errors


def test_it_works_behind_a_path_prefix(address: str) -> None:
    """A proxy that takes /models/digits away from every address is enough."""
    prefix = f"{address}/models/digits/"
    with context(**PHONE) as browser:
        shown = Opened(browser.new_page())
        shown.page.on("request", lambda asked: shown.requests.append(asked.url))
        behind = lambda route: route.fulfill(response=route.fetch(url=route.request.url.replace(prefix, f"{address}/")))  # noqa: E731
        shown.page.route(f"{prefix}**", behind)
        shown.page.goto(prefix)
        shown.page.wait_for_selector("html[data-ready]")
        finger(shown.page, SEVEN)
        assert answered(shown.page).startswith("It looks like 7, ")
        assert [] == [one for one in shown.requests if not one.startswith((prefix, "blob:", "data:"))]


def test_the_token_of_the_link_is_brought_along(session: Session) -> None:
    """With it the page answers, even after the link to the answer was followed; without it a sentence says why not."""
    with served(session, token="t" * 32) as guarded:
        with opened(f"{guarded}/#token={'t' * 32}") as shown:
            shown.page.focus("#skip")
            shown.page.keyboard.press("Enter")
            assert shown.page.url.endswith("t" * 32)
            finger(shown.page, SEVEN)
            assert answered(shown.page).startswith("It looks like 7, ")
        with context() as browser:
            page = browser.new_page()
            page.goto(guarded)
            page.wait_for_selector("#problem:visible")
            assert "open the link" in page.inner_text("#problem")


def test_what_is_like_nothing_known_is_reported_so(address: str, session: Session) -> None:
    """Noise is further from both ideal images than what was measured; the two numbers are said."""
    values = np.random.default_rng(0).integers(0, 256, (28, 28), np.uint8)
    answer = session.answer(values[None, :, :, None])
    assert answer.distances is not None
    with opened(address + "/") as shown:
        choose(shown.page, png(values))
        said = shown.page.inner_text("#outside")
        assert "out-of-distribution" in said
        assert f"{answer.distances.min():.3f}" in said
        assert f"{session.about['in_distribution']['distance']:.3f}" in said


def test_what_is_no_image_is_reported_and_the_next_one_answered(address: str, digits: Path) -> None:
    """The server's sentence is shown; the answer of before is gone."""
    with opened(address + "/") as shown:
        choose(shown.page, example(digits, "3"))
        words = {"name": "words.png", "mimeType": "image/png", "buffer": b"words"}
        shown.page.set_input_files("#file", words)
        shown.page.wait_for_selector("#problem:visible")
        assert "not an image" in shown.page.inner_text("#problem")
        assert "No image yet." == answered(shown.page)
        assert choose(shown.page, example(digits, "7")).startswith("It looks like 7, ")


@pytest.mark.parametrize("distance", ["l1", "l2", "cosine"])
def test_the_signed_map_is_the_one_that_explain_gives(address: str, tmp_path: Path, distance: str) -> None:
    """Pixel by pixel, from the ideal images and distances that the page is given."""
    write_digits(tmp_path / "digits")
    pixels = fl.load(fl.split(fl.scan(tmp_path / "digits")))
    run = fl.climb(tmp_path / "digits", rungs=[f"centroid-{distance}"], out=tmp_path / "run")
    expected = explain(run[f"centroid-{distance}"], pixels, split="validation", count=1)[0]
    served_by = Session.of(run)
    assert served_by.ideal is not None and expected.distances is not None
    a, b = (expected.classes.index(name) for name in (expected.predicted, expected.against))
    script = """async ([name, image, a, b, distances]) => {
      const { signed } = await import("./show.js");
      return [...signed(name, image, a, b, distances)];
    }"""
    values = [expected.image, served_by.ideal[a], served_by.ideal[b]]
    lists = [np.asarray(one, np.float64).ravel().tolist() for one in values]
    with opened(address + "/") as shown:
        distances = expected.distances[[a, b]].tolist()
        found = shown.page.evaluate(script, [f"centroid-{distance}", *lists, distances])
    np.testing.assert_allclose(np.reshape(found, expected.map.shape), expected.map, atol=2e-7)


@pytest.mark.parametrize("rung", ["centroid-l2", "centroid-l2-x4"])
def test_of_many_classes_the_first_are_shown_until_all_are_asked_for(tmp_path: Path, rung: str) -> None:
    """A button shows all and the first again; several ideal images a class are told in words, without pictures."""
    images = {f"class {k:02}/{i}.png": noise(8, 8, seed=k * 9 + i) for k in range(12) for i in range(9)}
    run = fl.climb(write_images(tmp_path / "many", images), rungs=[rung], out=tmp_path / "run")
    with served(Session.of(run)) as at, opened(at) as shown:
        page = shown.page
        choose(page, png(noise(8, 8)))
        for count in (5, 12, 5):
            assert count == page.locator("#bars li").count()
            assert ("true" if count == 12 else "false") == page.get_attribute("#all", "aria-expanded")
            page.click("#all")
        assert "class 00" in page.inner_text("#because")
        assert (rung == "centroid-l2") == page.locator("#ideals").is_visible() == page.locator("#map").is_visible()
        assert [] == shown.errors


ALIKE = """async ([pictures, look, size]) => {
  const { alike } = await import("./look.js");
  const given = pictures.map(([height, width, data]) => ({height, width, data: Float32Array.from(data)}));
  const found = given.map((one) => alike(one, look, size));
  const plain = ({height, width, data}) => [height, width, [...data].map(Math.round)];
  return found.map((one) => one && [...plain(one.picture), one.changes]);
}"""
LOOK = {"light_on_dark": True, "extent": 0.72, "centred": "mass", "stroke": 0.09}


def alike(page: Any, pictures: Sequence[np.ndarray], wanted: dict[str, Any], size: tuple[int, int]) -> list[Any]:
    """What look.js makes of gray pictures: (picture, changes) each, or None."""
    sent = [[*one.shape, one.ravel().tolist()] for one in pictures]
    found = page.evaluate(ALIKE, [sent, wanted, list(size)])
    return [one and (np.array(one[2], np.uint8).reshape(one[0], one[1]), one[3]) for one in found]


def hook(side: int = 200, at: tuple[int, int] = (30, 40), width: int = 8) -> np.ndarray:
    """A light seven-like hook of straight strokes on black."""
    values = np.zeros((side, side), np.uint8)
    top, left = at
    values[top : top + width, left : left + 60] = 255
    values[top : top + 90, left + 60 - width : left + 60] = 255
    return values


def test_the_look_is_reached_from_anywhere(address: str) -> None:
    """However large, thick, placed or colored a drawing is, Python finds in the result the look that was asked for."""
    thick = hook(width=20)
    pictures = [
        hook(),
        255 - hook(),
        hook(at=(100, 130)),
        thick,
        np.kron(hook(), np.ones((2, 2), np.uint8)),
        hook() // 2 + 60,
    ]
    with opened(address + "/") as shown:
        found = alike(shown.page, pictures, LOOK, (28, 28))
    for picture, _ in found:
        reached = look(picture[None, :, :, None])
        assert reached is not None
        assert reached["light_on_dark"]
        assert pytest.approx(LOOK["extent"], abs=0.03) == reached["extent"]
        assert pytest.approx(LOOK["stroke"], rel=0.1) == reached["stroke"]
    np.testing.assert_array_equal(found[0][0], found[1][0])  # turned round
    assert np.abs(found[0][0].astype(int) - found[2][0]).mean() < 2  # moved
    assert "turned to light on dark" in found[1][1]
    assert "turned to light on dark" not in found[0][1]
    assert any("thinner" in one for one in found[3][1])


def test_the_look_of_dark_drawings_is_dark(address: str) -> None:
    """Where the training images are dark on light, so is the result, whole and inside a narrow picture."""
    wanted = {**LOOK, "light_on_dark": False, "centred": "box", "extent": 0.9}
    with opened(address + "/") as shown:
        ((picture, changes),) = alike(shown.page, [hook()], wanted, (64, 32))
    assert picture.shape[0] == 2 * picture.shape[1]
    assert "turned to dark on light" in changes
    assert 255 == picture[:, [0, -1]].min()  # nothing is cut off at the sides
    rows, columns = np.nonzero(picture < 128)
    assert pytest.approx(picture.shape[1] / 2, abs=2) == (columns.min() + columns.max() + 1) / 2
    assert pytest.approx(picture.shape[0] / 2, abs=2) == (rows.min() + rows.max() + 1) / 2


def test_an_empty_picture_has_no_look(address: str) -> None:
    """Where nothing is drawn, nothing is changed."""
    with opened(address + "/") as shown:
        assert [None, None] == alike(
            shown.page, [np.zeros((20, 20), np.uint8), np.full((9, 5), 7, np.uint8)], LOOK, (8, 8)
        )


DRAW = """({drawing, side}) => {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 2 * side;
  const context = canvas.getContext("2d");
  context.scale(2, 2);
  context.fillStyle = drawing.ground;
  context.fillRect(0, 0, side, side);
  context.strokeStyle = drawing.ink;
  context.lineWidth = drawing.pen;
  context.lineCap = context.lineJoin = "round";
  for (const stroke of drawing.strokes) {
    context.beginPath();
    for (const [x, y] of stroke) context.lineTo(x, y);
    context.stroke();
  }
  return canvas.toDataURL("image/png").split(",")[1];
}"""


def right(address: str) -> tuple[list[str], list[str]]:
    """Which of the drawn digits are told right, as they came and brought to the training images' look."""
    drawn = json.loads(DRAWN.read_text(encoding="utf-8"))
    told: tuple[list[str], list[str]] = ([], [])
    with opened(address + "/") as shown:
        page = shown.page
        for drawing in drawn["drawings"]:
            data = base64.b64decode(page.evaluate(DRAW, {"drawing": drawing, "side": drawn["side"]}))
            page.tap("#clear") if page.locator("#clear").is_enabled() else None
            choose(page, {"name": "drawn.png", "mimeType": "image/png", "buffer": data})
            for place in told:
                if page.inner_text("#verdict b") == drawing["digit"]:
                    place.append(f"{drawing['digit']} {drawing['how']}")
                page.check("#look")
                answered(page)
    return told


@pytest.fixture(scope="module")
def every(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Two rungs without training that know all ten digits."""
    home = tmp_path_factory.mktemp("every")
    return fl.climb(large_digits(home / "digits"), rungs=["centroid-l2", "centroid-l2-x4"], out=home / "run")


@pytest.mark.parametrize(("rung", "least"), [("centroid-l2", 13), ("centroid-l2-x4", 14)])
def test_digits_drawn_as_none_of_the_training_images(every: Run, rung: str, least: int) -> None:
    """Of twenty digits that were drawn otherwise, few are right as they came, and most once they look alike."""
    with served(Session.of(every, rung)) as at:
        before, after = right(at)
    print(f"{rung}: {len(before)} of 20 right as they came, {len(after)} brought to the look")
    assert least <= len(after)
    assert len(after) - len(before) >= 5
