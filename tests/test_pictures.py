"""Pictures: their numbers are those passed, their words tell the main ones, their SVG may stand in any page."""

from __future__ import annotations

import base64
import io
import logging
import re
import subprocess
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np
import pytest
from defusedxml import ElementTree
from matplotlib.colors import to_rgb
from PIL import Image
from scipy.stats import binomtest

from firstlight.errors import ArgumentError, FirstlightError
from firstlight.reporting import pictures, sheets
from firstlight.reporting.drawing import legible, ramp, short
from firstlight.reporting.picture import DARK, LIGHT, WIDTH, Picture, Theme

pytestmark = pytest.mark.slow

GENERATOR = np.random.default_rng(0)
DIGITS = [str(digit) for digit in range(10)]
LABELS = np.arange(200) % 10
IMAGES = GENERATOR.integers(0, 256, (200, 8, 8, 1), np.uint8)
IDEALS = GENERATOR.random((10, 8, 8, 3))
PROBABILITIES = GENERATOR.dirichlet(np.ones(10), 200)
MATRIX = GENERATOR.integers(0, 9, (10, 10)) + 90 * np.eye(10, dtype=int)
HISTORY = [
    {
        "epoch": epoch,
        "train_loss": 2 / epoch,
        "validation_loss": 3 / epoch,
        "accuracy": 1 - 0.5 / epoch,
        "interval": (0.9 - 0.5 / epoch, 1 - 0.4 / epoch),
        "seconds": 1.5,
    }
    for epoch in (1, 2, 3, 4)
]
COUNTS = {"train": {"3": 6131, "7": 6265}, "validation": {"3": 1010, "7": 1028}}
RUNGS = {"names": ["prior", "ink"], "values": [0.505, 0.655], "intervals": [(0.483, 0.527), (0.634, 0.675)]}

EVERY: dict[str, Callable[[], Picture]] = {
    "accuracies": lambda: pictures.accuracies(*RUNGS.values(), [2038, 2038], chance=0.5),  # type: ignore[arg-type]
    "confusion": lambda: pictures.confusion(MATRIX, DIGITS),
    "reliability": lambda: pictures.reliability(PROBABILITIES, LABELS),
    "curves": lambda: pictures.curves(HISTORY),
    "lr_range": lambda: pictures.lr_range([1e-4, 1e-3, 1e-2, 1e-1], [2.3, 2.0, 1.1, 4.0], 1e-3),
    "balance": lambda: pictures.balance(COUNTS),
    "sizes": lambda: sheets.sizes([28, 28, 32], [28, 28, 24]),
    "samples": lambda: sheets.samples(IMAGES, LABELS, DIGITS),
    "ideals": lambda: sheets.ideals(IDEALS, DIGITS),
    "differences": lambda: sheets.differences(IDEALS, DIGITS),
    "weights": lambda: sheets.weights(IDEALS[..., 0] - 0.5, DIGITS),
    "explanation_maps": lambda: sheets.explanation_maps(IMAGES[:2], IDEALS[:2, ..., 0] - 0.5, ["3.png", "7.png"]),
}
every = pytest.mark.parametrize("name", list(EVERY))


@cache
def drawn(name: str, *, dark: bool = False) -> str:
    """The SVG of one of them."""
    return EVERY[name]().svg(dark=dark)


def luminance(color: str) -> float:
    """WCAG 2.2's relative luminance."""
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in to_rgb(color)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """WCAG 2.2's contrast ratio, 1 to 21."""
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def parsed(svg: str) -> list[Element]:
    """Every element of an SVG."""
    return list(ElementTree.fromstring(svg).iter())


def words(svg: str) -> str:
    """What can be read in an SVG."""
    return " ".join("".join(one.itertext()) for one in parsed(svg) if one.tag.endswith("}text"))


def embedded(svg: str) -> list[np.ndarray]:
    """The images inside an SVG, RGBA (H, W, 4)."""
    found = re.findall(r'href="data:image/png;base64,([^"]+)"', svg)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(one))).convert("RGBA")) for one in found]


