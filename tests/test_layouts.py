"""The folder layouts of real datasets: which folder is the class, which the split, and what is neither."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.tables import noise, write_images

from firstlight.data.arrange import arrange, load_for
from firstlight.data.auditing.folders import folder_findings
from firstlight.data.decoding.loading import Loading
from firstlight.data.pixels import load
from firstlight.data.scanning import entries
from firstlight.data.scanning.folder_names import SYSTEM, is_split
from firstlight.data.scanning.layout import Layout, understand
from firstlight.data.scanning.options import Scanning
from firstlight.data.sources import scan
from firstlight.data.splits import split
from firstlight.data.table import SPLITS
from firstlight.errors import ArgumentError, DataError
from firstlight.ladder import climb
from firstlight.reporting.report import report
from firstlight.reporting.reproducing import reproducing
from firstlight.runs.folder import read_run
from firstlight.runs.images import own_images
from firstlight.runs.request import Request


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
    ("cat/cat1 cat/cat2 dog/dog1", "cat dog"),
    ("cat/cat_indoor dog/dog_outdoor", "cat dog"),
    ("cat/2023/05 cat/2024/06 dog/2022/01", "cat dog"),
    ("cat/s0/t1 dog/s0/t2", "cat dog"),
    ("0/writer1 0/writer2 1/writer1 1/writer2", "0 1"),
    ("0/0 0/1 1/0 1/1 2/0 2/1", "0 1 2"),
    ("felines/cat/s0 felines/lion/s1 canines/dog/s0", "cat dog lion"),
    ("animals/cat animals/dog vehicles/car", "car cat dog"),
    ("animals:1 animals/cat animals/dog:20 vehicles/car", "car cat dog"),
    ("cats/tabby cats/siamese dogs/poodle dogs/beagle", "beagle poodle siamese tabby"),
    ("patient1/benign patient1/malignant patient2/benign", "benign malignant"),
    (" ".join(f"{case}/{label}" for case in range(10250, 10300) for label in (0, 1)), "0 1"),
    ("color/apple color/plum grayscale/apple grayscale/plum segmented/apple segmented/plum", "apple plum"),
    ("00/palm 00/fist 01/palm 01/fist", "fist palm"),
    ("notMNIST_small/A notMNIST_small/B notMNIST_large/A notMNIST_large/B", "A B"),
    ("clipart/bus clipart/cat real/bus real/cat sketch/bus", "bus cat"),
    ("2019/01 2019/02 2020/01", "2019 2020"),
    ("fold1/cat fold1/dog fold2/cat fold2/dog", "cat dog"),
    ("daisy rose flowers/daisy flowers/rose", "daisy rose"),
    ("dataset/cat dataset/dog", "cat dog"),
    ("lfw/lfw-deepfunneled/Ann_B lfw/lfw-deepfunneled/Cy_D", "Ann_B Cy_D"),
    ("101_ObjectCategories/accordion 101_ObjectCategories/BACKGROUND_Google", "BACKGROUND_Google accordion"),
    ("EuroSAT/2750/Forest EuroSAT/2750/River", "Forest River"),
    ("s1 s2 s3", "s1 s2 s3"),
    ("class1 class2", "class1 class2"),
    ("class1/rot class1/blau class2/rot class2/blau", "class1 class2"),
    ("HAM10000_images_part_1 HAM10000_images_part_2", ""),
    ("images_001/images images_002/images images_003/images", ""),
    ("100CANON 101CANON", ""),
    ("images", ""),
    ("with_mask without_mask", "with_mask without_mask"),
    ("cat/batch_a cat/batch_b dog/batch_c dog/batch_d", "cat dog"),
    ("10253/0 10253/1 10254/0 10254/1", "0 1"),
    ("2019/0 2019/1 2020/0 2020/1", "2019 2020"),
    ("40X/benign 40X/malignant 100X/benign 100X/malignant", "benign malignant"),
    ("64x64/cat 64x64/dog 128x128/cat 128x128/dog", "cat dog"),
    ("Art/Bed Art/Chair Clipart/Bed Product/Bed Product/Chair Real~World/Bed", "Bed Chair"),
    ("real/faces fake/faces", "fake real"),
    ("00/palm 00/fist 01/palm 01/fist set/00/palm set/00/fist set/01/palm set/01/fist", "fist palm"),
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
    ("set_trn/cat set_trn/dog set_tst/cat", "cat dog", "train test"),
    ("train/cat train/dog test/cat train_aug/cat train_aug/dog", "cat dog", "train test"),
    ("rps/rock rps/paper rps-test-set/rock rps-test-set/paper", "paper rock", "train test"),
    ("train_cats train_dogs test_cats test_dogs", "cats dogs", "train test"),
    ("cats/cats_train cats/cats_test dogs/dogs_train dogs/dogs_test", "cats dogs", "train test"),
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
    ("trainA trainB testA testB", "A B", "train test"),
    ("jpeg-192x192/train/rose jpeg-224x224/train/rose jpeg-224x224/test", "rose", "train test"),
    ("cat/train cat/test/indoor cat/test/outdoor dog/train dog/test/indoor", "cat dog", "train test"),
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


SYSTEM_TOO = ["@eaDir", "#Recycle", "$RECYCLE.BIN", "~snapshot", "__pycache__", "found.000", "Catalog Previews.lrdata"]


@pytest.mark.slow
@pytest.mark.parametrize("folder", [*sorted(SYSTEM), *SYSTEM_TOO])
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


def test_a_folder_that_may_not_be_opened_stops_a_climb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """How many images are missing is not known, so only whoever allows unreadable images goes on."""
    images = {f"{name}/{n}.png": noise(8, 8, seed=n + 50 * ord(name)) for name in "abc" for n in range(10)}
    root, listed = write_images(tmp_path, images), os.scandir

    def guarded(path: str) -> object:
        if str(path).endswith("/c"):
            raise PermissionError(13, "Permission denied", path)
        return listed(path)

    monkeypatch.setattr("firstlight.data.scanning.walk.os.scandir", guarded)
    with pytest.raises(DataError, match="1 folder"):
        load_for(root, split="validation", seed=0)
    assert 20 == len(load_for(root, split="validation", seed=0, loading=Loading(allow_unreadable=True)))


# Masks


def touch(root: Path, *keys: str) -> Path:
    """Makes empty files; every key that has a * becomes ten."""
    for key in keys:
        for number in range(10 if "*" in key else 1):
            path = root / key.replace("*", f"{number:02}")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    return root


@pytest.mark.slow
@pytest.mark.parametrize(
    ("keys", "kept"),
    [
        ("images/*.jpg masks/*.png", "images"),
        ("JPEGImages/*.jpg SegmentationClass/*.png SegmentationObject/*.png", "JPEGImages"),
        ("train/images/*.jpg train/masks/*_mask.png val/images/*.jpg val/masks/*_mask.png", "train/images val/images"),
        ("train/*.jpg train_masks/*_mask.gif", "train"),
        ("COVID/images/*.png COVID/masks/*.png Normal/images/*.png Normal/masks/*.png", "COVID/images Normal/images"),
        ("benign/b~(*).png benign/b~(*)_mask.png normal/n~(*).png normal/n~(*)_mask.png", "benign normal"),
        ("train/good/*.png test/cut/*.png ground_truth/cut/*_mask.png", "test/cut train/good"),
        ("ISIC_Input/*.jpg ISIC_GroundTruth/*_segmentation.png", "ISIC_Input"),
        ("images/*.jpg annotations/trimaps/*.png", "images"),
        ("leftImg8bit/train/a_*_leftImg8bit.png gtFine/train/a_*_gtFine_labelIds.png", "leftImg8bit/train"),
        ("training/images/*_training.tif training/1st_manual/*_manual1.gif", "training/images"),
        ("1/images/a.png 1/masks/*.png 2/images/b.png 2/masks/*.png", "1/images 2/images"),
        ("mask/*.png no_mask/*.png", "mask no_mask"),
        ("with_mask/*.png without_mask/*.png", "with_mask without_mask"),
        ("hat/*.png mask/*.png", "hat mask"),
        ("train/mask/*.png train/face/*.png", "train/face train/mask"),
        ("cat/*.png cat/00_mask.png dog/*.png", "cat dog"),
    ],
)
def test_masks_are_no_images_of_a_class(tmp_path: Path, keys: str, kept: str) -> None:
    """Masks are skipped and counted where a pair of names says so; a class called mask stays one."""
    table = scan(touch(tmp_path, *(key.replace("~", " ") for key in keys.split(" "))))
    assert kept == " ".join(sorted({key.rpartition("/")[0] for key in table.keys}))
    everything = sum(1 for path in tmp_path.rglob("*") if path.is_file())
    assert everything == len(table) + table.skipped.get(entries.MASK, 0)


@pytest.mark.slow
def test_pascal_voc_has_the_classes_of_its_xml(tmp_path: Path) -> None:
    """Also where masks are next to the images, and in a folder for each year."""
    for year in ("VOC2007", "VOC2012"):
        touch(tmp_path / year, "JPEGImages/c*.jpg", "JPEGImages/d*.jpg", "SegmentationClass/c*.png")
        for path in (tmp_path / year / "JPEGImages").iterdir():
            name = {"c": "cat", "d": "dog"}[path.stem[0]]
            xml = tmp_path / year / "Annotations" / f"{path.stem}.xml"
            xml.parent.mkdir(exist_ok=True)
            xml.write_text(f"<annotation><object><name>{name}</name></object></annotation>")
        table = scan(tmp_path)
        assert ("Pascal VOC XML", ("cat", "dog")) == (table.layout, table.classes)
        assert {label == 0 for key, label in zip(table.keys, table.labels, strict=True) if "/c" in f"/{key}"} <= {True}


@pytest.mark.slow
def test_annotations_in_any_folder_are_read_where_nearly_every_image_has_one(tmp_path: Path) -> None:
    """Kaggle's road signs have images/ and annotations/; of the Oxford pets half have a box, and not their breed."""
    touch(tmp_path, "images/a*.png", "images/b*.png")
    for path in (tmp_path / "images").iterdir():
        xml = tmp_path / "annotations" / f"{path.stem}.xml"
        xml.parent.mkdir(exist_ok=True)
        xml.write_text(f"<annotation><object><name>{path.stem[0]}</name></object></annotation>")
    assert ("a", "b") == scan(tmp_path).classes
    for number in range(5):
        (tmp_path / "annotations" / f"a{number:02}.xml").unlink()
    assert () == scan(tmp_path).classes


