"""Text as a terminal shows it: characters that it would act on are written out, and wide ones take two columns."""

from __future__ import annotations

import re
import unicodedata

# Controls (with ESC, and the C1 ones of eight bits), bidirectional and other invisible formats, line and paragraph
# separators, lone surrogates: Unicode 16, section 23.2 and UAX 9. CVE-2021-42574 shows what bidirectional ones can do.
# The joiners U+200C and U+200D stay: Persian and Indic words and emoji need them.
ACTED_ON = (
    r"\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb"
    r"\U0001d173-\U0001d17a\U000e0000-\U000e007f"
)
IN_A_LINE = re.compile(rf"[\x00-\x1f{ACTED_ON}]")
IN_LINES = re.compile(rf"[\x00-\x08\x0b-\x1f{ACTED_ON}]")  # tab and line end stay
FILLER = "\N{WORD JOINER}"  # the second column of a wide character while text is measured


def visible(text: object) -> str:
    """A text of one line, such as a name, in which each character that a terminal would act on is written out.

    Example:
        >>> print(visible("cat\\x1b[2J\\n\\u202etxt ü 猫"))
        cat\\x1b[2J\\n\\u202etxt ü 猫
    """
    return IN_A_LINE.sub(_written_out, str(text))


def is_text(name: object) -> bool:
    """Whether a name of a file can be written as UTF-8, which Arrow and JSON need; other bytes are lone surrogates.

    Example:
        >>> is_text("café"), is_text("caf\\udce9")
        (True, False)
    """
    try:
        str(name).encode()
    except UnicodeEncodeError:
        return False
    return True


def visible_lines(text: str) -> str:
    """The same of a text of several lines, whose line ends and tabs stay."""
    return IN_LINES.sub(_written_out, text)


def visible_json(document: str, encoding: str = "utf-8") -> str:
    """A JSON document in which the same characters, and those that an encoding does not have, are JSON's escapes.

    Example:
        >>> print(visible_json('["\\x7f", "ü", "猫"]', "latin-1"))
        ["\\u007f", "\\u00fc", "\\u732b"]
    """
    shown = IN_LINES.sub(_json_escape, document)
    try:
        shown.encode(encoding)
    except UnicodeEncodeError:
        return re.sub(r"[^\x00-\x7f]", _json_escape, shown)
    return shown


def _json_escape(found: re.Match[str]) -> str:
    data = found[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{data[at : at + 2].hex()}" for at in range(0, len(data), 2))


def _written_out(found: re.Match[str]) -> str:
    return ascii(found[0])[1:-1]


def columns_of(text: str) -> int:
    """How many columns of a terminal a text takes (UAX 11; combining characters take none).

    Example:
        >>> columns_of("cat"), columns_of("猫"), columns_of("n\\u0303")
        (3, 2, 1)
    """
    if text.isascii():
        return len(text)
    return sum(map(_columns, text))


def _columns(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def cut(text: str, most: int) -> str:
    """The beginning of a text, of at most so many columns.

    Example:
        >>> cut("elephant", 3), cut("三毛猫", 5)
        ('ele', '三毛')
    """
    if text.isascii():
        return text[:most]
    taken = 0
    for place, character in enumerate(text):
        taken += _columns(character)
        if taken > most:
            return text[:place]
    return text


def padded(text: str, width: int, *, right: bool = False) -> str:
    """A text followed by spaces, or after them, so that it takes at least so many columns.

    Example:
        >>> padded("猫", 4) + "|", padded("7", 3, right=True)
        ('猫  |', '  7')
    """
    gap = " " * (width - columns_of(text))
    return gap + text if right else text + gap


def filled(text: str) -> str:
    """A text in which `len` counts columns: a wide character is followed by an invisible one, which `unfilled` removes.

    Example:
        >>> len(filled("猫 a")), unfilled(filled("猫 a"))
        (4, '猫 a')
    """
    return text if text.isascii() else "".join(c + FILLER if _columns(c) == 2 else c for c in text)


def unfilled(text: str) -> str:
    """A text without what `filled` put in."""
    return text.replace(FILLER, "")
