"""Archives from strangers: every way out of the folder is refused, every bound holds, what is whole is kept whole."""

from __future__ import annotations

import errno
import io
import re
import stat
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firstlight.data.fetching import archives
from firstlight.data.fetching import unpack as unpacking
from firstlight.data.fetching.unpack import unpack
from firstlight.data.files import refuse_other_count
from firstlight.data.sources import scan
from firstlight.errors import DataError, DownloadError

CONTENT = {"photos/cat/1.png": b"first" * 500, "photos/cat/2.png": b"", "photos/dög/3 x.png": bytes(range(256)) * 40}
WRITERS = {"photos.tar": "w", "photos.tgz": "w:gz", "photos.tar.bz2": "w:bz2", "photos.tar.xz": "w:xz"}
OUTSIDE = ["../x", "a/../../x", "/x", "C:/x", "C:x", "a\\x", "\\\\server\\share\\x", "//server/share/x", ".."]


def member(name: str, kind: bytes = tarfile.REGTYPE, size: int = 0, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname = kind, size, target
    return info


def tar_of(path: Path, *members: tarfile.TarInfo, content: bytes = b"", mode: str = "w") -> Path:
    """A tar of members that all have the content as far as their sizes go; it may be shorter."""
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for info in members:
            tar.fileobj.write(info.tobuf(tar.format, tar.encoding, tar.errors) + content)
            tar.fileobj.write(bytes(-len(content) % 512))
    return path


def zip_of(path: Path, content: dict[str, bytes], mode: int = 0) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in content.items():
            info = zipfile.ZipInfo(name)
            info.filename = name  # as it is, with its backslashes
            info.external_attr = mode << 16
            file.writestr(info, data, zipfile.ZIP_DEFLATED)
    return path


def archive_of(path: Path, content: dict[str, bytes] = CONTENT) -> Path:
    """An archive of the kind that the path's ending says."""
    if path.suffix == ".zip":
        return zip_of(path, content)
    with tarfile.open(path, WRITERS[path.name]) as tar:  # type: ignore[call-overload]
        for name, data in content.items():
            tar.addfile(member(name, size=len(data)), io.BytesIO(data))
    return path


def found(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refusal(archive: Path, **bounds: int) -> str:
    """The sentence of the refusal, after a look that nothing was written outside the folder."""
    room = archive.parent / "room"
    folder = room / "inner" / "folder"
    folder.mkdir(parents=True)
    with pytest.raises(DownloadError) as raised:
        unpack(archive, folder, **bounds)  # type: ignore[arg-type]
    assert [] == [path for path in room.rglob("*") if folder not in path.parents and not folder.is_relative_to(path)]
    return str(raised.value)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "folder"
    path.mkdir()
    return path


@pytest.mark.parametrize("name", [*WRITERS, "photos.zip"])
def test_content_arrives_to_the_byte(name: str, tmp_path: Path, folder: Path) -> None:
    """Every kind of archive gives back the files that went in."""
    assert 0 == unpack(archive_of(tmp_path / name), folder)
    assert found(folder) == CONTENT


def test_the_content_decides_and_not_the_ending(tmp_path: Path, folder: Path) -> None:
    """A zip that is called .tgz is read as the zip it is."""
    archive = archive_of(tmp_path / "photos.zip").rename(tmp_path / "photos.tgz")
    unpack(archive, folder)
    assert found(folder) == CONTENT


def test_rights_are_not_taken_over(tmp_path: Path, folder: Path) -> None:
    """Neither the set-user-id bit nor a missing right to read comes out of an archive."""
    info = member("tool")
    info.mode = 0o4711
    unpack(tar_of(tmp_path / "a.tar", info), folder)
    assert 0 == (folder / "tool").stat().st_mode & (stat.S_ISUID | stat.S_IXUSR)
    assert b"" == (folder / "tool").read_bytes()


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE])
def test_a_name_that_leads_outside_a_tar_is_refused(name: str, kind: bytes, tmp_path: Path) -> None:
    """Parents, absolute paths, drives, shares and backslashes are refused for files, folders and links."""
    assert "leads outside" in refusal(tar_of(tmp_path / "a.tar", member(name, kind, target="x")))


@pytest.mark.parametrize("name", [*(name for name in OUTSIDE if name != "a\\x"), "..\\x", "a\\..\\..\\x"])
def test_a_name_that_leads_outside_a_zip_is_refused(name: str, tmp_path: Path) -> None:
    """The same names are refused in a zip, where a backslash only separates folders."""
    assert "leads outside" in refusal(zip_of(tmp_path / "a.zip", {name: b"x"}))