# Classes in file names, and what would give images classes


@pytest.mark.slow
@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("train/cat.*.jpg train/dog.*.jpg", "cat dog"),
        ("train/cat.*.jpg train/dog.*.jpg test/*.jpg", "cat dog"),
        ("images/Abyssinian_*.jpg images/great_pyrenees_*.jpg", "Abyssinian great_pyrenees"),
        ("dog-*.png cat-*.png", "cat dog"),
        ("3_00*.png 7_00*.png", "3 7"),
        ("cat*.jpg dog*.jpg", "cat dog"),
        ("benign~(*).png malign~(*).png", "benign malign"),
        ("00*_cat.png 00*_dog.png", "cat dog"),
        ("cat_*f.jpg dog_*f.jpg", "cat dog"),
    ],
)
def test_the_option_that_would_take_classes_from_file_names_is_proposed(
    tmp_path: Path, names: str, expected: str
) -> None:
    """The note has an expression in quotes, and with it the scan has the classes."""
    touch(tmp_path / "photos", *(name.replace("~", " ") for name in names.split(" ")))
    (note,) = [note for note in scan(tmp_path / "photos").notes if "--label-from" in note]
    pattern = note.split("'")[1]
    assert expected == " ".join(scan(tmp_path / "photos", label_from=pattern).classes)


