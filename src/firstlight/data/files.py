"""Reading the images that a table names: bytes by key from a folder or a zip, and their digest."""

from __future__ import annotations

import errno
import hashlib
import os
import struct
import threading
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pyarrow.compute as pc

from firstlight.data.table import Table
from firstlight.data.zip_names import member_name
from firstlight.errors import DataError

# Four bytes for each of the 89,478,485 pixels up to which Pillow decodes without an objection
# (Image.MAX_IMAGE_PIXELS): no image that could be used is larger, however badly it is packed.
MAX_BYTES = 4 * 89_478_485

# One read of 16 KiB holds nearly every small image whole. Asking for 64 KiB costs a tenth more, for 1 MiB five times,
# because the buffer is allocated before the size is known.
FIRST_READ = 1 << 14

# O_BINARY keeps Windows from changing line ends. O_NONBLOCK lets a named pipe that took an image's place
# be opened without waiting for a writer; regular files do not heed it.
FLAGS = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)

LAST_RECORD = 22 + 2**16  # bytes at the end of a zip in which its last record is: itself and a comment

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
        A function from key to bytes, for the keys of this table. It raises `OSError` where the file is gone,
        cannot be read or is larger than `MAX_BYTES`.

    Raises:
        DataError: where a key leads out of the root, or the root is gone or is no zip that can be read.

    Example:
        >>> read = reader(scan("photos"))  # doctest: +SKIP
        >>> len(read("cats/1.jpg"))  # doctest: +SKIP
        48213
    """
    if not Path(table.root).is_dir():
        return _zip_reader(table.root)
    # All keys at once: checked at each reading, they would cost a tenth of it.
    keys = table.rows["key"]
    suspicious = pc.or_(pc.match_substring(keys, ".."), pc.match_substring_regex(keys, r"^/|^$|\\|:|\x00"))
    for key in keys.filter(suspicious).to_pylist():
        _refuse_outside(table.root, key)
    return _folder_reader(table.root)


def open_root(root: str) -> Read:
    """The same as `reader`, for a folder or zip that has no table yet.

    Args:
        root: an absolute path.

    Raises:
        DataError: where the root is gone or is no zip that can be read.
    """
    if not Path(root).is_dir():
        return _zip_reader(root)
    read = _folder_reader(root)

    def checked(key: str) -> bytes:
        _refuse_outside(root, key)
        return read(key)

    return checked


def open_zip(path: str) -> zipfile.ZipFile:
    """The zip at a path, opened for reading.

    Raises:
        DataError: where it is gone, may not be read, or is no zip.
    """
    try:
        archive = zipfile.ZipFile(path)  # UnicodeDecodeError: a name in it is not UTF-8, as it says
        refuse_other_count(archive)
        return archive
    except (zipfile.BadZipFile, UnicodeDecodeError) as error:
        raise DataError(f"{path} is not a zip archive, or is cut off ({error}); fetch or pack it again.") from error
    except OSError as error:
        raise DataError(
            f"{path} cannot be opened ({error.strerror or error}); pass a folder or zip of images."
        ) from error


def refuse_other_count(archive: zipfile.ZipFile) -> None:
    """Raises where a zip's last record counts other members than its list holds; zipfile does not look.

    Raises:
        zipfile.BadZipFile: where some of the list are missing, or were added.
    """
    file, found = archive.fp, len(archive.infolist())
    assert file is not None
    file.seek(0, os.SEEK_END)
    first = max(file.tell() - LAST_RECORD, 0)
    file.seek(first)
    tail = file.read()
    place = tail.rfind(b"PK\5\6", 0, len(tail) - 18)
    counts = struct.unpack_from("<HH", tail, place + 8)  # in this part of the archive, and in all: there is one part
    locator = tail[max(place - 20, 0) : place]
    if 2**16 - 1 in counts and locator.startswith(b"PK\6\7"):  # ZIP64, whose record counts in 8 bytes
        file.seek(struct.unpack_from("<Q", locator, 8)[0])
        record = file.read(40)
        if len(record) < 40 or not record.startswith(b"PK\6\6"):
            return  # something was put before the zip, so that the place is another
        counts = struct.unpack_from("<QQ", record, 24)
    # Without ZIP64 some writers let the count begin at 0 again.
    for count in counts:
        if count not in (found, found % 2**16):
            raise zipfile.BadZipFile(f"its last record counts {count:,} files, its list has {found:,}")


def _refuse_outside(root: str, key: str) -> None:
    """Raises where a key could lead out of the folder that it is joined to."""
    parts = key.replace("\\", "/").split("/") if os.name == "nt" else key.split("/")
    if ".." in parts or parts[0] == "" or "\0" in key or (os.name == "nt" and ":" in key):
        raise DataError(
            f"The table names {key!r}, which leads out of {root}; a key is a path below the root, "
            "so make the table again with firstlight scan."
        )


def _folder_reader(root: str) -> Read:
    prefix = os.path.join(root, "")  # noqa: PTH118 - joined once; each key is then one addition of strings
    open_file, read_some, close = os.open, os.read, os.close  # looked up once

    def read(key: str) -> bytes:
        handle = open_file(prefix + key, FLAGS)
        try:
            data = read_some(handle, FIRST_READ)
            return data if len(data) < FIRST_READ else data + _rest(handle, key)
        finally:
            close(handle)

    return read


def _rest(handle: int, key: str) -> bytes:
    """What follows the first read of a file that it did not hold whole."""
    size = os.fstat(handle).st_size
    if size > MAX_BYTES:
        raise _too_large(key, size)
    parts, left = [], size - FIRST_READ
    while left > 0 and (data := os.read(handle, left)):
        parts.append(data)
        left -= len(data)
    return b"".join(parts)


def _zip_reader(path: str) -> Read:
    archive = open_zip(path)
    members = {member_name(info): info for info in archive.infolist()}
    # Opening and closing a member changes a counter in ZipFile that nothing guards; reading is guarded
    # by a lock inside zipfile, and unpacking runs in parallel.
    lock = threading.Lock()

    def read(key: str) -> bytes:
        try:
            info = members[key]
        except KeyError:
            raise FileNotFoundError(errno.ENOENT, "no such member of the zip", key) from None
        if info.file_size > MAX_BYTES:
            raise _too_large(key, info.file_size)
        try:
            with lock:
                member = archive.open(info)
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
