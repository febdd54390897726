"""Slices: cells by hand, Fisher's test against SciPy, thirds, columns of lists, and Simpson's paradox."""

from __future__ import annotations

import json
import math
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest, fisher_exact, hypergeom

import firstlight as fl
from firstlight.apps.comparing import show_comparison
from firstlight.data.columns import column
from firstlight.data.fetching.catalog import write_digits
from firstlight.errors import ArgumentError, DataError, RunError
from firstlight.evaluation.parts import parts_of
from firstlight.evaluation.simpson import mantel_haenszel, simpson
from firstlight.evaluation.slices import fisher
from tables import noise, write_images


@dataclass(frozen=True)
class Rung:
    """As much of a run's rung as slices need."""

    predictions: fl.Predictions


def made(name: str, right: list[bool] | np.ndarray) -> fl.Predictions:
    """Predictions of two classes, right where it says so; every label is the first class."""
    right = np.asarray(right)
    keys = [f"{row}.png" for row in range(len(right))]
    return fl.Predictions(name, keys, ("x", "y"), np.zeros(len(right), int), np.eye(2)[1 - right.astype(int)])


RIGHT = np.array([True] * 18 + [False] * 2 + [True] * 9 + [False] * 11)
PLACE = np.array(["north"] * 20 + ["south"] * 20)


def test_fisher_is_that_of_scipy() -> None:
    """Over tables of many sizes, empty and extreme ones included."""
    generator = np.random.default_rng(0)
    for _ in range(300):
        n, m = generator.integers(1, 300, 2).tolist()
        a, b = int(generator.integers(0, n + 1)), int(generator.integers(0, m + 1))
        expected = fisher_exact([[a, n - a], [b, m - b]]).pvalue
        assert pytest.approx(expected, rel=1e-8) == fisher(a, n, b, m)
    for a, n, b, m in ((0, 5, 0, 7), (5, 5, 7, 7), (3, 5, 0, 0), (33_000, 40_000, 49_500, 60_000)):
        assert pytest.approx(fisher_exact([[a, n - a], [b, m - b]]).pvalue, rel=1e-6) == fisher(a, n, b, m)


def test_cells_have_counts_interval_and_corrected_test() -> None:
    """Two slices of one rung, worked by other functions."""
    found = fl.slices(made("ink", RIGHT), by=PLACE, name="place")
    assert [("north", 20), ("south", 20)] == [(part.name, part.n) for part in found.parts]
    north, south = found.cells[0]
    assert (18, 9, 0.9, 0.45) == (north.correct, south.correct, north.accuracy, north.rest)
    known = binomtest(9, 20).proportion_ci(method="wilson")
    assert (known.low, known.high) == pytest.approx(south.interval)
    p = fisher_exact([[18, 2], [9, 11]]).pvalue
    assert [2 * p, 2 * p] == pytest.approx([north.p, south.p])  # two tests
    assert (False, True) == (north.worse, south.worse)
    assert ["ink is worse where place is south: 0.450 [0.258, 0.658], elsewhere 0.900 (p = 0.011)."] == found.worse


def test_a_rung_that_always_predicts_the_same_class_is_left_out() -> None:
    """Its accuracy in a slice is the share of that class there, and nothing to conclude from."""
    same = replace(made("prior", RIGHT), scores=np.tile([1.0, 0.0], (40, 1)), labels=(~RIGHT).astype(int))
    found = fl.slices([Rung(same), Rung(made("ink", RIGHT))], by=PLACE, name="place")
    assert ("ink",) == found.rungs
    assert found == fl.slices(made("ink", RIGHT), by=PLACE, name="place")
    with pytest.raises(ArgumentError, match="prior"):
        fl.slices([Rung(same)], by=PLACE, name="place")


