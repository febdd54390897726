"""A model folder: its card as the Hub's own library reads it, whatever the names; its tensors back to equal answers."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from huggingface_hub import ModelCard, metadata_load
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from PIL import Image
from safetensors.numpy import load_file
from scipy.stats import binomtest

import firstlight as fl
from firstlight.errors import ArgumentError, MissingExtraError, RunError
from firstlight.models.exporting.folder import read_folder, write_folder
from firstlight.models.exporting.markdown import safe
from firstlight.models.exporting.session import Session
from firstlight.runs.results import Run
from tables import gray_folder, noise, write_images

pytestmark = pytest.mark.slow

HOSTILE = (
    "<script>alert(1)<",
    "a|b `c` *d*",
    "[x](q) ![y](z)",
    "---\n# title\n---",
    "http:www.example.com &lt; $e$",
    "'\"{}: &anchor !tag",
)
CLOSED_FORM = ("prior", "ink", "ink-count", "centroid-l1", "centroid-l2", "centroid-cosine", "centroid-l1-median")
FILES = ["README.md", "config.json", "model.safetensors"]
SECTIONS = ["How to use", "Preprocessing", "Training", "Evaluation", "Limitations"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Closed-form rungs on a folder and classes whose names are written to break a card."""
    home = tmp_path_factory.mktemp("card")
    root = home / "a: {b} --- <i>|"
    images = {f"{HOSTILE[i % 6]}/{i:03}.png": noise(6, 5, seed=i) // 2 + 20 * (i % 6) for i in range(180)}
    return fl.climb(write_images(root, images), rungs=CLOSED_FORM, out=home / "run")


@pytest.fixture
def folder(run: Run, tmp_path: Path) -> Path:
    return write_folder(run, tmp_path / "model", rung="centroid-l2", license="apache-2.0", dataset="ylecun/mnist")


def body(folder: Path) -> str:
    return ModelCard.load(folder / "README.md").text


def parsed(text: str) -> Sequence[Any]:
    return MarkdownIt("commonmark").enable("table").parse(text)


def kinds(text: str) -> set[str]:
    """Every kind of block and of inline part that a Markdown reader finds."""
    tokens = parsed(text)
    return {one.type for one in tokens} | {child.type for one in tokens for child in one.children or ()}


@pytest.mark.parametrize("rung", CLOSED_FORM)
def test_the_head_is_what_the_hubs_library_reads(run: Run, tmp_path: Path, rung: str) -> None:
    """Task, split, value and, in the metric's name, Wilson's interval as SciPy has it; never marked as verified."""
    folder = write_folder(run, tmp_path / "model", rung=rung, license="mit")
    card = ModelCard.load(folder / "README.md")
    (result,) = card.data.eval_results
    seen = run[rung].predictions
    correct = int((seen.scores.argmax(axis=1) == seen.labels).sum())
    low, high = binomtest(correct, len(seen)).proportion_ci(method="wilson")
    assert f"Accuracy (95 % interval {low:.4f} to {high:.4f}, n = {len(seen)})" == result.metric_name
    assert (correct / len(seen), "accuracy", "validation") == (
        result.metric_value,
        result.metric_type,
        result.dataset_split,
    )
    assert ("image-classification", "imagefolder", "a: {b} --- <i>|") == (
        result.task_type,
        result.dataset_type,
        result.dataset_name,
    )
    assert (None, None) == (result.verified, result.verify_token)
    assert ("mit", "firstlight", "image-classification", None) == (
        card.data.license,
        card.data.to_dict()["library_name"],
        card.data.pipeline_tag,
        card.data.datasets,
    )
    assert rung == card.data.model_name and rung in card.data.tags


def test_the_card_written_again_by_the_hubs_library_says_the_same(folder: Path) -> None:
    """Nothing in the head is lost on the way through its own classes."""
    before = metadata_load(folder / "README.md")
    again = ModelCard(str(ModelCard.load(folder / "README.md")))
    assert before == again.data.to_dict()
    assert ["ylecun/mnist"] == before["datasets"]
    assert "ylecun/mnist" == again.data.eval_results[0].dataset_type
    assert body(folder) == again.text


def test_a_licence_that_nobody_stated_is_not_made_up(run: Run, tmp_path: Path) -> None:
    """The head has none, and the card says so."""
    folder = write_folder(run, tmp_path / "model", rung="prior")
    assert "license" not in metadata_load(folder / "README.md")
    assert "License: not stated" in body(folder)


def test_no_name_changes_what_the_card_is_made_of(run: Run, folder: Path) -> None:
    """Its headings are its own, nothing in it is HTML, a link or an image, and each class reads as it is called."""
    assert {"html_inline", "link_open", "image", "code_inline", "em_open"} <= set().union(
        *(kinds(f"x {name}") for name in HOSTILE)
    )
    tokens = parsed(body(folder))
    headings = [tokens[at + 1].content for at, one in enumerate(tokens) if one.type == "heading_open"]
    assert ["centroid-l2: image classification with 6 classes", *SECTIONS] == headings
    unwanted = {"html_inline", "html_block", "link_open", "image", "em_open", "hr", "blockquote_open"}
    assert set() == unwanted & kinds(body(folder))
    inlines = ["".join(child.content for child in one.children or ()) for one in tokens if one.type == "inline"]
    named = next(text for text in inlines if text.startswith("Classes: "))
    assert "Classes: " + ", ".join(" ".join(name.split()) for name in run.classes) + "." == named
    rows = {one.content for at, one in enumerate(tokens) if tokens[at - 1].type == "td_open"}
    assert 3 <= len(rows & {safe(name) for name in HOSTILE})


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=40))
def test_a_name_reads_as_its_letters_in_a_line_and_in_a_cell(name: str) -> None:
    """Whatever printable letters it has, a Markdown reader finds one piece of text that says the same."""
    letters = " ".join(name.split()) or "(no name)"
    for text, at in ((f"Class: {safe(name)}.", 1), (f"| a | b |\n|---|---|\n| {safe(name)} | 7 |\n", -8)):
        tokens = parsed(text)
        inline = [one for one in tokens if one.type == "inline"]
        chosen = inline[0] if at == 1 else inline[2]
        assert {"text"} == {child.type for child in chosen.children or ()}
        expected = f"Class: {letters}." if at == 1 else letters
        assert expected == "".join(child.content for child in chosen.children or ())
        assert len(inline) == (1 if at == 1 else 4)


