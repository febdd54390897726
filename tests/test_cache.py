"""The cache of decoded pixels: hits, misses, damage, several processes, listing and clearing."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from firstlight.data.decoding import cache, stack
from firstlight.data.pixels import load
from firstlight.data.splits import split
from firstlight.data.table import Table
from firstlight.progress import Step
from tables import gray_folder, noise, table_of, write_images


@pytest.fixture
def table(tmp_path: Path) -> Table:
    """Twenty gray images of two classes."""
    return table_of(gray_folder(tmp_path / "photos"))


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one for each image that is decoded."""
    calls: list[int] = []
    plain = stack.decode_all

    def counting(files: list[bytes | str]) -> list[np.ndarray | str]:
        calls.extend(map(len, files))
        return plain(files)

    monkeypatch.setattr(stack, "decode_all", counting)
    return calls


def only_entry() -> Path:
    (entry,) = cache.entries()
    return entry.path


def test_the_second_load_decodes_nothing(table: Table, decoded: list[int]) -> None:
    """Values, reasons and color come from the cache, mapped from its file."""
    first = load(table)
    decoded.clear()
    second = load(table)
    assert decoded == []
    np.testing.assert_array_equal(load(table, cache=False).values, second.values)
    assert (first.reasons, first.size, first.color) == (second.reasons, second.size, second.color)
    assert isinstance(second.values.base, np.memmap)


def test_labels_and_splits_decode_nothing_anew(table: Table, decoded: list[int]) -> None:
    """Splitting, and splitting anew, use the pixels that are there."""
    load(table)
    decoded.clear()
    for seed in range(3):
        parted = split(table, seed=seed)
        assert load(parted).splits.tolist() == parted.splits.tolist()
    assert decoded == []


@pytest.mark.parametrize("options", [{"size": 8}, {"color": "rgb"}, {"size": 8, "resize": "crop"}])
def test_other_options_are_another_entry(table: Table, options: dict) -> None:
    """What was decoded one way is not given for another."""
    load(table)
    found = load(table, **options)
    np.testing.assert_array_equal(load(table, cache=False, **options).values, found.values)
    assert len(cache.entries()) == 2


def test_a_file_that_was_written_anew_is_decoded_anew(table: Table) -> None:
    """A new time of the file is enough, even where name and size stay."""
    load(table)
    path = Path(table.root) / table.keys[0]
    data = (Path(table.root) / table.keys[2]).read_bytes()
    path.write_bytes(data)
    os.utime(path, ns=(10**18, 10**18))
    found = load(table_of(Path(table.root)))
    np.testing.assert_array_equal(found.values[2], found.values[0])


def test_without_times_nothing_is_kept(table: Table) -> None:
    """A table that cannot tell when files change is decoded each time, and says why."""
    found = load(table.with_columns(modified=[None] * len(table)))
    assert cache.entries() == []
    assert found.reasons[-1].startswith("Not saved in the cache, since the table")


def test_nothing_is_kept_where_the_cache_is_not_wanted(table: Table) -> None:
    """With cache=False the folder stays as it is."""
    load(table, cache=False)
    assert not cache.folder().exists()


@pytest.mark.parametrize("name", ["pixels.npy", "about.json"])
@pytest.mark.parametrize("left", [0.0, 0.05, 0.5, 0.99])
def test_an_entry_that_is_cut_short_is_made_anew(table: Table, name: str, left: float) -> None:
    """However little or much of a file is missing, nothing wrong is read."""
    expected = load(table, cache=False).values
    load(table)
    path = only_entry() / name
    whole = path.stat().st_size
    os.truncate(path, int(left * whole))
    np.testing.assert_array_equal(expected, load(table).values)
    assert path.stat().st_size == whole
    assert len(cache.entries()) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"shape": [19, 6, 6, 1]},
        {"shape": "20"},
        {"unreadable": [3]},
        {"unreadable": [-1]},
        {"unreadable": "none"},
        {"unreadable": None},
        {"reasons": 7},
    ],
)
def test_a_description_that_does_not_fit_is_not_believed(table: Table, change: dict) -> None:
    """Where about.json contradicts the pixels or the table, the entry is made anew."""
    expected = load(table)
    path = only_entry() / "about.json"
    before = json.loads(path.read_text())
    path.write_text(json.dumps(before | change))
    found = load(table)
    np.testing.assert_array_equal(expected.values, found.values)
    assert found.reasons == expected.reasons
    assert json.loads(path.read_text()) == before


