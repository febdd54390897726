"""The first things one tries in Python: images in any form, folders in place of tables, and sentences for the rest."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import firstlight as fl
from firstlight.data.decoding.decode import decode
from firstlight.data.decoding.picture import decoded
from firstlight.data.decoding.pillow import decode_picture
from tables import noise

TURNED = 6  # Exif's orientation of a camera held upright


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Dark cats and bright dogs, 9 x 9 px."""
    root = tmp_path_factory.mktemp("first") / "photos"
    for label, base in (("cat", 0), ("dog", 128)):
        (root / label).mkdir(parents=True)
        for number in range(12):
            pixels = (noise(9, 9, seed=number) // 2 + base).astype(np.uint8)
            Image.fromarray(pixels).save(root / label / f"{number}.png")
    return root


@pytest.fixture(scope="module")
def nearest(photos: Path) -> fl.Classifier:
    return fl.fit("centroid", photos, distance="l2")


def opened(path: Path) -> Image.Image:
    """A picture in memory, so that no file stays open."""
    return Image.open(io.BytesIO(path.read_bytes()))


def forms(path: Path) -> dict[str, Any]:
    """One image in every form that holds one."""
    picture = opened(path)
    array = np.asarray(picture)
    return {
        "text": str(path),
        "path": path,
        "bytes": path.read_bytes(),
        "opened": io.BytesIO(path.read_bytes()),
        "picture": picture,
        "array": array,
        "channel": array[:, :, None],
        "color": np.repeat(array[:, :, None], 3, axis=2),
        "opaque": np.dstack([array, array, array, np.full_like(array, 255)]),
        "16 bits": array.astype(np.uint16) * 257,
        "list": [path],
        "batch": array[None, :, :, None],
        "generator": (one for one in [path]),
    }


FORMS = (
    *("text", "path", "bytes", "opened", "picture", "array", "channel", "color", "opaque", "16 bits", "list", "batch"),
    "generator",
)


@pytest.mark.parametrize("form", FORMS)
def test_an_image_in_every_form_has_the_same_scores(photos: Path, nearest: fl.Classifier, form: str) -> None:
    """A path, bytes, a picture, an array, alone or in a list: one row, to the bit that of the loaded folder."""
    path = photos / "dog" / "3.png"
    seen = nearest.predict(forms(path)[form])
    whole = fl.predict(nearest, fl.load(photos))
    assert np.array_equal(seen.scores, whole.scores[[whole.keys.to_pylist().index("dog/3.png")]])
    assert ["dog"] == [seen.classes[label] for label in seen.predicted]


def test_several_forms_mix_in_a_list_and_are_named(photos: Path, nearest: fl.Classifier) -> None:
    """Rows in the order of the list, named by their path, without one by their place."""
    path = photos / "cat" / "0.png"
    seen = nearest.predict([path, opened(path), np.asarray(opened(path)), path.read_bytes()])
    assert [str(path), "1", "2", "3"] == seen.keys.to_pylist()
    assert (seen.scores == seen.scores[0]).all() and (seen.labels == -1).all()


def test_many_paths_keep_their_order(photos: Path, nearest: fl.Classifier) -> None:
    """Threads decode them, and the rows are those of the list."""
    paths = sorted(photos.glob("*/*.png"))[::-1]
    seen = nearest.predict(paths)
    assert list(map(str, paths)) == seen.keys.to_pylist()
    assert [path.parent.name for path in paths] == [seen.classes[label] for label in seen.predicted]


@pytest.mark.parametrize("source", [str, Path, fl.scan, fl.load, fl.split], ids=lambda one: one.__name__)
def test_a_folder_a_table_and_pixels_are_predicted(
    photos: Path, nearest: fl.Classifier, source: Callable[[Path], Any]
) -> None:
    """With the classes of their folders, so that they can be evaluated."""
    assert fl.evaluate(fl.predict(nearest, source(photos))).n == 24


@pytest.mark.slow
def test_pairs_and_data_frames_are_predicted_with_their_labels(photos: Path, nearest: fl.Classifier) -> None:
    """A list of (path, label), and a DataFrame of both columns."""
    import pandas

    pairs = [(str(photos / "cat" / "0.png"), "cat"), (str(photos / "dog" / "3.png"), "dog")]
    for source in (pairs, pandas.DataFrame(pairs, columns=["path", "label"])):
        assert [True, True] == nearest.predict(source).correct.tolist()


def test_a_picture_has_the_pixels_of_its_file(tmp_path: Path) -> None:
    """Turned, transparent, 16 bits, palettes: whether Pillow has loaded it or not, and it is not changed."""
    color = Image.fromarray(noise(6, 8, 3))
    turned = Image.Exif()
    turned[274] = TURNED
    sixteen = Image.fromarray(noise(6, 8).astype(np.uint16) * 200)
    color.save(tmp_path / "turned.jpg", exif=turned)
    color.save(tmp_path / "turned.png", exif=turned)
    color.convert("P").save(tmp_path / "key.png", transparency=3)
    color.convert("L").quantize(4).save(tmp_path / "few.png", bits=2)
    sixteen.save(tmp_path / "deep.png")
    sixteen.save(tmp_path / "deep.tif")
    color.convert("CMYK").save(tmp_path / "print.tif")
    color.convert("RGBA").save(tmp_path / "alpha.webp", lossless=True)
    color.convert("1").save(tmp_path / "bits.png")
    for path in sorted(tmp_path.iterdir()):
        right = decode(path.read_bytes())
        assert isinstance(right, np.ndarray), path
        with Image.open(path) as picture:
            for _ in range(2):  # before and after it is loaded
                found = decode_picture(picture)
                assert isinstance(found, np.ndarray) and np.array_equal(right, found), path


def test_a_color_that_stands_for_transparency_is_brought_to_eight_bits(tmp_path: Path) -> None:
    """Pillow keeps it in the file's own bits; a picture that is decoded twice is scaled once."""
    import struct
    import zlib

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 1, 2, 0, 0, 0, 0))
    image = chunk(b"IDAT", zlib.compress(b"\0" + bytes([0b00011011])))  # 0, 85, 170, 255
    png = b"\x89PNG\r\n\x1a\n" + head + chunk(b"tRNS", b"\0\1") + image + chunk(b"IEND", b"")
    with Image.open(io.BytesIO(png)) as picture:
        assert [[0, 255, 170, 255]] == decode_picture(picture)[:, :, 0].tolist() == decode(png)[:, :, 0].tolist()  # type: ignore[index]


