"""The terminal: the streams that escape what is printed, and lines wrapped to its width; a pipe gets whole lines."""

from __future__ import annotations

import errno
import io
import os
import re
import sys
import textwrap
from collections.abc import Callable
from contextlib import suppress
from typing import TextIO

from firstlight.characters import columns_of, filled, unfilled, visible, visible_json, visible_lines
from firstlight.errors import FirstlightError

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
    return "\n".join(part for line in text.split("\n") for part in _wrapped(line, columns))


def _wrapped(line: str, columns: int) -> list[str]:
    indent = line[: len(line) - len(line.lstrip())]
    return hanging(indent, line.removeprefix(indent), columns)


def hanging(head: str, text: str, columns: int | None) -> list[str]:
    """The lines of a text behind a head, whose further lines begin below its first.

    Example:
        >>> print(*hanging("FL405  ", "2 images are nearly blank.", 24), sep="\\n")
        FL405  2 images are
               nearly blank.
    """
    head, text = visible(head), visible(text)
    if columns is None or columns_of(head) + columns_of(text) <= columns:
        return [(head + text).replace(JOINT, " ")]
    indent = " " * columns_of(head)
    wrapper = textwrap.TextWrapper(columns, filled(head), indent, break_long_words=False, break_on_hyphens=False)
    return [unfilled(line).replace(JOINT, " ") for line in wrapper.wrap(TOGETHER.sub(JOINT, filled(text)))]


def say(*lines: object) -> None:
    """Lines on standard output, wrapped to its terminal; each is one line, so a line end in a name is written out."""
    _print(sys.stdout, lines)


def say_whole(*lines: str) -> None:
    """Lines on standard output that are not wrapped, such as rows of a table of which there are many."""
    print(*map(visible, lines), sep="\n", flush=True)


def say_json(*documents: str) -> None:
    """JSON on standard output: what a terminal would act on, or the encoding does not have, is written as \\u001b."""
    print(visible_json("\n".join(documents), getattr(sys.stdout, "encoding", None) or "utf-8"), flush=True)


def remark(*lines: object) -> None:
    """Lines for the person at the terminal, on standard error."""
    _print(sys.stderr, lines)


def _print(stream: TextIO, lines: tuple[object, ...]) -> None:
    if not lines:
        return
    columns = width(stream)
    print(*(wrapped(visible(line), columns) for line in lines), sep="\n", file=stream, flush=True)


def colored(stream: TextIO) -> TextIO:
    """The stream without escaping, for what is drawn in colors; names must not reach it."""
    return stream.colored if isinstance(stream, Escaping) else stream


class OutputError(FirstlightError):
    """Standard output that takes no more: a full disk; or a pipe whose reader has ended, of which nothing is said."""


class Escaping(io.TextIOWrapper):
    """A standard stream that takes every text: what a terminal would act on, or cannot show, is written as \\x1b.

    Args:
        stream: the standard stream as Python made it.
        needed: whether it is an error if nothing can be written; else the text is dropped.
    """

    def __init__(self, stream: io.TextIOWrapper, *, needed: bool) -> None:
        self.colored, self.needed = stream, needed
        self.failed: OutputError | None = None
        stream.reconfigure(errors="backslashreplace", write_through=True)  # so that both keep the order
        super().__init__(
            stream.buffer,
            stream.encoding,
            "backslashreplace",
            line_buffering=stream.line_buffering,
            write_through=True,
        )

    def write(self, text: str) -> int:
        shown = visible_lines(text)
        if shown:
            self._try(super().write, shown)
        return len(text)

    def flush(self) -> None:
        self._try(super().flush)

    def _try(self, action: Callable[..., object], *text: str) -> None:
        if self.failed is None:
            try:
                action(*text)
                return
            except OSError as error:
                os.dup2(os.open(os.devnull, os.O_WRONLY), self.fileno())  # what is still buffered goes nowhere
                why = f"Standard output could not be written to the end: {error.strerror or error}."
                self.failed = OutputError("" if error.errno == errno.EPIPE else why)
        if self.needed and text:
            raise self.failed


def escape_output() -> None:
    """Replaces the standard streams by escaping ones; one that is closed is replaced by an empty file first."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            with suppress(OSError):  # it is closed indeed
                os.fstat(number)
                continue
            os.open(os.devnull, os.O_RDWR)  # the system takes the lowest free number, which is this one
            setattr(sys, name, open(number, "w" if number else "r", encoding="utf-8"))  # noqa: PTH123, SIM115
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper) and not isinstance(stream, Escaping):
            setattr(sys, name, Escaping(stream, needed=name == "stdout"))