@pytest.mark.parametrize("target", ["/etc/passwd", "../../x", "../..", "C:\\x", "..\\x", "b/../../../x"])
def test_a_link_that_leads_outside_is_refused(target: str, tmp_path: Path) -> None:
    """A symbolic link out of the folder is refused in both kinds of archive, with its name and target."""
    said = refusal(tar_of(tmp_path / "a.tar", member("a/link", tarfile.SYMTYPE, target=target)))
    assert "'a/link' leads outside" in said and repr(target) in said
    (tmp_path / "zip").mkdir()
    archive = zip_of(tmp_path / "zip" / "a.zip", {"a/link": target.encode()}, stat.S_IFLNK | 0o777)
    assert "'a/link' leads outside" in refusal(archive)


def test_links_that_stay_inside_are_left_out_and_counted(tmp_path: Path, folder: Path) -> None:
    """A symbolic link to a neighbour is not made, and nothing can be written through it."""
    links = [member("a/link", tarfile.SYMTYPE, target="../b"), member("up", tarfile.SYMTYPE, target=".")]
    archive = tar_of(tmp_path / "a.tar", *links, member("up/x"))
    assert 2 == unpack(archive, folder)
    assert found(folder) == {"up/x": b""}
    assert not (folder / "up").is_symlink()


def test_a_hard_link_becomes_a_file_with_the_same_content(tmp_path: Path, folder: Path) -> None:
    """A tar stores equal files once; both are there afterwards."""
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        tar.addfile(member("a/1.png", size=3), io.BytesIO(b"abc"))
        tar.addfile(member("b/2.png", tarfile.LNKTYPE, target="a/1.png"))
    unpack(tmp_path / "a.tar", folder)
    assert found(folder) == {"a/1.png": b"abc", "b/2.png": b"abc"}


@pytest.mark.parametrize("target", ["../../secret", "/etc/passwd", "not-there"])
def test_a_hard_link_to_something_else_is_refused(target: str, tmp_path: Path) -> None:
    """A hard link brings in nothing that was not in the archive."""
    said = refusal(tar_of(tmp_path / "a.tar", member("copy", tarfile.LNKTYPE, target=target)))
    assert "leads outside" in said or "not in it" in said


@pytest.mark.parametrize("kind", [tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, b"Z"])
def test_devices_are_refused(kind: bytes, tmp_path: Path) -> None:
    """Pipes, devices and members of unknown kinds are refused by name."""
    assert "'odd' is a device" in refusal(tar_of(tmp_path / "a.tar", member("odd", kind)))


@pytest.mark.parametrize("mode", [stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK])
def test_devices_in_a_zip_are_refused(mode: int, tmp_path: Path) -> None:
    """A zip may name them too."""
    assert "'odd' is a device" in refusal(zip_of(tmp_path / "a.zip", {"odd": b""}, mode | 0o600))


@pytest.mark.parametrize("name", ["photos.tgz", "photos.zip"])
def test_more_bytes_than_allowed_are_refused(name: str, tmp_path: Path) -> None:
    """What is written is counted, and a block for each entry."""
    archive = archive_of(tmp_path / name)
    assert "archive bomb" in refusal(archive, most_bytes=12_740 + 3 * 512 - 1)
    (tmp_path / "exact").mkdir()
    unpack(archive, tmp_path / "exact", most_bytes=12_740 + 3 * 512)


@pytest.mark.parametrize("name", ["photos.tgz", "photos.zip"])
def test_more_entries_than_allowed_are_refused(name: str, tmp_path: Path) -> None:
    """Empty files are counted too."""
    assert "2 files" in refusal(archive_of(tmp_path / name), most_entries=2)


@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.GNUTYPE_SPARSE])
def test_a_bomb_is_refused_before_it_is_written(kind: bytes, tmp_path: Path) -> None:
    """A small archive that speaks of two GiB, or of as large a hole, is refused with nothing written."""
    header = bytearray(member("zeros", kind, 2**31 if kind == tarfile.REGTYPE else 0).tobuf(tarfile.GNU_FORMAT))
    header[483:495] = b"%011o\0" % 2**31  # the size with the holes, in GNU's old sparse format
    header[148:156] = b"%06o\0 " % (sum(header[:148]) + 8 * ord(" ") + sum(header[156:]))  # the checksum
    archive = tmp_path / "a.tar"
    archive.write_bytes(header + bytes(10_240))
    assert "archive bomb" in refusal(archive)
    assert found(tmp_path / "room") == {}