@given(st.text(max_size=200))
def test_any_name_is_one_short_printable_line(name: str) -> None:
    """Line ends of every kind, control letters, letters that turn the direction, half of a pair, too long a name."""
    assert 1 <= len(safe(name).splitlines()) <= 1
    assert safe(name).isprintable()
    assert len(safe(name)) <= 2 * 60
    safe(name).encode()


@pytest.mark.parametrize("rung", CLOSED_FORM)
def test_the_folder_answers_as_the_run(run: Run, tmp_path: Path, rung: str) -> None:
    """Labels, probabilities, distances and pixels, of images of several sizes, gray and RGB, to the bit."""
    folder = write_folder(run, tmp_path / "model", rung=rung)
    here, there = Session.of(run, rung), Session.of(folder)
    for images in (noise(9, 6, 5, 1), noise(3, 40, 17, 3), noise(1, 1, 1, 1)):
        expected, actual = here.answer(images), there.answer(images)
        np.testing.assert_array_equal(expected.labels, actual.labels)
        np.testing.assert_array_equal(expected.probabilities, actual.probabilities)
        np.testing.assert_array_equal(expected.distances, actual.distances)  # type: ignore[arg-type]
        np.testing.assert_array_equal(expected.pixels, actual.pixels)
    assert here.about == there.about


def test_the_tensors_are_those_of_the_run(run: Run, folder: Path) -> None:
    """Read by the safetensors library itself, from a folder of three files."""
    assert FILES == sorted(path.name for path in folder.iterdir())
    expected, actual = run["centroid-l2"].model.tensors, load_file(folder / "model.safetensors")
    assert expected.keys() == actual.keys()
    for name, tensor in expected.items():
        np.testing.assert_array_equal(tensor, actual[name])
        assert tensor.dtype == actual[name].dtype