@every
def test_an_svg_is_xml_of_one_root_with_its_words(name: str) -> None:
    """It begins with its root, is an image to a screen reader, carries the alternative text and shows the title."""
    picture, svg = EVERY[name](), drawn(name)
    root = parsed(svg)[0]
    assert svg.startswith("<svg ")
    assert ("img", picture.alt) == (root.get("role"), root.get("aria-label"))
    assert picture.title in words(svg).replace("\n", " ")


@every
def test_an_svg_holds_nothing_that_acts_or_fetches(name: str) -> None:
    """No script, no style for the page around it, no handler, and every address is inside the picture itself."""
    elements = parsed(drawn(name))
    tags = {one.tag.rpartition("}")[2] for one in elements}
    assert set() == tags & {"script", "style", "foreignObject", "a", "iframe", "metadata"}
    attributes = [(key.rpartition("}")[2], value) for one in elements for key, value in one.items()]
    assert [] == [key for key, _ in attributes if key.startswith("on")]
    assert [] == [v for k, v in attributes if k == "href" and not v.startswith(("data:image/png;base64,", "#"))]
    assert [] == [v for k, v in attributes if "url(" in v and "url(#" not in v]


@every
def test_the_same_numbers_give_the_same_bytes(name: str) -> None:
    """An SVG, drawn twice from scratch, is equal to the last byte."""
    assert drawn(name) == EVERY[name]().svg()


@every
def test_dark_is_another_picture_of_the_same_words(name: str) -> None:
    """On a dark page the colors differ and the words do not."""
    light, dark = drawn(name), drawn(name, dark=True)
    assert light != dark
    assert words(light) == words(dark)
    assert LIGHT.text in light
    assert LIGHT.text not in dark


@every
def test_text_can_be_read_on_a_phone(name: str) -> None:
    """No letter is smaller than 9 pt in a picture that is at most `WIDTH` inches wide, so 8 px on a phone."""
    sizes = [float(size) for size in re.findall(r"font-size: ([\d.]+)px", drawn(name))]
    assert sizes
    assert min(sizes) >= 9
    assert EVERY[name]().size[0] <= WIDTH


