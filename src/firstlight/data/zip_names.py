"""What the members of a zip are called, whichever tool packed it."""

from __future__ import annotations

import re
import struct
import zlib
from zipfile import ZipInfo

UTF8_FLAG = 0x800
UNICODE_PATH = 0x7075  # PKWARE, APPNOTE.TXT 4.6.9: version, checksum of the plain name, name in UTF-8


def member_name(info: ZipInfo) -> str:
    """The path of a member, with slashes between its folders, and at the end of a folder.

    A name without the flag for UTF-8 is that of its extra field, if it has one; else UTF-8 if its bytes are valid
    UTF-8, as macOS and many scripts write it; else code page 437, as the format says. Backslashes come from tools
    of Windows, and separate folders too; ./ means nothing.

    Args:
        info: as zipfile lists it.

    Example:
        >>> member_name(ZipInfo("K├ñse\\\\1.png"))
        'Käse/1.png'
    """
    name = info.filename
    if not info.flag_bits & UTF8_FLAG and (info.extra or not name.isascii()):
        try:
            raw = name.encode("cp437")
            name = (_unicode_path(info.extra, raw) or raw).decode()
        except ValueError:  # neither: what zipfile made of it
            name = info.filename
    name = name.replace("\\", "/")
    return re.sub(r"(?<![^/])\./+|(?<=[^/])/+(?=/)", "", name) if "./" in name or "//" in name else name


def has_guessed_name(info: ZipInfo) -> bool:
    """Whether nothing says the encoding of a member's name, and it is not UTF-8: read as code page 437 then.

    Example:
        >>> has_guessed_name(ZipInfo("K├ñse/1.png")), has_guessed_name(ZipInfo("Käse/1.png"))
        (False, True)
    """
    if info.flag_bits & UTF8_FLAG or info.filename.isascii():
        return False
    return member_name(info) == info.filename.replace("\\", "/")


def _unicode_path(extra: bytes, name: bytes) -> bytes:
    """The name in the extra field for it; empty without one, or where it is that of another name."""
    while len(extra) >= 4:
        kind, size = struct.unpack("<HH", extra[:4])
        field, extra = extra[4 : 4 + size], extra[4 + size :]
        if kind == UNICODE_PATH and len(field) > 5 and struct.unpack("<I", field[1:5])[0] == zlib.crc32(name):
            return field[5:]
    return b""
