"""Reading the images that a table names: bytes by key from a folder or a zip, and their digest."""

from __future__ import annotations

import errno
import hashlib
import os
import threading
import zipfile
import zlib
from collections.abc import Callable

from firstlight.data.table import Table
from firstlight.errors import DataError

# Four bytes for each of the 89,478,485 pixels up to which Pillow decodes without an objection
# (Image.MAX_IMAGE_PIXELS): no image that could be used is larger, however badly it is packed.
MAX_BYTES = 4 * 89_478_485

# One read of 16 KiB holds nearly every small image whole. Asking for 64 KiB costs a tenth more, and for 1 MiB five times,
# because the buffer is allocated before the size is known.
FIRST_READ = 1 << 14

# O_BINARY keeps Windows from changing line ends. O_NONBLOCK lets a named pipe that took an image's place
# be opened without waiting for a writer; regular files do not heed it.
FLAGS = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)

Read = Callable[[str], bytes]


def digest(data: bytes) -> str:
    """The digest by which equal files are known: BLAKE2b with 128 bits, in hexadecimal.

    Args:
        data: the bytes of a file.

    Returns:
        32 hexadecimal digits.

    Example:
        >>> digest(b"")
        'cae66941d9efbd404e4d88758ea67670'
    """
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def reader(table: Table) -> Read:
    """A function that reads a table's images by key; several threads may call it at once.

    Args:
        table: where the images lie; its ``root`` is a folder or a zip.

    Returns:
        A function from key to bytes. It raises `OSError` where the file is gone, cannot be read or is
        larger than `MAX_BYTES`, and `DataError` where the key leads out of the root.

    Raises:
        DataError: where the root is gone or is no zip that can be read.

    Example:
        >>> read = reader(scan("photos"))  # doctest: +SKIP
        >>> len(read("cats/1.jpg"))  # doctest: +SKIP
        48213
    """
    return open_root(table.root)


def open_root(root: str) -> Read:
    """The same as `reader`, for a folder or zip that has no table yet.

    Args:
        root: an absolute path.

    Raises:
        DataError: where the root is gone or is no zip that can be read.
    """
    if os.path.isdir(root):  # noqa: PTH112 - a pathlib object would be made for this alone
        return _folder_reader(root)
    return _zip_reader(root)


def open_zip(path: str) -> zipfile.ZipFile:
    """The zip at a path, opened for reading.

    Raises:
        DataError: where it is gone, may not be read, or is no zip.
    """
    try:
        return zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise DataError(
            f"{path} is no zip archive, or one that is cut short ({error}); fetch or pack it again."
        ) from error
    except OSError as error:
        raise DataError(
            f"{path} cannot be opened ({error.strerror or error}); pass a folder or zip of images."
        ) from error


def _leads_out(key: str) -> bool:
    """Whether a key could lead out of the folder that it is joined to."""
    parts = key.replace("\\", "/").split("/") if os.name == "nt" else key.split("/")
    return ".." in parts or parts[0] == "" or "\0" in key or (os.name == "nt" and ":" in key)


def _folder_reader(root: str) -> Read:
    prefix = os.path.join(root, "")  # noqa: PTH118 - joined once; each key is then one addition of strings
    windows = os.name == "nt"

    def read(key: str) -> bytes:
        # The first test costs 60 ns and lets nearly every key pass; the thorough one looks at the rest.
        if (windows or ".." in key or "\0" in key or key[:1] in ("/", "")) and _leads_out(key):
            raise DataError(
                f"The table names {key!r}, which leads out of {root}; a key is a path below the root, "
                "so make the table anew with firstlight scan."
            )
        handle = os.open(prefix + key, FLAGS)
        try:
            data = os.read(handle, FIRST_READ)
            if len(data) < FIRST_READ:
                return data
            size = os.fstat(handle).st_size
            if size > MAX_BYTES:
                raise _too_large(key, size)
            parts = [data]
            left = size - len(data)
            while left > 0 and (data := os.read(handle, left)):
                parts.append(data)
                left -= len(data)
            return b"".join(parts)
        finally:
            os.close(handle)

    return read


def _zip_reader(path: str) -> Read:
    archive = open_zip(path)
    # Opening and closing a member changes a counter in ZipFile that nothing guards; reading is guarded
    # by a lock inside zipfile, and unpacking runs in parallel.
    lock = threading.Lock()

    def read(key: str) -> bytes:
        try:
            size = archive.getinfo(key).file_size
        except KeyError:
            raise FileNotFoundError(errno.ENOENT, "no such member of the zip", key) from None
        if size > MAX_BYTES:
            raise _too_large(key, size)
        try:
            with lock:
                member = archive.open(key)
            try:
                return member.read()  # never more than file_size, whatever the packed bytes unfold to
            finally:
                with lock:
                    member.close()
        # RuntimeError: a password is needed; NotImplementedError: an unknown way of packing.
        except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
            raise OSError(errno.EIO, f"damaged or locked zip member ({error})", key) from error

    return read


def _too_large(key: str, size: int) -> OSError:
    return OSError(errno.EFBIG, f"{size:,} bytes, more than the {MAX_BYTES:,} that an image may have", key)
