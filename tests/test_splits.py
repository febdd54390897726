"""Splitting: shares, strata, equal files, stability, and what the folder brings along."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import firstlight as fl
from firstlight.data.arrange import arrange
from firstlight.data.fetching.catalog import write_digits
from firstlight.data.splits import split
from firstlight.data.table import SPLITS, Table
from firstlight.errors import ArgumentError, DataError
from tables import gray_folder, noise, table_of, write_images

TRAIN, VALIDATION, TEST = range(3)


def listed(labels: list[int], digests: list[str], splits: list[int] | None = None) -> Table:
    """A table whose files need not be there, since all digests are known."""
    return Table.build(
        "photos",
        [f"{digest[:8]}-{i}.png" for i, digest in enumerate(digests)],
        classes=tuple(f"class {label}" for label in range(max(labels) + 1)),
        labels=np.array(labels, np.int32),
        splits=np.array(splits if splits is not None else [-1] * len(labels), np.int8),
        columns={"digest": digests, "size": [1] * len(digests)},
    )


def digests_of(count: int, salt: str = "") -> list[str]:
    return [hashlib.md5(f"{salt}{i}".encode(), usedforsecurity=False).hexdigest() for i in range(count)]


def test_the_shares_are_met_in_each_class() -> None:
    """Of 4,000 images a class, each share is met within five standard deviations."""
    labels = [0] * 4000 + [1] * 4000
    counts = split(listed(labels, digests_of(8000)), validation=0.2, test=0.1).counts()
    for name, share in (("validation", 0.2), ("test", 0.1)):
        margin = 5 * (share * (1 - share) / 4000) ** 0.5
        for count in counts[name].values():
            assert count / 4000 == pytest.approx(share, abs=margin)


@pytest.mark.parametrize("count", [5, 8, 15, 30, 36, 60])
def test_small_classes_have_their_shares_too(count: int) -> None:
    """Within a third of the share, or one image, whatever the seed; and none where no share was requested."""
    for seed in range(30):
        labels = [0] * count + [1] * count
        counts = split(listed(labels, digests_of(2 * count)), validation=0.2, test=0.1, seed=seed).counts()
        for name, share in (("validation", 0.2), ("test", 0.1)):
            for held_out in counts[name].values():
                assert abs(held_out - share * count) <= max(1, share * count / 3)
        assert "test" not in split(listed(labels, digests_of(2 * count)), seed=seed).counts()


def test_without_shares_everything_is_train() -> None:
    """Shares of nothing hold nothing out."""
    table = split(listed([0] * 9, digests_of(9)), validation=0, test=0)
    assert table.splits.tolist() == [TRAIN] * 9


def test_the_same_seed_gives_the_same_split_and_another_another() -> None:
    """The seed alone decides between splits of the same files."""
    table = listed([0, 1] * 100, digests_of(200))
    assert split(table, seed=3).splits.tolist() == split(table, seed=3).splits.tolist()
    assert split(table, seed=3).splits.tolist() != split(table, seed=4).splits.tolist()


def test_the_order_of_the_rows_does_not_matter() -> None:
    """Each file goes to the same side wherever it stands in the table."""
    table = listed([0, 1, 2] * 50, digests_of(150))
    order = np.random.default_rng(1).permutation(150)
    forth = split(table, test=0.2).splits
    back = split(table.select(order), test=0.2).splits
    assert forth[order].tolist() == back.tolist()


def test_files_that_are_added_leave_the_others_where_they_are() -> None:
    """A folder that grew keeps the sides of all images it had."""
    labels, digests = [0, 1] * 150, digests_of(300)
    before = split(listed(labels[:200], digests[:200]), test=0.1).splits
    after = split(listed(labels, digests), test=0.1).splits
    assert before.tolist() == after[:200].tolist()


def test_a_renamed_file_keeps_its_side(tmp_path: Path) -> None:
    """The bytes decide, so another name changes nothing."""
    one = table_of(gray_folder(tmp_path / "one", count=30))
    images = {f"{key[0]}/z{key[2:]}": (tmp_path / "one" / key).read_bytes() for key in one.keys}
    two = table_of(write_images(tmp_path / "two", images))
    assert split(one).splits.tolist() == split(two).splits.tolist()


def test_equal_files_are_never_on_both_sides() -> None:
    """Every copy of an image shares its side."""
    digests = digests_of(50) * 4
    table = split(listed([0, 1] * 100, digests), validation=0.3, test=0.3)
    sides = {digest: set() for digest in digests}
    for digest, side in zip(digests, table.splits.tolist(), strict=True):
        sides[digest].add(side)
    assert {len(side) for side in sides.values()} == {1}
    assert {side for found in sides.values() for side in found} == {TRAIN, VALIDATION, TEST}


def test_one_image_under_two_classes_is_kept_together_and_told() -> None:
    """A file that lies in two class folders has one side, and the note names both places."""
    digests = [*digests_of(20), digests_of(20)[3]]
    table = split(listed([0] * 20 + [1], digests))
    assert table.splits[3] == table.splits[20]
    assert any("more than one class" in n and table.keys[3] in n and table.keys[20] in n for n in table.notes)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("count", [2, 3, 4])
def test_a_small_class_has_an_image_on_every_side_that_it_can_fill(count: int, seed: int) -> None:
    """Two images give train and validation one each; three give test one too."""
    table = split(listed([0] * count, digests_of(count)), validation=0.2, test=0.2, seed=seed)
    sides = np.bincount(table.splits, minlength=3)
    assert sides[TRAIN] >= 1
    assert sides[VALIDATION] >= 1
    assert sides[TEST] >= (1 if count > 2 else 0)


@pytest.mark.parametrize("seed", range(20))
def test_a_small_class_keeps_one_image_in_train_whatever_the_shares(seed: int) -> None:
    """Shares that ask for nearly everything still leave something to fit on."""
    table = split(listed([0, 0], digests_of(2)), validation=0.5, test=0.49, seed=seed)
    assert sorted(table.splits.tolist()) == [TRAIN, VALIDATION]


def test_a_class_with_one_image_stays_in_train_and_is_named() -> None:
    """Copies count as one image; the note names the class."""
    copies = digests_of(1, "copy") * 3
    table = split(listed([0] * 10 + [1] * 3, digests_of(10) + copies), validation=0.9)
    assert table.splits[10:].tolist() == [TRAIN] * 3
    assert [note for note in table.notes if "class 1" in note and "class 0" not in note]


def test_images_without_a_label_are_left_alone() -> None:
    """What has no class is not dealt out, and needs no digest."""
    table = split(listed([0, 0, 0, -1], digests_of(4)))
    assert table.splits[3] == -1
    assert (table.splits[:3] >= 0).all()


def test_validation_is_taken_out_of_train_where_only_that_is_missing() -> None:
    """The test split stays as it is, and the note says where validation came from."""
    splits = [TRAIN] * 100 + [TEST] * 50
    before = listed([0, 1] * 75, digests_of(150), splits)
    table = split(before, validation=0.25, test=0.4)
    assert table.splits[100:].tolist() == [TEST] * 50
    assert set(table.splits[:100].tolist()) == {TRAIN, VALIDATION}
    assert any("validation" in note and "hash" in note for note in table.notes)
    assert any("test=0.4" in note for note in table.notes)


def test_images_of_test_that_lie_in_train_too_are_counted() -> None:
    """A leak of the folder's own is told with its number, and test is not touched."""
    digests = digests_of(30)
    table = split(listed([0] * 33, digests + digests[:3], [TRAIN] * 30 + [TEST] * 3))
    assert any(note.startswith("3 images of train are equal") for note in table.notes)
    assert table.splits[30:].tolist() == [TEST] * 3