@every
def test_a_picture_by_hand_is_drawn_without_a_warning(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """The style for talks differs, tells nothing of missing fonts, and leaves the logger as it was."""
    fonts = logging.getLogger("matplotlib.font_manager")
    level = fonts.level
    picture = EVERY[name]()
    with caplog.at_level(logging.WARNING):
        assert picture.svg(style="xkcd") != drawn(name)
    assert [] == caplog.records
    assert level == fonts.level


@every
def test_the_columns_make_a_frame(name: str) -> None:
    """All columns are of one length, and there is at least a row."""
    picture = EVERY[name]()
    frame = picture.frame()
    assert list(picture.columns) == list(frame.columns)
    assert len(frame) >= 1


def test_identifiers_of_two_pictures_do_not_meet() -> None:
    """All pictures in one page, light and dark: an identifier belongs to one, and each that is used is there."""
    seen: set[str] = set()
    for name in EVERY:
        for dark in (False, True):
            svg = drawn(name, dark=dark)
            own = set(re.findall(r'\bid="([^"]+)"', svg))
            assert set(re.findall(r'(?:href="|url\()#([^")]+)', svg)) <= own
            assert not seen & own
            seen |= own
    assert seen


def test_equal_titles_do_not_make_equal_identifiers() -> None:
    """Two reliability diagrams of other numbers have other identifiers, though they are drawn alike."""
    one, other = (pictures.lr_range([0.1, 0.2, 0.4], [3.0, low, 2.0], 0.1).svg() for low in (1.0, 1.5))
    assert set() == set(re.findall(r'\bid="([^"]+)"', one)) & set(re.findall(r'\bid="([^"]+)"', other))


def test_no_text_becomes_markup() -> None:
    """A class named like a tag, a formula or an attribute is shown as it is."""
    names = ["<script>x</script>", "$5 & $6", '" onload="x']
    svg = pictures.confusion(np.eye(3, dtype=int) + 1, names).svg()
    assert "<script" not in svg
    shown = words(svg)
    assert "$5 & $6" in shown
    assert '" onload="x' in shown
    assert [] == [key for one in parsed(svg) for key, _ in one.items() if key.startswith("on")]


def test_the_settings_of_the_user_stay_outside() -> None:
    """matplotlib's settings neither change a picture nor are changed by it."""
    from matplotlib import rc_context, rcParams

    plain = EVERY["lr_range"]().svg()
    with rc_context({"font.size": 30, "svg.fonttype": "path", "axes.labelpad": 20, "axes.xmargin": 0.4}):
        before = dict(rcParams)
        assert plain == EVERY["lr_range"]().svg()
        assert before == dict(rcParams)


def test_nothing_of_pyplot_is_loaded() -> None:
    """After drawing in a fresh process pyplot is not there; and before drawing matplotlib is not."""
    code = (
        "import sys; from firstlight.reporting.pictures import balance; loaded = 'matplotlib' in sys.modules\n"
        "picture = balance({'train': {'a': 3, 'b': 4}}); picture.svg(); picture.png(dark=True, style='xkcd')\n"
        "print(loaded, 'matplotlib' in sys.modules, 'matplotlib.pyplot' in sys.modules)"
    )
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "False True False" == done.stdout.strip()


def test_a_png_has_the_size_asked_for_on_the_color_of_the_page() -> None:
    """Inches times dots an inch, the corner in the page's color, and the words inside."""
    picture = EVERY["balance"]()
    for theme, dark in ((LIGHT, False), (DARK, True)):
        image = Image.open(io.BytesIO(picture.png(dark=dark, dpi=100)))
        image.load()
        assert tuple(int(side * 100) for side in picture.size) == image.size
        corner = "#{:02x}{:02x}{:02x}".format(*image.convert("RGB").getpixel((0, image.height - 1)))  # type: ignore[misc]
        assert theme.surface == corner
        assert picture.alt == image.info["Description"]


@pytest.mark.parametrize(("suffix", "start"), [(".svg", b"<svg "), (".png", b"\x89PNG"), (".PDF", b"%PDF")])
def test_saving_follows_the_ending(tmp_path: Path, suffix: str, start: bytes) -> None:
    """The file is of its kind, and nothing else is left beside it."""
    path = tmp_path / f"balance{suffix}"
    EVERY["balance"]().save(path)
    assert path.read_bytes().startswith(start)
    assert [path] == list(tmp_path.iterdir())


def test_a_png_is_the_same_each_time() -> None:
    """Drawn twice from scratch, by hand as well, it is equal to the last byte."""
    for style in ("plain", "xkcd"):
        first, second = (EVERY["lr_range"]().png(dpi=40, style=style) for _ in range(2))  # type: ignore[arg-type]
        assert first == second


def test_saving_to_an_unknown_ending_writes_nothing(tmp_path: Path) -> None:
    """A sentence names the path and the endings."""
    with pytest.raises(ArgumentError, match=r"balance\.gif .*\.svg, \.png .*\.pdf"):
        EVERY["balance"]().save(tmp_path / "balance.gif")
    assert [] == list(tmp_path.iterdir())


def test_a_notebook_shows_the_svg() -> None:
    """As an image, which a notebook that is not trusted shows too: the SVG with its words, no wider than drawn."""
    picture = EVERY["balance"]()
    tag = ElementTree.fromstring(picture._repr_html_().replace(">", "/>"))
    kind, _, data = tag.attrib["src"].partition(",")
    assert ("img", "data:image/svg+xml;base64") == (tag.tag, kind)
    assert picture.svg() == base64.b64decode(data).decode()
    assert picture.alt == tag.attrib["alt"]
    assert f"max-width: {picture.size[0] * 96:.0f}px" in tag.attrib["style"]


def test_a_figure_can_be_drawn_on() -> None:
    """What comes is matplotlib's own figure, of the picture's size."""
    picture = EVERY["accuracies"]()
    figure = picture.figure()
    assert picture.size == tuple(figure.get_size_inches())
    assert ["prior", "ink"] == [label.get_text() for label in figure.axes[0].get_yticklabels()]


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_every_color_stands_out_from_the_page(theme: Theme) -> None:
    """Text by 4.5, lines and areas by 3 (WCAG 2.2, 1.4.3 and 1.4.11), nothing and everything of a map as well."""
    assert [] == [color for color in (theme.text, theme.muted) if contrast(color, theme.surface) < 4.5]
    drawn = (*theme.series, theme.signed[0], theme.signed[2], theme.ramp[1])
    assert [] == [color for color in drawn if contrast(color, theme.surface) < 3]
    assert contrast(theme.ramp[0], theme.ramp[1]) >= 3
    assert contrast(theme.signed[1], theme.surface) < 1.3


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_colors_stay_apart_without_seeing_red_or_green(theme: Theme) -> None:
    """To people with protanopia or deuteranopia (Machado 2009, severity 1) series and a map's ends differ."""
    protan = [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    deutan = [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    first, second, third = theme.series[:3]
    for one, other in [(first, second), (second, third), (first, third), (theme.signed[0], theme.signed[2])]:
        for sight in (protan, deutan):
            # the matrices are for linear light, of which 1 / 2.2 is near enough to what is seen
            seen = [
                np.clip(np.array(sight) @ np.array(to_rgb(each)) ** 2.2, 0, 1) ** (1 / 2.2) for each in (one, other)
            ]
            assert np.abs(seen[0] - seen[1]).max() > 0.15, (one, other)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_a_number_on_a_shade_can_be_read(theme: Theme) -> None:
    """On every shade of a confusion matrix the color chosen has the higher contrast of the two, and at least 3.9."""
    from matplotlib.colors import to_hex

    for share in np.linspace(0, 1, 21):
        shade = to_hex(ramp(theme)(share))
        found = {color: contrast(color, shade) for color in (theme.text, theme.surface)}
        assert max(found, key=lambda color: found[color]) == legible(to_rgb(shade), theme)
        assert max(found.values()) >= 3.9


def test_accuracies_keep_their_numbers() -> None:
    """The frame holds what was passed, and the words tell each with its interval and n."""
    picture = EVERY["accuracies"]()
    expected = {"rung": ["prior", "ink"], "accuracy": [0.505, 0.655], "low": [0.483, 0.634], "high": [0.527, 0.675]}
    assert expected | {"n": [2038, 2038]} == picture.frame().to_dict("list")
    assert "measured on 2,038 images: prior 0.505 [0.483, 0.527]; ink 0.655 [0.634, 0.675]." in picture.alt
    assert {"0.505", "0.655", "prior", "ink"} <= set(words(picture.svg()).split())


def test_a_confusion_matrix_keeps_its_counts() -> None:
    """The frame gives the matrix back; the words tell the share that is right and the commonest mistake first."""
    matrix = np.array([[90, 7, 0], [2, 88, 1], [0, 30, 60]])
    picture = pictures.confusion(matrix, ["cat", "dog", "emu"])
    back = picture.frame().pivot(index="true", columns="predicted", values="images").fillna(0)
    assert matrix.tolist() == back.to_numpy().astype(int).tolist()
    assert picture.alt.startswith("Confusion matrix: 238 of 278 images right. Most frequent mistakes: emu as dog 30")
    assert {"90", "7", "30", "60"} <= set(words(picture.svg()).split())


def test_shades_of_a_confusion_matrix_are_shares_of_the_true_class() -> None:
    """A class that is right half the time has the shade of a half, whatever its count."""
    found = embedded(pictures.confusion(np.array([[1, 1], [0, 500]]), ["a", "b"]).svg())[0]
    half, all_, none = ramp(LIGHT)(0.5, bytes=True), ramp(LIGHT)(1.0, bytes=True), ramp(LIGHT)(0.0, bytes=True)
    assert [[list(half), list(half)], [list(none), list(all_)]] == found.tolist()


def test_mistakes_of_many_classes_are_listed() -> None:
    """Of a thousand classes the commonest mistakes are shown with what they are a share of, and the title says so."""
    matrix = 50 * np.eye(1000, dtype=int)
    matrix[3, 4] = 17
    matrix[999, 0] = 5
    names = [f"class number {place} of a long row of names" for place in range(1000)]
    picture = pictures.confusion(matrix, names)
    assert "2 frequent mistakes of 1,000 classes" == picture.title
    shown = words(picture.svg())
    assert "17 of 67" in shown
    assert shown.index("17 of 67") < shown.index("5 of 55")
    assert f"{names[3]} as {names[4]} 17; {names[999]} as {names[0]} 5" in picture.alt


def test_many_classes_without_a_mistake_are_drawn() -> None:
    """The picture says that there is none."""
    picture = pictures.confusion(np.eye(30, dtype=int), [str(place) for place in range(30)])
    assert "Every image was classified correctly." in words(picture.svg())
    assert picture.alt.endswith("30 of 30 images right. No mistakes.")


def test_a_reliability_diagram_counts_by_hand() -> None:
    """Four sure images of which three are right, two unsure of which one is; intervals are Wilson's."""
    sure = np.array([0.95, 0.95, 0.95, 0.95, 0.55, 0.55])
    labels = np.array([0, 0, 0, 1, 0, 1])
    picture = pictures.reliability(np.stack([sure, 1 - sure], axis=1), labels)
    frame = picture.frame()
    assert [pytest.approx(0.55), pytest.approx(0.95)] == frame["probability"].tolist()
    assert [0.5, 0.75] == frame["right"].tolist()
    assert [2, 4] == frame["n"].tolist()
    known = [binomtest(correct, n).proportion_ci(method="wilson") for correct, n in ((1, 2), (3, 4))]
    assert np.allclose([[one.low for one in known], [one.high for one in known]], [frame["low"], frame["high"]])
    assert "0.55 predicted, 0.50 correct (n=2); 0.95 predicted, 0.75 correct (n=4)" in picture.alt


def test_curves_keep_every_epoch_and_tell_the_first_seed() -> None:
    """Rows of two seeds can be told apart; the words are of the seed that is drawn strongly."""
    history = [
        epoch | {"seed": seed, "accuracy": epoch["accuracy"] - seed / 10} for seed in (0, 1) for epoch in HISTORY
    ]  # type: ignore[operator]
    frame = pictures.curves(history).frame()
    assert [0] * 4 + [1] * 4 == frame["seed"].tolist()
    assert [epoch["accuracy"] for epoch in history] == frame["accuracy"].tolist()
    assert [epoch["interval"] for epoch in HISTORY] * 2 == list(zip(frame["low"], frame["high"], strict=True))
    expected = "Learning curves, 4 epochs: training loss 2.000 to 0.500, accuracy 0.500 to 0.875; the first of 2 seeds."
    assert expected == pictures.curves(history).alt


def test_curves_without_watched_images_show_the_loss_alone() -> None:
    """One panel, and no word of accuracy."""
    picture = pictures.curves([{"epoch": 1, "train_loss": 2.0}, {"epoch": 2, "train_loss": 1.0}])
    assert 1 == len(picture.figure().axes)
    assert "accuracy" not in picture.alt + words(picture.svg())


def test_one_epoch_is_a_dot() -> None:
    """A line of one point would not be seen, so it has a mark, and the axis counts no halves."""
    picture = pictures.curves(HISTORY[:1])
    axes = picture.figure().axes
    assert ["o"] * 3 == [str(line.get_marker()) for one in axes for line in one.get_lines()]
    assert [[1.0], [1.0]] == [one.get_xticks().tolist() for one in axes]


def test_a_learning_rate_test_tells_where_it_is_lowest() -> None:
    """The lowest loss is at 0.01, and 0.001 was taken."""
    picture = EVERY["lr_range"]()
    assert "from 0.0001 to 0.1: lowest loss at 0.01; 0.001 was taken." in picture.alt
    assert {"lr": [1e-4, 1e-3, 1e-2, 1e-1], "loss": [2.3, 2.0, 1.1, 4.0]} == picture.frame().to_dict("list")
    assert "taken: 0.001" in words(picture.svg())


def test_balance_counts_classes_that_one_split_lacks() -> None:
    """A class that occurs in the second split only has a row, with nothing in the first."""
    picture = pictures.balance({"train": {"a": 5}, "test": {"a": 1, "b": 2}})
    assert {"class": ["a", "b"], "train": [5, 0], "test": [1, 2]} == picture.frame().to_dict("list")
    assert "most of a (6), fewest of b (2)" in picture.alt


def test_balance_of_many_classes_shows_both_ends() -> None:
    """The twelve largest and twelve smallest of a hundred are drawn, the frame keeps all."""
    counts = {"train": {f"class {place}": 10 + place for place in range(100)}}
    picture = pictures.balance(counts)
    assert "Images by class and split: the 12 largest and the 12 smallest of 100" == picture.title
    labels = [label.get_text() for label in picture.figure().axes[0].get_yticklabels()]
    assert [f"class {place}" for place in [*range(99, 87, -1), *range(11, -1, -1)]] == labels
    assert list(counts["train"].values()) == picture.frame()["train"].tolist()


def test_sizes_are_counted() -> None:
    """Each size is a row with its images."""
    picture = EVERY["sizes"]()
    assert {"width": [28, 32], "height": [28, 24], "images": [2, 1]} == picture.frame().to_dict("list")
    assert "Sizes of 3 images: 2 different ones, most often (2) 28 x 28 px." == picture.alt
    assert "Sizes of 4 images: all are 28 x 20 px." == sheets.sizes([28] * 4, [20] * 4).alt


def test_thousands_of_sizes_stay_a_small_picture() -> None:
    """Sizes that no eye could tell apart are put together on a raster; the frame keeps each."""
    wide, high = GENERATOR.integers(100, 1000, (2, 5000))
    picture = sheets.sizes(wide.tolist(), high.tolist())
    assert 5000 == picture.frame()["images"].sum()
    svg = picture.svg()
    assert len(svg) < 20_000
    assert 30 * 30 * 4 == embedded(svg)[0].size


def test_samples_are_the_images_themselves() -> None:
    """Each tile of the sheet is an image of its row's class, at its own pixels."""
    images = np.arange(6, dtype=np.uint8)[:, None, None, None] * np.full((1, 4, 4, 1), 40, np.uint8)
    picture = sheets.samples(images, np.array([0, 1, 0, 1, 0, 1]), ["a", "b"], each=2)
    assert {"class": ["a", "a", "b", "b"], "row": [0, 4, 1, 5]} == picture.frame().to_dict("list")
    sheet = embedded(picture.svg())[0]
    assert (4 + 1 + 4, 4 + 1 + 4, 4) == sheet.shape
    assert [[0, 160], [40, 200]] == sheet[::5, ::5, 0].tolist()
    assert [0, 255] == sorted(set(sheet[..., 3].ravel().tolist()))


def test_a_class_without_images_keeps_its_row() -> None:
    """Its place on the sheet stays empty."""
    picture = sheets.samples(np.zeros((1, 4, 4, 3), np.uint8), np.array([1]), ["none", "some"], each=3)
    assert ["some"] == picture.frame()["class"].tolist()
    assert "none" in words(picture.svg())


def test_ideal_images_of_bytes_and_of_shares_are_the_same() -> None:
    """uint8 and [0, 1] give the same picture and the same brightness."""
    of_bytes = GENERATOR.integers(0, 256, (2, 5, 5, 1), np.uint8)
    one, other = sheets.ideals(of_bytes, ["3", "7"]), sheets.ideals(of_bytes / 255, ["3", "7"])
    assert one.svg() == other.svg()
    assert [pytest.approx(of_bytes[place].mean() / 255) for place in (0, 1)] == one.frame()["brightness"].tolist()


def test_differences_come_nearest_first() -> None:
    """Of three flat images the two that are alike come first, and their distance is the difference."""
    flat = np.array([0.0, 0.5, 0.6])[:, None, None, None] * np.ones((1, 4, 4, 1))
    picture = sheets.differences(flat, ["a", "b", "c"])
    frame = picture.frame()
    assert [("b", "c"), ("a", "b"), ("a", "c")] == list(zip(frame["first"], frame["second"], strict=True))
    assert np.allclose([0.1, 0.5, 0.6], frame["apart"])
    assert "b minus c (apart 0.100)" in picture.alt


def test_the_sign_of_a_map_is_its_color() -> None:
    """The most positive weight is in the map's blue, the most negative in its orange, nothing between them."""
    from matplotlib.colors import to_hex

    values = np.array([[[-2.0, 0.0, 2.0]]])
    for theme, dark in ((LIGHT, False), (DARK, True)):
        sheet = embedded(sheets.weights(values, ["3"]).svg(dark=dark))[0]
        row = sheet[np.flatnonzero(sheet[:, 0, 3])[0]]
        shown = [to_hex(pixel / 255) for pixel in row[:, :3]]
        assert theme.signed[0] == shown[0]
        assert theme.signed[2] == shown[2]
        assert np.abs(row[1, :3] / 255 - np.array(to_rgb(theme.signed[1]))).max() < 0.01


def test_blue_is_where_the_first_class_is_brighter() -> None:
    """Of a class with a bright left half minus one with a bright right half the left is blue, the right orange."""
    left = np.zeros((4, 4, 1))
    left[:, :2] = 1
    sheet = embedded(sheets.differences(np.stack([left, 1 - left]), ["left", "right"]).svg())[0]
    row = sheet[np.flatnonzero(sheet[:, 0, 3])[0], :, :3].astype(int)
    assert [True, True, False, False] == (row[:, 2] > row[:, 0]).tolist()


def test_blue_argues_for_the_class_in_an_explanation() -> None:
    """Beside the image itself, whose shadow lies under the map, a positive pixel is blue and a negative one orange."""
    image = np.full((1, 4, 4, 1), 90, np.uint8)
    values = np.zeros((1, 4, 4))
    values[0, :, 0], values[0, :, 1] = 3.0, -3.0
    sheet = embedded(sheets.explanation_maps(image, values, ["a"]).svg())[0]
    row = sheet[np.flatnonzero(sheet[:, 0, 3])[0], :, :3]
    assert {90} == set(row[:4].ravel().tolist())
    blue, orange, *shadow = row[5:].tolist()  # a pixel's gap is between them
    assert [[round(255 * part) for part in to_rgb(LIGHT.signed[place])] for place in (2, 0)] == [blue, orange]
    surface = np.array(to_rgb(LIGHT.surface)) * 255
    assert [np.rint(surface + 0.28 * (90 - surface)).astype(int).tolist()] * 2 == shadow


def test_an_explanation_tells_the_sum_of_its_map() -> None:
    """The sum of each signed map, which is a difference of scores, stands in the words and the frame."""
    maps = np.stack([np.full((8, 8), 0.5), np.full((8, 8), -0.25)])
    picture = sheets.explanation_maps(IMAGES[:2], maps, ["first.png: 3, not 7", "second.png: 7, not 3"])
    assert [32.0, -16.0] == picture.frame()["sum"].tolist()
    assert "first.png: 3, not 7: sum 32; second.png: 7, not 3: sum -16" in picture.alt


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_images_of_every_mode_are_drawn(channels: int) -> None:
    """Gray, gray with alpha, color, color with alpha."""
    image = np.full((1, 4, 4, channels), 100, np.uint8)
    pixel = embedded(sheets.samples(image, np.array([0]), ["a"]).svg())[0][0, 0].tolist()
    assert [100, 100, 100, 100 if channels in (2, 4) else 255] == pixel


def test_large_images_are_made_smaller_by_means() -> None:
    """A page shows no more than some pixels: an image of 256 px becomes the means of its squares."""
    image = np.zeros((1, 256, 256, 1), np.uint8)
    image[:, ::2] = 200
    tile = embedded(sheets.samples(image, np.array([0]), ["a"]).svg())[0]
    assert (32, 32) == tile.shape[:2]
    assert {100} == set(tile[..., 0].ravel().tolist())


LONG = [f"{'n0208 a very long name of a class, ' * 2}{place}" for place in range(1000)]
MANY: dict[str, Callable[[], Picture]] = {
    "confusion": lambda: pictures.confusion(np.ones((1000, 1000), int), LONG),
    "balance": lambda: pictures.balance({"train": dict.fromkeys(LONG, 7), "test": dict.fromkeys(LONG, 2)}),
    "samples": lambda: sheets.samples(IMAGES, LABELS, LONG),
    "ideals": lambda: sheets.ideals(np.zeros((1000, 8, 8, 1)), LONG),
    "differences": lambda: sheets.differences(GENERATOR.random((1000, 8, 8, 1)), LONG),
    "weights": lambda: sheets.weights(np.ones((1000, 8, 8)), LONG),
    "reliability": lambda: pictures.reliability(GENERATOR.dirichlet(np.ones(1000), 500), np.zeros(500, int)),
}


CROWDED: dict[str, Callable[[], Picture]] = {
    "confusion": lambda: pictures.confusion(np.ones((24, 24), int), LONG[:24]),
    "fifteen": lambda: pictures.confusion(99 * np.ones((15, 15), int), LONG[:15]),
    "balance": lambda: pictures.balance({"train": dict.fromkeys(LONG[:24], 1_234_567)}),
    "accuracies": lambda: pictures.accuracies(LONG[:9], [1.0] * 9, [(0.999, 1.0)] * 9, [9] * 9, chance=0.9999),
    "differences": lambda: sheets.differences(IDEALS, LONG[:10]),
    "maps": lambda: sheets.explanation_maps(IMAGES[:2], IDEALS[:2, ..., 0], [" and ".join(LONG[:4]), "7.png"]),
    "sizes": lambda: sheets.sizes([40_000, 9], [40_000, 9]),
    "curves": lambda: pictures.curves([one | {"epoch": one["epoch"] * 1000} for one in HISTORY]),  # type: ignore[operator]
}


@pytest.mark.parametrize(
    "make",
    [*EVERY.values(), *CROWDED.values(), *MANY.values()],
)
def test_nothing_is_cut_off_at_the_edge(make: Callable[[], Picture]) -> None:
    """The outermost pixels show the page alone, so no word reaches over the edge, however long the names are."""
    pixels = np.asarray(Image.open(io.BytesIO(make().png(dpi=72))).convert("RGB"))
    for edge in (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]):
        assert {tuple(round(255 * part) for part in to_rgb(LIGHT.surface))} == {tuple(map(int, one)) for one in edge}


@pytest.mark.parametrize("name", list(MANY))
def test_a_thousand_classes_are_drawn_within_a_second(name: str) -> None:
    """Time of this process alone, and the page of a picture stays a page."""
    EVERY["balance"]().svg()  # matplotlib is imported
    started = time.process_time()
    picture = MANY[name]()
    svg = picture.svg()
    assert time.process_time() - started < 1
    assert len(svg) < 200_000
    assert picture.size[1] < 12
    assert len(picture.alt) < 2000


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: pictures.accuracies(["a"], [0.1, 0.2], [(0.0, 1.0)], [3]), "1 rung.* 2 accuracies"),
        (lambda: pictures.accuracies([], [], [], []), "0 rung"),
        (lambda: pictures.confusion(np.eye(3), ["a", "b"]), r"\(3, 3\) .*2 classes"),
        (lambda: pictures.reliability(PROBABILITIES, LABELS[:5]), "200 probabilities .*5 labels"),
        (lambda: pictures.curves([]), "0 epoch"),
        (lambda: pictures.lr_range([0.1], [], 0.1), "1 rate.* 0 loss"),
        (lambda: pictures.balance({}), "0 class"),
        (lambda: sheets.sizes([1, 2], [1]), "2 widths .*1 height"),
        (lambda: sheets.samples(IMAGES, LABELS, DIGITS[:5]), "5 classes .*9"),
        (lambda: sheets.samples(IMAGES, LABELS, DIGITS, each=0), "0 images"),
        (lambda: sheets.ideals(IDEALS, DIGITS[:2]), "10 images .*2 classes"),
        (lambda: sheets.differences(IDEALS[:1], ["a"]), "[Oo]ne class"),
        (lambda: sheets.weights(IDEALS[..., 0], DIGITS[:2]), "10 images .*2 classes"),
        (lambda: sheets.explanation_maps(IMAGES[:2], IDEALS[:1, ..., 0], ["a"]), "2 images .*1 map.* 1 title"),
        (lambda: EVERY["balance"]().svg(style="crayon"), "style='crayon'"),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_drawn_is_reported_in_one_sentence(make: Callable[[], object], sentence: str) -> None:
    """The sentence says what was passed and what to pass."""
    with pytest.raises(FirstlightError, match=sentence) as caught:
        make()
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")


def test_a_short_name_keeps_its_end() -> None:
    """Numbers that tell long names apart stand at their end, so the middle is left out."""
    assert "cat" == short("cat")
    assert "a very lon…ss 12" == short("a very long name of class 12", 16)
    assert 16 == len(short("a very long name of class 12", 16))
