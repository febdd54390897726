"""The one reader of lists: any encoding, delimiter and line end give the cells that were written."""

from __future__ import annotations

import codecs
import csv
import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firstlight.data.scanning.delimited import Sheet, open_sheet
from firstlight.errors import DataError

ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-32"]
# No blanks at the ends, which do not count, no apostrophe, which guards a formula, and no NUL.
CELLS = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"], exclude_characters="'\ufeff"), max_size=9
)
INNER = st.builds(
    lambda left, middle, right: left + middle + right, CELLS, st.sampled_from(["", ",", ";", "\n", '"', "\t"]), CELLS
)


def cells(sheet: Sheet) -> list[list[str]]:
    """The columns of a sheet."""
    return [column.to_pylist() for column in sheet.columns(range(len(sheet.headings)))]


@pytest.mark.slow
@settings(max_examples=60)
@given(
    st.lists(st.tuples(CELLS.filter(bool), INNER), min_size=1, max_size=5),
    st.sampled_from(",;\t|"),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from(ENCODINGS),
)
def test_what_python_writes_is_read_back(rows: list[tuple[str, str]], delimiter: str, end: str, encoding: str) -> None:
    """Names and labels of any letters, quoted where they must be, come back as they were."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerows([("path", "label"), *rows])
    sheet = open_sheet(text.getvalue().encode(encoding), "l.csv")
    if any(name.lower().endswith(".png") for name in sheet.headings):
        return
    assert ("path", "label") == sheet.headings
    assert [list(column) for column in zip(*rows, strict=True)] == cells(sheet)


@pytest.mark.parametrize(
    "data",
    [
        b"path, label\na.png, \"cat, big\" \nb.png , 'dog'\n".replace(b"'", b'"'),
        b'sep=;\r\npath;label\r\na.png;"cat, big"\r\nb.png;dog\r\n',
        b'"sep=|"\npath|label\na.png|cat, big\nb.png|dog',
        b'\n\npath;label (of the animal, as seen)\na.png;"cat, big"\n\nb.png;dog\n',
        b'path,label,,\na.png,"cat, big",,\nb.png,dog,,\n',
        "path\tlabel\ra.png\tcat, big\rb.png\tdog".encode("utf-16-le"),
        "path\tlabel\ra.png\tcat, big\rb.png\tdog".encode("utf-16-be"),
        codecs.BOM_UTF16_BE + "path\tlabel\na.png\tcat, big\nb.png\tdog".encode("utf-16-be"),
    ],
)
def test_dialects_of_other_programs_are_read(data: bytes) -> None:
    """Blanks after commas and before quotes, Excel's first line, empty lines and columns, marks and none."""
    names, labels, *_ = cells(open_sheet(data, "l.csv"))
    assert (["a.png", "b.png"], ["cat, big", "dog"]) == (
        [name.strip() for name in names],
        [label.strip() for label in labels],
    )


def test_a_cell_may_be_longer_than_python_takes() -> None:
    """Pixels as text in another column are no reason to refuse the labels; Python's own limit stays."""
    before = csv.field_size_limit()
    sheet = open_sheet(b"path,pixels,label\na.png," + b"0 " * 100_000 + b",cat\n", "l.csv")
    assert (["cat"], before) == (sheet.columns([2])[0].to_pylist(), csv.field_size_limit())


def test_windows_1252_is_read_with_a_note() -> None:
    """Bytes that are no UTF-8 are letters of Windows, and the guess is said."""
    sheet = open_sheet("path;label\na.png;Käse €\n".encode("cp1252"), "l.csv")
    assert [["a.png"], ["Käse €"]] == cells(sheet)
    assert ["l.csv" in note for note in sheet.notes] == [True]


def test_a_first_line_that_names_an_image_is_a_row() -> None:
    """A list without headings loses no image."""
    sheet = open_sheet(b"a.png,cat\nb.png,dog\n", "l.csv")
    assert (("", ""), [["a.png", "b.png"], ["cat", "dog"]]) == (sheet.headings, cells(sheet))


def test_the_values_of_json_lines_stay_as_written() -> None:
    """Dates, numbers and truth values are text; null and a missing value are nothing."""
    values = ['"2019-01-01"', "007.50".lstrip("0"), "1.0", "12345678901234567890", "true", "null", '"007"']
    lines = "\n".join(f'{{"file_name": "{at}", "label": {value}}}' for at, value in enumerate(values)) + '\n{"x": 1}\n'
    sheet = open_sheet(lines.encode("utf-8-sig"), "metadata.jsonl")
    assert ("file_name", "label", "x") == sheet.headings
    expected = ["2019-01-01", "7.50", "1.0", "12345678901234567890", "true", "", "007", ""]
    assert expected == cells(sheet)[1]


@pytest.mark.parametrize("value", [[1], {"a": 1}])
def test_a_nested_value_is_one_sentence_where_it_is_needed(value: object) -> None:
    """A list or an object is no label; in a column that nobody asks for it is nothing."""
    sheet = open_sheet(json.dumps({"a": "1", "label": value}).encode(), "metadata.jsonl")
    assert ["1"] == sheet.columns([0])[0].to_pylist()
    with pytest.raises(DataError, match=r"metadata\.jsonl .*label"):
        sheet.columns([1])


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("l.csv", b'path,label\n"a.png,cat\n'),
        ("l.csv", b'"path,label\n'),
        ("l.csv", b"path,label\na.png,cat,dog\n"),
        ("l.csv", b"\xff\xfea"),
        ("l.jsonl", b"[" * 100_000),
        ("l.jsonl", b"[1]"),
        ("l.jsonl", b'{"a": 1}\n{"a"'),
    ],
)
def test_a_damaged_list_is_one_sentence(name: str, data: bytes) -> None:
    """The sentence names the list, whatever is wrong with it."""
    with pytest.raises(DataError, match=name) as caught:
        cells(open_sheet(data, name))
    assert "\n" not in str(caught.value)


@pytest.mark.slow
@settings(max_examples=60)
@given(st.binary(max_size=60), st.sampled_from(["x.csv", "x.tsv", "x.jsonl"]))
def test_any_bytes_are_a_sheet_or_one_sentence(data: bytes, name: str) -> None:
    """No stray file ends in anything else."""
    try:
        cells(open_sheet(data, name))
    except DataError as error:
        assert name in str(error)