def test_arrays_are_taken_as_the_files_that_would_be_saved(tmp_path: Path) -> None:
    """Alpha over white, True as 255, 16 bits rounded to 8, by what Pillow saves."""
    for values in (noise(5, 4), noise(5, 4, 3), noise(5, 4, 4), noise(5, 4).astype(np.uint16) * 211, noise(5, 4) > 99):
        Image.fromarray(values).save(tmp_path / "a.png")
        assert np.array_equal(decode((tmp_path / "a.png").read_bytes()), decoded(values)), values.dtype
    assert [[[255], [100]]] == decoded(np.array([[[0, 0], [100, 255]]], np.uint8)).tolist()  # type: ignore[union-attr]


WRONG: dict[str, Callable[[fl.Classifier, Path], Any]] = {
    "NoneType": lambda model, _: model.predict(None),
    "int": lambda model, _: model.predict(3),
    "list": lambda model, _: model.predict([[0, 1], [2, 3]]),
    "at least one": lambda model, _: model.predict([]),
    r"float64.*255": lambda model, _: model.predict(np.zeros((5, 5))),
    r"int64.*astype": lambda model, _: model.predict(np.zeros((5, 5), np.int64)),
    r"<U5.*list": lambda model, _: model.predict(np.array(["a.jpg"])),
    r"60, 28, 28.*None": lambda model, _: model.predict(np.zeros((60, 28, 28), np.uint8)),
    r"3, 28, 28.*transpose": lambda model, _: model.predict(np.zeros((3, 28, 28), np.uint8)),
    r"nowhere\.jpg": lambda model, _: model.predict("nowhere.jpg"),
    "nowhere does not": lambda model, _: model.predict("nowhere"),
    r"1 of 2 .*broken\.png": lambda model, root: model.predict([root / "broken.png", np.zeros((5, 5), np.uint8)]),
    "empty is empty": lambda model, root: model.predict(root / "empty"),
    "it is a folder": lambda model, root: model.predict([root / "empty"]),
    "is not a classifier": lambda _, root: fl.predict(3, root),  # type: ignore[arg-type]
    "NoneType is no table": lambda _, root: fl.fit("ink", None),
    "int is no table": lambda _, root: fl.audit(7),
    "is no rung": lambda _, root: fl.fit(["cnn"], root),  # type: ignore[arg-type]
    "did you mean epochs": lambda _, root: fl.fit("linear", root, epoch=3),  # type: ignore[call-arg]
    "did you mean l1": lambda _, root: fl.fit("centroid", root, distance="L1"),
    r"\{'size': 8\} is not a Loading": lambda _, root: fl.load(root, loading={"size": 8}),  # type: ignore[arg-type]
    "did you mean size": lambda _, root: fl.load(root, siez=8),  # type: ignore[call-arg]
    "did you mean gray": lambda _, root: fl.load(root, color="grey"),  # type: ignore[arg-type]
    "seed=-1 ": lambda _, root: fl.climb(root, rungs=["prior"], seed=-1),
    "seed=18446744073709551616 ": lambda _, root: fl.split(root, seed=2**64),
    "seed=1.5 ": lambda _, root: fl.fit("ink", root, seed=1.5),  # type: ignore[arg-type]
    "Classifier is not a run": lambda model, root: fl.export(model, root / "model.onnx"),  # type: ignore[arg-type]
    "Classifier is not a run; pass": lambda model, root: fl.report(model, root / "report.html"),  # type: ignore[arg-type]
    "NoneType is not a run": lambda _, root: fl.read_run(None),  # type: ignore[arg-type]
    "str holds no predictions": lambda _, root: fl.evaluate(str(root)),  # type: ignore[arg-type]
    "PosixPath holds no|WindowsPath holds no": lambda _, root: fl.label_errors(root),  # type: ignore[arg-type]
    "nothing to compare with": lambda _, root: fl.compare(seen()),
    "NoneType names no dataset": lambda _, root: fl.get(None),  # type: ignore[arg-type]
    "did you mean mnist_sample": lambda _, root: fl.get("mnist-sample"),
    "NoneType is no model": lambda _, root: fl.restore(None),  # type: ignore[arg-type]
    "int is not a classifier": lambda _, root: fl.save(3),  # type: ignore[arg-type]
    "path is empty": lambda _, root: fl.scan(""),
    "progress=3": lambda _, root: fl.load(blank(), progress=3),  # type: ignore[arg-type]
    "out=3": lambda _, root: fl.climb(root, rungs=["prior"], out=3),  # type: ignore[arg-type]
    "aligned by 'box'": lambda model, root: model.predict(boxed()),
    r"validation split \(train has 1\)": lambda model, _: fl.predict(model, blank(), split="validation"),
    r"test split \(train has 1\)": lambda model, _: fl.explain(model, blank(), split="test"),
    "no argument 'rung'; pass rungs=": lambda _, root: fl.climb(root, rung="cnn"),  # type: ignore[call-arg]
    "size was passed with pixels": lambda model, root: fl.climb(blank(), size=16),
}


