"""Reading images by key from a folder or zip, and the digest of their bytes."""

from __future__ import annotations

import hashlib
import os
import re
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from firstlight.data import files
from firstlight.data.files import digest, open_root, reader
from firstlight.data.table import Table
from firstlight.errors import DataError

SIZES = [0, 1, files.FIRST_READ - 1, files.FIRST_READ, files.FIRST_READ + 1, 3 * files.FIRST_READ + 7]


def table(root: Path, *keys: str) -> Table:
    nothing = np.full(len(keys), -1)
    return Table.build(str(root), keys, classes=(), labels=nothing, splits=nothing)


def contents(size: int) -> bytes:
    return np.random.default_rng(size).bytes(size)


@pytest.mark.parametrize("size", SIZES)
def test_a_file_is_read_whole_whatever_its_size(tmp_path: Path, size: int) -> None:
    """Sizes below, at and above the first read come back byte for byte."""
    (tmp_path / "cats").mkdir()
    (tmp_path / "cats" / "a b é.png").write_bytes(contents(size))
    assert contents(size) == reader(table(tmp_path))("cats/a b é.png")


@pytest.mark.parametrize("packed", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_zip_member_is_read_whole_by_eight_threads_at_once(tmp_path: Path, packed: int) -> None:
    """Threads that share one reader all get their own bytes."""
    path = tmp_path / "photos.zip"
    with zipfile.ZipFile(path, "w", packed) as archive:
        for number in range(40):
            archive.writestr(f"cats/{number}.png", contents(1000 * number))
    read = reader(table(path))
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda number: read(f"cats/{number % 40}.png"), range(400)))
    assert [contents(1000 * (number % 40)) for number in range(400)] == found


@pytest.mark.parametrize("key", ["../secret", "cats/../../secret", "..", "/etc/hostname", "", "a\0b"])
def test_a_key_that_leads_out_of_the_folder_is_refused(tmp_path: Path, key: str) -> None:
    """A table from a stranger cannot make the reader open files elsewhere."""
    root = tmp_path / "photos"
    (root / "cats").mkdir(parents=True)
    (tmp_path / "secret").write_bytes(b"secret")
    with pytest.raises(DataError, match=re.escape(repr(key))):
        reader(table(root, "cats/1.png", key))
    with pytest.raises(DataError, match=re.escape(repr(key))):
        open_root(str(root))(key)


@pytest.mark.parametrize("key", ["a..png", "..a/b.png", "a../b.png", "..."])
def test_dots_inside_a_name_are_read(tmp_path: Path, key: str) -> None:
    """Two dots lead out only where they are a whole part of the key."""
    (tmp_path / key).parent.mkdir(exist_ok=True)
    (tmp_path / key).write_bytes(b"dots")
    assert b"dots" == reader(table(tmp_path, key))(key) == open_root(str(tmp_path))(key)


def test_absolute_path_joined_to_a_key_stays_below_the_root(tmp_path: Path) -> None:
    """The absolute path of a file inside the root is refused as well: a key is a path below the root."""
    (tmp_path / "a.png").write_bytes(b"a")
    with pytest.raises(DataError, match=re.escape(str(tmp_path / "a.png"))):
        reader(table(tmp_path, str(tmp_path / "a.png")))


def test_missing_files_and_folders_are_oserrors(tmp_path: Path) -> None:
    """What is gone or is no file raises OSError, which `load` turns into a reason."""
    (tmp_path / "cats.png").mkdir()
    read = reader(table(tmp_path))
    for key in ("gone.png", "cats.png"):
        with pytest.raises(OSError):
            read(key)
    path = tmp_path / "photos.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.png", b"a")
    with pytest.raises(FileNotFoundError, match=r"gone\.png"):
        reader(table(path))("gone.png")


def test_larger_than_any_image_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file or member over the bound raises with both numbers."""
    monkeypatch.setattr(files, "MAX_BYTES", 100_000)
    (tmp_path / "big.png").write_bytes(contents(100_001))
    (tmp_path / "fits.png").write_bytes(contents(100_000))
    with zipfile.ZipFile(tmp_path / "big.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("big.png", bytes(100_001))
    assert contents(100_000) == reader(table(tmp_path))("fits.png")
    for root in (tmp_path, tmp_path / "big.zip"):
        with pytest.raises(OSError, match=r"100,001 .*100,000"):
            reader(table(root))("big.png")


def test_the_bound_holds_an_uncompressed_image_at_pillows_limit() -> None:
    """Four bytes a pixel at the size up to which Pillow decodes silently are not over the bound."""
    image = pytest.importorskip("PIL.Image")
    assert 4 * image.MAX_IMAGE_PIXELS == files.MAX_BYTES


def test_a_damaged_or_locked_member_is_an_oserror(tmp_path: Path) -> None:
    """Wrong checksums, broken streams and passwords concern one image, so they are told as its reason."""
    path = tmp_path / "photos.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("a.png", b"0123456789")
        archive.writestr("b.png", b"intact")
    data = path.read_bytes()
    path.write_bytes(data.replace(b"0123456789", b"012345678X"))
    read = reader(table(path))
    with pytest.raises(OSError, match="damaged"):
        read("a.png")
    assert b"intact" == read("b.png")
    locked = data.replace(b"PK\x03\x04\x14\x00\x00", b"PK\x03\x04\x14\x00\x01")
    path.write_bytes(locked.replace(b"PK\x01\x02\x14\x03\x14\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01"))
    assert locked != data
    with pytest.raises(OSError, match="password"):
        reader(table(path))("b.png")


def test_a_root_that_is_no_zip_or_gone_is_reported(tmp_path: Path) -> None:
    """The two sentences name the path."""
    (tmp_path / "no.zip").write_bytes(b"not a zip")
    with pytest.raises(DataError, match=r"no\.zip"):
        reader(table(tmp_path / "no.zip"))
    with pytest.raises(DataError, match="gone"):
        reader(table(tmp_path / "gone"))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are a thing of POSIX")
def test_a_named_pipe_in_an_images_place_does_not_hang(tmp_path: Path) -> None:
    """Opening it waits for no writer."""
    os.mkfifo(tmp_path / "a.png")
    assert b"" == reader(table(tmp_path))("a.png")


def test_digest_is_blake2b_with_128_bits() -> None:
    """The published test value of BLAKE2b-128 for no bytes, and hashlib's for some."""
    assert "cae66941d9efbd404e4d88758ea67670" == digest(b"")
    assert hashlib.blake2b(b"abc", digest_size=16).hexdigest() == digest(b"abc")
    assert digest(b"abc") != digest(b"abd")
