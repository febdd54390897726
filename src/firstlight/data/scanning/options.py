"""`Scanning`: how a source was asked to be read, in one value that a table and a run keep."""

from __future__ import annotations

import re
from dataclasses import dataclass

from firstlight.errors import ArgumentError

CLASSES_FROM = ("auto", "top", "leaf", "parent")


@dataclass(frozen=True, kw_only=True)
class Scanning:
    """The options of `scan`: with the same ones, the same source gives the same table.

    Attributes:
        root: the folder or zip that the names of a list count from; None: the list's own.
        follow_links: whether links to files and folders are followed.
        classes_from: which of nested folders is the class: ``"top"``, ``"leaf"`` (the one that holds the images),
            ``"parent"`` (of the leaf), or ``"auto"``: decided by their names.
        label_from: a regular expression that is searched in the images' paths; its group is the class.

    Raises:
        ArgumentError: where a value is not one of those above.

    Example:
        >>> Scanning(label_from="[a-z]+")
        Traceback (most recent call last):
        firstlight.errors.ArgumentError: label_from='[a-z]+' has no group; put the part that is the class into ( ).
    """

    root: str | None = None
    follow_links: bool = False
    classes_from: str = "auto"
    label_from: str | None = None

    def __post_init__(self) -> None:
        if self.classes_from not in CLASSES_FROM:
            raise ArgumentError(f"classes_from={self.classes_from!r} is not known; choose from top, leaf, parent.")
        if self.label_from is None:
            return
        if self.classes_from != "auto":
            raise ArgumentError("classes_from and label_from both say where the classes are; pass one of them.")
        label_group(self.label_from)


def label_group(pattern: str) -> int:
    """The number of the group of a regular expression that is the class: the one called ``label``, or the first.

    Raises:
        ArgumentError: where it is no regular expression, or has no group.

    Example:
        >>> label_group(r"(\\d+)_(?P<label>[a-z]+)")
        2
    """
    try:
        compiled = re.compile(pattern)
    except (re.error, TypeError, OverflowError, RecursionError) as error:
        raise ArgumentError(f"label_from={pattern!r} is not a regular expression ({error}).") from error
    if not compiled.groups:
        raise ArgumentError(f"label_from={pattern!r} has no group; put the part that is the class into ( ).")
    return compiled.groupindex.get("label", 1)
