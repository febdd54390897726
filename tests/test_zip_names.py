"""The names in zips: UTF-8 without its flag, code page 437, extra fields, backslashes; read in place and unpacked."""

from __future__ import annotations

import struct
import zipfile
import zlib
from pathlib import Path

import pytest

from firstlight.data.fetching.unpack import unpack
from firstlight.data.files import reader
from firstlight.data.scanning.entries import TWICE
from firstlight.data.sources import scan
from firstlight.errors import DataError

# The bytes that stand in the zip, and the path that they mean.
NAMES = {
    "Käse/1.png".encode(): "Käse/1.png",  # no flag: macOS, many scripts
    "猫/1.png".encode(): "猫/1.png",
    "été/1.png".encode("cp437"): "été/1.png",  # what the format says of names without the flag
    b"dog\\1.png": "dog/1.png",  # Windows, .NET before 4.6.1
    "Käse\\more\\2.png".encode(): "Käse/more/2.png",
    b"photos/dog\\2.png": "photos/dog/2.png",
    b"./dog/./3.png": "dog/3.png",
    b"photos//dog/4.png": "photos/dog/4.png",
}


def packed(path: Path, names: list[bytes], monkeypatch: pytest.MonkeyPatch, extra: bytes = b"") -> Path:
    """A zip whose names are these bytes, without the flag for UTF-8; each member holds its own name."""
    given = {str(at): name for at, name in enumerate(names)}
    with monkeypatch.context() as patch:
        patch.setattr(zipfile.ZipInfo, "_encodeFilenameFlags", lambda self: (given[self.filename], 0))
        with zipfile.ZipFile(path, "w") as file:
            for number, name in given.items():
                info = zipfile.ZipInfo(number)
                info.extra = extra
                file.writestr(info, b"" if name.endswith((b"/", b"\\")) else name)
    return path


@pytest.mark.parametrize("name", NAMES)
def test_names_are_as_the_tool_meant_them(name: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A zip that is scanned in place and one that is unpacked have the same names and contents."""
    archive = packed(tmp_path / "a.zip", [name, b"other/3.png"], monkeypatch)
    table = scan(archive)
    assert sorted([NAMES[name], "other/3.png"]) == sorted(table.keys)
    assert name == reader(table)(NAMES[name])
    (tmp_path / "out").mkdir()
    unpack(archive, tmp_path / "out")
    assert name == (tmp_path / "out" / NAMES[name]).read_bytes()


def test_folders_with_backslashes_are_classes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Members that only name a folder are folders, also where the name ends in a backslash."""
    names = [b"cat\\", b"cat\\1.png", b"dog\\", b"dog\\1.png", b"..\\out\\1.png"]
    table = scan(packed(tmp_path / "a.zip", names, monkeypatch))
    assert ("cat", "dog") == table.classes
    assert 1 == sum(table.skipped.values())


def test_the_extra_field_for_names_goes_before_the_code_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Info-ZIP's name in UTF-8 counts where it belongs to this name, and not where the checksum is another's."""
    for plain in ("né/1.png".encode("latin-1"), b"n?/1.png"):
        meant = "né/1.png".encode()
        for checksum, expected in ((zlib.crc32(plain), "né/1.png"), (0, plain.decode("cp437"))):
            extra = struct.pack("<HHBI", 0x7075, 5 + len(meant), 1, checksum) + meant
            assert [expected] == scan(packed(tmp_path / f"{checksum}.zip", [plain], monkeypatch, extra)).keys


def test_names_of_an_unknown_encoding_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A code page is a guess: GBK and Windows-1252 look the same from within."""
    said = scan(packed(tmp_path / "a.zip", ["狗/1.png".encode("gbk"), b"dog/1.png"], monkeypatch)).notes
    assert any("encoded" in note for note in said)
    assert not any("encoded" in note for note in scan(packed(tmp_path / "b.zip", [b"a/1.png"], monkeypatch)).notes)


def test_names_that_are_not_what_they_say_are_refused(tmp_path: Path) -> None:
    """A flag for UTF-8 before bytes that are none, and a zip with a password: one sentence each."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("Kä/1.png", b"")
    data = (tmp_path / "a.zip").read_bytes()
    (tmp_path / "b.zip").write_bytes(data.replace("ä".encode(), b"\xff\xff"))
    with pytest.raises(DataError, match=r"b\.zip"):
        scan(tmp_path / "b.zip")
    flags = {b"PK\3\4": 6, b"PK\1\2": 8}
    locked = bytearray(data)
    for mark, place in flags.items():
        locked[data.index(mark) + place] |= 1
    (tmp_path / "c.zip").write_bytes(locked)
    with pytest.raises(DataError, match="password"):
        scan(tmp_path / "c.zip")


def test_two_members_of_one_name_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The later one is read, and the earlier one is said to be skipped."""
    table = scan(packed(tmp_path / "a.zip", [b"cat/1.png", b"cat\\1.png", b"dog/1.png"], monkeypatch))
    assert (["cat/1.png", "dog/1.png"], {TWICE: 1}) == (table.keys, dict(table.skipped))
    assert b"cat\\1.png" == reader(table)("cat/1.png")