@pytest.mark.slow
@pytest.mark.parametrize(
    "names", ["IMG_00*.jpg", "DSC00*.JPG", "image_*.png", "*.png", "IMG_20190101_*.jpg PXL_2020*.jpg"]
)
def test_nothing_is_proposed_where_names_have_no_classes(tmp_path: Path, names: str) -> None:
    """What a camera calls its images is no class."""
    table = scan(touch(tmp_path / "photos", *names.split(" ")))
    assert not any("--label-from" in note for note in table.notes)


def test_the_class_is_the_group_called_label_or_the_first(tmp_path: Path) -> None:
    """It is searched in the whole path; images without a match have no class, and that is said."""
    touch(tmp_path, "a/7_cat.png", "a/8_dog.png", "b/x.png", "test/9_cat.png")
    table = scan(tmp_path, label_from=r"(\d)_(?P<label>[a-z]+)")
    assert (("cat", "dog"), [0, 1, -1, 0]) == (table.classes, table.labels.tolist())
    assert ("7", "8", "9") == scan(tmp_path, label_from=r"(\d)_(?:[a-z]+)").classes
    assert any("b/x.png" in note for note in table.notes)
    assert SPLITS.index("test") == table.splits[3]


@pytest.mark.parametrize("pattern", ["(", "[a-z]+", "(?=a)(b)", r"(a)\1", "(?P<label>"])
def test_an_expression_that_cannot_be_used_is_said_in_one_sentence(tmp_path: Path, pattern: str) -> None:
    """No group, bad syntax, or more than a search in linear time can do."""
    with pytest.raises(ArgumentError, match=re.escape(repr(pattern))):
        scan(touch(tmp_path, "a.png"), label_from=pattern)


