"""The folder layouts of real datasets: which folder is the class, which the split, and what is neither."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.tables import noise, write_images

from firstlight.data.pixels import load
from firstlight.data.scanning import entries
from firstlight.data.scanning.folder_names import SYSTEM, is_split
from firstlight.data.scanning.layout import Layout, understand
from firstlight.data.sources import scan
from firstlight.data.splits import split
from firstlight.data.table import SPLITS
from firstlight.errors import DataError


def read(folders: str, classes_from: str = "auto") -> Layout:
    """The layout of folders that hold ten images each, or as many as stands after a colon."""
    counts: dict[str, int] = {"": 0}
    for word in folders.split():
        name, _, count = word.replace("~", " ").partition(":")
        for at, letter in enumerate(name):
            if letter == "/":
                counts.setdefault(name[:at], 0)
        counts[name] = int(count or 10)
    return understand(list(counts), list(counts.values()), classes_from=classes_from)


def classes(layout: Layout) -> str:
    return " ".join(layout.classes)


def splits(layout: Layout) -> str:
    return " ".join(SPLITS[code] for code in sorted(set(layout.splits.tolist()) - {-1}))


NESTED = [
    ("cat/s0 cat/s1 dog/s0 dog/s1", "cat dog"),
    ("cat/day1 cat/day2 dog/day3 dog/day4", "cat dog"),
    ("cat/2024-01-02 dog/2024-02-03", "cat dog"),
    ("cat/patient_017 dog/patient_101", "cat dog"),
    ("cat/indoor cat/outdoor dog/indoor dog/outdoor", "cat dog"),
    ("cat/anna cat/ben dog/anna dog/ben", "cat dog"),
    ("cat/images dog/images", "cat dog"),
    ("cat/images cat/more dog/images", "cat dog"),
    ("cat dog/puppies dog/adults", "cat dog"),
    ("cat cat/kittens dog", "cat dog"),
    ("0/writer1 0/writer2 1/writer1 1/writer2", "0 1"),
    ("0/0 0/1 1/0 1/1 2/0 2/1", "0 1 2"),
    ("felines/cat/s0 felines/lion/s1 canines/dog/s0", "cat dog lion"),
    ("animals/cat animals/dog vehicles/car", "car cat dog"),
    ("animals:1 animals/cat animals/dog:20 vehicles/car", "car cat dog"),
    ("cats/tabby cats/siamese dogs/poodle dogs/beagle", "beagle poodle siamese tabby"),
    ("patient1/benign patient1/malignant patient2/benign", "benign malignant"),
    (" ".join(f"{case}/{label}" for case in range(10250, 10300) for label in (0, 1)), "0 1"),
    ("color/apple color/plum grayscale/apple grayscale/plum segmented/apple segmented/plum", "apple plum"),
    ("fold1/cat fold1/dog fold2/cat fold2/dog", "cat dog"),
    ("daisy rose flowers/daisy flowers/rose", "daisy rose"),
    ("dataset/cat dataset/dog", "cat dog"),
    ("lfw/lfw-deepfunneled/Ann_B lfw/lfw-deepfunneled/Cy_D", "Ann_B Cy_D"),
    ("101_ObjectCategories/accordion 101_ObjectCategories/BACKGROUND_Google", "BACKGROUND_Google accordion"),
    ("EuroSAT/2750/Forest EuroSAT/2750/River", "Forest River"),
    ("s1 s2 s3", "s1 s2 s3"),
    ("class1 class2", "class1 class2"),
    ("HAM10000_images_part_1 HAM10000_images_part_2", ""),
    ("images_001/images images_002/images images_003/images", ""),
    ("100CANON 101CANON", ""),
    ("images", ""),
    ("with_mask without_mask", "with_mask without_mask"),
]


@pytest.mark.parametrize(("folders", "expected"), NESTED)
def test_the_class_is_the_folder_that_a_person_would_take(folders: str, expected: str) -> None:
    """Groups of a class, parts of a set and folders around everything are no classes."""
    layout = read(folders)
    assert (expected, "") == (classes(layout), splits(layout))


DIVIDED = [
    ("training_set/cat training_set/dog test_set/cat test_set/dog", "cat dog", "train test"),
    ("seg_train/seg_train/sea seg_train/seg_train/ice seg_test/seg_test/sea seg_pred", "ice sea", "train test"),
    ("asl_train/asl_train/A asl_train/asl_train/B asl_test/asl_test", "A B", "train test"),
    ("images_train/cat images_train/dog images_val/cat images_val/dog", "cat dog", "train validation"),
    ("train_images/cat train_images/dog val_images/cat", "cat dog", "train validation"),
    ("Train~Data/cat Train~Data/dog Test~Data/cat Test~Data/dog", "cat dog", "train test"),
    ("cifar-train/cat cifar-train/dog cifar-test/cat", "cat dog", "train test"),
    ("trainset/cat trainset/dog testset/cat", "cat dog", "train test"),
    ("TrainImages/cat TrainImages/dog new~test/cat new~test/dog", "cat dog", "train test"),
    ("training/bread training/rice validation/bread evaluation/bread", "bread rice", "train validation test"),
    ("dataset/dataset/train/cat dataset/dataset/train/dog dataset/dataset/test/cat", "cat dog", "train test"),
    ("train/data/cat train/data/dog test/data/cat", "cat dog", "train test"),
    ("train/cat/s0 train/cat/s1 train/dog/s0 val/cat/s2", "cat dog", "train validation"),
    ("train/n01/images train/n02/images val/images test/images", "n01 n02", "train validation test"),
    ("ILSVRC/CLS-LOC/train/n01 ILSVRC/CLS-LOC/train/n02 ILSVRC/CLS-LOC/val", "n01 n02", "train validation"),
    ("chest/train/N chest/train/P chest/test/N chest/chest/train/N chest/chest/train/P", "N P", "train test"),
    ("Training/Apple Training/Pear Test/Apple test-multiple_fruits papers", "Apple Pear", "train test"),
    ("train/a train/b test/unknown", "a b", "train test"),
    ("cat/train cat/test dog/train dog/test", "cat dog", "train test"),
    ("train_images test_images", "", "train test"),
    ("train/train test1/test1", "", "train test"),
    ("train2017 val2017", "", "train validation"),
    ("train/images valid/images", "", "train validation"),
    ("train car plane", "car plane train", ""),
    ("train/s0 train/s1 car/s0 car/s1 plane/s1", "car plane train", ""),
    ("valid invalid", "invalid valid", ""),
    ("test_positive test_negative", "test_negative test_positive", ""),
    ("training~shoes walking~shoes", "training shoes walking shoes", ""),
]


@pytest.mark.parametrize(("folders", "expected", "divided"), DIVIDED)
def test_splits_are_found_inside_names_where_siblings_agree(folders: str, expected: str, divided: str) -> None:
    """A word for a split counts next to another split with the same other words or the same classes."""
    layout = read(folders)
    assert (expected, divided) == (classes(layout), splits(layout))


@pytest.mark.parametrize(
    ("classes_from", "expected"), [("top", "canines felines"), ("parent", "cat dog lion"), ("leaf", "s0 s1")]
)
def test_the_level_of_the_classes_can_be_chosen(classes_from: str, expected: str) -> None:
    """The topmost folder, the one that holds the images, or the one above it."""
    nested = "felines/cat/s0 felines/lion/s1 canines/dog/s0"
    assert expected == classes(read(nested, classes_from))
    assert expected == classes(read(" ".join(f"train/{name}" for name in nested.split()), classes_from))


def test_a_choice_goes_before_every_rule() -> None:
    """Parts of a set and a folder that holds images and folders are classes where that is asked for."""
    assert "part_1 part_2" == classes(read("part_1 part_2", "top"))
    assert "cat dog kittens" == classes(read("cat cat/kittens dog", "leaf"))


@pytest.mark.parametrize("folders", ["cat/s0 dog/s0", "animals/cat vehicles/car", "cat dog/puppies", "part_1 part_2"])
def test_a_decision_is_said_with_the_option_that_changes_it(folders: str) -> None:
    """Whoever finds it wrong reads what to type."""
    (note,) = read(folders).notes
    assert "--classes-from " in note


NAMES = st.sampled_from(["cat", "dog", "s0", "s1", "train", "test", "images", "part_1", "part_2", "7", "Val~Data"])
TREES = st.lists(st.lists(NAMES, min_size=1, max_size=4).map("/".join), min_size=1, max_size=8)


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(TREES, st.sampled_from(["auto", "top", "leaf", "parent"]))
def test_a_class_is_always_a_folder_of_the_path(folders: list[str], classes_from: str) -> None:
    """Whatever the tree: every class is the name of a folder above its images, and every split has a word for it."""
    names = [name.replace("~", " ") for name in folders]
    layout = read(" ".join(folders), classes_from)
    paths = sorted(
        {"", *(name[:at] for name in names for at in range(len(name) + 1) if name[at : at + 1] in ("", "/"))}
    )
    again = understand(paths, [10 * (path in names) for path in paths], classes_from=classes_from)
    assert layout.classes == again.classes
    for path, label, code in zip(paths, again.labels, again.splits, strict=True):
        assert label < 0 or again.classes[label] in path.split("/")
        assert code < 0 or any(is_split(part) or part == "Val Data" for part in path.split("/"))


# What systems leave behind


@pytest.mark.parametrize("folder", [*sorted(SYSTEM), "@eaDir", "#Recycle", "System Volume Information", "found.000"])
def test_folders_of_the_system_are_skipped_and_counted(tmp_path: Path, folder: str) -> None:
    """Thumbnails and trash of a NAS, Windows or a card are no classes and no images."""
    for key in ("cat/1.png", "dog/1.png", f"cat/{folder}/1.png/SYNOPHOTO_THUMB_S.jpg", f"{folder}/2.png"):
        (tmp_path / key).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / key).touch()
    table = scan(tmp_path)
    assert (["cat/1.png", "dog/1.png"], {entries.SYSTEM: 2}) == (table.keys, dict(table.skipped))


# Files that cannot be opened


def test_images_that_may_not_be_opened_are_counted_as_unreadable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They keep their rows through scan and split, so that loading counts them and the 5 % rule holds."""
    images = {f"{name}/{number}.png": noise(8, 8, seed=number) for name in ("cat", "dog") for number in range(20)}
    root = write_images(tmp_path, images)
    opened = os.open

    def guarded(path: str, *args: int) -> int:
        if path.endswith(("1.png", "2.png")):
            raise PermissionError(13, "Permission denied", path)
        return opened(path, *args)

    monkeypatch.setattr("firstlight.data.files.os.open", guarded)
    table = split(scan(root))
    assert 40 == len(table) == int(np.isin(table.splits, [0, 1]).sum())
    with pytest.raises(DataError, match="8 of 40 images"):
        load(table, cache=False)
    assert 8 == len(load(table, cache=False, allow_unreadable=True).unreadable)
