"""Unpacking archives from strangers: only files and folders, only inside the folder, and within bounds."""

from __future__ import annotations

import bz2
import gzip
import lzma
import posixpath
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import IO, Any, TypeVar, cast

from firstlight.errors import DownloadError

# The most that is unpacked, however large the archive. The largest collections of images that are trained on
# in one piece are ImageNet-1k (1.3 million images, 138 GB) and Open Images (9 million).
MOST_BYTES = 200 * 2**30
MOST_ENTRIES = 10_000_000

# The most for what the archive itself weighs. PNG, JPEG and WebP hardly shrink any more, uncompressed bitmaps
# shrink 10 to 50 times, and a bomb of zeros 1,032 times, the limit of deflate. A small archive of blank images
# may come near that, so the first GiB is free.
MOST_TIMES = 100
ALWAYS_BYTES = 2**30

BLOCK = 512  # bytes that an entry counts at the least, as in a tar, so that empty files count too
CHUNK = 2**18
LONGEST_HEADER = 2**20  # bytes that tarfile holds in memory for one member's headers; a long name has some KiB
LONGEST_TAIL = 2**26  # bytes after the end of a tar: padding, to a block of 1 MiB at the most usual

READERS: dict[bytes, Callable[[Any], Any]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}

# What the standard library's readers raise on damaged or hostile input.
DAMAGE = (
    IndexError,  # a member without a name, in zipfile up to Python 3.11
    *(OSError, EOFError, ValueError, NotImplementedError, RuntimeError),
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError),
)

Parts = tuple[str, ...]
Progress = Callable[[int, int], None]
Item = TypeVar("Item")


@dataclass(frozen=True)
class Entry:
    """A member of a tar or zip.

    Attributes:
        name: its path in the archive, with slashes.
        kind: ``"folder"``, ``"file"``, ``"link"`` (symbolic), ``"same"`` (tar's hard link) or ``"device"``.
        size: bytes, as the archive says.
        open: opens the content.
        target: where a link leads.
    """

    name: str
    kind: str
    size: int
    open: Callable[[], IO[bytes]]
    target: str = ""


def unpack(
    archive: Path,
    folder: Path,
    *,
    most_bytes: int | None = None,
    most_entries: int = MOST_ENTRIES,
    progress: Progress | None = None,
) -> int:
    """Unpacks a .zip, .tar, .tar.gz, .tar.bz2 or .tar.xz, known by its content, into an empty folder.

    Nothing is written outside the folder, and nothing but plain files and folders is made, without the rights,
    owners and times that the archive names. No link is ever made, so none can lead a later file astray.

    Args:
        archive: the archive.
        folder: where it is unpacked. An error leaves it half full, so pass a temporary one.
        most_bytes: the most that is written, with `BLOCK` for each entry; None: `MOST_TIMES` the archive's
            size, but at least `ALWAYS_BYTES` and at most `MOST_BYTES`.
        most_entries: the most files and folders.
        progress: called with (bytes of the archive that were read, its size) for every entry.

    Returns:
        How many symbolic links were left out; all of them lead to places inside.

    Raises:
        DownloadError: where it is no such archive, is damaged or encrypted, or holds a name or link that leads
            outside, a device, two files that would be one, or more than allowed.
        OSError: where the disk is full or the folder cannot be written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as home:
        ...     archive, folder = Path(home, "photos.zip"), Path(home, "photos")
        ...     with zipfile.ZipFile(archive, "w") as file:
        ...         file.writestr("cat/1.png", b"...")
        ...     folder.mkdir()
        ...     unpack(archive, folder), [path.name for path in folder.glob("cat/*")]
        (0, ['1.png'])
    """
    weight = archive.stat().st_size
    free = shutil.disk_usage(folder).free
    if free < weight:  # images hardly shrink, so unpacked they need as much again, or more
        raise DownloadError(
            f"{archive.name} needs {weight:,} bytes or more to unpack, but the disk of {folder.parent} has "
            f"{free:,} free; make room or choose another folder."
        )
    if most_bytes is None:
        most_bytes = min(MOST_BYTES, max(ALWAYS_BYTES, MOST_TIMES * weight))
    target = _Target(archive.name, folder, most_bytes, most_entries)
    with archive.open("rb") as raw:
        for entry in _undamaged(_entries(raw, archive.name), archive.name):
            target.put(entry)
            if progress is not None:
                progress(raw.tell(), weight)
    return target.links


