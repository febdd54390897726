"""int8 weights: only the network's layers change, and what that costs is measured on the same images."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper
from PIL import Image
from scipy.stats import binomtest

import firstlight as fl
from firstlight.apps.exporting import Wanted, show_export
from firstlight.data.fetching.catalog import write_digits
from firstlight.errors import ArgumentError, RunError
from firstlight.models.exporting.quantize import Quantized, labelled_images, quantize
from firstlight.models.exporting.session import Session
from firstlight.runs.folder import read_run
from firstlight.runs.results import Run
from tables import gray_folder, noise

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    home = tmp_path_factory.mktemp("quantize")
    write_digits(home / "images")
    return fl.climb(home / "images", rungs=["centroid-l2", "mlp"], out=home / "run", effort="quick", epochs=2)


@pytest.fixture(scope="module")
def exported(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fl.export(run, tmp_path_factory.mktemp("exported") / "mlp.onnx", rung="mlp").path


@pytest.fixture(scope="module")
def quantized(run: Run, exported: Path) -> Quantized:
    images, labels = labelled_images(run, run["mlp"])
    return quantize(exported, exported.with_name("int8.onnx"), images=images, labels=labels)


def asked(path: Path, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Labels and probabilities from ONNX Runtime alone, each image by itself."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    answers = [session.run(["label", "probabilities"], {"images": image[None]}) for image in images]
    return np.concatenate([one[0] for one in answers]), np.concatenate([one[1] for one in answers])


def test_the_weights_are_the_nearest_of_their_integers(exported: Path, quantized: Quantized) -> None:
    """Each float32 matrix is gone, and what int8 and scale give is off by half a step at most."""
    before, after = onnx.load(exported), onnx.load(quantized.path)
    onnx.checker.check_model(after, full_check=True)
    there = {one.name: numpy_helper.to_array(one) for one in after.graph.initializer}
    matrices = {one.name: numpy_helper.to_array(one) for one in before.graph.initializer if len(one.dims) == 2}
    weights = {name: value for name, value in matrices.items() if value.dtype == np.float32}
    assert 2 == len(weights)
    assert [] == [name for name, value in there.items() if value.dtype == np.float32 and value.ndim == 2]
    for name, value in weights.items():
        (found,) = [one for one in there if one.startswith(name) and one.endswith("_quantized")]
        scale, zero = (there[found.replace("_quantized", end)] for end in ("_scale", "_zero_point"))
        assert np.int8 == there[found].dtype
        restored = (there[found].astype(np.float64) - zero) * scale
        assert (np.abs(restored - value.T) <= scale * 0.501).all()


def test_the_preprocessing_stays_to_the_bit(exported: Path, quantized: Quantized) -> None:
    """Its functions are the same bytes, and odd images give the same pixels; inputs and outputs are as they were."""
    before, after = onnx.load(exported), onnx.load(quantized.path)
    assert len(before.functions) == len(after.functions) > 0
    for one in before.functions:
        assert one.SerializeToString() in [other.SerializeToString() for other in after.functions]
    assert list(before.graph.input) == list(after.graph.input)
    types = [[(put.name, put.type.tensor_type.elem_type) for put in model.graph.output] for model in (before, after)]
    assert types[0] == types[1]
    first, second = Session.of(exported), Session.of(quantized.path)
    for image in (noise(1, 1, 1, 1), noise(1, 40, 3, 3), noise(1, 5, 90, 1)):
        np.testing.assert_array_equal(first.answer(image).pixels, second.answer(image).pixels)


def test_what_is_reported_is_what_an_outsider_measures(run: Run, exported: Path, quantized: Quantized) -> None:
    """Accuracy, Wilson's interval and McNemar's p by ONNX Runtime and SciPy; sizes by the file system."""
    images, labels = labelled_images(run, run["mlp"])
    rights = []
    for path, told in ((exported, quantized.before), (quantized.path, quantized.after)):
        right = asked(path, images)[0] == labels
        rights.append(right)
        interval = binomtest(int(right.sum()), len(right)).proportion_ci(method="wilson")
        assert right.mean() == told.accuracy
        assert tuple(interval) == pytest.approx(told.interval, abs=1e-12)
        assert path.stat().st_size == told.bytes
        assert told.seconds > 0
    better, worse = int((rights[1] & ~rights[0]).sum()), int((rights[0] & ~rights[1]).sum())
    p = binomtest(better, better + worse).pvalue if better + worse else 1.0
    assert (better, worse) == (quantized.comparison.only_this, quantized.comparison.only_other)
    assert p == pytest.approx(quantized.comparison.p, abs=1e-9)
    before, after = asked(exported, images), asked(quantized.path, images)
    assert (before[0] == after[0]).mean() == quantized.same
    assert float(np.abs(before[1] - after[1]).max()) == quantized.probability > 0
    assert run["mlp"].metrics.accuracy == quantized.before.accuracy


def test_the_file_tells_its_own_numbers(run: Run, exported: Path, quantized: Quantized) -> None:
    """Its accuracy and its threshold; the other's as before; no parity that was not measured."""
    about, other = Session.of(quantized.path).about, Session.of(exported).about
    images, _ = labelled_images(run, run["mlp"])
    sure = asked(quantized.path, images)[1].max(axis=1)
    assert quantized.after.accuracy == about["metrics"]["accuracy"]
    assert list(quantized.after.interval) == about["metrics"]["interval"]
    before = {name: value for name, value in other["metrics"].items() if name != "chosen"}
    assert {"weights": "int8", "before": before} == about["quantized"]
    assert "parity" in other and "parity" not in about
    assert 0.01 >= (sure < about["in_distribution"]["probability"]).mean()
    assert about["in_distribution"]["probability"] in sure
    same = ("name", "classes", "shape", "preprocessing", "temperature", "outputs", "fingerprint")
    assert [other[name] for name in same] == [about[name] for name in same]
    assert json.loads(json.dumps(quantized.to_dict()))["comparison"]["verdict"] == quantized.comparison.verdict
    assert "int8" in str(quantized) and quantized.comparison.verdict in str(quantized)


