"""Unpacking archives from strangers: only files and folders, only inside the folder, and within bounds."""

from __future__ import annotations

import posixpath
import shutil
from collections.abc import Callable
from pathlib import Path, PureWindowsPath
from typing import IO

from firstlight.data.fetching.archives import Entry, chunks, entries, undamaged
from firstlight.errors import DownloadError

# The most that is unpacked, however large the archive. The largest collections of images that are trained on
# in one piece are ImageNet-1k (1.3 million images, 138 GB) and Open Images (9 million).
MOST_BYTES = 200 * 2**30
MOST_ENTRIES = 10_000_000
MOST_LEVELS = 100  # folders inside each other; file managers and rmtree get into trouble at some hundred

# The most for what the archive itself weighs. PNG, JPEG and WebP hardly shrink any more, uncompressed bitmaps
# shrink 10 to 50 times, and a bomb of zeros 1,032 times, the limit of deflate. A small archive of blank images
# may come near that, so the first GiB is free.
MOST_TIMES = 100
ALWAYS_BYTES = 2**30

BLOCK = 512  # bytes that an entry counts at the least, as in a tar, so that empty files count too
Parts = tuple[str, ...]
Progress = Callable[[int, int], None]


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
        >>> import tempfile, zipfile
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
        for entry in undamaged(entries(raw, archive.name), archive.name):
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
            for chunk in undamaged(chunks(opener), self.archive):
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
        parts = tuple(part for part in name.split("/") if part not in ("", "."))
        if len(parts) > MOST_LEVELS:
            raise self._refused(f"the name {name[:60]!r}... has {len(parts):,} levels, more than {MOST_LEVELS}")
        return parts

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