def test_rungs_of_a_run_share_the_correction() -> None:
    """Holm over all rungs and slices: four tests here, of which the second rung's are those of the first."""
    alone = fl.slices(made("a", RIGHT), by=PLACE, name="place")
    both = fl.slices([Rung(made("a", RIGHT)), Rung(made("b", ~RIGHT))], by=PLACE, name="place")
    assert both.cells[0][1].p == pytest.approx(2 * alone.cells[0][1].p)
    assert ("a", "b") == both.rungs
    assert [["south"], ["north"]] == [
        [p.name for p, c in zip(both.parts, row, strict=True) if c.worse] for row in both.cells
    ]


def test_the_order_of_the_images_does_not_matter() -> None:
    """The same table to the last bit."""
    order = np.random.default_rng(0).permutation(40)
    seen = made("ink", RIGHT)
    for by in (PLACE, np.arange(40) % 7, np.linspace(0, 1, 40)):
        shuffled = fl.slices(seen.select(order), by=by[order], name="place")
        assert fl.slices(seen, by=by, name="place") == shuffled


def test_one_slice_has_no_rest() -> None:
    """Nothing to test against, and plain JSON still."""
    found = fl.slices(made("ink", RIGHT), by=["here"] * 40, name="place")
    assert (None, 1.0, False) == (found.cells[0][0].rest, found.cells[0][0].p, found.cells[0][0].worse)
    assert "NaN" not in json.dumps(found.to_dict())


def test_slices_can_be_printed_and_framed() -> None:
    """A line for each rung and slice, with the mark where it is worse."""
    found = fl.slices(made("ink", RIGHT), by=PLACE, name="place")
    assert ["south", "0.450", "[0.258,", "0.658]", "n=20", "p", "=", "0.011", "worse"] == str(found).splitlines()[
        -1
    ].split()
    frame = found.frame()
    assert (["north", "south"], [18, 9], [False, True]) == (
        frame["slice"].tolist(),
        frame["correct"].tolist(),
        frame["worse"].tolist(),
    )


def test_nothing_is_called_worse_by_chance() -> None:
    """Of a hundred rungs that are as good everywhere, at most five are called worse somewhere, as Holm promises."""
    generator = np.random.default_rng(0)
    called = 0
    for _ in range(100):
        seen = made("ink", generator.random(300) < 0.8)
        called += bool(fl.slices(seen, by=generator.choice(list("abcdef"), 300), name="place").worse)
    assert called <= 5


def test_numbers_are_cut_into_thirds_and_ties_stay_together() -> None:
    """As many images in each as can be, fewer slices where most values are equal."""
    for values, names, counts in (
        (np.arange(9.0), ["low (0 to 2)", "middle (3 to 5)", "high (6 to 8)"], [3, 3, 3]),
        ([0.125] * 8 + [2.5], ["low (0.125)", "high (2.5)"], [8, 1]),
        ([1] + [2] * 8, ["low (1)", "high (2)"], [1, 8]),
        ([3, 3, 3], ["all (3)"], [3]),
        ([1200] * 4 + [7000, 1_000_000] * 4, ["low (1,200)", "middle (7,000)", "high (1,000,000)"], [4, 4, 4]),
    ):
        found, codes = parts_of(np.array(values))
        assert (names, counts) == (found, np.bincount(codes).tolist())
    generator = np.random.default_rng(0)
    for _ in range(20):
        values = generator.integers(0, 8, 100)
        found, codes = parts_of(values)
        assert 100 == np.bincount(codes).sum() and (np.bincount(codes) > 0).all()
        highest = [values[codes == part].max() for part in range(len(found))]
        lowest = [values[codes == part].min() for part in range(len(found))]
        assert all(high < low for high, low in zip(highest[:-1], lowest[1:], strict=True))


def test_what_has_no_number_is_a_slice_of_its_own() -> None:
    """NaN is neither low nor high."""
    found, codes = parts_of(np.array([1.0, math.nan, 2.0, 3.0, math.nan]))
    assert ["low (1)", "middle (2)", "high (3)", "not given"] == found
    assert [0, 3, 1, 2, 3] == codes.tolist()
    assert (["not given"], [0, 0]) == (parts_of(np.full(2, math.nan))[0], parts_of(np.full(2, math.nan))[1].tolist())


