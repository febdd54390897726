"""Labels that come from lists: CSV, Hugging Face metadata, Pascal VOC XML, beside folders or alone."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from firstlight.data.scanning.entries import NO_IMAGE
from firstlight.data.scanning.lists import LabelList, read_list, read_voc
from firstlight.data.sources import scan
from firstlight.data.table import SPLITS, Table
from firstlight.errors import ArgumentError, DataError


def grow(root: Path, *keys: str, **texts: str) -> Path:
    """Makes files that are no images, and text files named by keyword (``labels_csv`` is labels.csv)."""
    root.mkdir(parents=True, exist_ok=True)
    for key in keys:
        (root / key).parent.mkdir(parents=True, exist_ok=True)
        (root / key).write_bytes(key.encode())
    for name, text in texts.items():
        (root / name.replace("_csv", ".csv")).write_text(text, encoding="utf-8")
    return root


def told(table: Table) -> dict[str, tuple[str | None, str | None]]:
    """Class and split of each key."""
    names, splits = [*table.classes, None], [*SPLITS, None]
    rows = zip(table.keys, table.labels, table.splits, strict=True)
    return {key: (names[label], splits[split]) for key, label, split in rows}


def note(table: Table, *parts: str) -> str:
    """The one note that has all the parts."""
    found = [text for text in table.notes if all(part in text for part in parts)]
    assert 1 == len(found), table.notes
    return found[0]


def voc(*objects: tuple[str, int, int]) -> str:
    """An annotation with objects of the given name, width and height."""
    inner = "".join(
        f"<object><name>{name}</name><bndbox><xmin>5</xmin><ymin>7</ymin><xmax>{5 + width}</xmax>"
        f"<ymax>{7 + height}</ymax></bndbox></object>"
        for name, width, height in objects
    )
    return f"<annotation><filename>other.jpg</filename>{inner}</annotation>"


# CSV


@pytest.mark.parametrize("heading", ["name", "filepath", "path", "File_Name", "filename", "image", " Path "])
def test_a_csv_in_the_root_labels_a_heap_of_images(tmp_path: Path, heading: str) -> None:
    """Each of the headings names the images; the columns may stand in any order beside others."""
    text = f"id,label,note,{heading}\n1,cat,x,a.png\n2,dog,y,more/b.png\n"
    table = scan(grow(tmp_path, "a.png", "more/b.png", labels_csv=text))
    assert {"a.png": ("cat", None), "more/b.png": ("dog", None)} == told(table)
    assert ("CSV", (), {}) == (table.layout, table.notes, dict(table.skipped))


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffname,label\r\na.png,cat\r\nb c.png,007\r\n",
        "name;label\na.png;cat\nb c.png;007",
        "name\tlabel\na.png\tcat\nb c.png\t007\n",
        'name,label\n"a.png","cat"\n"b c.png", 007 \n',
        "name,label\n./a.png,cat\n././b c.png,007\n",
        ";\na.png;cat\nb c.png;007\n",
    ],
)
def test_the_dialects_of_csv_are_read(tmp_path: Path, text: str) -> None:
    """Excel's mark, semicolons, tabs, quotes and ./ make no difference, and 007 stays text."""
    table = scan(grow(tmp_path, "a.png", "b c.png", labels_csv=text))
    assert {"a.png": ("cat", None), "b c.png": ("007", None)} == told(table)


def test_words_that_other_tools_take_for_missing_are_classes(tmp_path: Path) -> None:
    """A class may be called NA, null or nan; only an empty cell is no class."""
    text = "name,label\na.png,NA\nb.png,null\nc.png,nan\nd.png,\n"
    table = scan(grow(tmp_path, "a.png", "b.png", "c.png", "d.png", labels_csv=text))
    assert ["NA", "null", "nan", None] == [name for name, _ in told(table).values()]


