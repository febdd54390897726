"""`fit()`, `climb()` and `predict()` from folder to run: splits made where they lack, refusals, the test split."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import firstlight as fl
from firstlight.apps.climbing import Wanted, show_climb
from firstlight.errors import ArgumentError, DataError, MissingExtraError, RunError
from firstlight.progress import Meters, Step

CLOSED_FORM = ("prior", "ink", "centroid")  # the rungs that are trained have files of their own


def grow(root: Path, **counts: int) -> Path:
    """A folder of small gray images; those of a later class are brighter."""
    generator = np.random.default_rng(0)
    for number, (name, count) in enumerate(counts.items()):
        folder = root / name.replace("__", "/")
        folder.mkdir(parents=True)
        for index in range(count):
            values = generator.integers(0, 60, (6, 6)) + 60 * number
            Image.fromarray(values.astype(np.uint8)).save(folder / f"{index}.png")
    return root


def test_without_torch_trained_rungs_are_refused_and_a_climb_says_that_it_leaves_them_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is loaded, with the line that installs it."""
    monkeypatch.setattr("firstlight.models.rungs.find_spec", lambda name: None)
    for call in (lambda: fl.climb("nowhere", rungs=["linear"]), lambda: fl.fit("cnn", "nowhere")):
        with pytest.raises(MissingExtraError, match=r"Trained rungs \((linear|cnn)\) need PyTorch; .*train"):
            call()
    grow(tmp_path / "two", a=20, b=20)
    remarks: list[str] = []
    fl.climb(
        tmp_path / "two", progress=lambda step: remarks.append(step.result) if isinstance(step.result, str) else None
    )
    assert [True] == ["linear, mlp, cnn" in remark and "[train]" in remark for remark in remarks]


def test_a_folder_without_splits_is_split_by_class(tmp_path: Path) -> None:
    """A fifth is set aside for validation, the same at each climb, and the run says so."""
    root = grow(tmp_path / "photos", dark=50, light=50)
    first, second = fl.climb(root, rungs=CLOSED_FORM), fl.climb(root, rungs=CLOSED_FORM)
    assert 5 <= first["prior"].to_dict()["n"] <= 35
    assert 1.0 == first["ink"].to_dict()["accuracy"]
    assert any("validation" in sentence for sentence in first.decided)
    assert first["ink"].predictions.keys.equals(second["ink"].predictions.keys)


def test_another_seed_sets_other_images_aside(tmp_path: Path) -> None:
    """The split hangs on the seed alone."""
    root = grow(tmp_path / "photos", dark=50, light=50)
    first, second = (fl.climb(root, rungs=CLOSED_FORM, seed=seed) for seed in (1, 2))
    assert not first["ink"].predictions.keys.equals(second["ink"].predictions.keys)


def test_measuring_on_test_fits_on_everything_else(tmp_path: Path) -> None:
    """Train and validation together make the means; no test image does."""
    root = grow(tmp_path / "p", train__a=8, train__b=8, val__a=4, val__b=4, test__a=3, test__b=3)
    run = fl.climb(root, rungs=["prior"], split="test")
    assert 6 == run["prior"].to_dict()["n"]
    assert [12, 12] == run["prior"].model.tensors["counts"].tolist()
    assert "test" in str(run.advice)


def test_a_folder_with_train_and_test_keeps_its_test_images_out(tmp_path: Path) -> None:
    """Validation is taken out of train; the test images are neither fitted on nor measured."""
    root = grow(tmp_path / "p", train__a=40, train__b=40, test__a=3, test__b=3)
    run = fl.climb(root, rungs=["prior"])
    fitted_on = int(run["prior"].model.tensors["counts"].sum())
    assert 80 == fitted_on + run["prior"].to_dict()["n"]
    assert all(key.startswith("train/") for key in run["prior"].predictions.keys.to_pylist())


def test_a_test_split_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """The sentence says how to make one."""
    root = grow(tmp_path / "p", a=8, b=8)
    with pytest.raises(DataError, match=r"test.*firstlight split"):
        fl.climb(root, split="test")
    with pytest.raises(ArgumentError, match="'train'"):
        fl.climb(root, split="train")