def test_the_rarest_of_many_words_are_put_together() -> None:
    """Beyond twelve; words that nobody shares are no slices."""
    words = np.array([f"w{n:02}" for n in range(20) for _ in range(20 - n)])
    names, codes = parts_of(words)
    assert (12, "all others") == (len(names), names[-1])
    assert sum(range(1, 10)) == np.bincount(codes)[-1]
    with pytest.raises(ArgumentError, match="13"):
        parts_of(np.array([f"{n}.png" for n in range(13)]))


def test_images_without_a_class_are_left_out() -> None:
    """And nothing labelled is one sentence."""
    seen = made("ink", [True, False, True, True])
    partly = replace(seen, labels=np.array([0, -1, 0, 0]))
    found = fl.slices(partly, by=["a", "a", "b", "b"], name="place")
    assert [1, 2] == [part.n for part in found.parts]
    with pytest.raises(ArgumentError, match="class"):
        fl.slices(replace(seen, labels=np.full(4, -1)), by=["a"] * 4, name="place")
    with pytest.raises(ArgumentError, match=r"values \(1,\) for"):
        fl.slices(seen, by=["a"], name="place")
    with pytest.raises(ArgumentError, match="no rung"):
        fl.slices([], by=["a"], name="place")
    with pytest.raises(ArgumentError, match="same images"):
        fl.slices([Rung(seen), Rung(seen.select(np.arange(4)[::-1]))], by=["a"] * 4, name="place")


def counted(name: str, *counts: tuple[int, int]) -> tuple[fl.Predictions, np.ndarray]:
    """Predictions of which (right, n) are right in slice 0, 1, ...; and the slice of each image."""
    right = np.concatenate([np.arange(n) < good for good, n in counts])
    return made(name, right), np.repeat([f"slice {place}" for place in range(len(counts))], [n for _, n in counts])


def test_the_kidney_stones_are_simpsons_paradox() -> None:
    """Charig and others 1986: open surgery 81/87 and 192/263, closed 234/270 and 55/80."""
    (a, by_a), (b, by_b) = counted("open", (81, 87), (192, 263)), counted("closed", (234, 270), (55, 80))
    for first, other, by in ((a, b, (by_a, by_b)), (b, a, (by_b, by_a))):
        found = simpson(first, other, by=by, name="stone")
        assert found.reversed
        assert found.warning.startswith("Simpson's paradox: closed is ahead overall and behind open in every slice")
        assert "no difference between them is shown (p = 0.148)" in found.warning
    lines = str(simpson(a, b, by=(by_a, by_b), name="stone")).splitlines()
    assert "  all slices  0.780 (273/350)  0.826 (289/350)  -0.046" == lines[2]
    assert "  slice 0     0.931 (81/87)    0.867 (234/270)  +0.064" == lines[3]
    assert "  slice 1     0.730 (192/263)  0.688 (55/80)    +0.043" == lines[4]


def test_a_planted_reversal_names_the_better_one() -> None:
    """Made so that one model is better on easy and on hard images, and was mostly measured on hard ones."""
    (a, by_a), (b, by_b) = counted("strong", (99, 100), (840, 1000)), counted("weak", (940, 1000), (70, 100))
    found = simpson(a, b, by=(by_a, by_b), name="folder")
    assert found.reversed and found.to_dict()["reversed"]
    assert "weak is ahead overall and behind strong in every slice" in found.warning
    assert "inside them strong is the better one (p < 0.001)" in found.warning


@pytest.mark.parametrize(
    ("first", "other"),
    [
        (((90, 100), (70, 100)), ((80, 100), (60, 100))),  # the same direction everywhere
        (((60, 100), (95, 100)), ((80, 100), (60, 100))),  # one slice turned round
        (((90, 100), (20, 40)), ((80, 100), (20, 40))),  # one slice alike
        (((81, 87), (192, 263)), ((81, 87), (192, 263))),  # equal
        (((81, 87),), ((234, 270),)),  # one slice
        (((10, 10), (0, 0)), ((0, 0), (5, 10))),  # no slice with both
    ],
)
def test_an_ordinary_comparison_is_not_warned_about(
    first: tuple[tuple[int, int], ...], other: tuple[tuple[int, int], ...]
) -> None:
    """The comparison has to turn round in every slice that has images of both, two at least."""
    (a, by_a), (b, by_b) = counted("a", *first), counted("b", *other)
    found = simpson(a, b, by=(by_a, by_b), name="slice")
    assert (False, "") == (found.reversed, found.warning)
    assert "Simpson" not in str(found)


