"""The members of a .zip, .tar, .tar.gz, .tar.bz2 or .tar.xz from strangers, one by one, within bounds."""

from __future__ import annotations

import bz2
import gzip
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import IO, Any, TypeVar, cast

from firstlight.data.files import refuse_other_count
from firstlight.data.zip_names import member_name
from firstlight.errors import DownloadError

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


def entries(raw: IO[bytes], archive: str) -> Iterator[Entry]:
    """The members of an archive, which is known by its content.

    Args:
        raw: the file, at its start.
        archive: its name, for sentences.

    Raises:
        DownloadError: where it is none of the kinds that are read, or is encrypted; what damage raises is left to
            `undamaged`.
    """
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
            f"{archive} is not a .zip, .tar, .tar.gz, .tar.bz2 or .tar.xz but {looks}; check where it came from."
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
    try:
        opened = zipfile.ZipFile(raw)
    except UnicodeDecodeError as error:
        raise zipfile.BadZipFile(f"a name in it is not UTF-8 as it says ({error.reason})") from error
    with opened as file:
        refuse_other_count(file)
        for info in file.infolist():
            if info.flag_bits & 1:
                raise DownloadError(
                    f"{archive} is encrypted; unpack it with a tool that asks for the password and pass the folder."
                )
            name = member_name(info)
            kind, target = "folder" if name.endswith("/") else "file", ""
            mode = stat.S_IFMT(info.external_attr >> 16)
            if mode == stat.S_IFLNK:
                with file.open(info) as content:
                    kind, target = "link", content.read(LONGEST_HEADER).decode()
            elif mode not in (0, stat.S_IFREG, stat.S_IFDIR):
                kind = "device"
            yield Entry(name, kind, info.file_size, lambda info=info: file.open(info), target)  # type: ignore[misc]


def chunks(opener: Callable[[], IO[bytes]]) -> Iterator[bytes]:
    """The content of a member, `CHUNK` bytes at a time."""
    with opener() as content:
        while chunk := content.read(CHUNK):
            yield chunk


def undamaged(items: Iterable[Item], archive: str) -> Iterator[Item]:
    """The items, and one sentence for whatever goes wrong in reading them (but not in writing them)."""
    try:
        yield from items
    except DAMAGE as error:
        reason = str(error).rstrip(".")[:100] or type(error).__name__  # it may quote a whole file as a name
        raise DownloadError(f"{archive} is damaged or was cut off ({reason}); fetch it again.") from error