@pytest.mark.parametrize(
    "names",
    [("x.png", "y.png"), ("x", "y"), ("old/place/x.png", "old/place/y.png"), ("i\\x.png", "i\\y.png")],
)
def test_names_without_their_folder_or_extension_are_found(tmp_path: Path, names: tuple[str, str]) -> None:
    """Where no name is a key, the last parts decide, if no two images share one."""
    text = f"path,label\n{names[0]},cat\n{names[1]},dog\n"
    table = scan(grow(tmp_path, "i/x.png", "i/y.png", labels_csv=text))
    assert {"i/x.png": ("cat", None), "i/y.png": ("dog", None)} == told(table)


def test_short_names_that_two_images_share_are_not_guessed(tmp_path: Path) -> None:
    """A bare x.png may be either of two, so neither gets the label."""
    table = scan(grow(tmp_path, "train/x.png", "test/x.png", labels_csv="name,label\nx.png,cat\n"))
    assert {"train/x.png": (None, "train"), "test/x.png": (None, "test")} == told(table)


def test_a_split_column_decides_the_split_and_the_folders_fill_in(tmp_path: Path) -> None:
    """The words for splits are those of the folders; unknown ones are named."""
    rows = ["a.png,cat,Training", "b.png,dog,VAL", "c.png,cat,test", "d.png,dog,fold 3", "test/e.png,dog,"]
    text = "\n".join(["name,label,Split", *rows])
    table = scan(grow(tmp_path, "a.png", "b.png", "c.png", "d.png", "test/e.png", labels_csv=text))
    expected = {"a.png": "train", "b.png": "validation", "c.png": "test", "d.png": None, "test/e.png": "test"}
    assert expected == {key: split for key, (_, split) in told(table).items()}
    note(table, "labels.csv names splits that are none of train, validation and test: fold 3")


def test_train_csv_and_test_csv_stand_for_their_splits(tmp_path: Path) -> None:
    """Two lists without a split column, called like splits, are read together."""
    texts = {"train_csv": "name,label\na.png,x\nb.png,y\n", "test_csv": "name,label\nc.png,x\n"}
    table = scan(grow(tmp_path, "a.png", "b.png", "c.png", **texts))
    assert {"a.png": ("x", "train"), "b.png": ("y", "train"), "c.png": ("x", "test")} == told(table)
    note(table, "The test split has no image of y.")


def test_images_that_are_missing_unnamed_or_named_twice_are_said(tmp_path: Path) -> None:
    """Each is counted with an example; the first of two labels holds, and nothing is dropped."""
    text = "name,label\na.png,cat\nb.png,dog\ngone.png,cat\nb.png,cat\na.png,cat\n"
    table = scan(grow(tmp_path, "a.png", "b.png", "c.png", labels_csv=text))
    assert {"a.png": ("cat", None), "b.png": ("dog", None), "c.png": (None, None)} == told(table)
    assert "labels.csv names 1 image that is not there, for example gone.png." == note(table, "gone.png")
    assert "1 image is not named in labels.csv, for example c.png." == note(table, "c.png")
    note(table, "1 of its images a second, other label", "b.png")


def test_other_csv_files_are_passed_over(tmp_path: Path) -> None:
    """A CSV without the two columns is some other file, even where its rows are ragged or no text."""
    root = grow(
        tmp_path,
        "a.png",
        "b.png",
        notes_csv="day,weather\nmon\n",
        labels_csv="name,label\na.png,x\nb.png,y\n",
    )
    (root / "binary.csv").write_bytes(b"\xff\xfe\x00\x01")
    (root / "empty.csv").touch()
    table = scan(root)
    assert {"a.png": ("x", None), "b.png": ("y", None)} == told(table)
    assert ((), {NO_IMAGE: 3}) == (table.notes, dict(table.skipped))


