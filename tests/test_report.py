"""The report: one file, no request, usable with a keyboard, a screen reader, a phone, without scripts."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import firstlight as fl
from browser import opened
from drawings import large_digits
from firstlight.apps.screen import training_lines
from firstlight.data.fetching.catalog import write_digits
from firstlight.errors import ArgumentError, RunError
from firstlight.reporting import pictures
from firstlight.reporting.report import render, report
from firstlight.reporting.summary import summary
from firstlight.runs.evidence_file import EVIDENCE, read_evidence, write_evidence
from firstlight.runs.folder import read_run
from firstlight.runs.results import Run
from firstlight.runs.training import SeedResults
from tables import noise, write_images

pytestmark = pytest.mark.slow

CLOSED = ["prior", "ink", "centroid"]


@pytest.fixture(scope="module")
def digits_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A climb of the embedded digits, kept in a folder."""
    home = tmp_path_factory.mktemp("digits")
    write_digits(home / "digits")
    return fl.climb(home / "digits", rungs=CLOSED, out=home / "run")


@pytest.fixture(scope="module")
def trained_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The same with two rungs that are trained."""
    home = tmp_path_factory.mktemp("trained")
    write_digits(home / "digits")
    return fl.climb(home / "digits", rungs=["prior", "centroid-l2", "linear", "mlp"], effort="quick", out=home / "run")


class _Addresses(HTMLParser):
    """Every address that a page would fetch or lead to, and the tags that could fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.addresses += [value or "" for name, value in attributes if name in ("src", "href", "srcset", "action")]


def _parsed(page: str) -> _Addresses:
    parser = _Addresses()
    parser.feed(page)
    return parser


def test_the_page_asks_nothing_of_the_network(digits_run: Run) -> None:
    """Every address in it is a data address or a place in the page itself."""
    found = _parsed(render(digits_run))
    strange = [one[:60] for one in found.addresses if not one.startswith(("data:image/", "#"))]
    assert [] == strange
    assert found.addresses
    assert not {"iframe", "object", "embed", "link", "base"} & found.tags


def test_the_advice_and_every_rung_stand_in_it(digits_run: Run) -> None:
    """The advice is there word by word, and each rung with its accuracy."""
    page = render(digits_run)
    assert str(digits_run.advice) in page.replace("&#39;", "'")
    for rung in digits_run:
        assert f">{rung.name}" in page
        assert f"{rung.metrics.accuracy:.3f}" in page