def test_slices_of_one_alone_are_left_out_and_counted() -> None:
    """What the other has no image of cannot be compared; images without a class count nowhere."""
    a, b = made("a", [True] * 5), made("b", [True, False, True])
    a = replace(a, labels=np.array([0, 0, 0, 0, -1]))
    found = simpson(a, b, by=(list("xxyyy"), list("xxz")), name="letter")
    assert (("x",), ((2, 2),), ((1, 2),), 3) == (found.parts, found.firsts, found.others, found.left_out)
    assert "not compared: 3 images" in str(found)


def test_on_the_same_images_it_cannot_happen() -> None:
    """The overall difference is the weighted mean of the slices' differences, so no random pair shows it."""
    generator = np.random.default_rng(0)
    by = generator.choice(list("abc"), 60, p=[0.7, 0.2, 0.1])
    for _ in range(300):
        one, two = made("one", generator.random(60) < 0.6), made("two", generator.random(60) < 0.6)
        assert not simpson(one, two, by=(by, by), name="slice").reversed


def test_two_groups_of_one_rung_may_turn_round() -> None:
    """A rung's images of two hospitals: one is ahead overall, the other under each light."""
    (a, by_a), (b, by_b) = counted("x", (81, 87), (192, 263)), counted("x", (234, 270), (55, 80))
    both = made("rung", np.concatenate([a.correct, b.correct]))
    hospital, light = np.repeat(["A", "B"], [len(a), len(b)]), np.concatenate([by_a, by_b])
    groups = [replace(both.select(hospital == name), name=name) for name in "AB"]
    found = simpson(*groups, by=(light[hospital == "A"], light[hospital == "B"]), name="light")
    assert found.warning.startswith("Simpson's paradox: B is ahead overall and behind A in every slice by light")


def test_thirds_are_those_of_both() -> None:
    """So that low means the same for the two."""
    a, b = made("a", [True] * 3), made("b", [True] * 6)
    found = simpson(a, b, by=(np.array([1.0, 2.0, 9.0]), np.array([2.0, 3.0, 4.0, 5.0, 8.0, 9.0])), name="size")
    assert ("low (1 to 2)", "high (8 to 9)") == found.parts
    assert (((2, 2), (1, 1)), ((1, 1), (2, 2)), 3) == (found.firsts, found.others, found.left_out)
    with pytest.raises(ArgumentError, match=r"values \(1,\) for"):
        simpson(a, b, by=([1, 2, 3], [1]), name="size")


def test_mantel_haenszel_is_that_of_r() -> None:
    """mantelhaen.test(UCBAdmissions) prints X-squared = 1.4269, p-value = 0.2323 with its correction."""
    men, women = np.array([512, 353, 120, 138, 53, 22]), np.array([89, 17, 202, 131, 94, 24])
    refused = np.array([[313, 207, 205, 279, 138, 351], [19, 8, 391, 244, 299, 317]])
    assert 0.2323 == round(mantel_haenszel(men, men + refused[0], women, women + refused[1]), 4)


def test_mantel_haenszel_is_close_to_the_exact_sum_of_hypergeometrics() -> None:
    """The distribution that it approaches, convolved slice by slice by SciPy."""
    generator = np.random.default_rng(0)
    for _ in range(20):
        m, n = generator.integers(200, 600, (2, 3))
        a, b = generator.binomial(m, 0.7), generator.binomial(n, 0.6)
        exact = np.ones(1)
        for x, y, k, h in zip(a, b, m, n, strict=True):
            exact = np.convolve(exact, hypergeom(k + h, x + y, k).pmf(np.arange(k + 1)))
        place, mean = a.sum(), (exact * np.arange(len(exact))).sum()
        away = np.abs(np.arange(len(exact)) - mean) >= abs(place - mean) - 1e-9
        assert abs(exact[away].sum() - mantel_haenszel(a, m, b, n)) < 0.02
    assert 1.0 == mantel_haenszel(np.array([3]), np.array([3]), np.array([4]), np.array([4]))


