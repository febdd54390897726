"""Names and sentences as safe Markdown: no name of a class, a file or a folder can change a document's structure."""

from __future__ import annotations

import re

LONGEST = 60  # characters of a name


def safe(name: object) -> str:
    """A name as Markdown that reads as these characters and nothing else, on one line.

    Example:
        >>> print(safe("<b>cats</b> | dogs"))
        \\<b\\>cats\\</b\\> \\| dogs
    """
    escaped = re.sub(r"([\\`*_{}\[\]<>#!|~$&^@:])", r"\\\1", one_line(name))
    return re.sub(r"(?i)(www)\.", r"\1\\.", escaped) or "(no name)"  # else readers turn it into a link


def one_line(name: object) -> str:
    """A name on one line, without control characters, shortened; not yet safe in Markdown."""
    characters = "".join(one if one.isprintable() else "\ufffd" for one in " ".join(str(name).split()))
    return characters if len(characters) <= LONGEST else f"{characters[: LONGEST - 1]}\u2026"


def safe_sentence(text: object) -> str:
    """A sentence that may contain names of files and classes."""
    return " ".join(word if re.fullmatch("[A-Za-z0-9,;:%-]+[.]?", word) else safe(word) for word in str(text).split())
