"""Scanning folders and zips: what is found, how it is understood, and what is said of it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
import unicodedata
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firstlight.data.fetching.catalog import write_digits
from firstlight.data.scanning import entries, walk
from firstlight.data.scanning.layout import understand
from firstlight.data.sources import LOOSE, scan
from firstlight.data.table import SPLITS, Table
from firstlight.errors import DataError

posix = pytest.mark.skipif(os.name == "nt", reason="such names and links are a thing of POSIX")


def grow(root: Path, *keys: str) -> Path:
    """Makes files (or folders, where a key ends in a slash) below a root; the bytes are no images."""
    for key in keys:
        path = root / key
        if key.endswith("/"):
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(key.encode())
    return root


def packed(root: Path, archive: Path, top: str = "") -> Path:
    """A zip of a folder's files and folders, below a folder of its own where ``top`` names one."""
    with zipfile.ZipFile(archive, "w") as out:
        for path in sorted(root.rglob("*")):
            out.write(path, top + path.relative_to(root).as_posix())
    return archive


def told(table: Table) -> dict[str, tuple[str | None, str | None]]:
    """Class and split of each key."""
    names = [*table.classes, None]
    splits = [*SPLITS, None]
    return {
        key: (names[label], splits[split])
        for key, label, split in zip(table.keys, table.labels, table.splits, strict=True)
    }


def note(table: Table, *parts: str) -> str:
    """The one note that has all the parts."""
    found = [text for text in table.notes if all(part in text for part in parts)]
    assert 1 == len(found), table.notes
    return found[0]


# Real folders


@pytest.mark.slow
def test_mnist_sample_has_the_books_counts(mnist_sample: Path) -> None:
    """Counts are the book's; labels.csv says 0 for 3 and 1 for 7 throughout, so there is nothing to say."""
    table = scan(mnist_sample)
    assert {"train": {"3": 6131, "7": 6265}, "validation": {"3": 1010, "7": 1028}} == table.counts()
    assert ("root/split/class", (), {}) == (table.layout, table.notes, dict(table.skipped))
    assert sorted(p.relative_to(mnist_sample).as_posix() for p in mnist_sample.rglob("*.png")) == table.keys


def test_sizes_and_times_are_the_file_systems(tmp_path: Path) -> None:
    """Each row carries what os.stat says of its file."""
    folder = write_digits(tmp_path / "digits")
    table = scan(folder)
    expected = [((folder / key).stat().st_size, (folder / key).stat().st_mtime_ns) for key in table.keys]
    assert 1797 == len(table)
    assert expected == list(zip(*(table.rows[name].to_pylist() for name in ("size", "modified")), strict=True))


# Layouts


def test_class_folders_are_the_classes(tmp_path: Path) -> None:
    """root/class: rows in the order of their keys, no split."""
    table = scan(grow(tmp_path, "dog/2.png", "cat/9.png", "dog/10.png"))
    assert {"cat/9.png": ("cat", None), "dog/10.png": ("dog", None), "dog/2.png": ("dog", None)} == told(table)
    assert ["cat/9.png", "dog/10.png", "dog/2.png"] == table.keys
    assert ("root/class", ()) == (table.layout, table.notes)


@pytest.mark.parametrize(
    ("word", "split"),
    [
        *(("train", "train"), ("TRAINING", "train"), ("val", "validation"), ("Valid", "validation")),
        *(
            ("validation", "validation"),
            ("dev", "validation"),
            ("test", "test"),
            ("Testing", "test"),
            ("eval", "test"),
        ),
    ],
)
def test_split_folders_are_known_by_their_whole_name(tmp_path: Path, word: str, split: str) -> None:
    """Each of the words is a split in any letter case."""
    table = scan(grow(tmp_path, f"{word}/a/1.png", f"{word}/b/1.png"))
    assert {f"{word}/a/1.png": ("a", split), f"{word}/b/1.png": ("b", split)} == told(table)
    assert "root/split/class" == table.layout


@pytest.mark.parametrize("word", ["trains", "my train", "testament", "evaluation", "latest", "dev2", "valid_3"])
def test_a_split_word_inside_a_name_is_no_split(tmp_path: Path, word: str) -> None:
    """Folder and file names that only contain a word stay classes and files."""
    table = scan(grow(tmp_path, f"{word}/train.png", "cat/test_1.png"))
    assert {f"{word}/train.png": (word, None), "cat/test_1.png": ("cat", None)} == told(table)