LISTS = {
    "hands.csv": "name,hand,age\n{0},left,31\n{1},right,\n{2},left,45\n{3},right,4e1\n",
    "hands-semicolon.csv": "age;hand;filename\n31;left;{0}\n;right;{1}\n45;left;{2}\n40;right;{3}\n",
    "hands-tab.csv": "\ufefffile\thand\tage\n{0}\tleft\t31\n{1}\tright\tNA\n{2}\tleft\t45\n{3}\tright\t40.0\n",
    "metadata.jsonl": '{{"file_name": "{0}", "hand": "left", "age": 31}}\n{{"file_name": "{1}", "hand": "right"}}\n'
    '{{"file_name": "{2}", "hand": "left", "age": 45}}\n{{"file_name": "{3}", "hand": "right", "age": 40}}\n',
}
KEYS = ["a/0.png", "a/1.png", "b/2.png", "b/3.png"]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return write_images(tmp_path / "photos", {key: noise(4, 4, seed=n) for n, key in enumerate(KEYS)})


@pytest.mark.parametrize("name", list(LISTS))
@pytest.mark.parametrize(
    "names", [KEYS, ["0.png", "1.png", "2.png", "3.png"], [key.replace("/", "\\") for key in KEYS]]
)
def test_a_column_of_a_list_next_to_the_images(photos: Path, name: str, names: list[str]) -> None:
    """Whatever parts the columns, wherever the names stand; words stay words, numbers become numbers."""
    names = [key.replace("\\", "\\\\") for key in names] if name.endswith("jsonl") else names
    (photos / name).write_text(LISTS[name].format(*names))
    table = fl.scan(photos)
    assert ["left", "right", "left", "right"] == column(table, "hand").tolist()
    np.testing.assert_array_equal([31, np.nan, 45, 40], column(table, "age"))
    order = np.array([3, 0])
    assert ["right", "left"] == column(table.select(order), "hand").tolist()


def test_the_list_of_each_split_counts_from_its_folder(tmp_path: Path) -> None:
    """Hugging Face's metadata: the same file name in another folder is another image."""
    images = {f"{split}/{n}.png": noise(4, 4, seed=n) for split in ("train", "test") for n in range(2)}
    write_images(tmp_path, images)
    for split, words in (("train", ("sun", "rain")), ("test", ("fog", "snow"))):
        rows = [f"{n}.png,x{n},{word}" for n, word in enumerate(words)]
        (tmp_path / split / "metadata.csv").write_text("\n".join(["file_name,label,weather", *rows]))
    table = fl.scan(tmp_path)
    assert ["fog", "snow"] == column(table.select("test"), "weather").tolist()
    assert ["fog", "snow", "sun", "rain"] == column(table, "weather").tolist()


def test_images_that_the_list_does_not_name(photos: Path) -> None:
    """They are told as such; a list of other images is no column."""
    (photos / "hands.csv").write_text("name,hand\na/0.png,left\n")
    assert ["left", *["not given"] * 3] == column(fl.scan(photos), "hand").tolist()
    (photos / "hands.csv").write_text("name,hand\nelsewhere.png,left\n")
    (photos / "empty.csv").write_text("")
    with pytest.raises(ArgumentError, match=r"'hand' .*name, hand"):
        column(fl.scan(photos), "hand")


def test_a_list_that_cannot_be_read_is_one_sentence(photos: Path) -> None:
    """A folder that is called a list."""
    (photos / "hands.csv").mkdir()
    with pytest.raises(DataError, match=r"hands\.csv"):
        column(fl.load(fl.scan(photos)).table, "hand")