@pytest.mark.parametrize("damage", [b"a.png,cat,1\n", b'"a.png,cat\n', b'a.png,"cat'])
def test_a_damaged_list_is_said_and_the_images_stay(tmp_path: Path, damage: bytes) -> None:
    """A list that cannot be read costs the labels; passed itself, it is an error."""
    root = grow(tmp_path, "a.png")
    (root / "labels.csv").write_bytes(b"name,label\n" + damage)
    table = scan(root)
    assert {"a.png": (None, None)} == told(table)
    note(table, "labels.csv cannot be read as a list of labels")
    with pytest.raises(DataError, match=r"labels\.csv"):
        scan(root / "labels.csv")


def test_a_list_of_other_images_is_said(tmp_path: Path) -> None:
    """Labels that fit nothing are no reason to stop, and none to keep silent."""
    table = scan(grow(tmp_path, "a.png", "b.png", labels_csv="name,label\nx.png,cat\n"))
    assert {"a.png": (None, None), "b.png": (None, None)} == told(table)
    note(table, "labels.csv names none of the images.")


def test_a_hidden_csv_can_be_passed_itself(tmp_path: Path) -> None:
    """What a walk passes over may still be asked for by name."""
    root = grow(tmp_path, "a.png", "b.png", **{".mine_csv": "name,label\na.png,cat\nb.png,dog\n"})
    assert ("cat", "dog") == scan(root / ".mine.csv").classes


# A CSV beside class folders


def test_folders_go_before_a_list_and_the_disagreement_is_said(tmp_path: Path) -> None:
    """How many differ, and one example."""
    keys = [f"{name}/{number}.png" for name in ("cat", "dog") for number in range(5)]
    lines = [f"{key},{key[:3]}" for key in keys]
    lines[2], lines[9] = "cat/2.png,dog", "dog/4.png,bird"
    table = scan(grow(tmp_path, *keys, labels_csv="name,label\n" + "\n".join(lines)))
    assert {key: (key[:3], None) for key in keys} == told(table)
    expected = "labels.csv disagrees with the folders on 2 images and the folders were believed; "
    assert (expected + "for example it calls cat/2.png dog.",) == table.notes


@pytest.mark.parametrize("other", [{"cat": "cat", "dog": "dog"}, {"cat": "0", "dog": "1"}, {"cat": "n02", "dog": ""}])
def test_a_list_that_agrees_is_not_spoken_of(tmp_path: Path, other: dict[str, str]) -> None:
    """It agrees too where it calls each class by one other name throughout, or has nothing to say."""
    keys = [f"train/{name}/{number}.png" for name in ("cat", "dog") for number in range(5)]
    text = "name,label\n" + "".join(f"{key},{other[key[6:9]]}\n" for key in keys)
    assert () == scan(grow(tmp_path, *keys, labels_csv=text)).notes


def test_one_wrong_number_among_other_names_is_found(tmp_path: Path) -> None:
    """Where classes are numbered, the commonest number of a folder is its name."""
    keys = [f"{name}/{number}.png" for name in ("cat", "dog") for number in range(5)]
    text = "name,label\n" + "".join(f"{key},{int((key[:3] == 'dog') != (key == 'cat/3.png'))}\n" for key in keys)
    note(scan(grow(tmp_path, *keys, labels_csv=text)), "on 1 image and", "calls cat/3.png 1.")


def test_one_folder_of_images_next_to_a_list_is_no_class(tmp_path: Path) -> None:
    """images/ and labels.csv: the list names the classes."""
    text = "path,label\nimages/a.png,cat\nimages/b.png,dog\n"
    table = scan(grow(tmp_path, "images/a.png", "images/b.png", labels_csv=text))
    assert ("cat", "dog") == table.classes


# A CSV as the root


