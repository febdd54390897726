"""An exported model: the same pixels as Pillow, the same answers as Python, whatever comes in; and what is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageOps

import firstlight as fl
from blobs import blobs, fit
from classifiers import classifier_of, closed, network
from firstlight.data.decoding.loading import Preprocessing
from firstlight.errors import ArgumentError, MissingExtraError, RunError
from firstlight.models.checkpoint import save
from firstlight.models.classifier import Classifier
from firstlight.models.closed_form.baselines import Prior
from firstlight.models.closed_form.centroid import Centroid
from firstlight.models.closed_form.prototypes import prototypes
from firstlight.models.closed_form.training_set import TrainingSet
from firstlight.models.exporting import export as exporting
from firstlight.models.exporting import pretrained as exported_backbone
from firstlight.models.exporting.graph import graph
from firstlight.models.exporting.look import look
from firstlight.models.exporting.parity import odd_images
from firstlight.models.exporting.session import InPython, Runtime, Session
from firstlight.models.graphs.values import Value
from firstlight.models.pretrained.backbone import Backbone, Features
from firstlight.models.pretrained.embedded import Embedded
from firstlight.models.pretrained.heads import Head
from firstlight.runs.tensors import SavedModel
from tables import gray_folder, noise
from tiny_backbone import NETWORK, tiny_backbone

__all__ = ["tiny_backbone"]

pytestmark = pytest.mark.slow

SHAPES = ((8, 8, 1), (9, 6, 3))
RESIZES = ("squish", "crop", "pad")


def rungs(shape: tuple[int, int, int]) -> list[Classifier]:
    """One of each kind, two classes and four, with random weights; some with views and temperatures."""
    views = ((0, 0, False), (1, 2, True), (-2, 0, False))
    prior = classifier_of(Prior(np.array([3, 0, 7])), shape, 3, "prior")
    networks = [network(name, shape, classes) for name in ("linear", "mlp") for classes in (2, 4)]
    convolutional = [network("cnn", (24, 20, shape[2]), 3, views), network("cnn", (16, 16, shape[2]), 2)]
    near = [closed(kind, shape, 4) for kind in ("ink", "l1", "l2", "cosine")]
    training = TrainingSet(noise(40, *shape), np.arange(40) % 3, 4)
    several = [classifier_of(prototypes(training, 5, kind), shape, 4) for kind in ("l1", "l2", "cosine")]
    count = classifier_of(replace(closed("ink", shape, 4).model, measure="count"), shape, 4)  # type: ignore[type-var]
    near += [*several, count]
    sized = [with_preprocessing(one) for one in (*near, *networks, *convolutional, prior)]
    return [replace(one, temperature=0.01 + 0.2 * number) for number, one in enumerate(sized)]


def with_preprocessing(classifier: Classifier, resize: str = "squish") -> Classifier:
    height, width, channels = classifier.shape
    return replace(
        classifier,
        preprocessing=Preprocessing((height, width), "gray" if channels == 1 else "rgb", resize),
    )


def runtime(classifier: Classifier) -> Runtime:
    saved = save(classifier)
    if classifier.name in ("linear", "mlp", "cnn"):  # what a fit says of its network
        about = {"module": classifier.name, "sizes": {}, "own": False}
        saved = SavedModel({**saved.config, "options": {**saved.config["options"], **about}}, saved.tensors)
    return Runtime(graph(saved, {}).SerializeToString())


@pytest.mark.parametrize("shape", SHAPES, ids=["gray", "color"])
def test_every_rung_answers_as_in_python(shape: tuple[int, int, int]) -> None:
    """Labels, probabilities, distances, pixels and ideal images; of images of one pixel, of odd sizes, of noise."""
    for number, classifier in enumerate(rungs(shape)):
        classifier = with_preprocessing(classifier, RESIZES[number % 3])
        here, there = InPython(classifier), runtime(classifier)
        for image in [noise(3, 8, 8, 1), noise(2, 9, 6, 3), noise(1, 1, 1, 1), noise(2, 40, 3, 3), noise(1, 5, 90, 1)]:
            expected, actual = here.answer(image), there.answer(image)
            np.testing.assert_array_equal(expected.labels, actual.labels, classifier.name)
            np.testing.assert_array_equal(expected.pixels, actual.pixels, classifier.name)
            np.testing.assert_allclose(actual.probabilities, expected.probabilities, atol=2e-6, err_msg=classifier.name)
            np.testing.assert_allclose(actual.probabilities.sum(axis=1), 1, atol=1e-6)
            if expected.distances is None:
                assert actual.distances is None
            else:
                np.testing.assert_array_equal(expected.distances, actual.distances)
            np.testing.assert_array_equal(here.ideal(), there.ideal())  # type: ignore[arg-type]


@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("silent", [False, True])
def test_a_pretrained_rung_answers_as_in_python(
    centred: bool, silent: bool, tiny_backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of images of any size, resized in each way; also where the network finds nothing: its embedding is then 0."""
    backbone = replace(tiny_backbone, features=_silent, network=None) if silent else tiny_backbone
    monkeypatch.setattr(exported_backbone, "backbone", lambda name: backbone)
    random = np.random.default_rng(0)
    mean, weight, bias = (random.normal(size=size).astype(np.float32) for size in (12, (3, 12), 3))
    for resize in RESIZES:
        model = Embedded(backbone, Head(mean, weight * 9, bias, centred))
        classifier = with_preprocessing(classifier_of(model, backbone.shape, 3, "embed-linear"), resize)
        here, there = InPython(classifier), runtime(classifier)
        for images in [noise(2, 64, 64, 3), noise(3, 8, 8, 1), noise(1, 1, 1, 1), noise(1, 5, 90, 1)]:
            expected, actual = here.answer(images), there.answer(images)
            np.testing.assert_array_equal(expected.labels, actual.labels)
            np.testing.assert_array_equal(expected.pixels, actual.pixels)
            np.testing.assert_allclose(actual.probabilities, expected.probabilities, atol=2e-6)