def test_the_list_may_lie_in_a_zip(photos: Path) -> None:
    """As the images do."""
    (photos / "hands.csv").write_text(LISTS["hands.csv"].format(*KEYS))
    with zipfile.ZipFile(photos.with_suffix(".zip"), "w") as whole:
        for path in sorted(photos.rglob("*.*")):
            whole.write(path, path.relative_to(photos).as_posix())
    assert ["left", "right", "left", "right"] == column(fl.scan(photos.with_suffix(".zip")), "hand").tolist()


def test_folders_are_reported_without_their_split(tmp_path: Path) -> None:
    """The split's folder says nothing of an image; what is left is where it came from."""
    keys = ["train/cat/1.png", "train/dog/1.png", "valid/cat/2.png", "valid/dog/2.png"]
    table = fl.scan(write_images(tmp_path / "a", {key: noise(4, 4) for key in keys}))
    assert ["cat", "dog", "cat", "dog"] == column(table, "folder").tolist()
    keys = ["car/1.png", "train/1.png"]  # here a train is a class
    table = fl.scan(write_images(tmp_path / "b", {key: noise(4, 4) for key in keys}))
    assert ["car", "train"] == column(table, "folder").tolist()
    (tmp_path / "c").mkdir()
    table = fl.scan(write_images(tmp_path / "c", {"1.png": noise(4, 4)}))
    assert ["."] == column(table, "folder").tolist()


def test_brightness_and_contrast_are_mean_and_deviation(photos: Path) -> None:
    """Of the pixels as they are, divided by 255; without pixels the sentence says so."""
    write_images(photos, {"a/0.png": np.array([[0, 255], [0, 255]], np.uint8).repeat(2, 0).repeat(2, 1)})
    pixels = fl.load(fl.scan(photos))
    assert (0.5, 0.5) == tuple(float(column(pixels.table, by, pixels)[0]) for by in ("brightness", "contrast"))
    assert [(photos / key).stat().st_size for key in KEYS] == column(pixels.table, "size").tolist()
    with pytest.raises(ArgumentError, match="pixels"):
        column(pixels.table, "brightness")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A climb of the embedded digits, of which a list beside them says who wrote them."""
    home = tmp_path_factory.mktemp("digits")
    folder = write_digits(home / "digits")
    names = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*.png"))]
    rows = [f"{name};{'left' if n % 3 else 'right'}" for n, name in enumerate(names)]
    (folder / "hands.csv").write_text("\n".join(["file;hand", *rows]))
    table = fl.split(fl.scan(folder))
    fl.climb(table, rungs=["prior", "centroid-l2"], out=home / "run")
    return home / "run"


def compared(capsys: pytest.CaptureFixture[str], run: Path, other: Path | None = None, **options: Any) -> str:
    """What the command prints."""
    show_comparison(run, other, **({"against": None, "by": None, "as_json": False, "quiet": True} | options))
    return capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("by", ["brightness", "contrast", "size", "folder", "hand"])
def test_the_command_tells_slices(run: Path, by: str, capsys: pytest.CaptureFixture[str]) -> None:
    """By each statistic, and by a column of a list beside the images; every slice's images add up."""
    found = json.loads(compared(capsys, run, by=by, as_json=True))["slices"]
    n = fl.read_run(run)["prior"].metrics.n
    assert n == sum(part["n"] for part in found["slices"])
    assert ["centroid-l2"] == [rung["name"] for rung in found["rungs"]]
    total = fl.read_run(run)["centroid-l2"].metrics.correct
    assert total == sum(cell["correct"] for cell in found["rungs"][0]["cells"])