def test_a_csv_passed_itself_goes_before_the_folders(tmp_path: Path) -> None:
    """Only what it names is in the table; the root is its folder."""
    root = grow(
        tmp_path,
        "cat/1.png",
        "cat/2.png",
        "dog/1.png",
        "dog/2.png",
        fur_csv="path,label,split\ncat/1.png,short,train\ndog/2.png,long,test\n",
    )
    table = scan(root / "fur.csv")
    assert {"cat/1.png": ("short", "train"), "dog/2.png": ("long", "test")} == told(table)
    assert (str(root), {"image that the list does not name": 2}) == (table.root, dict(table.skipped))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "file,width,height\na.png,1,2\n",
            r"list\.csv .*name,label",
        ),
        ("", r"list\.csv"),
        ("name,label\nb.png,cat\n../c.png,cat\n", r"list\.csv .*2 images"),
        ("name,label\n", r"list\.csv .*0 images"),
    ],
)
def test_a_csv_that_names_nothing_is_reported(tmp_path: Path, text: str, sentence: str) -> None:
    """The sentence says what the file should hold."""
    with pytest.raises(DataError, match=sentence):
        scan(grow(tmp_path / "x", "a.png", list_csv=text) / "list.csv")


@pytest.mark.parametrize("place", ["/", "../images/", "file://"])
def test_a_csv_names_images_outside_its_folder(tmp_path: Path, place: str) -> None:
    """Absolute paths and those that lead up are followed; the root is the folder that all images share."""
    keys = ["cat/1.png", "dog/1.png"]
    images = grow(tmp_path / "images", *keys)
    prefix = {"/": f"{images}/", "file://": f"file://{images}/"}.get(place, place)
    text = "path,label\n" + "".join(f"{prefix}{key},{key[:3]}\n" for key in keys)
    table = scan(grow(tmp_path / "lists", l_csv=text) / "l.csv")
    assert (str(images), keys, ("cat", "dog"), ()) == (table.root, table.keys, table.classes, table.notes)


def test_the_names_of_a_csv_count_from_the_root_that_is_passed(tmp_path: Path) -> None:
    """A list far from the images needs only to be told where they are."""
    grow(tmp_path / "images", "a.png", "b.png")
    table = scan(grow(tmp_path, l_csv="id,label\na,cat\nb,dog\n") / "l.csv", root=tmp_path / "images")
    assert {"a.png": ("cat", None), "b.png": ("dog", None)} == told(table)
    with pytest.raises(ArgumentError, match="images"):
        scan(tmp_path / "images", root=tmp_path)


def test_images_without_a_label_are_counted_once(tmp_path: Path) -> None:
    """A row with an empty label keeps its image, and the note says how many there are."""
    text = "path,label\n" + "".join(f"{at}.png,{'' if at % 4 == 3 else 'ab'[at % 2]}\n" for at in range(8))
    root = grow(tmp_path, *(f"{at}.png" for at in range(8)), l_csv=text)
    for table in (scan(root), scan(root / "l.csv")):
        assert 2 == np.count_nonzero(table.labels < 0)
        note(table, "no label", "2 images", "3.png")


@pytest.mark.parametrize("archive", [False, True])
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_saved_table_is_the_same_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, archive: bool
) -> None:
    """From any working directory: root, keys, labels, splits and so the fingerprint; the source is the file."""
    root = grow(tmp_path / "p", "train/=cat/1.png", "test/dog, big/1.png", "train/dog, big/-2.png", "train/x/3.png")
    if archive:
        with zipfile.ZipFile(tmp_path / "p.zip", "w") as out:
            for path in sorted(root.rglob("*.png")):
                out.write(path, path.relative_to(root))
        root = tmp_path / "p.zip"
    table = scan(root)
    table.save(tmp_path / f"t.{kind}")
    monkeypatch.chdir("/")
    again = scan(tmp_path / f"t.{kind}")
    assert (table.fingerprint, table.root, told(table)) == (again.fingerprint, again.root, told(again))
    assert str(tmp_path / f"t.{kind}") == again.source
    assert (str(root), table.classes) == (
        Table.from_parquet(tmp_path / f"t.{kind}").source if kind == "parquet" else str(root),
        again.classes,
    )


def test_a_saved_table_finds_its_images_where_both_were_moved(tmp_path: Path) -> None:
    """Where the root is gone, the names count from the list's folder, by their ends."""
    table = scan(grow(tmp_path / "old" / "p", "cat/1.png", "dog/1.png"))
    table.save(tmp_path / "old" / "t.csv")
    (tmp_path / "old").rename(tmp_path / "new")
    again = scan(tmp_path / "new" / "t.csv")
    assert {"p/cat/1.png": ("cat", None), "p/dog/1.png": ("dog", None)} == told(again)