def test_one_class_is_refused(tmp_path: Path) -> None:
    """There is nothing to tell apart."""
    with pytest.raises(DataError, match="1 class"):
        fl.climb(grow(tmp_path / "p", only=8))


def test_pixels_table_and_folder_give_the_same_run(tmp_path: Path) -> None:
    """A climb may start at any point of the way."""
    root = grow(tmp_path / "p", train__a=20, train__b=20, val__a=9, val__b=9)
    table = fl.scan(root)
    documents = [fl.climb(data, rungs=CLOSED_FORM).to_dict() for data in (root, str(root), table, fl.load(table))]
    for document in documents:
        assert document.pop("advice")["rung"]  # its sentence tells times
        for rung in document["rungs"]:
            del rung["seconds"]
    assert documents[0] == documents[1] == documents[2] == documents[3]


def test_each_rung_is_reported_as_soon_as_it_is_there(tmp_path: Path) -> None:
    """The steps have the pixels, the rungs in their order, and the run with its advice."""
    steps: list[fl.Step] = []
    run = fl.climb(grow(tmp_path / "p", a=9, b=9), rungs=["ink", "prior"], progress=steps.append)
    results = [step.result for step in steps if step.result is not None]
    assert [fl.Pixels, fl.RungResult, fl.RungResult, fl.Run] == [type(result) for result in results]
    assert ["ink", "prior"] == [rung.name for rung in results[1:3]] and results[3] is run
    assert [(1, 2), (2, 2), (2, 2)] == [(step.done, step.total) for step in steps if step.work == "climbing"]


def test_a_run_that_stands_is_not_overwritten_and_costs_no_work(tmp_path: Path) -> None:
    """The refusal comes before the first rung is fitted."""
    root, out, seen = grow(tmp_path / "p", a=9, b=9), tmp_path / "run", []
    fl.climb(root, rungs=["prior"], out=out)
    with pytest.raises(RunError, match="other arguments"):
        fl.climb(root, rungs=["ink"], out=out, progress=seen.append)
    assert ["decoding"] == [step.work for step in seen if step.result is not None]
    assert ["prior"] == [rung.name for rung in fl.read_run(out)]


def test_a_rung_that_was_read_predicts_as_the_one_that_was_fitted(tmp_path: Path) -> None:
    """From the run folder every score comes back with the same bits."""
    root = grow(tmp_path / "p", train__a=20, train__b=20, val__a=9, val__b=9)
    pixels = fl.load(fl.scan(root))
    run = fl.climb(pixels, rungs=CLOSED_FORM, out=tmp_path / "run")
    for rung in fl.read_run(tmp_path / "run"):
        again = fl.predict(rung, pixels, split="validation")
        assert np.array_equal(run[rung.name].predictions.scores, again.scores)


def test_predict_refuses_images_of_another_shape(tmp_path: Path) -> None:
    """The sentence names both shapes."""
    root = grow(tmp_path / "p", a=9, b=9)
    classifier = fl.fit("centroid", fl.load(fl.split(fl.scan(root))))
    with pytest.raises(ArgumentError, match=r"12x12x1.*6x6x1"):
        fl.predict(classifier, fl.load(fl.scan(root), size=12))
    with pytest.raises(ArgumentError, match="test"):
        fl.predict(classifier, fl.load(fl.scan(root)), split="test")


def test_labels_follow_the_classifiers_classes(tmp_path: Path) -> None:
    """A folder with other classes in another order is measured on those that the classifier knows."""
    fitted = grow(tmp_path / "p", dark=20, light=20)
    other = grow(tmp_path / "q", dark=5, aardvark=5, light=5)
    classifier = fl.fit("ink", fl.load(fl.split(fl.scan(fitted))))
    seen = fl.predict(classifier, fl.load(fl.scan(other)))
    assert ["aardvark", "dark", "light"] == list(fl.scan(other).classes)
    assert [-1] * 5 + [0] * 5 + [1] * 5 == seen.labels.tolist()
    assert 10 == fl.evaluate(seen).n


