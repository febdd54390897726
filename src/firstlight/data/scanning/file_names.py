"""Classes in the names of files: read by a regular expression, and which expression would work."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from firstlight.arrow import numbers, strings, to_numpy
from firstlight.data.scanning.entries import Entries
from firstlight.data.scanning.labels import IMAGES_ARE, Labels
from firstlight.data.scanning.layout import Layout
from firstlight.data.scanning.options import label_group
from firstlight.errors import ArgumentError, DataError
from firstlight.wording import plural, shortened

# What is proposed, the surest first: the label ends at a number, or is the first or last word of the name.
EXPRESSIONS = (
    r"([^/.]+)\.\d+\.\w+$",  # cat.123.jpg
    r"([^/]*?)[-_. ]*\(?\d+\)?\.\w+$",  # 3_0001.png, Abyssinian_12.jpg, dog-12.png, benign (3).png, cat7.jpg
    r"([^/_-]+)[-_][^/]*\.\w+$",  # cat_a8f3.jpg
    r"[-_]([^/_.-]+)\.\w+$",  # 0001_cat.png
)
SAMPLE = 5_000  # names that are looked at
PROPOSED = 0.5  # share of the names that an expression must match: those of a test folder often have no class
EACH = 3  # images of a label on average, from which on it may be a class
CAMERA = re.compile(  # what cameras, phones and programs call every image
    r"(img|image|dsc[a-z]*|dcim|pxl|mvimg|photo|picture|pic|frame|scan|screenshot|whatsapp|file|sample|x|p|test|train"
    r"|val|mask|gopr|untitled|copy)[-_ ]*\d*",
    re.IGNORECASE,
)


def by_file_name(root: str, entries: Entries, layout: Layout, pattern: str) -> Labels:
    """Labels as a regular expression finds them in the images' keys; splits as the folders say them.

    RE2 searches, whose time is linear in the length of a name, whatever the expression.

    Args:
        root: of the images, for the message.
        entries: the images.
        layout: what the folders say.
        pattern: with a group called ``label``, or whose first group is the class.

    Raises:
        ArgumentError: where it is no expression that RE2 knows.
        DataError: where it matches no image.
    """
    words = _found(entries.keys, pattern)
    classes = tuple(sorted(name for name in pc.unique(words).to_pylist() if name))
    labels = to_numpy(pc.index_in(words, strings(classes)))
    if not classes:
        example = shortened(str(entries.keys[0]))
        raise DataError(
            f"label_from={pattern!r} matches none of the {plural(len(entries), 'image')} in {root}, such as {example}; "
            "it is searched in the path below the root."
        )
    notes = []
    if missed := int(np.count_nonzero(labels < 0)):
        example = shortened(str(entries.keys[int(np.argmax(labels < 0))]))
        notes.append(f"{plural(missed, *IMAGES_ARE)} not matched by {pattern}, for example {example}.")
    everything = np.ones(len(entries), bool)
    splits = layout.splits[entries.folder_of]
    return Labels("file names", classes, labels, splits, everything, tuple(notes))


def proposed(keys: pa.StringArray) -> tuple[str, Sequence[str]] | None:
    """A regular expression that finds classes in file names, and the classes; None where none does.

    Example:
        >>> proposed(strings(f"{'cat' if number % 2 else 'dog'}.{number}.jpg" for number in range(20)))
        ('([^/.]+)\\\\.\\\\d+\\\\.\\\\w+$', ['cat', 'dog'])
    """
    some = keys.take(numbers(np.unique(np.linspace(0, len(keys) - 1, min(len(keys), SAMPLE)).astype(np.int64))))
    for pattern in EXPRESSIONS:
        words = _found(some, pattern)
        counted = {str(each["values"]): each["counts"] for each in pc.value_counts(words).to_pylist()}
        missed = counted.pop("", 0)
        if len(counted) < 2 or missed > (1 - PROPOSED) * len(some) or len(some) < EACH * len(counted):
            continue
        if any(CAMERA.fullmatch(word) or re.search(r"\d{6}", word) for word in counted):
            continue
        return pattern, sorted(counted)
    return None


def _found(keys: pa.StringArray, pattern: str) -> pa.StringArray:
    """The label in each key; ``""`` where there is none."""
    group = label_group(pattern)
    try:
        matched = pc.match_substring_regex(keys, pattern)
        words = pc.replace_substring_regex(keys, rf"(?s)\A.*?(?:{pattern})(?:.*)\z", rf"\{group}")
    except pa.ArrowInvalid as error:
        reason = str(error).splitlines()[0].removeprefix("Invalid regular expression: ")
        raise ArgumentError(f"label_from={pattern!r} is not a regular expression that RE2 knows ({reason}).") from error
    return pc.if_else(matched, pc.utf8_trim_whitespace(words), strings([""])[0])  # a plain "" would import pandas