def test_a_table_is_saved_in_two_kinds_only(tmp_path: Path) -> None:
    """Another ending is refused in a sentence with those that there are."""
    with pytest.raises(ArgumentError, match=r"t\.txt .*\.parquet.*\.csv"):
        scan(grow(tmp_path, "cat/1.png", "dog/1.png")).save(tmp_path / "t.txt")


# Several lists, and forms to fill in


FORM = "id,label\n" + "".join(f"t{at},cat\n" for at in range(6))
TRAIN = "id,label\n" + "".join(f"{at},{('cat', 'dog')[at % 2]}\n" for at in range(6))


@pytest.mark.parametrize("name", ["sample_submission", "sampleSubmission", "forms"])
def test_a_sample_submission_is_not_the_truth(tmp_path: Path, name: str) -> None:
    """One label for all images of test, beside a list of train, labels none of them; notes name both lists."""
    keys = [f"train/{at}.png" for at in range(6)] + [f"test/t{at}.png" for at in range(6)]
    root = grow(tmp_path, *keys, **{"train_csv": TRAIN, f"{name}_csv": FORM})
    table = scan(root)
    assert [(("dog", "cat")[at % 2 == 0], "train") for at in range(6)] == list(told(table).values())[6:]
    assert {(None, "test")} == {told(table)[key] for key in keys[6:]}
    note(table, f"{name}.csv", "6 images", "cat")
    note(table, "labels are those of train.csv")
    assert ("cat",) == scan(root / f"{name}.csv").classes


def test_a_list_called_a_submission_is_not_the_truth_next_to_class_folders(tmp_path: Path) -> None:
    """Whatever it says, it is neither used nor held against the folders."""
    text = "path,label\ncat/1.png,dog\ndog/1.png,cat\n"
    table = scan(grow(tmp_path, "cat/1.png", "dog/1.png", my_submission_csv=text))
    assert {"cat/1.png": ("cat", None), "dog/1.png": ("dog", None)} == told(table)
    note(table, "my_submission.csv")


def test_lists_of_one_class_each_are_the_truth(tmp_path: Path) -> None:
    """cats.csv and dogs.csv label their images; the note names both."""
    texts = {
        f"{name}_csv": "path,label\n" + "".join(f"{name}{at}.png,{name}\n" for at in range(6))
        for name in ("cat", "dog")
    }
    table = scan(grow(tmp_path, *(f"{name}{at}.png" for name in ("cat", "dog") for at in range(6)), **texts))
    assert 6 == np.count_nonzero(table.labels == 0) == np.count_nonzero(table.labels == 1)
    note(table, "cat.csv and dog.csv")


@pytest.mark.parametrize("names", [("train", "test"), ("trainLabels", "test_labels")])
def test_a_list_of_a_split_names_the_images_in_its_folder(tmp_path: Path, names: tuple[str, str]) -> None:
    """1.png of train.csv is train/1.png, and of test.csv test/1.png."""
    texts = {f"{names[0]}_csv": "id,label\n1,cat\n2,dog\n", f"{names[1]}_csv": "id,label\n1,dog\n2,cat\n"}
    table = scan(grow(tmp_path, "train/1.png", "train/2.png", "test/1.png", "test/2.png", **texts))
    expected = {"train/1.png": "cat", "train/2.png": "dog", "test/1.png": "dog", "test/2.png": "cat"}
    assert {key: (name, key.split("/")[0]) for key, name in expected.items()} == told(table)