def test_a_class_name_is_text_and_never_markup(tmp_path: Path) -> None:
    """A folder named like a script is shown and not run."""
    names = ("<b onload=alert(1)>x", "y&z")
    images = {f"{name}/{i}.png": noise(8, 8, seed=i) // (2 - k) for k, name in enumerate(names) for i in range(30)}
    write_images(tmp_path / "odd", images)
    page = render(fl.climb(tmp_path / "odd", rungs=["prior", "centroid-l1"], out=tmp_path / "run"))
    assert "<b onload" not in page
    assert "&lt;b onload=alert(1)&gt;x" in page
    assert "y&amp;z" in page


def test_it_is_rebuilt_from_the_folder_alone_without_torch(digits_run: Run, tmp_path: Path) -> None:
    """A process that cannot import torch writes the same bytes, and the images are not needed."""
    target = tmp_path / "again.html"
    code = (
        "import sys; sys.modules['torch'] = None; sys.modules['firstlight.data.decoding.decode'] = None\n"
        "import firstlight as fl; fl.report(sys.argv[1], sys.argv[2])\n"
        "print(any(name.startswith('matplotlib.pyplot') for name in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(digits_run.path), str(target)], check=True, capture_output=True, text=True
    )
    assert "False\n" == done.stdout
    assert render(digits_run) == target.read_text(encoding="utf-8")


def test_a_run_without_evidence_still_has_a_report(digits_run: Run) -> None:
    """Chapters that show images are left out, and the ladder stays."""
    run = Run(**{**vars(digits_run), "path": None})
    page = render(run)
    assert "Mean image of" not in page
    assert 'id="ladder"' in page


def test_a_run_that_goes_on_has_no_report(digits_run: Run) -> None:
    """Without advice there is nothing to say yet."""
    with pytest.raises(RunError, match="finished"):
        render(replace(digits_run, advice=None))


def test_another_ending_is_refused(digits_run: Run, tmp_path: Path) -> None:
    """A report is a web page."""
    with pytest.raises(ArgumentError, match=r"report\.pdf.*\.html"):
        report(digits_run, tmp_path / "report.pdf")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has file names that are not UTF-8")
def test_a_folder_whose_name_is_not_utf8_costs_no_report(tmp_path: Path) -> None:
    """A finding names it; the report is written all the same, as valid UTF-8."""
    write_images(tmp_path / "images", {f"{'ab'[i % 2]}/{i}.png": noise(8, 8, seed=i) for i in range(12)})
    os.mkdir(os.fsencode(tmp_path / "images") + b"/caf\xe9")  # noqa: PTH102 - a path of bytes
    run = fl.climb(tmp_path / "images", rungs=["prior", "centroid-l2"], out=tmp_path / "run")
    assert "caf" in report(run).read_text(encoding="utf-8")


def test_evidence_that_was_changed_is_refused(digits_run: Run, tmp_path: Path) -> None:
    """A flipped byte in the file is noticed."""
    evidence = read_evidence(digits_run)
    assert evidence is not None
    folder = fl.climb(digits_run.request.data, rungs=["prior"], out=tmp_path / "run").path
    assert folder is not None
    data = bytearray((folder / EVIDENCE).read_bytes())
    data[-1] ^= 1
    (folder / EVIDENCE).write_bytes(bytes(data))
    with pytest.raises(RunError, match=re.escape(EVIDENCE)):
        report(folder)


def values(one: Any) -> Any:
    """A record as plain values, arrays with their type, shape and bytes."""
    if is_dataclass(one):
        return {each.name: values(getattr(one, each.name)) for each in fields(one)}
    if isinstance(one, np.ndarray):
        return (one.dtype.name, one.shape, one.tobytes())
    if isinstance(one, Mapping):
        return {name: values(value) for name, value in one.items()}
    return [values(each) for each in one] if isinstance(one, tuple) else one


def test_evidence_comes_back_as_it_was_kept(digits_run: Run) -> None:
    """Arrays and words are the same after a round through the file."""
    before = read_evidence(digits_run)
    assert before is not None
    write_evidence(digits_run, before)
    after = read_evidence(read_run(str(digits_run.path)))
    assert after is not None
    assert values(before) == values(after)


def test_the_same_run_gives_the_same_bytes(digits_run: Run) -> None:
    """Nothing in the page depends on when it is made."""
    assert render(digits_run) == render(digits_run)


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_chromium_finds_no_fault(trained_run: Run, width: int, dark: bool) -> None:
    """No console message, no request but the file, no serious fault by axe-core, nothing wider than the window."""
    path = report(trained_run)
    with opened(path, width=width, dark=dark) as shown:
        assert [] == shown.errors
        assert [path.as_uri()] == [one for one in shown.requests if not one.startswith("data:")]
        assert [] == shown.serious()
        assert shown.page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_ladder_sorts_by_keyboard(trained_run: Run) -> None:
    """Enter on a column's head sorts upwards, again downwards, and says so to screen readers."""
    with opened(report(trained_run)) as shown:
        head = shown.page.locator("#ladder th", has_text="accuracy").first
        head.locator("button").focus()
        for order in ("ascending", "descending"):
            shown.page.keyboard.press("Enter")
            assert order == head.get_attribute("aria-sort")
            column = shown.page.locator("#ladder table.sortable tbody td:nth-child(2)").all_text_contents()
            values = [float(text) for text in column]
            assert sorted(values, reverse=order == "descending") == values
            assert len(trained_run) == len(values)


def test_it_works_with_scripts_turned_off(trained_run: Run) -> None:
    """Advice, ladder and folded parts are there without any script."""
    with opened(report(trained_run), scripts=False) as shown:
        assert str(trained_run.advice) == shown.page.locator(".advice").inner_text()
        assert len(trained_run) == shown.page.locator("#ladder table.sortable tbody tr").count()
        folded = shown.page.locator("#ladder details", has=shown.page.locator("table")).first
        folded.locator("summary").click()
        assert folded.locator("table").is_visible()


def test_the_page_has_one_figure_for_guessing(digits_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line in the chart is the accuracy of the prior, also where another class is more frequent in these images."""
    prior = digits_run["prior"].metrics
    assert prior.accuracy < prior.majority_share
    drawn: list[float] = []
    accuracies = pictures.accuracies
    monkeypatch.setattr(
        pictures, "accuracies", lambda *rest, chance: drawn.append(chance) or accuracies(*rest, chance=chance)
    )
    page = render(digits_run)
    assert [prior.accuracy] == drawn
    assert f"always guessing the most frequent class is right for {100 * prior.accuracy:.0f}" in page


def test_the_page_names_the_seed_of_its_figures_and_the_intervals_of_all_metrics(trained_run: Run) -> None:
    """With several seeds it says whose accuracy, interval and test it shows; each metric has its ends."""
    assert "first seed" not in render(trained_run)
    first = trained_run["linear"]
    assert first.training is not None
    seeds = SeedResults((0, 1), (0.9, 0.92), 0.91, 0.014, (1.0, 1.0))
    several = replace(first, training=replace(first.training, seeds=seeds))
    rungs = tuple(several if rung.name == "linear" else rung for rung in trained_run)
    assert "first seed" in render(replace(trained_run, rungs=rungs, path=None))
    assert "first seed" in " ".join(training_lines(several))
    best = trained_run[trained_run.advice.rung].metrics  # type: ignore[union-attr]
    for value, ends in (
        (best.balanced_accuracy, best.balanced_accuracy_interval),
        (best.log_loss, best.log_loss_interval),
        (best.calibration_error, best.calibration_error_interval),
    ):
        assert ends is not None
        assert f"{value:.3f} [{ends[0]:.3f}, {ends[1]:.3f}]" in render(trained_run)


def test_the_page_says_where_images_are_too_few_and_what_to_type_for_the_test_split(digits_run: Run) -> None:
    """In its first paragraph, and in the list of what to do next."""
    assert digits_run.advice is not None and digits_run.path is not None
    plain = summary(digits_run, None)
    unsure = replace(digits_run, advice=replace(digits_run.advice, enough=not digits_run.advice.enough), test_images=9)
    other = summary(unsure, None)
    assert ("too few" in plain.means) != ("too few" in other.means)
    assert plain.test is not None and "firstlight split" in plain.test.command
    assert other.test is not None and f"predict {digits_run.path} --split test" in other.test.command
    assert f"<code>{plain.test.command}</code>" in render(digits_run)
    assert summary(replace(unsure, split="test"), None).test is None


@pytest.fixture(scope="module")
def panoramas_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A climb of wide color images in which half of each class looks like the other."""
    home = tmp_path_factory.mktemp("panoramas")
    random = np.random.default_rng(0)
    images = {f"{'ab'[i % 2]}/{i:03}.png": random.integers(0, 256, (40, 120, 3), np.uint8) for i in range(60)}
    write_images(home / "images", images)
    return fl.climb(home / "images", rungs=["prior", "centroid-l2"], out=home / "run")


def test_mistakes_keep_the_proportions_of_their_files(panoramas_run: Run) -> None:
    """The model sees squares; the report shows the images as they are, named."""
    evidence = read_evidence(panoramas_run)
    assert evidence is not None and evidence.mistakes
    assert {(40, 120, 3)} == {one.image.shape for one in evidence.mistakes}
    with opened(report(panoramas_run)) as shown:
        shape = "(one) => [one.naturalWidth, one.naturalHeight, one.alt]"
        for image in shown.page.locator(".mistake img").all():
            width, height, name = image.evaluate(shape)
            assert (120, 40) == (width, height)
            assert ".png" in name


def test_a_mistake_is_enlarged_where_it_is_selected(panoramas_run: Run) -> None:
    """By keyboard, and without scripts; then it says which file it is."""
    with opened(report(panoramas_run), width=390, scripts=False) as shown:
        first = shown.page.locator(".mistake").first
        small = first.locator("img").bounding_box()["width"]
        first.locator("summary").focus()
        shown.page.keyboard.press("Enter")
        assert first.locator("img").bounding_box()["width"] > 2 * small
        assert first.get_by_text("/", exact=False).is_visible()


def test_the_first_paragraph_says_what_it_means_and_what_to_do(digits_run: Run) -> None:
    """The advised rung, its accuracy as a count of 100, the data and the date."""
    with opened(report(digits_run), width=390) as shown:
        text = shown.page.locator(".summary").inner_text()
        assert digits_run.advice.rung in text  # type: ignore[union-attr]
        accuracy = digits_run[digits_run.advice.rung].metrics.accuracy  # type: ignore[union-attr]
        assert f"{100 * accuracy:.0f} of 100" in text
        assert shown.page.locator(".summary li").count() >= 1
        source = shown.page.locator(".source")
        assert digits_run.request.data in source.inner_text()
        assert re.fullmatch(r"20\d\d-\d\d-\d\d", str(source.locator("time").get_attribute("datetime")))


def test_on_a_phone_every_interval_is_seen(trained_run: Run) -> None:
    """Bars and the ends of the intervals are inside the window, the marked one of the advised rung too."""
    with opened(report(trained_run), width=390) as shown:
        for name in (".ladder .bar", ".ladder .ends", ".ladder .main"):
            found = shown.page.locator(name)
            assert len(trained_run) == found.count()
            for one in found.all():
                box = one.bounding_box()
                assert box is not None and box["width"] > 0
                assert box["x"] >= 0 and box["x"] + box["width"] <= 390


def test_ten_digits_stay_under_three_megabytes(tmp_path: Path) -> None:
    """All closed-form rungs of images as large as MNIST's; the page opens without a fault."""
    run = fl.climb(large_digits(tmp_path / "digits"), rungs=CLOSED, out=tmp_path / "run")
    path = report(run)
    assert path.stat().st_size < 3_000_000
    with opened(path) as shown:
        assert [] == shown.errors
        assert [] == shown.serious()


def test_a_thousand_classes_stay_usable(tmp_path: Path) -> None:
    """The weakest classes are open, the rest folded, and the page is small enough to be mailed."""
    images = {f"class {k:04}/{i}.png": noise(8, 8, seed=k * 5 + i) for k in range(1000) for i in range(5)}
    write_images(tmp_path / "many", images)
    run = fl.climb(tmp_path / "many", rungs=["prior", "centroid-l1"], out=tmp_path / "run")
    path = report(run)
    assert path.stat().st_size < 8_000_000
    with opened(path) as shown:
        assert [] == shown.errors
        assert 1000 == shown.page.locator("#classes article.class").count()
        visible = shown.page.locator("#classes article.class:visible").count()
        assert 12 == visible