def test_the_lines_in_the_card_run(run: Run, folder: Path) -> None:
    """Copied out of it into a fresh process in the folder, they name the class that the run names."""
    image = noise(30, 20, 3)
    Image.fromarray(image).save(folder / "image.png")
    (code,) = re.findall(r"```python\n(.*?)```", body(folder), re.S)
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True)
    answer = Session.of(run, "centroid-l2").answer(image[None])
    assert f"{run.classes[answer.labels[0]]} {answer.probabilities[0].max()!s}\n" == done.stdout
    assert "" == done.stderr


def test_the_card_says_what_was_measured(run: Run, folder: Path) -> None:
    """The class found least often is NumPy's, and so is the commonest mistake."""
    seen = run["centroid-l2"].predictions
    predicted = seen.scores.argmax(axis=1)
    recalls = [float((predicted == c)[seen.labels == c].mean()) for c in range(6)]
    worst = int(np.argmin(recalls))
    text = body(folder)
    first = text.split("|---|---|---|---|\n")[1].splitlines()[0]
    assert first.startswith(f"| {safe(run.classes[worst])} | {recalls[worst]:.3f} |")
    pairs = np.zeros((6, 6), int)
    np.add.at(pairs, (seen.labels, predicted), 1)
    np.fill_diagonal(pairs, 0)
    if pairs.max():
        told = re.search(r"Most frequent mistakes: .*? predicted as .*? \((\d+) times\)", text)
        assert told is not None and pairs.max() == int(told[1])
    assert "The 7 models of this run were evaluated on the same images" in text
    assert "classes have fewer than 30 images" in text


@pytest.mark.parametrize(
    ("rung", "told"),
    [
        ("prior", "predicts the class with the most training images"),
        ("ink", "the image's mean pixel"),
        ("ink-count", "the image's share of pixels of at least 128"),
        ("centroid-l1", "the mean of the class's training images"),
        ("centroid-l1-median", "the median of the class's training images"),
        ("centroid-cosine", "one minus the cosine"),
    ],
)
def test_each_kind_is_reported_as_what_it_is(run: Run, tmp_path: Path, rung: str, told: str) -> None:
    """And none that was not trained speaks of epochs."""
    text = body(write_folder(run, tmp_path / "model", rung=rung))
    assert told in text and "without gradient descent" in text
    assert "epochs" not in text
    assert ("temperature" in text) == (rung != "prior")
    assert ("out-of-distribution" in text) == (rung != "prior")


def test_measured_on_test_it_says_how_often_that_was_read(tmp_path: Path) -> None:
    """And nothing of a choice among models on the same images."""
    for split in ("train", "test"):
        gray_folder(tmp_path / "images" / split, count=30)
    run = fl.climb(tmp_path / "images", rungs=["prior", "centroid-l2"], split="test", out=tmp_path / "run")
    folder = write_folder(run, tmp_path / "model", rung="centroid-l2")
    assert "the test split was read: 1." in body(folder)
    assert "were evaluated on the same images" not in body(folder)
    assert "test" == ModelCard.load(folder / "README.md").data.eval_results[0].dataset_split


def test_an_earlier_folder_is_replaced_and_nothing_else(run: Run, folder: Path, tmp_path: Path) -> None:
    """What was added, changed or is no model folder stays as it is, and the sentence names it."""
    write_folder(run, folder, rung="prior")
    assert "prior" == read_folder(folder)[0]["name"]
    assert [folder] == [path for path in tmp_path.iterdir() if path.name.startswith((".model", "model"))]
    (tmp_path / "empty").mkdir()
    write_folder(run, tmp_path / "empty", rung="prior")
    (folder / "README.md").write_text("my own words")
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.txt").write_text("years")
    file = tmp_path / "file"
    file.write_text("years")
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "empty")
    added = write_folder(run, tmp_path / "added", rung="prior")
    (added / "LICENSE").write_text("mine")
    for taken in (folder, other, file, link, added):
        with pytest.raises(ArgumentError, match=taken.name):
            write_folder(run, taken, rung="ink")
    assert "my own words" == (folder / "README.md").read_text()
    assert "years" == (other / "thesis.txt").read_text() == file.read_text()
    assert "prior" == read_folder(added)[0]["name"]