def test_an_expression_that_matches_nothing_is_said_with_an_example(tmp_path: Path) -> None:
    """The example shows what was searched."""
    with pytest.raises(DataError, match=r"a/x\.png"):
        scan(touch(tmp_path, "a/x.png"), label_from=r"(\d+)")


def test_a_catastrophic_expression_takes_no_time(tmp_path: Path) -> None:
    """One that Python's re would search for years: RE2's time is linear in the name."""
    touch(tmp_path, f"{'a' * 60}.png")
    started = time.perf_counter()
    with pytest.raises(DataError):
        scan(tmp_path, label_from="(a+)+$")
    assert time.perf_counter() - started < 5


@pytest.mark.parametrize("options", [{"classes_from": "leaf"}, {"label_from": "(a)"}])
def test_a_list_has_its_classes_already(tmp_path: Path, options: dict[str, str]) -> None:
    """A list or saved table and an option for folders contradict each other."""
    touch(tmp_path, "a.png")
    (tmp_path / "l.csv").write_text("path,label\na.png,cat\n")
    with pytest.raises(ArgumentError, match=next(iter(options))):
        scan(tmp_path / "l.csv", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("options", [{"classes_from": "middle"}, {"classes_from": "top", "label_from": "(a)"}])
def test_options_that_are_none_are_refused(tmp_path: Path, options: dict[str, str]) -> None:
    """A level that does not exist, and two answers to one question."""
    with pytest.raises(ArgumentError, match="classes_from"):
        scan(touch(tmp_path, "a.png"), **options)  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("keys", "passed", "said"),
    [
        ("images/*.jpg masks/*.png", "", "segmentation set"),
        ("images/train/*.jpg labels/train/*.txt", "", "labels"),
        ("train/images/*.jpg train/labels/*.txt valid/images/*.jpg valid/labels/*.txt", "", "train/labels"),
        ("train2017/*.jpg val2017/*.jpg annotations/a.json", "", "annotations"),
        ("train/cat/IMG_*.jpg train/dog/IMG_*.jpg", "train/cat", "dog"),
        ("cat/IMG_*.jpg", "", "folder of its own"),
    ],
)
def test_images_without_classes_are_reported_what_would_help(tmp_path: Path, keys: str, passed: str, said: str) -> None:
    """Scan says it in a note, a climb in its one sentence, the audit in a finding."""
    root = touch(tmp_path / "set", *keys.split(" ")) / passed
    table = scan(root)
    assert said in table.remedy
    assert sum(table.remedy in note for note in table.notes) == 1
    with pytest.raises(DataError, match=re.escape(table.remedy)):
        load_for(root, split="validation", seed=0)
    assert "FL107" in [one.code for one in folder_findings(table)]


