"""The terminal: its width, and what is printed wrapped to it; through a pipe every line stays whole."""

from __future__ import annotations

import os
import re
import sys
import textwrap
from typing import TextIO

JOINT = "\N{NO-BREAK SPACE}"  # textwrap breaks no line here
# Spaces inside an interval, and between a number and its unit.
TOGETHER = re.compile(r"(?<=\d,) (?=[+-]?\d[\d.]*\])|(?<=\d) (?=%|(?:px|us|ms|s|min|MB)\b)")
NARROWEST = 40  # characters; a terminal that says it has fewer is not believed


def width(stream: TextIO) -> int | None:
    """The columns of the terminal that a stream writes to, or those of the variable COLUMNS; None for a file or pipe.

    Example:
        >>> import io
        >>> width(io.StringIO()) is None
        True
    """
    said = os.environ.get("COLUMNS", "")
    if said.isdecimal() and int(said):
        return max(int(said), NARROWEST)
    try:
        return max(os.get_terminal_size(stream.fileno()).columns, NARROWEST)
    except (OSError, ValueError):  # no terminal, or no file at all
        return None


def wrapped(text: str, columns: int | None) -> str:
    """Each line of a text in at most so many columns, indented as it begins; as it is where they are None.

    Example:
        >>> print(wrapped("  Put each class into its own folder.", 24))
          Put each class into
          its own folder.
    """
    if columns is None:
        return text
    return "\n".join(_wrapped(line, columns) for line in text.split("\n"))


def _wrapped(line: str, columns: int) -> str:
    indent = line[: len(line) - len(line.lstrip())]
    return hanging(indent, line.removeprefix(indent), columns)


def hanging(head: str, text: str, columns: int | None) -> str:
    """A text behind a head, whose further lines begin below its first.

    Example:
        >>> print(hanging("FL405  ", "2 images are nearly blank.", 24))
        FL405  2 images are
               nearly blank.
    """
    if columns is None or len(head) + len(text) <= columns:
        return head + text
    indent = " " * len(head)
    wrapper = textwrap.TextWrapper(columns, head, indent, break_long_words=False, break_on_hyphens=False)
    return wrapper.fill(TOGETHER.sub(JOINT, text)).replace(JOINT, " ")


def say(*lines: object) -> None:
    """Lines on standard output, wrapped to its terminal."""
    _print(sys.stdout, lines)


def remark(*lines: object) -> None:
    """Lines for the person at the terminal, on standard error."""
    _print(sys.stderr, lines)


def _print(stream: TextIO, lines: tuple[object, ...]) -> None:
    if not lines:
        return
    columns = width(stream)
    print(*(wrapped(str(line), columns) for line in lines), sep="\n", file=stream, flush=True)