def test_the_images_are_those_of_the_run_in_its_order(run: Run) -> None:
    """Pillow reads the same file under the key of each row."""
    images, labels = labelled_images(run, run["mlp"])
    seen = run["mlp"].predictions
    root = Path(run.request.data)
    expected = np.stack([np.asarray(Image.open(root / key))[..., None] for key in seen.keys.to_pylist()])
    np.testing.assert_array_equal(expected, images)
    np.testing.assert_array_equal(seen.labels, labels)


def test_images_of_several_sizes_and_unknown_classes_are_taken(exported: Path, tmp_path: Path) -> None:
    """Accuracy counts those whose class is known; the labels are compared on all."""
    images = [noise(8, 8, 1), noise(30, 7, 3), noise(1, 1, 1), noise(9, 9, 1)]
    done = quantize(exported, tmp_path / "int8.onnx", images=images, labels=np.array([0, -1, 1, -1]))
    assert 2 == done.comparison.n
    assert done.same in (0.25, 0.5, 0.75, 1.0)


def test_it_is_silent(exported: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """onnxruntime's advice to simplify the graph, which would take the preprocessing apart, is not passed on."""
    with caplog.at_level(logging.WARNING):
        quantize(exported, tmp_path / "int8.onnx", images=[noise(8, 8, 1)], labels=np.array([0]))
    assert [] == caplog.records
    assert ["int8.onnx"] == [path.name for path in tmp_path.iterdir()]


@pytest.mark.parametrize("rung", ["centroid-l2"])
def test_a_rung_without_weights_is_reported_in_one_sentence(run: Run, tmp_path: Path, rung: str) -> None:
    """A centroid's sums are integers, and nothing is written."""
    path = fl.export(run, tmp_path / "model.onnx", rung=rung).path
    with pytest.raises(ArgumentError, match=r"centroid-l2 .*float32"):
        quantize(path, tmp_path / "int8.onnx", images=[noise(8, 8, 1)], labels=np.array([0]))
    assert ["model.onnx"] == [one.name for one in tmp_path.iterdir()]


def test_bad_input_gets_one_sentence(exported: Path, quantized: Quantized, tmp_path: Path) -> None:
    """Another ending, the file itself, twice, labels that do not fit, no image, a file that is no model."""
    one = {"images": [noise(8, 8, 1)], "labels": np.array([0])}
    with pytest.raises(ArgumentError, match=r"model\.bin.*\.onnx"):
        quantize(exported, tmp_path / "model.bin", **one)
    with pytest.raises(ArgumentError, match=exported.name):
        quantize(exported, exported.parent / "." / exported.name, **one)
    with pytest.raises(ArgumentError, match=quantized.path.name):
        quantize(quantized.path, tmp_path / "again.onnx", **one)
    for labels in (np.array([0, 1]), np.array([-1]), np.zeros((1, 1), int)):
        with pytest.raises(ArgumentError, match="label"):
            quantize(exported, tmp_path / "int8.onnx", images=one["images"], labels=labels)
    with pytest.raises(ArgumentError, match="label"):
        quantize(exported, tmp_path / "int8.onnx", images=[], labels=np.zeros(0, int))
    (tmp_path / "no.onnx").write_bytes(b"no model")
    with pytest.raises(RunError, match="ONNX model"):
        quantize(tmp_path / "no.onnx", tmp_path / "int8.onnx", **one)
    assert ["no.onnx"] == [path.name for path in tmp_path.iterdir()]


def test_the_command_counts_a_reading_of_the_test_images(tmp_path: Path) -> None:
    """What was measured on test is read once more; where an image is gone, no number is given and nothing counted."""
    for split in ("train", "test"):
        gray_folder(tmp_path / "images" / split, count=20)
    fl.climb(tmp_path / "images", rungs=["linear"], split="test", out=tmp_path / "run", epochs=1, device="cpu")
    show_export(tmp_path / "run", Wanted(out=tmp_path / "int8.onnx", int8=True))
    assert 2 == read_run(tmp_path / "run").test_readings
    next((tmp_path / "images" / "test").rglob("*.png")).unlink()
    with pytest.raises(RunError, match=r"1 of 20 "):
        show_export(tmp_path / "run", Wanted(out=tmp_path / "int8.onnx", int8=True))
    assert 2 == read_run(tmp_path / "run").test_readings


@pytest.mark.parametrize("rung", ["linear", "cnn"])
def test_real_digits_are_named_as_well_as_before(tmp_path: Path, rung: str) -> None:
    """On the embedded digits: smaller, nearly every label the same, no difference of accuracy shown."""
    write_digits(tmp_path / "digits")
    run = fl.climb(tmp_path / "digits", rungs=[rung], effort="quick", out=tmp_path / "run")
    path = fl.export(run, tmp_path / "model.onnx", rung=rung).path
    images, labels = labelled_images(run, run[rung])
    done = quantize(path, tmp_path / "int8.onnx", images=images, labels=labels)
    assert done.after.bytes < done.before.bytes
    assert done.same >= 0.98
    assert done.after.accuracy >= done.before.accuracy - 0.02
    assert run[rung].metrics.accuracy == done.before.accuracy


def test_an_int8_model_answers_an_image_as_it_does_alone(quantized: Quantized) -> None:
    """Whatever stands beside it in a batch; the plain runtime would let a batch share one scale."""
    session = Session.of(quantized.path)
    images = np.concatenate([noise(5, 8, 8, 1), np.zeros((1, 8, 8, 1), np.uint8)])
    together = session.answer(images)
    for row, image in enumerate(images):
        alone = session.answer(image[None])
        np.testing.assert_array_equal(alone.probabilities[0], together.probabilities[row])
        np.testing.assert_array_equal(alone.pixels[0], together.pixels[row])
        assert alone.labels[0] == together.labels[row]