def seen() -> fl.Predictions:
    return fl.Predictions("ink", ["a"], ("3", "7"), np.array([0]), np.zeros((1, 2)))


def boxed() -> fl.Pixels:
    return replace(blank(), values=noise(1, 9, 9, 1), size=(9, 9), align="box")


def blank() -> fl.Pixels:
    table = fl.Table.build("", ["a"], classes=("a",), labels=np.array([0]), splits=np.array([0]))
    return fl.Pixels(noise(1, 4, 4, 1), table, table.select(np.array([], int)), (4, 4), "gray", "squish")


@pytest.mark.parametrize("said", WRONG)
def test_what_cannot_be_used_is_one_sentence(nearest: fl.Classifier, tmp_path: Path, said: str) -> None:
    """It names what was passed, before anything is loaded."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(fl.FirstlightError, match=said) as caught:
        WRONG[said](nearest, tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_folders_stand_for_tables(photos: Path) -> None:
    """Every verb before the model takes what scan takes, and climb takes the options of loading by name."""
    assert 24 == len(fl.load(photos)) == len(fl.split(photos)) == fl.audit(photos).images
    assert (4, 4, 1) == fl.fit("ink", photos, size=4).shape
    assert 24 == len(fl.crossfit(photos, rung="centroid"))
    run = fl.climb(photos, rungs="prior", size=np.int64(5))  # type: ignore[arg-type]
    assert (5, 5) == run.request.loading.sides


def test_a_run_predicts_by_its_advised_rung(photos: Path) -> None:
    """`run.best` and the run itself; a family's name is its most accurate rung."""
    run = fl.climb(photos, rungs=["prior", "centroid"])
    assert run.advice is not None
    path = photos / "dog" / "3.png"
    assert run.advice.rung == run.best.name == fl.predict(run, path).name == run.best.predict(path).name
    accuracies = {rung.name: rung.metrics.correct for rung in run}
    assert max(accuracies.values()) == accuracies[run["centroid"].name] and run["centroid"].name != "prior"
    assert "prior" == run["prior"].predict(path).name
    (why,) = fl.explain(run["centroid"], path)
    assert ("dog", str(path), None) == (why.predicted, why.key, why.label)


