"""What the columns of a list mean, by headings that people and data sets use, and by their first rows."""

from __future__ import annotations

import pytest

from firstlight.data.scanning.delimited import open_sheet
from firstlight.data.scanning.headings import Roles, roles


def meant(text: str) -> Roles:
    """The meaning of the columns of a CSV."""
    return roles(open_sheet(text.encode(), "l.csv"), "l.csv")


@pytest.mark.parametrize(
    "name",
    [
        "id",
        "Id",
        "ID",
        "image_id",
        "ImageId",
        "img",
        "file",
        "FileName",
        "image path",
        "id_code",
        "isic_id",
        "Files",
        "key",
    ],
)
@pytest.mark.parametrize(
    "label", ["label", "Labels", "class", "Class_Name", "target", "category_id", "breed", "dx", "species"]
)
def test_headings_of_names_and_labels_are_understood(name: str, label: str) -> None:
    """In any letter case, as one word or several, among other columns."""
    found = meant(f"age,{label},{name},site\n" + "".join(f"{at},{'ab'[at % 2]},x{at},{at % 3}\n" for at in range(12)))
    assert (2, (1,), "", False) == (found.name, found.labels, found.note, found.guessed)


def test_cells_that_end_as_images_do_name_the_images() -> None:
    """The name of a class may be under "name", and the images under a heading that nobody knows."""
    found = meant("name,whatever,label\ncat,1.png,x\ndog,2.jpeg,y\n")
    assert (1, (2,)) == (found.name, found.labels)


def test_names_that_repeat_are_labels() -> None:
    """Of id and name, the one whose cells differ names the images."""
    found = meant("id,name\n" + "".join(f"{at},{'ab'[at % 2]}\n" for at in range(12)))
    assert (0, (1,), True) == (found.name, found.labels, found.guessed)
    assert "name" in found.note


def test_several_columns_of_labels_are_said() -> None:
    """One is chosen, words before numbers, and the note has all of them."""
    found = meant("path,class_id,class_name\na.png,0,cat\n")
    assert (2,) == found.labels
    assert "class_id" in found.note and "class_name" in found.note


@pytest.mark.parametrize("cell", ["{}", "{}.0"])
def test_one_column_for_each_class_is_said(cell: str) -> None:
    """0 and 1, or 0.0 and 1.0; a column of other numbers is no class."""
    rows = "".join(f"{at},{','.join(cell.format(int(at % 3 == one)) for one in range(3))},{at}\n" for at in range(9))
    found = meant("image,MEL,NV,BCC,age\n" + rows)
    assert (0, (1, 2, 3)) == (found.name, found.labels)
    assert found.note


def test_several_classes_of_one_image_are_no_labels() -> None:
    """A list of attributes is none of classes."""
    assert () == meant("image,glasses,hat\n" + "".join(f"{at},1,{at % 2}\n" for at in range(9))).labels


@pytest.mark.parametrize(
    ("heading", "cells", "flag"),
    [
        ("is_valid", ("True", "False"), "validation"),
        ("is_test", ("1", "0"), "test"),
        ("is_training_image", ("1", "0"), "train"),
        ("data set", ("train", "test"), ""),
        ("Usage", ("Training", "PublicTest"), ""),
        ("split", ("a", "b"), ""),
        ("subset", ("val", "train"), ""),
    ],
)
def test_columns_of_splits_are_understood(heading: str, cells: tuple[str, str], flag: str) -> None:
    """Words for splits, or yes and no."""
    found = meant(f"path,label,{heading}\na.png,x,{cells[0]}\nb.png,y,{cells[1]}\n")
    assert (2, flag) == (found.split, found.flag)


@pytest.mark.parametrize(
    ("heading", "cells"), [("fold", ("0", "1")), ("set", ("red", "blue")), ("validity", ("1", "0"))]
)
def test_other_columns_are_no_splits(heading: str, cells: tuple[str, str]) -> None:
    """A heading alone makes no split."""
    assert meant(f"path,label,{heading}\na.png,x,{cells[0]}\nb.png,y,{cells[1]}\n").split is None


def test_a_list_without_labels_has_none() -> None:
    """Neither two other columns, nor a partition, nor other images, nor cells that all differ are classes."""
    assert () == meant("path,a,b\n1.png,x,y\n2.png,x,y\n").labels
    assert () == meant("cat,dog\na.png,b.png\nc.png,d.png\n").labels
    assert () == meant("path,partition\na.png,0\nb.png,1\n").labels
    assert () == meant("path,score\n" + "".join(f"{at}.png,0.{at}\n" for at in range(20))).labels
