"""Locks between processes: who works alone on a path, and whether the process that began a path is still alive."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

DAY = 24 * 60 * 60  # seconds; where nothing can be locked, what nobody touched for so long is abandoned


@contextlib.contextmanager
def alone(lock: Path) -> Iterator[None]:
    """Waits until no other process is in the same block; the system lets go of the lock of one that dies.

    Args:
        lock: a file that is made for this and removed at the end.

    Raises:
        OSError: where the file cannot be made.
    """
    while True:
        handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _wait(handle)
            if sys.platform == "win32" or _is_at(handle, lock):
                break
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)  # another process removed it at the end of its block; whoever comes now makes a new one
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # Windows keeps it while another process waits for it
            lock.unlink(missing_ok=True)
        os.close(handle)


@contextlib.contextmanager
def held(path: Path) -> Iterator[bool]:
    """Shows other processes that a file or folder is being written, until the block ends or this process dies.

    Args:
        path: a file or folder that was just made.

    Returns:
        Whether it is still there: another process may have taken it for abandoned before it was locked.
    """
    handle = None
    with contextlib.suppress(OSError):
        if sys.platform != "win32":
            handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            _wait(handle)
    try:
        yield path.exists() if handle is None else _is_at(handle, path)
    finally:
        if handle is not None:
            os.close(handle)


@contextlib.contextmanager
def abandoned(path: Path) -> Iterator[bool]:
    """Whether the process that began to write a file or folder with `held` is gone; it stays so inside the block."""
    handle = None
    try:
        if sys.platform == "win32":
            gone = time.time() - path.stat().st_mtime > DAY
        else:
            import fcntl

            handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            gone = True
    except OSError:  # locked, gone, or on a disk that knows no locks
        gone = False
    try:
        yield gone
    finally:
        if handle is not None:
            os.close(handle)


def _wait(handle: int) -> None:
    if sys.platform == "win32":
        import msvcrt

        while True:
            try:
                msvcrt.locking(handle, msvcrt.LK_LOCK, 1)
                return
            except OSError as error:  # which says after ten seconds that it is still locked
                if error.errno != errno.EDEADLOCK:
                    raise
    else:
        import fcntl

        with contextlib.suppress(OSError):  # a disk that knows no locks
            fcntl.flock(handle, fcntl.LOCK_EX)


def _is_at(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except OSError:
        return False