def _silent(images: Value) -> Features:
    found = NETWORK.features(images)
    return Features(found.embeddings * 0, None)


def test_a_class_without_images_is_never_named() -> None:
    """Its ideal image is black, and even a black image belongs to another class."""
    for kind in ("l1", "l2", "cosine"):
        sums, counts = np.array([[90] * 36, [0] * 36, [30] * 36]), np.array([3, 0, 2])
        classifier = with_preprocessing(classifier_of(Centroid(sums, counts, kind), (6, 6, 1), 3))
        black = np.zeros((1, 6, 6, 1), np.uint8)
        assert runtime(classifier).answer(black).labels[0] in (0, 2)
        expected = InPython(classifier).answer(black).probabilities
        np.testing.assert_allclose(runtime(classifier).answer(black).probabilities, expected, atol=1e-6)


def by_pillow(image: np.ndarray, size: tuple[int, int], channels: int, resize: str) -> np.ndarray:
    """What Pillow itself makes of it, (h, w, c)."""
    picture = Image.fromarray(image[..., 0] if image.shape[2] == 1 else image).convert("L" if channels == 1 else "RGB")
    wanted = (size[1], size[0])
    if picture.size != wanted:
        if resize == "squish":
            picture = picture.resize(wanted, Image.Resampling.BILINEAR)
        elif resize == "crop":
            picture = ImageOps.fit(picture, wanted, Image.Resampling.BILINEAR)
        else:
            scale = min(size[0] / picture.height, size[1] / picture.width)
            inner = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
            small = picture.resize(inner, Image.Resampling.BILINEAR)
            picture = Image.new(picture.mode, wanted)
            picture.paste(small, ((wanted[0] - inner[0]) // 2, (wanted[1] - inner[1]) // 2))
    return np.asarray(picture).reshape(*size, channels)


@pytest.fixture(scope="module")
def preprocessors() -> dict[tuple[str, int], Runtime]:
    """For each resize, gray and color, a model that brings everything to 11 x 7 px."""
    return {
        (resize, channels): runtime(with_preprocessing(closed("l2", (11, 7, channels), 2), resize))
        for resize in RESIZES
        for channels in (1, 3)
    }


@settings(deadline=None, max_examples=60)
@given(
    height=st.integers(1, 90),
    width=st.integers(1, 90),
    channels=st.sampled_from([1, 3]),
    to=st.sampled_from([1, 3]),
    resize=st.sampled_from(RESIZES),
    seed=st.integers(0, 2**31),
)
def test_pixels_are_those_of_pillow_to_the_bit(
    preprocessors: dict[tuple[str, int], Runtime],
    height: int,
    width: int,
    channels: int,
    to: int,
    resize: str,
    seed: int,
) -> None:
    """Whatever comes in, the model sees what Pillow's antialiased bilinear resize gives, rounding included."""
    image = noise(height, width, channels, seed=seed)
    actual = preprocessors[resize, to].answer(image[None]).pixels[0]
    np.testing.assert_array_equal(by_pillow(image, (11, 7), to, resize), actual)


@pytest.mark.parametrize("align", ["box", "mass", "deskew"])
@pytest.mark.parametrize("channels", [1, 3])
def test_framing_in_the_graph_is_that_of_python(align: str, channels: int) -> None:
    """Drawings, noise, even images and a single pixel, from another size."""
    plain = with_preprocessing(closed("l2", (11, 7, channels), 2))
    classifier = replace(plain, preprocessing=replace(plain.preprocessing, align=align))
    drawn = np.zeros((4, 11, 7, channels), np.uint8)
    drawn[0, 2:5, 1:3], drawn[1, 9, 6], drawn[2] = 250, 90, 77
    drawn[3] = np.eye(11, 7, dtype=np.uint8)[..., None] * 200
    there = runtime(classifier)
    assert (InPython(classifier).answer(drawn).pixels != drawn).any()
    for images in (drawn, 255 - drawn, noise(20, 11, 7, channels), noise(9, 30, 14, channels)):
        expected = InPython(classifier).answer(images).pixels
        np.testing.assert_array_equal(expected, there.answer(images).pixels)


@pytest.mark.parametrize("resize", RESIZES)
def test_large_images_are_resized_as_by_pillow(preprocessors: dict[tuple[str, int], Runtime], resize: str) -> None:
    """Up to 4,000 px a side, long and narrow ones too."""
    for image in odd_images():
        for to in (1, 3):
            actual = preprocessors[resize, to].answer(image[None]).pixels[0]
            np.testing.assert_array_equal(by_pillow(image, (11, 7), to, resize), actual)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> fl.Run:
    folder = tmp_path_factory.mktemp("export")
    gray_folder(folder / "images", count=60)
    out = folder / "run"
    return fl.climb(folder / "images", rungs=["centroid-l2", "linear"], out=out, effort="quick", epochs=2)


@pytest.mark.parametrize("rung", ["centroid-l2", "linear"])
def test_the_file_says_what_it_is_and_how_it_was_proved(run: fl.Run, tmp_path: Path, rung: str) -> None:
    """onnx's checker passes it; its metadata hold classes, preprocessing, metrics and the parity that was found."""
    exported = fl.export(run, tmp_path / "model.onnx", rung=rung)
    model = onnx.load(exported.path)
    onnx.checker.check_model(model, full_check=True)
    about = json.loads({one.key: one.value for one in model.metadata_props}["firstlight"])
    measured = len(run[rung].predictions)
    assert (0, measured, 34, "validation") == tuple(about["parity"][name] for name in ("labels", "images", "odd", "of"))
    assert exported.parity.probability == about["parity"]["probability"] <= 1e-6
    assert list(run.classes) == about["classes"]
    assert {"size": [6, 6], "color": "gray", "resize": "squish"} == about["preprocessing"]
    assert run[rung].metrics.accuracy == about["metrics"]["accuracy"]
    assert run.fingerprint == about["fingerprint"]
    names = [one.name for one in onnxruntime.InferenceSession(exported.path).get_outputs()]
    assert about["outputs"] == names


def test_the_probabilities_are_those_that_the_run_kept(run: fl.Run, tmp_path: Path) -> None:
    """The file, asked of the images that the run measured on, says what the climb said."""
    path = fl.export(run, tmp_path / "model.onnx", rung="linear").path
    seen = run["linear"].predictions
    root = Path(run.request.data)
    images = np.stack([np.asarray(Image.open(root / key))[..., None] for key in seen.keys.to_pylist()])
    answer = Session.of(path).answer(images)
    np.testing.assert_allclose(answer.probabilities, seen.probabilities, atol=1e-6)
    np.testing.assert_array_equal(seen.predicted, answer.labels)


def test_a_file_that_differs_is_not_written(run: fl.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A graph with another temperature is refused by its probabilities, and what stood there stays."""
    path = tmp_path / "model.onnx"
    path.write_bytes(b"what was there")

    def wrong(saved: SavedModel, about: Any) -> onnx.ModelProto:
        return graph(
            SavedModel({**saved.config, "temperature": 1.001 * saved.config["temperature"]}, saved.tensors), about
        )

    monkeypatch.setattr(exporting, "graph", wrong)
    with pytest.raises(RunError, match="linear"):
        fl.export(run, path, rung="linear")
    assert b"what was there" == path.read_bytes()


def test_in_distribution_is_what_all_but_one_in_a_hundred_images_were(run: fl.Run) -> None:
    """By NumPy: at most 1 % of the measured images lie beyond the document's values."""
    about = Session.of(run, "centroid-l2").about
    seen = run["centroid-l2"].predictions
    assert 0.01 >= (seen.probabilities.max(axis=1) < about["in_distribution"]["probability"]).mean()
    assert 0.01 >= (-seen.scores.max(axis=1) > about["in_distribution"]["distance"]).mean()
    assert seen.probabilities.max(axis=1).min() <= about["in_distribution"]["probability"]


def test_a_session_answers_the_same_from_run_and_file(run: fl.Run, tmp_path: Path) -> None:
    """Of every rung; and the network's session does not need torch."""
    images = noise(5, 13, 9, 3)
    for rung in run:
        path = fl.export(run, tmp_path / f"{rung.name}.onnx", rung=rung.name).path
        expected, actual = Session.of(run, rung.name).answer(images), Session.of(path).answer(images)
        np.testing.assert_array_equal(expected.labels, actual.labels)
        np.testing.assert_allclose(actual.probabilities, expected.probabilities, atol=1e-6)
    code = (
        "import sys, numpy as np; from firstlight.models.exporting.session import Session; "
        "Session.of(sys.argv[1], 'linear').answer(np.zeros((1, 4, 4, 1), np.uint8)); assert 'torch' not in sys.modules"
    )
    assert run.path is not None
    subprocess.run([sys.executable, "-c", code, str(run.path)], check=True)


def test_bad_input_gets_one_sentence(run: fl.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another ending, a rung that is not there, a module of one's own, a file that is no model or another's."""
    with pytest.raises(ArgumentError, match=r"model\.bin.*\.onnx"):
        fl.export(run, tmp_path / "model.bin")
    with pytest.raises(ArgumentError, match="'cnn'"):
        fl.export(run, tmp_path / "model.onnx", rung="cnn")
    with pytest.raises(ArgumentError, match="module"):
        graph(save(fit("own", blobs(), seed=1)), {})
    (tmp_path / "no.onnx").write_bytes(b"no model")
    with pytest.raises(RunError, match="ONNX model"):
        Session.of(tmp_path / "no.onnx")
    with pytest.raises(RunError, match="read"):
        Session.of(tmp_path / "missing.onnx")
    other = graph(save(with_preprocessing(closed("l2", (3, 3, 1), 2))), {"format": 7})
    (tmp_path / "other.onnx").write_bytes(other.SerializeToString())
    with pytest.raises(RunError, match="version"):
        Session.of(tmp_path / "other.onnx")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError, match="export"):
        Session.of(tmp_path / "other.onnx")


def test_the_look_of_drawings_is_measured() -> None:
    """Rings drawn by Pillow: polarity, extent and stroke as they were drawn; photos have no look."""
    rings = []
    for left in (20, 40, 50):
        picture = Image.new("L", (280, 280))
        ImageDraw.Draw(picture).ellipse((left, 40, left + 200, 240), outline=255, width=24)
        rings.append(np.asarray(picture.resize((28, 28), Image.Resampling.BOX))[..., None])
    images = np.stack(rings)
    for light in (True, False):
        seen = look(images if light else 255 - images)
        assert seen is not None
        assert light == seen["light_on_dark"]
        assert 20 / 28 == pytest.approx(seen["extent"], abs=0.02)
        assert 2.4 / 28 == pytest.approx(seen["stroke"], rel=0.1)
    assert look(noise(5, 28, 28, 3)) is None


def test_what_is_centred_by_its_weight_is_reported_from_what_is_centred_by_its_box() -> None:
    """A shape whose weight is far from the middle of its box, placed both ways."""
    heavy = np.zeros((28, 28), np.uint8)
    heavy[4:24, 6:12] = 255
    heavy[22:24, 6:22] = 255
    rows, columns = np.nonzero(heavy)
    by_mass = np.roll(heavy, (14 - round(rows.mean() + 0.5), 14 - round(columns.mean() + 0.5)), (0, 1))
    assert "mass" == look(by_mass[None, ..., None])["centred"]  # type: ignore[index]
    assert "box" == look(heavy[None, ..., None])["centred"]  # type: ignore[index]