def test_splits_inside_class_folders_are_splits(tmp_path: Path) -> None:
    """Where each class folder holds split folders only, cats/train is no class."""
    table = scan(grow(tmp_path, "cats/train/1.png", "dogs/train/1.png", "cats/test/2.png", "dogs/test/2.png"))
    assert (("cats", "dogs"), "root/class/split") == (table.classes, table.layout)
    assert {"train": {"cats": 1, "dogs": 1}, "test": {"cats": 1, "dogs": 1}} == table.counts()


def test_one_folder_too_high_finds_the_splits(tmp_path: Path) -> None:
    """A single folder around split folders is taken as the root, and that is said."""
    table = scan(grow(tmp_path, "set/train/a/1.png", "set/train/b/1.png", "set/test/a/2.png", "set/test/b/2.png"))
    assert {"train": {"a": 1, "b": 1}, "test": {"a": 1, "b": 1}} == table.counts()
    note(table, "folder set", "taken as the root")


def test_a_flat_folder_has_images_without_classes(tmp_path: Path) -> None:
    """`predict` scans such folders, so they are no error."""
    table = scan(grow(tmp_path, "b.png", "a.png"))
    assert {"a.png": (None, None), "b.png": (None, None)} == told(table)
    assert ("images", ()) == (table.layout, table.classes)
    note(table, "Neither folders nor a list name the classes")


def test_flat_split_folders_keep_their_split(tmp_path: Path) -> None:
    """Images directly in train and test have a split and no class."""
    table = scan(grow(tmp_path, "train/1.png", "test/2.png"))
    assert {"train/1.png": (None, "train"), "test/2.png": (None, "test")} == told(table)


@pytest.mark.parametrize("top", ["", "photos/"])
def test_a_zip_is_read_as_its_folder_is(tmp_path: Path, top: str) -> None:
    """Classes, splits, sizes and counts are equal, with or without a folder around everything."""
    keys = ("train/cat/1.png", "train/dog ü/2.PNG", "val/cat/3.jpg", "val/dog ü/notes.txt", ".hidden/x.png")
    folder = grow(tmp_path / "tree", *keys, "__MACOSX/train/._1.png", "train/cat/.DS_Store")
    plain, zipped = scan(folder), scan(packed(folder, tmp_path / "photos.zip", top))
    assert {top + key: value for key, value in told(plain).items()} == told(zipped)
    assert plain.rows["size"].to_pylist() == zipped.rows["size"].to_pylist()
    assert (plain.layout, plain.notes, plain.skipped) == (zipped.layout, zipped.notes, zipped.skipped)
    assert str(tmp_path / "photos.zip") == zipped.root


def test_a_zips_times_are_its_members(tmp_path: Path) -> None:
    """The time in the zip is read as UTC, and an impossible one as none."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as out:
        out.writestr(zipfile.ZipInfo("a/1.png", (2020, 2, 29, 12, 0, 2)), b"")
        out.writestr(zipfile.ZipInfo("b/1.png", (1980, 0, 0, 0, 0, 0)), b"")
    assert [1582977602 * 10**9, 0] == scan(tmp_path / "a.zip").rows["modified"].to_pylist()


def test_zip_members_that_lead_out_or_are_links_are_skipped(tmp_path: Path) -> None:
    """A hostile zip's names become neither rows nor classes."""
    link = zipfile.ZipInfo("a/link.png")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as out:
        for name in ("a/1.png", "b/1.png", "../c/1.png", "/etc/1.png", "a/../../d/1.png"):
            out.writestr(name, b"")
        out.writestr(link, b"/etc/passwd")
    table = scan(tmp_path / "a.zip")
    assert {"a/1.png": ("a", None), "b/1.png": ("b", None)} == told(table)
    assert {entries.OUTSIDE: 3, entries.LINK: 1} == dict(table.skipped)