def test_a_folder_with_train_alone_gets_both_shares_out_of_it() -> None:
    """A split called train and nothing else is dealt out like a folder without one."""
    table = split(listed([0] * 60, digests_of(60), [TRAIN] * 60), validation=0.3, test=0.3)
    assert set(table.splits.tolist()) == {TRAIN, VALIDATION, TEST}


def test_a_test_split_that_the_folder_lacks_comes_out_of_train() -> None:
    """Validation stays as it is, and no image that lies in it too is for test."""
    digests = digests_of(300)
    table = split(listed([0, 1] * 175, digests + digests[:50], [TRAIN] * 300 + [VALIDATION] * 50), test=0.3)
    assert table.splits[300:].tolist() == [VALIDATION] * 50
    assert set(table.splits[:50].tolist()) == {TRAIN} and set(table.splits[:300].tolist()) == {TRAIN, TEST}
    counts = table.counts()["test"]
    assert sum(counts.values()) == pytest.approx(0.3 * 250, abs=20)


def test_a_split_of_the_folders_own_is_kept() -> None:
    """Train and validation that are there stay, silently unless other shares were asked for."""
    before = listed([0] * 4, digests_of(4), [TRAIN, TRAIN, VALIDATION, TEST])
    assert split(before) is before
    told = split(before, validation=0.5)
    assert told.splits.tolist() == before.splits.tolist()
    assert any("own split (train, validation, test)" in note for note in told.notes)


def test_classes_next_to_a_test_folder_are_for_training() -> None:
    """As photos/cat beside photos/test/cat: dealt out for choosing, all of them train for the last reading."""
    before = listed([0] * 60, digests_of(60), [TEST] * 10 + [-1] * 50)
    table = split(before)
    assert [TEST] * 10 == table.splits[:10].tolist()
    assert {TRAIN, VALIDATION} == set(table.splits[10:].tolist())
    assert any(note.startswith("50 images ") and "for train" in note for note in table.notes)
    assert [TEST] * 10 + [TRAIN] * 50 == arrange(before, split="test").splits.tolist()