class _Target:
    """The folder that is being filled, and how much has gone into it."""

    def __init__(self, archive: str, folder: Path, most_bytes: int, most_entries: int) -> None:
        self.archive, self.folder = archive, folder
        self.most_bytes, self.most_entries = most_bytes, most_entries
        self.entries = self.written = self.links = 0
        self.made: set[Parts] = {()}

    def put(self, entry: Entry) -> None:
        parts = self._parts(entry.name)
        self.entries += 1
        self._count(BLOCK)
        if entry.kind == "device":
            raise self._refused(f"{entry.name!r} is a device or a pipe and no file")
        if entry.kind == "link":
            self._check_link(parts[:-1], entry)
            self.links += 1
        elif entry.kind == "folder":
            self._make(parts, entry)
        elif not parts:
            raise self._refused(f"a file in it is called {entry.name!r}")
        else:
            self._make(parts[:-1], entry)
            self._write(self.folder.joinpath(*parts), entry)

    def _write(self, path: Path, entry: Entry) -> None:
        opener = self._original(entry) if entry.kind == "same" else entry.open
        self._count(entry.size)  # what is said of it, before anything is written
        said = entry.size
        try:
            file = path.open("xb")
        except (FileExistsError, IsADirectoryError) as error:
            raise self._twice(entry.name) from error
        with file:
            for chunk in _undamaged(_chunks(opener), self.archive):
                said -= len(chunk)
                if said < 0:  # and what really comes, where that is more
                    self._count(-said)
                    said = 0
                file.write(chunk)

    def _make(self, parts: Parts, entry: Entry) -> None:
        """Makes each folder once, so that one that is there already is another's: Cat on a disk that has cat."""
        for end in range(1, len(parts) + 1):
            if parts[:end] not in self.made:
                try:
                    self.folder.joinpath(*parts[:end]).mkdir()
                except (FileExistsError, NotADirectoryError) as error:
                    raise self._twice(entry.name) from error
                self.made.add(parts[:end])

    def _parts(self, name: str) -> Parts:
        if _leads_outside(name):
            raise self._refused(f"the name {name!r} leads outside")
        return tuple(part for part in name.split("/") if part not in ("", "."))

    def _check_link(self, parents: Parts, entry: Entry) -> None:
        path = posixpath.normpath("/".join((*parents, entry.target)))
        if entry.target.startswith("/") or _leads_outside(path):
            raise self._refused(f"the link {entry.name!r} leads outside, to {entry.target!r}")

    def _original(self, entry: Entry) -> Callable[[], IO[bytes]]:
        path = self.folder.joinpath(*self._parts(entry.target))
        if not path.is_file():
            raise self._refused(f"{entry.name!r} is the same as {entry.target!r}, which is not in it")
        return lambda: path.open("rb")

    def _count(self, size: int) -> None:
        self.written += size
        if self.written > self.most_bytes or self.entries > self.most_entries:
            raise self._refused(
                f"it unpacks to more than {self.most_bytes:,} bytes or {self.most_entries:,} files, "
                "as an archive bomb does"
            )

    def _twice(self, name: str) -> DownloadError:
        return self._refused(
            f"{name!r} would overwrite another of its files, whose name is the same or differs only in letter case"
        )

    def _refused(self, why: str) -> DownloadError:
        return DownloadError(
            f"{self.archive} was not unpacked, since {why}; if you trust it, unpack it with a tool of your own "
            "and pass the folder."
        )