def test_the_command_prints_a_table_for_each_rung_and_what_is_worse(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By folder, which is the class here, each has its recall; nothing is concluded of the prior."""
    lines = compared(capsys, run, by="folder").splitlines()
    assert "folder" in lines[0] and "Fisher" in lines[0]
    assert ["centroid-l2"] == [line for line in lines[1:12] if not line.startswith(" ")]
    recall = fl.read_run(run)["centroid-l2"].metrics.recall.values()
    assert sorted(f"{one.recall:.3f}" for one in recall) == sorted(line.split()[1] for line in lines[2:12])
    assert "No rung is shown to be worse" in compared(capsys, run, by="hand")


def test_without_slices_the_command_compares_the_rungs(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the one that was named."""
    assert "with prior" in compared(capsys, run, against="prior")


def test_the_command_says_what_is_missing(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A column that is none, a second run of other images without slices, images or the whole folder gone."""
    with pytest.raises(ArgumentError, match=r"'weather' .*hand"):
        compared(capsys, run, by="weather")
    gone = write_images(tmp_path / "gone", {f"{'ab'[n % 2]}/{n}.png": noise(4, 4, seed=n) for n in range(20)})
    other = fl.climb(gone, rungs=["prior"], out=tmp_path / "run")
    (gone / other["prior"].predictions.keys[0].as_py()).unlink()
    with pytest.raises(RunError, match=r"1 of \d+ measured images"):
        compared(capsys, tmp_path / "run", by="folder")
    with pytest.raises(ArgumentError, match=r"prior .*--by"):
        compared(capsys, run, tmp_path / "run")
    gone.rename(tmp_path / "moved")
    with pytest.raises(RunError, match="gone"):
        compared(capsys, tmp_path / "run", by="folder")


def test_two_runs_are_held_against_each_other(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A run beside itself has no difference anywhere."""
    lines = compared(capsys, run, run, by="brightness").splitlines()
    assert "run/centroid-l2 compared with run/centroid-l2 by brightness, each on its own images" in lines
    assert 4 == sum(line.endswith("  +0.000") for line in lines)
    assert "  inside the slices: p = 1.000 by Mantel and Haenszel's test" == lines[-1]


@pytest.mark.slow
def test_two_runs_that_change_places_are_warned_about(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One was measured on images by night mostly, the other by day, and the list beside them says which are which."""

    def photos(root: Path, **lights: tuple[int, int]) -> Path:
        """Bars that stand or lie; of each light (right, n) pairs, the others in each other's folder."""
        images, rows = {}, ["name,light"]
        for split, light, right, count in (("train", "day", 9, 9), *(("valid", k, *v) for k, v in lights.items())):
            for number in range(2 * count):
                image = np.zeros((6, 6), np.uint8)
                image[2:4] = 200 + number % 50
                standing = number % 2 == 1
                folder = "standing" if standing == (number < 2 * right) else "lying"
                key = f"{split}/{folder}/{light}-{number}.png"
                images[key] = image.T.copy() if standing else image
                rows.append(f"{key},{light}")
        write_images(root, images)
        (root / "lights.csv").write_text("\n".join(rows))
        return root

    for name, lights in (
        ("strong", {"day": (9, 10), "night": (36, 60)}),  # 0.90 and 0.60; together 0.64
        ("weak", {"day": (51, 60), "night": (5, 10)}),  # 0.85 and 0.50; together 0.80
        ("weaker", {"day": (8, 10), "night": (30, 60)}),  # as the strong one's images, but 0.80 and 0.50
    ):
        fl.climb(photos(tmp_path / name, **lights), rungs=["centroid-cosine"], out=tmp_path / f"run-{name}")
    runs = tmp_path / "run-strong", tmp_path / "run-weak"
    lines = compared(capsys, *runs, by="light").splitlines()
    assert "  all slices  0.643 (90/140)              0.800 (112/140)           -0.157" in lines
    assert "  night       0.600 (72/120)              0.500 (10/20)             +0.100" in lines
    ahead, behind = "run-weak/centroid-cosine", "run-strong/centroid-cosine"
    assert lines[-1].startswith(f"Simpson's paradox: {ahead} is ahead overall and behind {behind} in every slice by")
    assert json.loads(compared(capsys, *runs, by="light", as_json=True))["simpson"]["reversed"]
    ordinary = compared(capsys, runs[0], tmp_path / "run-weaker", by="light")
    assert "+0.100" in ordinary and "Simpson" not in ordinary