@pytest.mark.parametrize("name", ["pixels.npy", "about.json"])
def test_a_flipped_bit_is_never_read(table: Table, name: str) -> None:
    """An entry in which one bit of any byte differs is made anew, and gives the pixels of the files."""
    expected = load(table)
    path = only_entry() / name
    before = path.read_bytes()
    for place in [*range(0, len(before), max(len(before) // 40, 1)), len(before) - 1]:
        changed = bytearray(before)
        changed[place] ^= 1 << place % 8
        path.write_bytes(changed)
        found = load(table)
        np.testing.assert_array_equal(expected.values, found.values)
        assert found.reasons == expected.reasons
        assert path.read_bytes() == before


def test_every_block_of_a_large_entry_is_checked(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads share the blocks, and each is held against its own checksum."""
    monkeypatch.setattr(cache, "BLOCK", 100)
    monkeypatch.setattr(cache, "cores", lambda: 3)
    expected = load(table).values
    path = only_entry() / "pixels.npy"
    for place in (0, 99, 100, path.stat().st_size - 1):
        changed = bytearray(path.read_bytes())
        changed[place] ^= 16
        path.write_bytes(changed)
        np.testing.assert_array_equal(expected, load(table).values)


@pytest.mark.parametrize("text", ["[]", "{}", "null", "\udcff"])
def test_a_description_that_is_none_is_not_believed(table: Table, text: str) -> None:
    """Other JSON, or no text at all, leads to a new entry."""
    expected = load(table)
    (only_entry() / "about.json").write_text(text, "utf-8", "surrogateescape")
    np.testing.assert_array_equal(expected.values, load(table).values)
    assert len(cache.entries()) == 1


def test_pixels_of_another_type_are_not_believed(table: Table) -> None:
    """Only uint8 is read, and pickled objects never."""
    expected = load(table).values
    for other in (expected.astype(np.int8), np.asfortranarray(expected), np.array([print], object)):
        np.save(only_entry() / "pixels.npy", other, allow_pickle=True)
        np.testing.assert_array_equal(expected, load(table).values)


def test_an_image_that_can_be_read_by_now_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reason that went away without a new time of the file does not stay in the cache."""
    table = table_of(gray_folder(tmp_path, count=40))
    plain = stack.decode_all
    missing = (tmp_path / table.keys[7]).read_bytes()

    def lacking(files: list[bytes | str]) -> list[np.ndarray | str]:
        return plain(["wants a package" if data == missing else data for data in files])

    monkeypatch.setattr(stack, "decode_all", lacking)
    assert load(table).unreadable.rows["problem"].to_pylist() == ["wants a package"]
    assert load(table).unreadable.keys == [table.keys[7]]
    monkeypatch.setattr(stack, "decode_all", plain)
    assert len(load(table)) == 40
    assert len(load(table).unreadable) == 0


def load_and_sum(root: str, barrier) -> int:
    table = table_of(Path(root))
    barrier.wait()
    return int(load(table).values.sum(dtype=np.int64))


@pytest.mark.slow
def test_several_processes_may_write_the_same_entry(tmp_path: Path) -> None:
    """Processes that start at once all get the right pixels, and one entry is left."""
    root = gray_folder(tmp_path, count=400)
    expected = int(load(table_of(root), cache=False).values.sum(dtype=np.int64))
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager, ProcessPoolExecutor(3, context) as pool:
        barrier = manager.Barrier(3, timeout=60)
        found = list(pool.map(load_and_sum, [str(root)] * 3, [barrier] * 3))
    assert found == [expected] * 3
    assert len(cache.entries()) == 1
    assert [path.name for path in cache.folder().iterdir()] == [only_entry().name]


def test_who_comes_second_uses_what_the_first_has_written(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry that appears while this process decodes is kept, and this process's own is dropped."""
    expected = load(table, cache=False).values
    plain = stack.decode_all
    rival = []

    def slow(files: list[bytes | str]) -> list[np.ndarray | str]:
        if not rival:
            rival.append(0)
            load(table)
            rival.append((only_entry() / "pixels.npy").stat().st_ino)
        return plain(files)

    monkeypatch.setattr(stack, "decode_all", slow)
    np.testing.assert_array_equal(expected, load(table).values)
    assert (only_entry() / "pixels.npy").stat().st_ino == rival[1]
    assert len(list(cache.folder().iterdir())) == 1


def test_a_cache_that_cannot_be_written_is_done_without(
    table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file in the folder's place costs the cache and not the pixels; the reason says so."""
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("FIRSTLIGHT_CACHE", str(tmp_path / "file"))
    found = load(table)
    np.testing.assert_array_equal(load(table, cache=False).values, found.values)
    assert found.reasons[-1].startswith("Not saved in the cache: ")
    assert cache.entries() == []
    assert cache.clear() == (0, 0)


def test_a_full_disk_costs_the_cache_and_not_the_pixels(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that fails half-way leaves nothing behind; the reason names the disk."""

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(stack.os, "fsync", full)
    found = load(table)
    np.testing.assert_array_equal(load(table, cache=False).values, found.values)
    assert "the disk is full" in found.reasons[-1]
    assert list(cache.folder().iterdir()) == []


def test_an_interrupted_load_leaves_nothing_behind(table: Table) -> None:
    """Ctrl-C in the middle of decoding leaves no half entry."""

    def interrupt(step: Step) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load(table, progress=interrupt)
    assert list(cache.folder().iterdir()) == []


def test_entries_tell_what_they_hold(table: Table, tmp_path: Path) -> None:
    """Folder, count and size are listed, the last used first."""
    other = table_of(write_images(tmp_path / "other", {"a/1.png": noise(5, 5)}))
    load(table)
    load(other)
    os.utime(next(e for e in cache.entries() if e.root == other.root).path / "about.json", (1, 1))
    first, second = cache.entries()
    assert (first.root, first.images, second.root, second.images) == (table.root, 20, other.root, 1)
    assert first.bytes == sum(file.stat().st_size for file in first.path.iterdir()) > 20 * 36
    load(other)
    assert cache.entries()[0].root == other.root


def test_clearing_removes_entries_and_unfinished_ones_and_nothing_else(table: Table, tmp_path: Path) -> None:
    """What Firstlight did not write stays, also behind a link with an entry's name."""
    load(table)
    size = cache.entries()[0].bytes
    home = cache.folder()
    (home / f".{'0' * 32}.0123abcd.part").mkdir()
    write_images(home, {"notes.txt": b"mine", "photos/1.png": b"mine"})
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").write_text("mine")
    (home / ("1" * 32)).symlink_to(tmp_path / "precious", target_is_directory=True)
    assert cache.clear() == (1, size)
    assert {path.name for path in home.iterdir()} == {"notes.txt", "photos", "1" * 32}
    assert (tmp_path / "precious" / "file").exists()
    assert cache.clear() == (0, 0)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"root": ' + "9" * 5000 + "}", "null", ""])
def test_a_damaged_entry_is_listed_and_cleared(table: Table, text: str) -> None:
    """Whatever its description says, an entry never stands in the way of the list."""
    load(table)
    (only_entry() / "about.json").write_text(text)
    assert [(entry.root, entry.images) for entry in cache.entries()] == [(cache.DAMAGED, 0)]
    assert cache.clear()[0] == 1
    assert [] == cache.entries()


def test_what_nobody_used_for_a_month_goes_when_something_is_written(table: Table, tmp_path: Path) -> None:
    """Old entries and what a killed process left make room; those in use stay."""
    load(table)
    old = only_entry()
    load(table, size=8)
    month = time.time() - 31 * 24 * 3600
    os.utime(old / "about.json", (month, month))
    left = cache.folder() / f".{'0' * 32}.0123abcd.part"
    left.mkdir()
    load(table, size=9)
    assert not old.exists()
    assert not left.exists()
    assert len(cache.entries()) == 2


def test_the_folder_is_the_users_where_none_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without FIRSTLIGHT_CACHE it is platformdirs' folder for caches."""
    import platformdirs

    monkeypatch.delenv("FIRSTLIGHT_CACHE")
    assert cache.folder().parent == Path(platformdirs.user_cache_dir("firstlight"))
