"""The catalog says what is published, and brings labels out of file names and lists into a CSV."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from firstlight.data.fetching import catalog
from firstlight.data.fetching.catalog import DATASETS, Dataset, label_flowers, label_pets, write_digits
from firstlight.data.sources import scan
from firstlight.errors import ArgumentError, DownloadError, MissingExtraError

NAMES = [
    "digits",
    "digits_sample",
    "mnist_sample",
    "mnist_png",
    "cifar10",
    "imagenette_160",
    "imagewoof_160",
    "pets",
    "flowers",
]


@pytest.fixture(scope="module")
def every_digit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_digits(tmp_path_factory.mktemp("home") / "digits")


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"not looked at")


def test_the_names_are_known() -> None:
    """The promised datasets are there, each under its own name."""
    assert list(DATASETS) == NAMES
    assert [dataset.name for dataset in DATASETS.values()] == NAMES


@pytest.mark.parametrize("dataset", [d for d in DATASETS.values() if d.url], ids=lambda dataset: dataset.name)
def test_an_entry_can_be_verified(dataset: Dataset) -> None:
    """Each archive has an address, a size, a licence, a line about it, and one checksum of the right length."""
    assert re.fullmatch(r"https://s3\.amazonaws\.com/fast-ai-(sample|imageclas)/[\w-]+\.tgz", dataset.url or "")
    assert dataset.size and dataset.size > 10**6
    sums = [("sha256", 64, dataset.sha256), ("md5", 32, dataset.md5_of_start)]
    assert 1 == sum(bool(re.fullmatch(f"[0-9a-f]{{{length}}}", text or "")) for _, length, text in sums)
    assert dataset.licence and dataset.about


def test_checksums_are_not_repeated() -> None:
    """No two entries share a checksum, as they would after a slip in copying."""
    sums = [dataset.sha256 or dataset.md5_of_start for dataset in DATASETS.values() if dataset.url]
    assert len(set(sums)) == len(sums)


def test_pets_get_their_breed_from_the_file_name(tmp_path: Path) -> None:
    """The last underscore parts the breed from the number; masks, matrices and hidden files are no images."""
    images = ["Abyssinian_1.jpg", "great_pyrenees_12.jpg", "great_pyrenees_2.jpg"]
    touch(tmp_path / "images", *images, "Abyssinian_100.mat", "._Abyssinian_1.jpg")
    touch(tmp_path / "annotations" / "trimaps", "Abyssinian_1.png")
    label_pets(tmp_path)
    table = scan(tmp_path / DATASETS["pets"].images)
    assert table.classes == ("Abyssinian", "great_pyrenees")
    assert dict(zip(table.keys, table.labels.tolist(), strict=True)) == dict(zip(images, [0, 1, 1], strict=True))


def test_flowers_get_class_and_split_from_their_lists(tmp_path: Path) -> None:
    """train.txt, valid.txt and test.txt say both."""
    images = [f"jpg/image_0000{number}.jpg" for number in (1, 2, 3)]
    touch(tmp_path, *images)
    lines = zip(("train", "valid", "test"), images, (77, 5, 77), strict=True)
    for split, image, label in lines:
        (tmp_path / f"{split}.txt").write_text(f"{image} {label}\n")
    label_flowers(tmp_path)
    table = scan(tmp_path / DATASETS["flowers"].images)
    assert table.classes == ("5", "77")
    assert (table.keys, table.labels.tolist(), table.splits.tolist()) == (images, [1, 0, 1], [0, 1, 2])


@pytest.mark.parametrize("label", [label_pets, label_flowers])
def test_another_layout_is_no_silence(label: object, tmp_path: Path) -> None:
    """Where nothing is found to label, no empty list is written."""
    (tmp_path / "images").mkdir()
    with pytest.raises((ValueError, FileNotFoundError)):
        label(tmp_path)  # type: ignore[operator]
    assert [] == list(tmp_path.rglob("*.csv"))


def test_digits_are_those_of_scikit_learn(every_digit: Path) -> None:
    """Every scan is there, in the folder of its class, its 0..16 spread over 0..255 and rounded half up."""
    from sklearn.datasets import load_digits

    digits, folder = load_digits(), every_digit
    assert {str(path.relative_to(folder)) for path in folder.rglob("*.png")} == {
        str(Path(str(label), f"{index:04d}.png")) for index, label in enumerate(digits.target)
    }
    levels = [0, 16, 32, 48, 64, 80, 96, 112, 128, 143, 159, 175, 191, 207, 223, 239, 255]  # by hand; 127.5 is 8's
    for index in range(0, len(digits.target), 7):
        with Image.open(folder / str(digits.target[index]) / f"{index:04d}.png") as image:
            assert (image.mode, image.size) == ("L", (8, 8))
            assert np.array_equal(np.array(image), np.array(levels)[digits.images[index].astype(int)])


def test_some_digits_keep_their_numbers(every_digit: Path, tmp_path: Path) -> None:
    """With a choice of classes, the others have no folder, and the files are the same."""
    pair = write_digits(tmp_path / "pair", ("3", "7"))
    assert ["3", "7"] == sorted(path.name for path in pair.iterdir())
    for name in ("3", "7"):
        files = {path.name: path.read_bytes() for path in (pair / name).iterdir()}
        assert files == {path.name: path.read_bytes() for path in (every_digit / name).iterdir()}


def test_digits_overwrite_nothing(tmp_path: Path) -> None:
    """A folder that holds something stays as it is."""
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(DownloadError, match=re.escape(str(tmp_path))):
        write_digits(tmp_path, ("3",))
    assert ["mine"] == [path.name for path in tmp_path.iterdir()]


def test_a_class_that_is_no_digit_is_named(tmp_path: Path) -> None:
    """The sentence names it and the choice."""
    with pytest.raises(ArgumentError, match=r"'x'.* 0, 1, 2"):
        write_digits(tmp_path / "digits", ("3", "x"))


def test_scikit_learn_is_looked_into_and_not_imported(tmp_path: Path) -> None:
    """Writing the digits leaves the import of scikit-learn to others."""
    code = (
        "import sys; from pathlib import Path; from firstlight.data.fetching.catalog import write_digits;"
        "assert not {'PIL', 'numpy'} & set(sys.modules);"
        "write_digits(Path(sys.argv[1]), '3'); assert 'sklearn' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "digits")], check=True)


def test_without_scikit_learn_the_line_that_installs_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a missing package nor one without the file is a traceback."""
    for spec in (None, type("Spec", (), {"submodule_search_locations": [str(tmp_path)]})):
        monkeypatch.setattr("importlib.util.find_spec", lambda _, spec=spec: spec)
        with pytest.raises(MissingExtraError, match=r'pip install "\.\[sklearn\]"'):
            write_digits(tmp_path / "digits")
    assert [] == list(tmp_path.iterdir())


def test_a_full_disk_leaves_no_half_of_the_digits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence says what is the matter, and nothing is left."""

    def save(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", save)
    with pytest.raises(DownloadError, match="disk"):
        catalog.write_digits(tmp_path / "digits")
    assert [] == list(tmp_path.iterdir())