def test_a_saved_table_is_scanned_back(tmp_path: Path) -> None:
    """A .parquet that `to_parquet` wrote gives the same table; another is refused."""
    table = scan(grow(tmp_path / "photos", "cat/1.png", "dog/1.png"))
    table.to_parquet(tmp_path / "table.parquet")
    again = scan(tmp_path / "table.parquet")
    assert (table.fingerprint, table.stamp, table.root) == (again.fingerprint, again.stamp, again.root)
    (tmp_path / "other.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match=r"other\.parquet"):
        scan(tmp_path / "other.parquet")


# What is skipped, and what is said


@pytest.mark.parametrize(
    "kind",
    [
        "png",
        "PNG",
        "JpG",
        "jpeg",
        "jpe",
        "jfif",
        "mpo",
        "webp",
        "bmp",
        "gif",
        "tif",
        "TIFF",
        "ppm",
        "pgm",
        "heic",
    ],
)
def test_image_extensions_in_any_letter_case_are_images(tmp_path: Path, kind: str) -> None:
    """The extension alone decides here; the decoder goes by content."""
    assert [f"cat/a.{kind}"] == scan(grow(tmp_path, f"cat/a.{kind}")).keys


def test_what_is_left_out_is_counted_by_its_reason(tmp_path: Path) -> None:
    """Dot files and folders, __MACOSX and other extensions are no images and no classes."""
    keys = (
        ".DS_Store",
        ".ipynb_checkpoints/x.png",
        "cat/.x.png",
        "__MACOSX/cat/1.png",
        "notes.txt",
        "cat/png",
    )
    table = scan(grow(tmp_path, "cat/1.png", "dog/1.png", *keys, "dog/1.png.bak", "setup.xml", "rows.jsonl"))
    assert ["cat/1.png", "dog/1.png"] == table.keys
    assert {entries.HIDDEN: 3, entries.MACOS: 1, entries.NO_IMAGE: 5} == dict(table.skipped)
    assert () == table.notes


def test_images_next_to_class_folders_are_counted_and_named(tmp_path: Path) -> None:
    """Images in the root, or in a split beside its class folders, belong to no class."""
    table = scan(grow(tmp_path, "train/cat/1.png", "train/dog/1.png", "train/2.png", "readme.png"))
    assert ["train/cat/1.png", "train/dog/1.png"] == table.keys
    assert {LOOSE: 2} == dict(table.skipped)
    note(table, "2 images are", "class folders", "readme.png")


def test_an_empty_class_folder_is_said_and_is_no_class(tmp_path: Path) -> None:
    """It would shift no label and takes no place in the class list."""
    table = scan(grow(tmp_path, "cat/1.png", "dog/1.png", "bird/"))
    assert ("cat", "dog") == table.classes
    note(table, "folder bird", "no images")
    table = scan(grow(tmp_path, "fish/sub/", "ant/readme.txt"))
    note(table, "3 folders hold no images", "ant, bird and fish")


def test_a_class_that_a_split_lacks_is_said_and_keeps_its_place(tmp_path: Path) -> None:
    """One class list serves all splits, so no label is shifted."""
    table = scan(
        grow(
            tmp_path,
            "train/a/1.png",
            "train/b/1.png",
            "train/c/1.png",
            "test/a/2.png",
            "test/c/2.png",
            "test/b/",
        )
    )
    assert {"train": {"a": 1, "b": 1, "c": 1}, "test": {"a": 1, "b": 0, "c": 1}} == table.counts()
    assert ("The test split has no image of b.",) == table.notes


def test_one_class_only_is_said(tmp_path: Path) -> None:
    """The table is made; who needs two classes refuses it."""
    table = scan(grow(tmp_path, "cat/1.png", "2.png"))
    assert {"cat/1.png": ("cat", None), "2.png": (None, None)} == told(table)
    note(table, "one class, cat;")


@pytest.mark.parametrize("word", ["test", "Val", "training"])
def test_a_split_folder_of_images_among_class_folders_is_a_split_without_classes(tmp_path: Path, word: str) -> None:
    """cats, dogs and test with images in it: the test images are no third class."""
    table = scan(grow(tmp_path, "cats/1.png", "dogs/1.png", f"{word}/1.png"))
    assert (("cats", "dogs"), (None, entries_split(word))) == (table.classes, told(table)[f"{word}/1.png"])
    note(table, f"folder {word} is next to cats and dogs", "split by its name")
    note(table, f"images of the {entries_split(word)} split are not known")


def entries_split(word: str) -> str:
    return {"test": "test", "Val": "validation", "training": "train"}[word]


def test_a_split_folder_of_class_folders_among_class_folders_is_a_split(tmp_path: Path) -> None:
    """The images of the class folders beside it have no split of their own."""
    table = scan(grow(tmp_path, "cats/1.png", "dogs/1.png", "test/cats/2.png", "test/dogs/2.png"))
    assert {"test": {"cats": 1, "dogs": 1}, "all": {"cats": 1, "dogs": 1}} == table.counts()
    assert "root/class and root/split/class" == table.layout
    note(table, "folder test is next to cats and dogs")


def test_trains_among_cars_are_a_class(tmp_path: Path) -> None:
    """A folder called train that holds images among class folders is the vehicle, and that is said."""
    table = scan(grow(tmp_path, "bus/1.png", "car/1.png", "train/1.png"))
    assert {"bus", "car", "train"} == set(table.classes)
    note(table, "folder train", "as a class")
    nested = scan(grow(tmp_path / "split", "train/car/1.png", "train/train/1.png"))
    assert {"car", "train"} == set(nested.classes)


@posix
def test_names_that_differ_only_in_letter_case_are_said(tmp_path: Path) -> None:
    """Cat and cat are two classes, with a note."""
    root = grow(tmp_path, "Cat/1.png", "cat/1.png", "dog/1.png")
    if len(list(root.iterdir())) < 3:
        pytest.skip("this file system does not tell Cat from cat")
    table = scan(root)
    assert ("Cat", "cat", "dog") == table.classes
    note(table, "Cat and cat differ only in letter case")


def test_names_that_differ_only_in_unicode_form_are_said() -> None:
    """An accent may be one character or two; the two spellings look alike."""
    names = [unicodedata.normalize(form, "café") for form in ("NFC", "NFD")]
    notes = understand(["", *names], [0, 1, 1]).notes
    assert ["look alike but are spelt with different Unicode characters" in text for text in notes] == [True]


@pytest.mark.parametrize("key", ["Ünï cödé 猫/a b.png", "a'b/%41.png", "日本/🐈.png", "c;d/#1?.png"])
@posix
def test_unicode_and_spaces_in_names_work(tmp_path: Path, key: str) -> None:
    """Names come back as they are, from a folder and from a zip."""
    root = grow(tmp_path / "x", key, "other/1.png")
    expected = {key: (key.split("/")[0], None), "other/1.png": ("other", None)}
    assert expected == told(scan(root)) == told(scan(packed(root, tmp_path / "x.zip")))


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse to make such names")
def test_names_that_are_not_utf8_are_counted(tmp_path: Path) -> None:
    """Latin-1 names from an old archive are left out, not crashed on."""
    grow(tmp_path, "cat/1.png", "dog/1.png")
    for name in (b"cat/\xe9.png", b"cat/\xe9.csv", b"b\xe9te"):
        path = os.fsencode(tmp_path) + b"/" + name
        Path(os.fsdecode(path)).touch() if b"." in name else Path(os.fsdecode(path)).mkdir()
    table = scan(tmp_path)
    assert (["cat/1.png", "dog/1.png"], {entries.NO_UTF8: 2, entries.NO_IMAGE: 1}) == (
        table.keys,
        dict(table.skipped),
    )


def test_a_folder_that_cannot_be_read_is_counted_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest of the scan goes on; a root that cannot be read is an error."""
    grow(tmp_path, "cat/1.png", "dog/1.png", "locked/1.png")
    scandir = os.scandir

    def guarded(path: str) -> Iterable[os.DirEntry[str]]:
        if path.rstrip("/").endswith("locked"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(walk.os, "scandir", guarded)
    table = scan(tmp_path)
    assert (("cat", "dog"), {entries.DENIED: 1}) == (table.classes, dict(table.skipped))
    assert "The folder locked cannot be read (Permission denied)." == note(table, "locked")
    with pytest.raises(DataError, match=r"locked.*Permission denied"):
        scan(tmp_path / "locked")


def test_files_that_go_while_scanning_stay_for_loading_to_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is gone, or may not be looked at, fails neither the scan nor its neighbours, and keeps its row."""
    grow(tmp_path, "cat/1.png", "cat/2.png", "cat/3.png", "dog/1.png")
    status = walk._Sizes._status

    def late(sizes: walk._Sizes, keys: list[str]) -> np.ndarray:
        (tmp_path / "cat/1.png").unlink(missing_ok=True)
        ask = sizes._ask

        def refusing(paths: list[str]) -> object:
            if any(path.endswith("cat/2.png") for path in paths):
                raise PermissionError(13, "Permission denied")
            return ask(paths)

        sizes._ask = refusing  # type: ignore[assignment,method-assign]
        return status(sizes, keys)

    monkeypatch.setattr(walk._Sizes, "_status", late)
    table = scan(tmp_path)
    assert (["cat/1.png", "cat/2.png", "cat/3.png", "dog/1.png"], {}) == (table.keys, dict(table.skipped))
    assert [0, 0, len("cat/3.png"), len("dog/1.png")] == table.rows["size"].to_pylist()


# Links


@posix
def test_links_are_followed_only_on_request(tmp_path: Path) -> None:
    """Links to files and folders are counted by default, and scanned where asked for."""
    grow(tmp_path / "elsewhere", "3.png", "bird/4.png")
    root = grow(tmp_path / "photos", "cat/1.png", "dog/1.png")
    (root / "cat" / "2.png").symlink_to(tmp_path / "elsewhere" / "3.png")
    (root / "bird").symlink_to(tmp_path / "elsewhere" / "bird")
    (root / "cat" / "5.png").symlink_to(tmp_path / "nowhere.png")
    table = scan(root)
    assert (["cat/1.png", "dog/1.png"], {entries.LINK: 3}) == (table.keys, dict(table.skipped))
    table = scan(root, follow_links=True)
    assert ["bird/4.png", "cat/1.png", "cat/2.png", "dog/1.png"] == table.keys
    assert {entries.LINK_BROKEN: 1} == dict(table.skipped)
    assert len(b"3.png") == table.rows["size"].to_pylist()[2]


@posix
def test_loops_of_links_come_to_an_end(tmp_path: Path) -> None:
    """Each folder is scanned once, by its own name rather than by a link's, and among links by the first."""
    root = grow(tmp_path / "photos", "cat/1.png", "dog/1.png")
    for link, target in (
        ("cat/up", root),
        ("dog/cats", root / "cat"),
        ("a", root / "dog"),
        ("self", root / "self"),
    ):
        (root / link).symlink_to(target, target_is_directory=True)
    grow(tmp_path / "far", "1.png")
    for link in ("z-far", "b-far"):
        (root / link).symlink_to(tmp_path / "far")
    table = scan(root, follow_links=True)
    assert ["b-far/1.png", "cat/1.png", "dog/1.png"] == table.keys
    assert {entries.LINK_AGAIN: 4, entries.LINK_BROKEN: 1} == dict(table.skipped)


@posix
def test_a_root_that_is_a_link_is_scanned(tmp_path: Path) -> None:
    """Who passes a link has asked for it."""
    grow(tmp_path / "photos", "cat/1.png", "dog/1.png")
    (tmp_path / "link").symlink_to(tmp_path / "photos")
    table = scan(tmp_path / "link")
    assert (2, str(tmp_path / "link")) == (len(table), table.root)


@posix
def test_pipes_are_no_images(tmp_path: Path) -> None:
    """A named pipe called x.png would block whoever opens it."""
    grow(tmp_path, "cat/1.png", "dog/1.png")
    os.mkfifo(tmp_path / "cat" / "x.png")
    assert {entries.NO_FILE: 1} == dict(scan(tmp_path).skipped)


# What cannot be scanned


@pytest.mark.parametrize(
    ("keys", "root", "sentence"),
    [
        ((), "gone", "gone"),
        (
            ("photo.png",),
            "photo.png",
            r"photo\.png .*folder .*\.zip",
        ),
        (("empty/",), "empty", "empty is empty"),
        (
            ("none/cat/a.txt", "none/.b", "none/l.csv"),
            "none",
            r"none .*1 x dot file .*2 x no image",
        ),
        (("hollow/cat/",), "hollow", "hollow .*empty folders"),
        (("broken.zip",), "broken.zip", r"broken\.zip .*zip archive"),
    ],
)
def test_what_cannot_be_scanned_is_reported_in_one_sentence(
    tmp_path: Path, keys: tuple[str, ...], root: str, sentence: str
) -> None:
    """The sentence names the path and what to pass instead."""
    grow(tmp_path, *keys)
    with pytest.raises(DataError, match=sentence) as caught:
        scan(tmp_path / root)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_empty_zip_is_reported(tmp_path: Path) -> None:
    """A zip without members is as empty as a folder."""
    zipfile.ZipFile(tmp_path / "a.zip", "w").close()
    with pytest.raises(DataError, match=r"a\.zip"):
        scan(tmp_path / "a.zip")


# Invariances


def test_the_order_of_creation_does_not_count(tmp_path: Path) -> None:
    """Two folders with the same files, made in another order, give the same fingerprint and order of rows."""
    keys = [f"{word}/{name}/{number}.png" for word in ("train", "test") for name in "abc" for number in range(20)]
    first = scan(grow(tmp_path / "1", *keys))
    keys = [keys[at] for at in np.random.default_rng(1).permutation(len(keys))]
    second = scan(grow(tmp_path / "2", *keys))
    assert sorted(keys, key=str.encode) == first.keys == second.keys
    assert first.fingerprint == second.fingerprint


@pytest.mark.parametrize("chunk", [1, 2, 3, 7])
def test_the_size_of_the_chunks_does_not_count(tmp_path: Path, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Folders that fill a chunk exactly, partly or several times are scanned alike."""
    grow(
        tmp_path,
        *(f"{name}/{number}.png" for name, count in zip("abcd", (1, 6, 7, 30), strict=True) for number in range(count)),
    )
    before = scan(tmp_path)
    monkeypatch.setattr(walk, "CHUNK", chunk)
    after = scan(tmp_path)
    assert 44 == len(after)
    assert (before.fingerprint, before.stamp) == (after.fingerprint, after.stamp)


FOLDERS = st.sampled_from(["cat", "Dog", "ü b", "train", "Valid", "test", "x.png", ".git", "__MACOSX"])
FILES = st.sampled_from(["1.png", "2.JPG", "ö.webp", "notes.txt", ".3.png"])
KEYS = st.lists(st.tuples(st.lists(FOLDERS, max_size=3), FILES), min_size=1, max_size=12)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(KEYS)
def test_any_tree_gives_the_images_that_a_plain_walk_gives_and_its_zip_the_same(
    drawn: list[tuple[list[str], str]],
) -> None:
    """Every image is in the table or counted, and the zip of the tree says the same of each."""
    keys = sorted({"/".join([*parts, name]) for parts, name in drawn} | {"cat/z.png"})
    with tempfile.TemporaryDirectory() as temporary:
        root = grow(Path(temporary, "tree"), *keys)
        plain = scan(root)
        zipped = scan(packed(root, Path(temporary, "tree.zip"), "top/"))
    seen = [key for key in keys if not any(p[0] == "." or p == "__MACOSX" for p in key.split("/"))]
    pictures = {key for key in seen if not key.endswith(".txt")}
    assert len(pictures) == len(plain) + plain.skipped.get(LOOSE, 0)
    assert pictures >= set(plain.keys)
    for key, (name, split) in told(plain).items():
        assert (name or "") in key
        assert split is None or key.lower().count({"validation": "valid"}.get(split, split))
    assert {f"top/{key}": value for key, value in told(plain).items()} == told(zipped)
    assert plain.skipped == zipped.skipped


# Costs


class Endless:
    """A stand-in for a directory with a great many files, and for the slow disk that knows their sizes."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.lock = threading.Lock()
        self.finished = 0  # names whose sizes are known, so that they are needed no more
        self.most = 0  # of the others, the most at one moment

    def __enter__(self) -> Iterator[Endless]:
        return self.entries()

    def __exit__(self, *_: object) -> None:
        pass

    def entries(self) -> Iterator[Endless]:
        for number in range(self.count):
            self.name = f"{number}.png"
            self.most = max(self.most, number - self.finished)
            yield self

    def is_file(self, *, follow_symlinks: bool) -> bool:
        return True

    def status(self, keys: list[str]) -> np.ndarray:
        time.sleep(0.005)  # slower than the walk, so that names would pile up
        with self.lock:
            self.finished += len(keys)
        return np.zeros((2, len(keys)), np.int64)


@pytest.mark.parametrize(("chunk", "few"), [(walk.CHUNK, True), (10**6, False)])
def test_a_great_many_files_need_no_python_objects_each(monkeypatch: pytest.MonkeyPatch, chunk: int, few: bool) -> None:
    """While 200,000 names pass, one chunk of them waits as strings; without the bound all do."""
    bound = walk.CHUNK
    folder = Endless(200_000)
    monkeypatch.setattr(walk.os, "scandir", lambda path: folder)
    monkeypatch.setattr(walk._Sizes, "_status", lambda sizes, keys: folder.status(keys))
    monkeypatch.setattr(walk, "CHUNK", chunk)
    assert 200_000 == len(walk.entries_of_folder("/nowhere"))
    assert few == (folder.most <= bound)


def test_scanning_imports_neither_pillow_nor_torch(tmp_path: Path) -> None:
    """A fresh process that scans has not loaded what would decode or train."""
    grow(tmp_path, "cat/1.png", "dog/1.png")
    code = (
        "import sys; from firstlight.data.sources import scan; scan(sys.argv[1]); "
        "print([name for name in ('PIL', 'torch', 'numba', 'pyarrow.parquet') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert "[]" == done.stdout.strip()
