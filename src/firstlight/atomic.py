"""Atomic writing: a file or folder appears under its name only when it is complete."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from firstlight.characters import is_text, visible
from firstlight.errors import FirstlightError
from firstlight.locks import abandoned, held

REASONS = {
    errno.ENOSPC: "the disk is full; make room and run the same command again",
    errno.EDQUOT: "the disk quota is used up; make room and run the same command again",
    errno.EACCES: "there is no permission to write there; choose another place or change the permission",
    errno.EPERM: "there is no permission to write there; choose another place or change the permission",
    errno.EROFS: "the file system is read-only; choose another place",
    errno.EEXIST: "a file is where a folder is needed, or the name is taken; choose another place",
    errno.ENOTEMPTY: "something of that name already exists; choose another place",
    errno.EISDIR: "a folder of that name already exists; choose another name",
    errno.ENOTDIR: "a part of the path is a file, not a folder; choose another place",
}


def _reason(error: OSError) -> str:
    return REASONS.get(error.errno or 0, error.strerror or str(error))


@contextlib.contextmanager
def writing(path: Path, kind: type[FirstlightError] = FirstlightError) -> Iterator[None]:
    """Turns an `OSError` inside the block into one sentence that names ``path``.

    Args:
        path: what is being written, for the error message.
        kind: the class of the error that is raised instead.

    Raises:
        FirstlightError: (or ``kind``) where the block raised an `OSError`.

    Example:
        >>> with writing(Path("/nowhere/x")):
        ...     raise OSError(errno.ENOSPC, "No space left on device")
        Traceback (most recent call last):
        firstlight.errors.FirstlightError: /nowhere/x could not be written: the disk is full; ...
    """
    try:
        yield
    except OSError as error:
        raise kind(f"{path} could not be written: {_reason(error)}.") from error
    except UnicodeEncodeError as error:
        if is_text(path):
            raise
        raise kind(f"{visible(path)} could not be written: it is not a path in UTF-8; choose another name.") from error


@contextlib.contextmanager
def new_file(path: Path, kind: type[FirstlightError] = FirstlightError) -> Iterator[Path]:
    """Yields a temporary path next to ``path`` and renames it to ``path`` when the block ends well.

    On any failure the temporary file is removed and what was at ``path`` before is unchanged.

    Args:
        path: where the finished file goes; its folder is created if it is missing.
        kind: the class of the error that reports a full disk or a missing permission.

    Raises:
        FirstlightError: (or ``kind``) where the file cannot be written.
    """
    path = Path(path)
    with writing(path, kind):
        path.parent.mkdir(parents=True, exist_ok=True)
        # touch gives the permissions that the user's umask leaves, as tempfile does not
        with _part(path, lambda part: part.touch(exist_ok=False)) as part:
            try:
                yield part
                _flush(part)
                part.replace(path)
            finally:
                part.unlink(missing_ok=True)


@contextlib.contextmanager
def new_folder(path: Path, kind: type[FirstlightError] = FirstlightError, *, replacing: bool = False) -> Iterator[Path]:
    """Yields a temporary folder next to ``path`` and renames it to ``path`` when the block ends well.

    Args:
        path: where the finished folder goes.
        kind: the class of the error that reports a full disk or a missing permission.
        replacing: a folder that is already there makes way, and is deleted when the new one is in its place.
            Otherwise it is never overwritten: the rename fails on every system unless it is empty.

    Raises:
        FirstlightError: (or ``kind``) where the folder cannot be written; what was at ``path`` is then still there.
    """
    path = Path(path)
    with writing(path, kind):
        path.parent.mkdir(parents=True, exist_ok=True)
        with _part(path, Path.mkdir) as part:
            try:
                yield part
                if replacing and path.exists():
                    _swap(path, part)
                else:
                    part.rename(path)
            finally:
                remove_tree(part)


def remove_abandoned(folder: Path, name: str | None = None) -> None:
    """Removes the temporary files and folders that processes left in a folder when they were killed.

    Args:
        folder: where `new_file` and `new_folder` wrote; its subfolders are not looked into.
        name: of the file or folder that was being written; None: any.
    """
    pattern = re.compile(rf"\.{'.+' if name is None else re.escape(name)}\.[0-9a-f]{{8}}\.part", re.DOTALL)
    with contextlib.suppress(OSError), os.scandir(folder) as found:
        for entry in [entry for entry in found if pattern.fullmatch(entry.name) and not entry.is_symlink()]:
            with abandoned(Path(entry.path)) as gone, contextlib.suppress(OSError):
                if gone and entry.is_dir():
                    remove_tree(Path(entry.path))
                elif gone:
                    Path(entry.path).unlink()


def remove_tree(folder: Path) -> None:
    """Removes a folder as far as it can be removed, however deep it is, and says nothing of what is left.

    Example:
        >>> remove_tree(Path("nowhere"))
    """
    with contextlib.suppress(OSError):
        # Up to Python 3.12 rmtree calls itself, and opens a folder more, for each level.
        with contextlib.suppress(RecursionError):
            shutil.rmtree(folder, ignore_errors=True)
        if folder.is_dir():
            _flatten(folder)
            shutil.rmtree(folder, ignore_errors=True)


def _flatten(folder: Path) -> None:
    """Moves what is below a folder's subfolders up, level by level, so that no path is ever long."""
    while below := [Path(entry.path) for entry in os.scandir(folder) if entry.is_dir(follow_symlinks=False)]:
        for inner in below:
            for entry in list(os.scandir(inner)):
                Path(entry.path).rename(folder / secrets.token_hex(16))
            inner.rmdir()


@contextlib.contextmanager
def _part(path: Path, make: Callable[[Path], None]) -> Iterator[Path]:
    """A new temporary path next to ``path``, locked as long as this process writes it."""
    remove_abandoned(path.parent, path.name)
    while True:
        part = _hidden(path)
        make(part)
        with held(part) as whole:
            if whole:
                yield part
                return


def _swap(path: Path, new: Path) -> None:
    """Puts a finished folder in the place of an older one, which comes back if that fails."""
    old = path.with_name(f".{path.name}.{secrets.token_hex(4)}.old")
    path.rename(old)
    try:
        new.rename(path)
    except OSError:
        old.rename(path)
        raise
    remove_tree(old)


def _hidden(path: Path) -> Path:
    """A hidden name in the same folder, so that renaming stays within one file system."""
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")


def _flush(path: Path) -> None:
    """Flushes the file to the disk, so that a power cut leaves either the old one or the new one."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())
