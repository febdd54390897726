"""The datasets known by name: address, size, checksum, licence, layout; and the digits that need no network."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from firstlight.atomic import new_folder
from firstlight.errors import ArgumentError, DownloadError, MissingExtraError

DIGITS = tuple("0123456789")


@dataclass(frozen=True)
class Dataset:
    """An archive of images and what is published of it.

    Attributes:
        name: what `get` knows it by, and the name of its folder.
        url: the address of the archive; None for what comes with a package.
        about: a line for a person: what it shows, how many, which layout.
        licence: the licence, or what is known in its place.
        size: bytes of the archive.
        sha256: of the whole archive, in lower-case hexadecimal.
        md5_of_start: of the archive's first 2**20 bytes, which is all that fast.ai's own list covers.
        digits: of the digits that come with a package, which; None for all.
        images: the folder of the images below the unpacked one; ``""`` where that one itself is meant.
        finish: called with the unpacked folder; writes the labels where the folders do not hold them.
    """

    name: str
    url: str | None
    about: str = ""
    licence: str = ""
    size: int | None = None
    sha256: str | None = None
    md5_of_start: str | None = None
    digits: tuple[str, ...] | None = None
    images: str = ""
    finish: Callable[[Path], None] | None = None


def label_pets(folder: Path) -> None:
    """Writes ``images/labels.csv``: the breed of ``images/great_pyrenees_12.jpg`` is ``great_pyrenees``.

    The list is next to the images and not above them, since ``annotations/`` holds masks that are PNG
    files too, and are no images to learn from.

    Args:
        folder: the unpacked ``oxford-iiit-pet``.

    Raises:
        ValueError: where it has no such images.
    """
    found = sorted((folder / "images").glob("[!.]*_*.jpg"))
    _write_labels(folder / "images", [(path.name, path.stem.rpartition("_")[0]) for path in found])


def label_flowers(folder: Path) -> None:
    """Writes ``labels.csv`` with the classes and splits of ``train.txt``, ``valid.txt`` and ``test.txt``.

    Args:
        folder: the unpacked ``oxford-102-flowers``; a line of its lists is ``jpg/image_03860.jpg 16``.

    Raises:
        ValueError, FileNotFoundError: where it has no such lists.
    """
    rows = [
        (path, label, split)
        for split in ("train", "valid", "test")
        for path, label in map(str.split, (folder / f"{split}.txt").read_text("utf-8").splitlines())
    ]
    _write_labels(folder, rows)


# Addresses: fast.ai's list (fastai/data/external.py); sizes: fastai/data/checks.txt, whose MD5 covers the
# first 2**20 bytes alone; the size of cifar10, which is not in it at this address, as two downloads report it.
# SHA-256: as FastAI.jl (src/datasets/fastaidatasets.jl, commit b4fffa1) pins the same archives; cifar10's,
# mnist_png's and imagenette_160's stand in other projects too, and flowers' comes from one (ipyannotator). For pets
# nobody publishes one. Older lists have other sums for imagenette_160 and imagewoof_160: of archives of other sizes
# that lay there before.
S3 = "https://s3.amazonaws.com/fast-ai-"
IMAGENET = "Apache-2.0 for the selection; the photos under ImageNet's terms: research and education only"

DATASETS = {
    dataset.name: dataset
    for dataset in (
        Dataset(
            "digits",
            None,
            about="1,797 scans of handwritten digits, 8 x 8 gray; folders by class; comes with scikit-learn",
            licence="CC BY 4.0 (Alpaydin and Kaynak 1998, UCI Machine Learning Repository)",
        ),
        Dataset(
            "digits_sample",
            None,
            about="their 362 3s and 7s, which the lesson uses",
            licence="CC BY 4.0 (Alpaydin and Kaynak 1998, UCI Machine Learning Repository)",
            digits=("3", "7"),
        ),
        Dataset(
            "mnist_sample",
            f"{S3}sample/mnist_sample.tgz",
            about="14,434 handwritten 3s and 7s of MNIST, 28 x 28 gray; train and valid folders by class",
            licence="CC BY-SA 3.0 (LeCun, Cortes and Burges)",
            size=3_214_948,
            sha256="b373a14f282298aeba0f7dd56b7cdb6c2401063d4f118c39c54982907760bd38",
        ),
        Dataset(
            "mnist_png",
            f"{S3}imageclas/mnist_png.tgz",
            about="70,000 handwritten digits, 28 x 28 gray; training and testing folders by class",
            licence="CC BY-SA 3.0 (LeCun, Cortes and Burges)",
            size=15_683_414,
            sha256="9e18edaa3a08b065d8f80a019ca04329e6d9b3e391363414a9bd1ada30563672",
        ),
        Dataset(
            "cifar10",
            f"{S3}imageclas/cifar10.tgz",
            about="60,000 photos of 10 kinds of things, 32 x 32 color; train and test folders by class",
            licence="none stated (Krizhevsky 2009, to be cited)",
            size=135_107_811,
            sha256="637c5814e11aefcb6ee76d5f59c67ddc8de7f5b5077502a195b0833d1e3e4441",
        ),
        Dataset(
            "imagenette_160",
            f"{S3}imageclas/imagenette2-160.tgz",
            about="13,394 photos of 10 ImageNet classes, shorter side 160; train and val folders by class",
            licence=IMAGENET,
            size=99_003_388,
            sha256="64d0c4859f35a461889e0147755a999a48b49bf38a7e0f9bd27003f10db02fe5",
        ),
        Dataset(
            "imagewoof_160",
            f"{S3}imageclas/imagewoof2-160.tgz",
            about="12,954 photos of 10 breeds of dogs, shorter side 160; train and val folders by class",
            licence=IMAGENET,
            size=92_612_825,
            sha256="b5ffa16037e07f60882434f55b7814a3d44483f2a484129f251604bc0d0f8172",
        ),
        Dataset(
            "pets",
            f"{S3}imageclas/oxford-iiit-pet.tgz",
            about="7,390 photos of 37 breeds of cats and dogs; the breed is in the file names, images/NAME_12.jpg, "
            "from which get writes images/labels.csv",
            licence="CC BY-SA 4.0 (Parkhi, Vedaldi, Zisserman and Jawahar 2012)",
            size=811_706_944,
            md5_of_start="e4db5c768afd933bb91f5f594d7417a4",
            images="images",
            finish=label_pets,
        ),
        Dataset(
            "flowers",
            f"{S3}imageclas/oxford-102-flowers.tgz",
            about="8,189 photos of 102 kinds of flowers; jpg/ with train.txt, valid.txt and test.txt, "
            "from which get writes labels.csv",
            licence="none stated (Nilsback and Zisserman 2008, to be cited)",
            size=345_236_087,
            sha256="680a253086535b2c800aada76a45fc189d3dcae4da6da8db36ce6a95f00bf4ad",
            finish=label_flowers,
        ),
    )
}


def write_digits(folder: Path, classes: Sequence[str] | None = None) -> Path:
    """Writes the handwritten digits that come inside scikit-learn as a folder of PNG files by class.

    They need no network, and scikit-learn is only looked into, never imported. A scan has 8 x 8 values v of
    0..16, the ink in a block of 4 x 4 pixels; the PNG holds v * 255 / 16, rounded half up.

    Args:
        folder: where they are written; it must not exist yet, or be empty.
        classes: the digits to write, such as ``("3", "7")``; None: all ten.

    Returns:
        ``folder``, with the files ``CLASS/INDEX.png``; the index counts the rows of scikit-learn's file from
        0000 to 1796, whatever the classes.

    Raises:
        MissingExtraError: where scikit-learn is not installed.
        ArgumentError: where a class is no digit.
        DownloadError: where the folder cannot be written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as home:
        ...     folder = write_digits(Path(home, "threes-and-sevens"), ("3", "7"))
        ...     {path.name: len(list(path.iterdir())) for path in sorted(folder.iterdir())}
        {'3': 183, '7': 179}
    """
    classes = DIGITS if classes is None else tuple(classes)
    for name in classes:
        if name not in DIGITS:
            raise ArgumentError(f"{name!r} is not a class of the digits; choose from {', '.join(DIGITS)}.")
    source = _digits_file()  # before the imports, since a missing package is said first
    import numpy as np
    from PIL import Image

    rows = np.loadtxt(source, delimiter=",", dtype=np.int64)  # (1797, 65): 64 values and the class
    pixels = ((rows[:, :64] * 255 * 2 + 16) // 32).astype(np.uint8).reshape(-1, 8, 8)
    with new_folder(Path(folder), DownloadError) as part:
        for name in classes:
            (part / name).mkdir()
        for index, label in enumerate(rows[:, 64].tolist()):
            if str(label) in classes:
                Image.fromarray(pixels[index]).save(part / str(label) / f"{index:04d}.png")
    return Path(folder)


def _digits_file() -> Path:
    from importlib.util import find_spec

    found = find_spec("sklearn")
    for home in (found.submodule_search_locations or ()) if found is not None else ():
        path = Path(home, "datasets", "data", "digits.csv.gz")
        if path.is_file():
            return path
    raise MissingExtraError("The digits of the demo", "sklearn")


def _write_labels(folder: Path, rows: Sequence[Sequence[str]]) -> None:
    if not rows:
        raise ValueError("no images are named as expected")
    from firstlight.arrow import strings  # NumPy is imported only where images are labelled
    from firstlight.cells import guarded_cells

    with (folder / "labels.csv").open("w", encoding="utf-8", newline="") as file:
        columns = [guarded_cells(strings(column)).to_pylist() for column in zip(*rows, strict=True)]
        csv.writer(file).writerows([("path", "label", "split")[: len(columns)], *zip(*columns, strict=True)])