@pytest.mark.parametrize(
    "names", [("images/1.png", "images/2.png"), ("1", "2"), ("../images/1.png", "../images/2.png")]
)
def test_a_list_in_another_folder_labels_a_heap_of_images(tmp_path: Path, names: tuple[str, str]) -> None:
    """annotations/labels.csv is found where nothing else labels the images; class folders go before it."""
    text = f"image,label\n{names[0]},cat\n{names[1]},dog\n"
    for keys, expected in ((("images/1.png", "images/2.png"), ["cat", "dog"]), (("a/1.png", "b/2.png"), ["a", "b"])):
        root = grow(tmp_path / expected[0], *keys)
        (root / "annotations").mkdir()
        (root / "annotations" / "labels.csv").write_text(text)
        assert expected == [name for name, _ in told(scan(root)).values()]


def test_a_list_for_test_images_only_is_warned_about(tmp_path: Path) -> None:
    """Its labels may be those of a sample submission that gives several; test.csv says what it is."""
    keys = [f"{split}/{split}{at}.png" for split in ("train", "test") for at in range(6)]
    text = {
        split: "id,label\n" + "".join(f"{split}{at},{'ab'[at % 2]}\n" for at in range(6)) for split in ("train", "test")
    }
    table = scan(grow(tmp_path / "x", *keys, train_csv=text["train"], mine_csv=text["test"]))
    note(table, "mine.csv labels test images only")
    table = scan(grow(tmp_path / "y", *keys, train_csv=text["train"], test_csv=text["test"]))
    assert ("The labels are those of test.csv and train.csv.",) == table.notes


def test_a_list_with_names_and_no_labels_is_said(tmp_path: Path) -> None:
    """Where nothing else labels the images, the note has the columns; beside class folders it is some other file."""
    text = "path,width,height\na/1.png,1,2\nb/1.png,1,3\n"
    note(scan(grow(tmp_path / "heap", "1.png", l_csv=text)), "l.csv", "width and height")
    assert () == scan(grow(tmp_path / "folders", "a/1.png", "b/1.png", l_csv=text)).notes


STRAY = [
    b"a;b\r1;2\r",
    b"",
    b"\0" * 99,
    b"\xff\xfea",
    b'"',
    b"x" * 200_000,
    b"path,label\n",
    b"\xef\xbb\xbf",
    b"image,score\n1.png,2\n",
]


@pytest.mark.parametrize("data", STRAY)
def test_a_stray_file_never_changes_class_folders(tmp_path: Path, data: bytes) -> None:
    """Whatever a CSV, TSV, JSON-lines or XML file beside them holds, the classes are those of the folders."""
    grow(tmp_path, "cat/1.png", "dog/1.png")
    for name in ("x.csv", "x.tsv", "x.jsonl", "metadata.jsonl", "metadata.csv", "x.xml", "cat/metadata.csv"):
        (tmp_path / name).write_bytes(data)
    assert {"cat/1.png": ("cat", None), "dog/1.png": ("dog", None)} == told(scan(tmp_path))


# Hugging Face


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
@pytest.mark.parametrize("place", ["", "train/"])
def test_hugging_face_metadata_labels_the_images_next_to_it(tmp_path: Path, kind: str, place: str) -> None:
    """metadata.csv or .jsonl, in the root or in a split folder; the names count from its folder."""
    rows = [("0001.png", 0), ("sub/0002.png", 1)]
    grow(tmp_path, *(place + name for name, _ in rows))
    lines = ["file_name,label", *(f"{name},{label}" for name, label in rows)]
    if kind == "jsonl":
        lines = [json.dumps({"file_name": name, "label": label, "objects": {"bbox": [[1]]}}) for name, label in rows]
    (tmp_path / place / f"metadata.{kind}").write_text("\n".join(lines))
    table = scan(tmp_path)
    split = "train" if place else None
    assert {place + "0001.png": ("0", split), place + "sub/0002.png": ("1", split)} == told(table)
    assert ("Hugging Face metadata", (), {}) == (table.layout, table.notes, dict(table.skipped))