@pytest.mark.parametrize("splits", [[VALIDATION, VALIDATION], [TEST, VALIDATION], [TEST, TEST]])
def test_a_folder_without_train_is_refused_in_one_sentence(splits: list[int]) -> None:
    """What is there is named, and how to mend it is said."""
    with pytest.raises(DataError, match=r"photos .*train"):
        split(listed([0, 0], digests_of(2), splits))


@pytest.mark.parametrize(
    "options",
    [
        {"validation": 1.0},
        {"validation": -0.1},
        {"validation": float("nan")},
        {"validation": "0.2"},
        {"test": True},
        {"validation": 0.5, "test": 0.5},
        {"seed": 1.5},
    ],
)
def test_shares_and_seeds_that_make_no_sense_are_refused(options: dict) -> None:
    """The sentence names the argument and its value."""
    name, value = list(options.items())[-1]
    with pytest.raises(ArgumentError, match=f"{name}={value!r}"):
        split(listed([0, 0], digests_of(2)), **options)


def test_digests_are_read_from_the_files(tmp_path: Path) -> None:
    """Where the table has no digests they are BLAKE2b-128 of the bytes, and copies are found by them."""
    copy = noise(4, 4, seed=99)
    root = gray_folder(tmp_path, count=12)
    write_images(root, {"a/x.png": copy, "b/y.png": copy})
    table = split(table_of(root))
    expected = [hashlib.blake2b((root / key).read_bytes(), digest_size=16).hexdigest() for key in table.keys]
    assert expected == table.rows["digest"].to_pylist()
    first, second = table.keys.index("a/x.png"), table.keys.index("b/y.png")
    assert table.splits[first] == table.splits[second]


def test_large_files_are_read_in_threads_with_the_same_digests(tmp_path: Path) -> None:
    """Files that are worth a thread come back in their order."""
    root = write_images(tmp_path, {f"a/{i}.png": bytes([i]) * 100_000 for i in range(9)})
    table = split(table_of(root))
    expected = [hashlib.blake2b((root / key).read_bytes(), digest_size=16).hexdigest() for key in table.keys]
    assert expected == table.rows["digest"].to_pylist()


def test_a_file_that_cannot_be_read_has_its_problem_and_is_in_train(tmp_path: Path) -> None:
    """A file that vanished after the scan stays for loading to count, and the others are dealt out."""
    root = gray_folder(tmp_path, count=10)
    table = table_of(root)
    (root / table.keys[4]).unlink()
    found = split(table)
    assert found.rows["problem"].to_pylist()[4] == "no longer there"
    assert found.splits[4] == SPLITS.index("train")
    assert (np.delete(found.splits, 4) >= 0).all()
    assert any(note.startswith("1 image could not be read") for note in found.notes)


def test_the_fingerprint_does_not_tell_whether_digests_were_read(tmp_path: Path) -> None:
    """The same split of the same files has the same fingerprint with and without digests."""
    table = table_of(gray_folder(tmp_path, count=10))
    found = split(table)
    assert table.with_columns(splits=found.splits).fingerprint == found.fingerprint


def test_an_empty_table_stays_empty() -> None:
    """Nothing to deal out is no failure of the split."""
    empty = listed([0], digests_of(1)).select(np.zeros(1, bool))
    assert len(split(empty)) == 0


def test_real_digits_are_split_by_class(tmp_path: Path) -> None:
    """Both digits of a real folder give a fifth of their images to validation."""
    table = split(table_of(write_digits(tmp_path / "digits", ("3", "7"))))
    counts = table.counts()
    assert {name: sum(each.values()) for name, each in counts.items()}.keys() == {SPLITS[0], SPLITS[1]}
    for name, total in (("3", 183), ("7", 179)):
        assert counts["train"][name] + counts["validation"][name] == total
        assert counts["validation"][name] / total == pytest.approx(0.2, abs=0.15)  # five deviations


def test_examples_of_copies_under_several_classes_are_of_several_classes(tmp_path: Path) -> None:
    """Whichever of the copies come first."""
    for name in ("a/0.png", "a/1.png", "b/2.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("L", (4, 4), 7).save(tmp_path / name)
    for number in range(8):
        Image.new("L", (4, 4), 20 + number).save(tmp_path / f"{'ab'[number % 2]}/{9 + number}.png")
    note = next(one for one in fl.split(fl.scan(tmp_path)).notes if "more than one class" in one)
    assert "a/0.png and b/2.png" in note
    (found,) = [one for one in fl.audit(tmp_path) if one.code == "FL203"]
    assert {"a", "b"} == {key[0] for key in found.examples[0][:2]}
