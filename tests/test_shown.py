"""What Python and notebooks show of the library's values: short, escaped, and as data frames."""

from __future__ import annotations

import inspect
import typing
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from PIL import Image

import firstlight as fl
from tables import noise

NASTY = "<script>alert(1)</script>&\x1b[2J\u202e"  # as a folder it has no slash
NASTY = NASTY.replace("/", "\u2215")
ALLOWED = {"div", "strong", "table", "tr", "th", "td", "p"}


class Tags(HTMLParser):
    """Collects the tags of a text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert not attrs
        self.tags.add(tag)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes, one of a name that a page or a terminal would act on."""
    root = tmp_path_factory.mktemp("shown") / "photos"
    for label, base in ((NASTY, 0), ("dog", 128)):
        (root / label).mkdir(parents=True)
        for number in range(15):
            pixels = (noise(6, 6, seed=number) // 2 + base).astype(np.uint8)
            Image.fromarray(pixels).save(root / label / f"{number}.png")
    return root


@pytest.fixture(scope="module")
def values(photos: Path) -> dict[str, Any]:
    """One value of each kind that has a view."""
    table = fl.split(photos)
    pixels = fl.load(table)
    run = fl.climb(pixels, rungs=["prior", "ink", "centroid-l2"])
    seen = run["ink"].predictions
    sliced = fl.slices(run, by=[NASTY if label else "b" for label in seen.labels], name=NASTY)
    words = np.array([NASTY, "x"] * len(seen))[: len(seen)]
    return {
        "Table": table,
        "Pixels": pixels,
        "Run": run,
        "RungResult": run["ink"],
        "Classifier": run.best,
        "Predictions": seen,
        "Evaluation": run["ink"].metrics,
        "Comparison": fl.compare(run["ink"], against=run["prior"]),
        "Comparisons": fl.compare(run, against="prior"),
        "Advice": run.advice,
        "Slices": sliced,
        "Stratified": fl.simpson(seen, run["prior"].predictions, by=(words, words), name=NASTY),
        "LabelErrors": fl.label_errors(fl.crossfit(pixels, rung="ink")),
        "Explanation": fl.explain(run.best, pixels, count=1)[0],
        "Findings": fl.audit(photos),
    }


KINDS = (
    *("Table", "Pixels", "Run", "RungResult", "Classifier", "Predictions", "Evaluation", "Comparison", "Comparisons"),
    *("Advice", "Slices", "Stratified", "LabelErrors", "Explanation", "Findings"),
)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_value_is_shown_short_and_escaped(values: dict[str, Any], kind: str) -> None:
    """Its repr is a line, a run's a line a rung; a notebook gets tags of a table and nothing else; it has a frame."""
    value = values[kind]
    assert type(value) is getattr(fl, kind)
    lines = repr(value).splitlines()
    assert 1 == len(lines) or kind == "Run"
    assert all(len(line) < 250 and "\x1b" not in line and "array(" not in line for line in lines)
    html = value._repr_html_()
    assert Tags(html).tags <= ALLOWED and "<strong>" in html
    assert "\x1b" not in html and "\u202e" not in html
    assert isinstance(value.frame(), pandas.DataFrame)


def test_an_unknown_class_is_missing() -> None:
    """In the frame, in the rows and in `correct`, whose mean is over the known ones."""
    scores = np.array([[2.0, 0], [2, 0], [2, 0]])
    seen = fl.Predictions("ink", ["a", "b", "c"], ("3", "7"), np.array([0, 1, -1]), scores)
    frame = seen.frame()
    assert [False, False, True] == frame["correct"].isna().tolist() == frame["label"].isna().tolist()
    assert 0.5 == frame["correct"].mean() == seen.correct.mean()
    assert [True, False, None] == seen.correct.tolist() == [one.correct for one in seen]
    assert ["3", "7", None] == [one.label for one in seen] and len(list(seen)) == 3
    assert ("c", "3") == (seen[-1].key, seen[2].predicted)
    assert "c    3" in str(seen)
    assert "<Predictions of ink: 1 image, 2 classes: 3 (0.881)>" == repr(seen.select(np.array([2])))


@pytest.mark.slow
def test_frames_have_a_row_for_each_image_and_rung(values: dict[str, Any]) -> None:
    """The numbers of a frame are those of the value."""
    frame = values["Table"].frame()
    assert 30 == len(frame) == len(values["Pixels"].frame())
    assert {"train", "validation"} == set(frame["split"]) and "dog" in set(frame["label"])
    assert str(frame["modified"].dtype).startswith("datetime64[ns")
    run = values["Run"]
    assert [rung.name for rung in run] == run.frame()["rung"].tolist()
    assert [rung.metrics.accuracy for rung in run] == run.frame()["accuracy"].tolist()
    assert [run.best.name] == run.best.frame()["name"].tolist()


def public_results() -> set[type]:
    """The classes of the package that public functions return."""
    found: set[type] = set()
    for name in fl.__all__:
        value = getattr(fl, name)
        if inspect.isfunction(value):
            hint = eval(inspect.signature(value).return_annotation, value.__globals__)  # noqa: S307 - our own annotation
            found |= {one for one in (hint, *typing.get_args(hint)) if isinstance(one, type)}
    return {one for one in found if one.__module__.startswith("firstlight")}


def test_what_public_functions_return_is_public() -> None:
    """Each type of a result is a name of the door."""
    assert {fl.Predictions, fl.Run, fl.Comparison, fl.Explanation} <= public_results()
    assert [] == [one.__name__ for one in public_results() if getattr(fl, one.__name__, None) is not one]