def test_metadata_of_every_split_is_read_together(tmp_path: Path) -> None:
    """One class list for all splits, from one file for each."""
    for word, rows in (("train", "a.png,cat\nb.png,dog\n"), ("test", "a.png,dog\n")):
        grow(tmp_path / word, "a.png", "b.png", metadata_csv="file_name,label\n" + rows)
    table = scan(tmp_path)
    expected = {
        "train/a.png": ("cat", "train"),
        "train/b.png": ("dog", "train"),
        "test/a.png": ("dog", "test"),
    }
    assert expected | {"test/b.png": (None, "test")} == told(table)
    note(table, "test/b.png", "test/metadata.csv and train/metadata.csv")


def test_a_null_label_is_none(tmp_path: Path) -> None:
    """Hugging Face's test splits have them."""
    lines = '{"file_name": "a.png", "label": "x"}\n{"file_name": "b.png", "label": null}\n'
    (grow(tmp_path, "a.png", "b.png") / "metadata.jsonl").write_text(lines)
    assert {"a.png": ("x", None), "b.png": (None, None)} == told(scan(tmp_path))


def test_damaged_json_lines_are_reported() -> None:
    """The sentence names the file; the reason is one line."""
    with pytest.raises(DataError, match=r"t/metadata\.jsonl") as caught:
        read_list(lambda key: b'{"file_name": "a.png", "label": 1}\n{"file_name"', "t/metadata.jsonl")
    assert "\n" not in str(caught.value)


# Pascal VOC


def test_voc_xml_next_to_the_images_names_the_class(tmp_path: Path) -> None:
    """The only object's name, or the largest box's; how many had several is said with an example."""
    grow(tmp_path, "train/1.jpg", "train/2.jpg", "test/3.png", "test/4.png")
    for key, objects in (
        ("train/1.xml", [("cat", 3, 3)]),
        ("train/2.xml", [("cat", 10, 10), ("dog", 30, 4), ("bird", 1, 99)]),
        ("test/3.XML", [("dog", 1, 1)]),
    ):
        (tmp_path / key).write_text(voc(*objects))
    table = scan(tmp_path)
    expected = {
        "train/1.jpg": ("cat", "train"),
        "train/2.jpg": ("dog", "train"),
        "test/3.png": ("dog", "test"),
    }
    assert expected | {"test/4.png": (None, "test")} == told(table)
    assert ("Pascal VOC XML", {}) == (table.layout, dict(table.skipped))
    note(table, "1 image is annotated with several objects", "train/2.jpg is dog, together with bird and cat.")
    note(table, "1 image is without XML", "test/4.png")


def test_vocs_own_two_folders_are_understood(tmp_path: Path) -> None:
    """Annotations/x.xml belongs to JPEGImages/x.jpg."""
    grow(
        tmp_path,
        "VOC/JPEGImages/a.jpg",
        "VOC/JPEGImages/b.jpg",
        "VOC/Annotations/a.xml",
        "VOC/Annotations/b.xml",
    )
    for stem, name in (("a", "cat"), ("b", "dog")):
        (tmp_path / f"VOC/Annotations/{stem}.xml").write_text(voc((name, 1, 1)))
    table = scan(tmp_path)
    assert ["cat", "dog"] == [name for name, _ in told(table).values()]
    assert () == table.notes


def test_xml_that_names_no_class_is_said_with_its_reason(tmp_path: Path) -> None:
    """Entities are refused, damage is told, and the image stays."""
    grow(tmp_path, "a.png", "b.png", "c.png", "d.png")
    bomb = '<!DOCTYPE a [<!ENTITY x "cat">]><annotation><object><name>&x;</name></object></annotation>'
    for name, text in (("a", bomb), ("b", "<annotation>"), ("c", voc()), ("d", voc(("dog", 1, 1)))):
        (tmp_path / f"{name}.xml").write_text(text)
    table = scan(tmp_path)
    assert [None, None, None, "dog"] == [name for name, _ in told(table).values()]
    note(table, "3 images are without a class in the XML", "a.png (entities in it, which are refused)")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "damaged XML"),
        ("<a", "damaged XML"),
        ('<?xml version="1.0" encoding="no-such"?><annotation/>', "damaged XML"),
        ("<annotation><object><name> </name></object></annotation>", "no object in it"),
        (voc(("b", 2, 2), ("a", 2, 2)), [("b", 4.0), ("a", 4.0)]),
        (voc(("a", -2, -2), ("b", 0, 0)), [("a", 0.0), ("b", 0.0)]),
        (voc(("a", 1, 1)).replace("<xmin>5", "<xmin>five"), [("a", 0.0)]),
    ],
)
def test_objects_are_read_from_the_largest_to_the_smallest(text: str, expected: object) -> None:
    """Of equal boxes the first stays first; a box turned inside out has no area."""
    assert expected == read_voc(text.encode())