# Nothing to learn, nothing to measure


def test_a_split_that_shares_no_class_with_train_stops_before_anything_is_decoded(tmp_path: Path) -> None:
    """Accuracy would be 0 whatever was learnt."""
    touch(tmp_path, "train/cat/*.png", "train/dog/*.png", "val/Katze/*.png", "val/Hund/*.png")
    with pytest.raises(DataError, match=r"Hund and Katze.*cat and dog"):
        load_for(tmp_path, split="validation", seed=0)


def test_a_test_split_without_labels_cannot_be_measured(tmp_path: Path) -> None:
    """Flat test folders of competitions have images and no answers."""
    touch(tmp_path, "train/cat/*.png", "train/dog/*.png", "test/*.png")
    with pytest.raises(DataError, match="test images"):
        load_for(tmp_path, split="test", seed=0)


def test_tiny_imagenets_flat_validation_is_replaced_by_training_images(tmp_path: Path) -> None:
    """Its labels are in a file of its own form, so a fifth of train is set aside, and both are said."""
    images = {f"train/{name}/images/{n}.png": noise(8, 8, seed=n) for name in ("n01", "n02") for n in range(20)}
    images |= {f"val/images/{n}.png": noise(8, 8, seed=100 + n) for n in range(5)}
    table = arrange(scan(write_images(tmp_path, images)))
    counts = table.counts()
    assert ("n01", "n02") == table.classes
    assert 40 == sum(sum(each.values()) for each in counts.values())
    assert min(counts["validation"].values()) > 0
    assert any("validation split are not known" in note for note in table.notes)


# The options travel with the run


@pytest.mark.slow
def test_a_run_reads_its_source_again_with_the_options_of_the_scan(tmp_path: Path) -> None:
    """What compare --by and explain see is the table of the climb; the report's command has the option."""
    images = {
        f"{top}/{leaf}/{n}.png": noise(8, 8, seed=n + 10 * ord(leaf[1]) + 100 * ord(top))
        for top in ("a", "b")
        for leaf in ("s0", "s1")
        for n in range(10)
    }
    root = write_images(tmp_path / "photos", images)
    run = climb(scan(root, classes_from="leaf"), rungs=["prior"], out=tmp_path / "run")
    again = read_run(tmp_path / "run")
    assert ("s0", "s1") == again.classes
    assert Scanning(classes_from="leaf") == again.request.scanning
    assert run.fingerprint == own_images(again).table.fingerprint
    assert "--classes-from leaf" in report(again).read_text()


def test_a_list_gives_the_classes_of_a_flat_split(tmp_path: Path) -> None:
    """GTSRB: train in class folders, test in one folder with a list; of a form with one label nothing is taken."""
    touch(tmp_path, "Train/0/a*.png", "Train/1/b*.png", "Test/*.png")
    rows = [f"Test/{number:02}.png,{number % 2}" for number in range(10)]
    (tmp_path / "Test.csv").write_text("\n".join(["Path,ClassId", *rows]))
    assert {"0": 5, "1": 5} == scan(tmp_path).counts()["test"]
    (tmp_path / "Test.csv").write_text(
        "\n".join(["Path,ClassId", *(f"Test/{number:02}.png,0" for number in range(10))])
    )
    assert {"0": 0, "1": 0} == scan(tmp_path).counts()["test"]


@pytest.mark.parametrize(
    ("scanning", "expected"),
    [
        (Scanning(label_from="/([a-z]+)_"), "firstlight climb a --rungs ink --label-from '/([a-z]+)_' --color auto"),
        (Scanning(follow_links=True), "fl.climb(fl.scan('a', follow_links=True), rungs=['ink'])"),
    ],
)
def test_the_line_that_repeats_a_run_reads_the_source_in_the_same_way(scanning: Scanning, expected: str) -> None:
    """As a command where it has the option, else as a call in Python."""
    assert expected == reproducing(Request(data="a", rungs=("ink",), scanning=scanning))