def test_a_bomb_may_weigh_a_hundred_times_its_archive(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a bound of the caller's, the archive's own size sets one."""
    archive = zip_of(tmp_path / "a.zip", {"zeros": bytes(400_000)})
    unpack(archive, folder)
    monkeypatch.setattr(unpacking, "ALWAYS_BYTES", 0)
    assert f"{100 * archive.stat().st_size:,} bytes" in refusal(archive)


@pytest.mark.parametrize("header", ["path", "comment"])
def test_a_header_without_end_does_not_fill_the_memory(header: str, tmp_path: Path) -> None:
    """Tar's headers may be of any length, and are bounded as well."""
    archive = tmp_path / "a.tgz"
    with tarfile.open(archive, "w:gz", format=tarfile.PAX_FORMAT) as tar:
        info = member("x")
        info.pax_headers = {header: "a" * 2**21}
        tar.addfile(info)
    assert "without end" in refusal(archive)


def test_a_tail_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What follows the end of a tar is read for the checksum behind it, up to a bound."""
    monkeypatch.setattr(archives, "LONGEST_TAIL", 2**21)
    with tarfile.open(tmp_path / "a.tgz", "w:gz") as tar:
        tar.addfile(member("x"))
        tar.fileobj.write(bytes(2**22))
    assert "without end" in refusal(tmp_path / "a.tgz")


def patched(archive: Path, at_local: int, at_central: int, value: bytes) -> Path:
    """A zip of one file in which both of its headers say something else."""
    data = bytearray(archive.read_bytes())
    for start, at in ((data.index(b"PK\x03\x04"), at_local), (data.index(b"PK\x01\x02"), at_central)):
        data[start + at : start + at + len(value)] = value
    archive.write_bytes(data)
    return archive


def test_a_zip_that_lies_about_its_size_is_refused(tmp_path: Path) -> None:
    """A file that unpacks to more than its header says is not cut to that length."""
    archive = patched(zip_of(tmp_path / "a.zip", {"x": bytes(10**6)}), 22, 24, (10).to_bytes(4, "little"))
    assert "damaged" in refusal(archive)
    assert 10 >= sum(map(len, found(tmp_path / "room").values()))


@pytest.mark.parametrize("count", [0, 1, 3, 60_000, 2**16 - 1])
@pytest.mark.parametrize("places", [(-14, -12), (-14,), (-12,)])
def test_a_zip_that_lies_about_its_count_is_refused(count: int, places: tuple[int, ...], tmp_path: Path) -> None:
    """A list that holds other files than the last record counts, here or in all, is not whole."""
    archive = zip_of(tmp_path / "a.zip", {"x": b"x", "y": b"y"})
    data = bytearray(archive.read_bytes())
    for place in places:
        data[place : place + 2] = count.to_bytes(2, "little")
    archive.write_bytes(data)
    assert f"counts {count:,} files, its list has 2" in refusal(archive)
    with pytest.raises(DataError, match="its list has 2"):
        scan(archive)


@pytest.mark.slow
def test_a_zip_of_more_files_than_two_bytes_count_is_read(tmp_path: Path) -> None:
    """ZIP64 counts in eight bytes, which are held against the list, too."""
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for number in range(2**16 + 1):
            file.writestr(f"{number}/", b"")
    with zipfile.ZipFile(archive) as file:
        refuse_other_count(file)
    data = bytearray(archive.read_bytes())
    data[data.rindex(b"PK\6\6") + 32] ^= 1
    archive.write_bytes(data)
    with zipfile.ZipFile(archive) as file, pytest.raises(zipfile.BadZipFile, match="65,536 files"):
        refuse_other_count(file)


@pytest.mark.parametrize("name", ["photos.zip", "photos.tar"])
def test_a_path_without_end_is_refused(name: str, tmp_path: Path) -> None:
    """Thousands of folders inside each other are refused before one is made."""
    archive = archive_of(tmp_path / name, {"d/" * 2000 + "1.png": b"x"})
    assert "2,001 levels" in refusal(archive)
    assert [] == list((tmp_path / "room" / "inner" / "folder").iterdir())


def test_an_encrypted_zip_is_refused(tmp_path: Path) -> None:
    """The sentence says that it is encrypted and what to do."""
    assert "is encrypted" in refusal(patched(zip_of(tmp_path / "a.zip", {"x": b"x"}), 6, 8, b"\x01"))


def test_a_compression_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    """The reader's own words are passed on."""
    said = refusal(patched(zip_of(tmp_path / "a.zip", {"x": b"x"}), 8, 10, b"\x63"))
    assert "compression" in said and "damaged" in said


def test_files_of_one_place_in_a_zip_are_refused(tmp_path: Path) -> None:
    """Two entries that share their bytes, as in bombs that need no nesting, are refused."""
    archive = zip_of(tmp_path / "a.zip", {"a": b"x" * 1000, "b": b"x" * 1000})
    data = bytearray(archive.read_bytes())
    second = data.rindex(b"PK\x01\x02")
    data[second + 42 : second + 46] = bytes(4)  # where its local header starts
    archive.write_bytes(data)
    assert "damaged" in refusal(archive)


@pytest.mark.parametrize("name", ["photos.tar", "photos.zip"])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_comes_twice_is_refused(name: str, tmp_path: Path) -> None:
    """Two files of one name would leave one, so none is written over."""
    archive = tmp_path / name
    if name.endswith("zip"):
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr("a/x", b"1")
            file.writestr("a/x", b"2")
    else:
        tar_of(archive, member("a/x"), member("a/x"))
    assert "would overwrite another" in refusal(archive)
    assert 1 == len(found(tmp_path / "room"))


@pytest.mark.parametrize("names", [("a", "a/x"), ("a/x", "a")])
def test_a_file_and_a_folder_of_one_name_are_refused(names: tuple[str, str], tmp_path: Path) -> None:
    """Neither takes the other's place."""
    assert "would overwrite another" in refusal(tar_of(tmp_path / "a.tar", *map(member, names)))


def test_names_that_differ_only_in_case_lose_nothing(tmp_path: Path, folder: Path) -> None:
    """Both classes are kept where the disk can, and refused where they would become one."""
    content = {"Cat/1.png": b"1", "cat/1.png": b"2", "cat/2.png": b"3"}
    archive = zip_of(tmp_path / "a.zip", content)
    (tmp_path / "TEST").touch()
    if (tmp_path / "test").exists():
        assert "letter case" in refusal(archive)
    else:
        unpack(archive, folder)
        assert found(folder) == content


def test_a_folder_that_another_spelling_made_is_refused(tmp_path: Path) -> None:
    """A folder that is there although its spelling is new is what a disk without letter case shows."""
    (tmp_path / "room" / "cat").mkdir(parents=True)
    with pytest.raises(DownloadError, match="letter case"):
        unpack(zip_of(tmp_path / "a.zip", {"cat/1.png": b""}), tmp_path / "room")


@pytest.mark.parametrize("name", [*WRITERS, "photos.zip"])
def test_an_archive_that_was_cut_off_is_refused(name: str, tmp_path: Path) -> None:
    """Wherever it was cut, even between two files, the loss is noticed."""
    whole = archive_of(tmp_path / name).read_bytes()
    if name == "photos.tar":  # up to its end; behind that is padding
        whole = whole[: -(-len(whole.rstrip(b"\0")) // 512) * 512]
    last = len(whole) if name == "photos.tar" else len(whole) - 1
    for end in {*range(10, last, len(whole) // 9), *range(512, last, 512), last}:
        room = tmp_path / str(end)
        (room / "folder").mkdir(parents=True)
        (room / name).write_bytes(whole[:end])
        with pytest.raises(DownloadError, match=re.escape(name)):
            unpack(room / name, room / "folder")


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"<!DOCTYPE html><html>", "a web page"), (b"", "something else"), (b"\x28\xb5\x2f\xfd....", "something else")],
)
def test_something_else_than_an_archive_is_refused(content: bytes, said: str, tmp_path: Path) -> None:
    """A web page that came in the archive's place is called one."""
    (tmp_path / "a.tgz").write_bytes(content)
    assert said in refusal(tmp_path / "a.tgz")


@pytest.mark.parametrize("name", ["photos.tgz", "photos.zip"])
@settings(max_examples=60, deadline=None)
@given(at=st.lists(st.integers(0, 10**6), min_size=1, max_size=4), value=st.integers(0, 255))
def test_damage_is_refused_or_harmless(name: str, at: list[int], value: int) -> None:
    """Whatever bytes are changed, the files are as they were, or the archive is refused."""
    with tempfile.TemporaryDirectory() as home:
        archive = archive_of(Path(home, name))
        data = bytearray(archive.read_bytes())
        for place in at:
            data[place % len(data)] = value
        archive.write_bytes(data)
        folder = Path(home, "folder")
        folder.mkdir()
        try:
            unpack(archive, folder)
        except (DownloadError, OSError) as error:
            assert isinstance(error, DownloadError) or error.errno in (errno.ENAMETOOLONG, errno.EILSEQ)
        else:
            assert set(found(folder).values()) <= set(CONTENT.values())
        assert {"folder", name} == {path.name for path in Path(home).iterdir()}


def test_a_full_disk_is_known_beforehand(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where less is free than the archive weighs, unpacking does not begin."""
    usage: Callable[[Any], Any] = lambda _: type("Usage", (), {"free": 100})  # noqa: E731
    monkeypatch.setattr(unpacking.shutil, "disk_usage", usage)
    with pytest.raises(DownloadError, match="100 free"):
        unpack(archive_of(tmp_path / "photos.zip"), folder)
    assert found(folder) == {}


def test_progress_counts_the_bytes_of_the_archive(tmp_path: Path, folder: Path) -> None:
    """It never falls, ends at the archive's size at the most, and is told for every entry."""
    archive, told = archive_of(tmp_path / "photos.tar"), []
    unpack(archive, folder, progress=lambda done, total: told.append((done, total)))
    assert [size for _, size in told] == [archive.stat().st_size] * 3
    assert sorted(told) == told and told[-1][0] <= told[-1][1]