def test_unreadable_images_are_counted_next_to_the_score(tmp_path: Path) -> None:
    """One of a hundred is left out and named; the run says so."""
    root = grow(tmp_path / "p", train__a=50, train__b=48, val__a=9, val__b=9)
    (root / "train" / "b" / "broken.png").write_bytes(b"no image")
    run = fl.climb(root, rungs=CLOSED_FORM)
    assert 1 == run.to_dict()["unreadable"]


def test_the_same_seed_gives_the_same_bits(tmp_path: Path) -> None:
    """Two climbs differ in nothing but their times."""
    root = grow(tmp_path / "p", a=60, b=60)
    first, second = (fl.climb(root, rungs=CLOSED_FORM, seed=3) for _ in range(2))
    for one, other in zip(first, second, strict=True):
        assert np.array_equal(one.predictions.scores, other.predictions.scores)
        assert one.metrics == other.metrics
    assert first.comparisons == second.comparisons and first.comparisons


def test_an_option_that_there_is_not_is_refused_even_where_nothing_is_trained(tmp_path: Path) -> None:
    """A slip of the keyboard must not be passed over."""
    root = grow(tmp_path / "p", a=9, b=9)
    with pytest.raises(ArgumentError, match="'on_rung'"):
        fl.climb(root, rungs=["prior"], on_rung=print)  # type: ignore[call-arg]
    with pytest.raises(ArgumentError, match="effort='fast'"):
        fl.climb(root, rungs=["prior"], effort="fast")
    with pytest.raises(ArgumentError, match="seed"):
        fl.climb(root, rungs=["prior"], seed=())


def test_the_same_climb_twice_in_one_folder_is_read_and_not_done_again(tmp_path: Path) -> None:
    """The files keep their times; another seed or another folder of images is refused."""
    root, out = grow(tmp_path / "p", a=9, b=9), tmp_path / "run"
    first = fl.climb(root, rungs=["prior", "ink"], out=out)
    times = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    second = fl.climb(root, rungs=["prior", "ink"], out=out)
    assert first.to_dict() == second.to_dict()
    assert times == {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    with pytest.raises(RunError, match="other arguments and seed"):
        fl.climb(root, rungs=["prior", "ink"], out=out, seed=1)
    Image.new("L", (6, 6)).save(root / "a" / "more.png")
    with pytest.raises(RunError, match="other images"):
        fl.climb(root, rungs=["prior", "ink"], out=out)


@pytest.mark.slow
def test_the_rows_of_the_table_follow_one_another(tmp_path: Path) -> None:
    """Where both outputs are one, no epoch and no decision of a training stands between two rows."""
    text, photos = io.StringIO(), grow(tmp_path / "photos", dark=30, light=30)
    with contextlib.redirect_stdout(text), contextlib.redirect_stderr(text):
        show_climb(
            photos,
            Wanted(["prior", "linear", "mlp"], options={"epochs": 3}, out=tmp_path / "run"),
        )
    table = text.getvalue().partition("\nrung ")[2].partition("\n\n")[0].splitlines()
    rows = [line.split()[0] for line in table[1:] if not line.startswith("training ")]
    assert ["prior", "linear", "mlp"] == rows and len(table) <= 6
    assert (tmp_path / "run" / "rungs" / "linear" / "history.csv").read_text("utf-8").count("\n") == 4


def test_meters_say_little_where_there_is_no_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A line every five seconds, however many pieces of work follow one another."""
    clock = [100.0]
    monkeypatch.setattr("firstlight.progress.time.monotonic", lambda: clock[0])
    with Meters() as meters:
        for work in range(20):
            for done in range(10):
                meters(Step(f"training {work}", done, 10, "steps"))
                clock[0] += 0.1
            meters.__exit__()
    assert 3 <= len(capsys.readouterr().err.splitlines()) <= 4