@pytest.mark.slow
@pytest.mark.parametrize("by", ["brightness", "contrast", "size", "folder"])
@pytest.mark.parametrize("align", ["none", "box"])
def test_a_run_is_sliced_by_name(photos: Path, by: str, align: Any) -> None:
    """By the names of compare --by, also where the images were aligned; the slices hold every image once."""
    run = fl.climb(photos, rungs=["ink"], align=align)
    found = fl.slices(run, by=by)
    assert by == found.name and run["ink"].metrics.n == sum(part.n for part in found.parts)
    assert by == fl.simpson(run, run, by=by).name
    with pytest.raises(fl.FirstlightError, match="only a run knows"):
        fl.slices(run["ink"], by=by)
    with pytest.raises(fl.FirstlightError, match="'brightnes'"):
        fl.slices(run, by="brightnes")


@pytest.mark.slow
def test_a_classifier_is_saved_as_a_file(photos: Path, nearest: fl.Classifier, tmp_path: Path) -> None:
    """And read back with the same scores; another ending, or a file of something else, is one sentence."""
    fl.save(nearest, tmp_path / "model.safetensors")
    again = fl.restore(tmp_path / "model.safetensors")
    assert np.array_equal(nearest.predict(photos).scores, again.predict(photos).scores)
    assert np.array_equal(again.predict(photos).scores, fl.predict(tmp_path / "model.safetensors", photos).scores)
    (tmp_path / "other.safetensors").write_bytes(b"nothing")
    for call in (
        lambda: fl.save(nearest, tmp_path / "model.pkl"),
        lambda: fl.restore(tmp_path / "other.safetensors"),
        lambda: fl.restore(tmp_path / "gone.safetensors"),
    ):
        with pytest.raises(fl.FirstlightError, match=r"model\.pkl|other|gone"):
            call()


@pytest.mark.slow
def test_numbers_of_other_types_are_saved_as_plain_ones(photos: Path, tmp_path: Path) -> None:
    """NumPy's numbers and fractions train as Python's, and the run is read back equal."""
    options: Any = {"epochs": np.int64(2), "lr": Fraction(1, 10), "momentum": np.float32(0.5), "device": "cpu"}
    options["sizes"] = {"hidden": np.int64(4)}
    run = fl.climb(photos, rungs=["mlp"], out=tmp_path / "run", seed=np.int64(3), **options)  # type: ignore[arg-type]
    again = fl.read_run(tmp_path / "run")
    plain = {"epochs": 2, "lr": 0.1, "momentum": 0.5, "device": "cpu", "sizes": {"hidden": 4}}
    assert plain == again.request.options == run.request.options
    assert int is type(run.request.options["sizes"]["hidden"])
    assert (3,) == run.request.seeds == again.request.seeds


@pytest.mark.slow
def test_a_loss_that_is_none_is_one_sentence(photos: Path) -> None:
    """Any callable is accepted as a loss, and tried on a few images."""
    with pytest.raises(fl.FirstlightError, match="loss len"):
        fl.fit("linear", photos, loss=len)


CALLS = {
    "load": "print(fl.load(photos))",
    "fit and predict": "m = fl.fit('centroid', photos); print(m.predict(a)); print(fl.predict(m, photos)); print(m)",
    "explain": "print(fl.explain(fl.fit('centroid', photos), a)[0])",
    "climb": "run = fl.climb(photos, rungs=['prior', 'ink']); print(run, run.best.predict([a, a]), run['ink'])",
}


@pytest.mark.slow
@pytest.mark.parametrize("call", CALLS)
def test_the_first_calls_work_in_a_fresh_process(photos: Path, call: str) -> None:
    """Without another import, and without loading what they do not need."""
    code = f"import sys, firstlight as fl; photos, a = sys.argv[1:]; {CALLS[call]}"
    code += "; assert not {'torch', 'pandas', 'scipy', 'matplotlib', 'sklearn'} & sys.modules.keys()"
    command = [sys.executable, "-W", "error", "-c", code, str(photos), str(photos / "cat" / "0.png")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (0, "") == (done.returncode, done.stderr)