def test_a_card_may_be_changed_and_files_added(folder: Path) -> None:
    """The words are the owner's; the model still opens."""
    (folder / "README.md").write_text("my own words")
    (folder / "LICENSE").write_text("mine")
    assert 6 == len(Session.of(folder).classes)


def test_damage_is_reported(run: Run, folder: Path, tmp_path: Path) -> None:
    """A changed byte, another rung's tensors, a changed number, a missing file, a folder of something else."""
    model, config = folder / "model.safetensors", folder / "config.json"
    whole = model.read_bytes()
    model.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(RunError, match=r"config\.json"):
        read_folder(folder)
    model.write_bytes((write_folder(run, tmp_path / "ink", rung="ink") / "model.safetensors").read_bytes())
    with pytest.raises(RunError, match=r"config\.json"):
        read_folder(folder)
    model.write_bytes(whole)
    config.write_text(config.read_text().replace('"centroid-l2"', '"centroid-l1"'))
    with pytest.raises(RunError, match=r"config\.json"):
        read_folder(folder)
    config.unlink()
    with pytest.raises(RunError, match=r"config\.json .*--to safetensors"):
        read_folder(folder)
    assert run.path is not None
    with pytest.raises(RunError, match=r"config\.json"):
        read_folder(run.path)


@pytest.mark.parametrize("license", ["Apache 2.0", "mit\nx: y", "", "../x"])
def test_a_licence_that_the_hub_would_refuse_is_refused(run: Run, tmp_path: Path, license: str) -> None:
    """Before anything is written."""
    with pytest.raises(ArgumentError, match=re.escape(repr(license))):
        write_folder(run, tmp_path / "model", rung="prior", license=license)
    with pytest.raises(ArgumentError, match=re.escape(repr(license))):
        write_folder(run, tmp_path / "model", rung="prior", dataset=license)
    assert [] == list(tmp_path.iterdir())


def test_a_missing_package_is_named(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the line that installs it."""
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(MissingExtraError, match=r'pip install "\.\[export\]"'):
        write_folder(run, tmp_path / "model", rung="prior")


def test_a_run_that_lies_in_memory_and_many_classes_have_a_card(run: Run, tmp_path: Path) -> None:
    """Without the evidence that a run folder holds; the rest of the classes is counted."""
    from blobs import blobs

    many = fl.climb(blobs((4, 4, 1), 150, count=600), rungs=["centroid-l2"])
    folder = write_folder(many, tmp_path / "many")
    assert "and 50 more, which config.json lists" in body(folder)
    assert 150 == len(Session.of(folder).classes)
    folder = write_folder(replace(run, path=None, unreadable=3), tmp_path / "memory", rung="ink")
    assert "training images;" not in body(folder)
    assert yaml.safe_load((folder / "README.md").read_text().split("---\n")[1])["model-index"]


def test_networks_and_prototypes_have_a_folder_too(tmp_path: Path) -> None:
    """Every kind that is trained: its parameters counted, its recipe told, its answers those of the run."""
    gray_folder(tmp_path / "images", count=80)
    rungs = ["centroid-l2-x2", "linear", "mlp", "cnn"]
    run = fl.climb(tmp_path / "images", rungs=rungs, out=tmp_path / "run", effort="quick", epochs=2, seed=(0, 1))
    images = noise(7, 9, 11, 3)
    for rung in run:
        folder = write_folder(run, tmp_path / rung.name, rung=rung.name)
        expected, actual = Session.of(run, rung.name).answer(images), Session.of(folder).answer(images)
        np.testing.assert_array_equal(expected.labels, actual.labels)
        np.testing.assert_array_equal(expected.probabilities, actual.probabilities)
        text, tensors = body(folder), load_file(folder / "model.safetensors")
        assert rung.metrics.accuracy == ModelCard.load(folder / "README.md").data.eval_results[0].metric_value
        if rung.name == "centroid-l2-x2":
            assert "up to 2 images per class" in text and "by k-means" in text
            continue
        weights = [
            value
            for name, value in tensors.items()
            if name.startswith("module.") and not re.search("running|num_", name)
        ]
        assert f" {sum(value.size for value in weights):,} parameters." in text
        assert "| epochs | 2 |" in text and "Trained with 2 seeds" in text
        assert "was fitted on the validation images" in text