def test_xml_that_cannot_be_read_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An annotation without permission costs one label, not the scan."""
    grow(tmp_path, "a.png", "a.xml", "b.png")
    (tmp_path / "b.xml").write_text(voc(("dog", 1, 1)))
    monkeypatch.setattr("firstlight.data.files.MAX_BYTES", 70)
    monkeypatch.setattr("firstlight.data.files.FIRST_READ", 70)
    assert (tmp_path / "a.xml").stat().st_size < 70 < (tmp_path / "b.xml").stat().st_size
    table = scan(tmp_path)
    note(table, "2 images are without a class in the XML", "a.png (damaged XML)")


def test_class_folders_go_before_xml(tmp_path: Path) -> None:
    """The XML is then counted as what it is: no image."""
    grow(tmp_path, "cat/1.png", "dog/1.png")
    (tmp_path / "cat" / "1.xml").write_text(voc(("bird", 1, 1)))
    table = scan(tmp_path)
    assert (("cat", "dog"), {NO_IMAGE: 1}) == (table.classes, dict(table.skipped))


# Lists in a zip


@pytest.mark.parametrize("top", ["", "photos/"])
@pytest.mark.parametrize(
    "lists",
    [
        {"labels.csv": "name,label\na.png,cat\ni/b.png,dog\n"},
        {"metadata.jsonl": '{"file_name": "a.png", "label": "cat"}\n{"file_name": "i/b.png", "label": "dog"}\n'},
        {"a.xml": voc(("cat", 1, 1)), "i/b.xml": voc(("dog", 1, 1))},
    ],
)
def test_lists_in_a_zip_are_read_in_place(tmp_path: Path, top: str, lists: dict[str, str]) -> None:
    """The same lists as in a folder, with or without a folder around everything."""
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for key in ("a.png", "i/b.png"):
            archive.writestr(top + key, b"")
        for key, text in lists.items():
            archive.writestr(top + key, text)
    table = scan(tmp_path / "x.zip")
    assert {f"{top}a.png": ("cat", None), f"{top}i/b.png": ("dog", None)} == told(table)


def test_a_list_keeps_its_rows_apart() -> None:
    """Names, labels and splits of a list, column by column, with nothing where there is nothing."""
    found = read_list(lambda key: b"split,path,label,path\n,a,b,c\nval,d,,f\n", "x.csv")
    assert isinstance(found, LabelList)
    columns = (found.names, found.labels, found.splits)
    assert [["a", "d"], ["b", ""], ["", "val"]] == [column.to_pylist() for column in columns]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_long_list_is_read_in_parts(end: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the parts meet, no row is lost or cut, be it in the middle of a quotation."""
    rows = [f'{at}.png,"a{end}b"' if at % 3 else f"{at}.png,c" for at in range(50)]
    text = end.join(["path,label", *rows, ""]).encode()
    whole = read_list(lambda key: text, "x.csv")
    assert whole is not None
    monkeypatch.setattr("firstlight.data.scanning.delimited.PART", 7)
    parted = read_list(lambda key: text, "x.csv")
    assert parted is not None
    assert [f"{at}.png" for at in range(50)] == whole.names.to_pylist() == parted.names.to_pylist()
    assert whole.labels.to_pylist() == parted.labels.to_pylist()