def _leads_outside(name: str) -> bool:
    """Whether some system may take the name for a place outside; a backslash parts folders on Windows."""
    drive = PureWindowsPath(name).drive
    return name.startswith("/") or ".." in name.split("/") or "\\" in name or "\0" in name or drive != ""


def _entries(raw: IO[bytes], archive: str) -> Iterator[Entry]:
    head = raw.read(512)
    raw.seek(0)
    if head[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        yield from _zip_entries(raw, archive)
        return
    for magic, reader in READERS.items():
        if head.startswith(magic):
            with reader(raw) as stream:
                yield from _tar_entries(_Stream(stream))
            return
    if head[257:262] != b"ustar":
        looks = "a web page" if head.lstrip()[:1] == b"<" else "something else"
        raise DownloadError(
            f"{archive} is no .zip, .tar, .tar.gz, .tar.bz2 or .tar.xz but {looks}; check where it came from."
        )
    stream = _Stream(raw)
    yield from _tar_entries(stream)
    if not stream.last:  # a whole tar ends in blocks of zeros; the others end in a checksum
        raise EOFError("the end is missing")


class _Stream:
    """A file as tarfile reads it, in which neither headers nor padding fill the memory."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.stream, self.seek, self.tell = stream, stream.seek, stream.tell
        self.budget = LONGEST_HEADER
        self.last = b""

    def read(self, size: int) -> bytes:
        if size > self.budget:
            raise tarfile.ReadError("a header or padding without end")
        self.budget -= size
        self.last = self.stream.read(size)
        return self.last


def _tar_entries(stream: _Stream) -> Iterator[Entry]:
    with tarfile.open(fileobj=cast(IO[bytes], stream), mode="r:") as tar:
        for member in tar:
            # tarfile would keep a list of all members; it needs none, since nothing is looked up in it.
            tar.members = []  # type: ignore[attr-defined]
            kind = (
                ("folder" if member.isdir() else "link" if member.issym() else "same" if member.islnk() else "file")
                if member.isdir() or member.issym() or member.islnk() or member.isreg()
                else "device"
            )
            stream.budget = member.size + LONGEST_HEADER
            yield Entry(
                member.name,
                kind,
                member.size,
                lambda member=member: cast(IO[bytes], tar.extractfile(member)),  # type: ignore[misc]
                member.linkname,
            )
            stream.budget = LONGEST_HEADER
        ended = stream.last
        if any(ended):  # tarfile takes any other block that is no header for the end, too
            raise tarfile.ReadError("something else than a header")
        stream.budget = LONGEST_TAIL
        while stream.read(LONGEST_HEADER):  # to the very end, where the checksum is
            pass
        stream.last = ended


def _zip_entries(raw: IO[bytes], archive: str) -> Iterator[Entry]:
    with zipfile.ZipFile(raw) as file:
        for info in file.infolist():
            if info.flag_bits & 1:
                raise DownloadError(
                    f"{archive} is encrypted; unpack it with a tool that asks for the password and pass the folder."
                )
            kind, target = "folder" if info.is_dir() else "file", ""
            mode = stat.S_IFMT(info.external_attr >> 16)
            if mode == stat.S_IFLNK:
                with file.open(info) as content:
                    kind, target = "link", content.read(LONGEST_HEADER).decode()
            elif mode not in (0, stat.S_IFREG, stat.S_IFDIR):
                kind = "device"
            yield Entry(info.filename, kind, info.file_size, lambda info=info: file.open(info), target)  # type: ignore[misc]


def _chunks(opener: Callable[[], IO[bytes]]) -> Iterator[bytes]:
    with opener() as content:
        while chunk := content.read(CHUNK):
            yield chunk


def _undamaged(items: Iterable[Item], archive: str) -> Iterator[Item]:
    """The items, and one sentence for whatever goes wrong in reading them (but not in writing them)."""
    try:
        yield from items
    except DAMAGE as error:
        reason = str(error).rstrip(".")[:100] or type(error).__name__  # it may quote a whole file as a name
        raise DownloadError(f"{archive} is damaged or was cut off ({reason}); fetch it again.") from error
