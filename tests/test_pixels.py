"""Loading: which size and color, which images are left out, which rows belong together."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from chapter import CHAPTER, three
from firstlight.data.decoding import stack
from firstlight.data.fetching.catalog import write_digits
from firstlight.data.pixels import Pixels, load
from firstlight.errors import ArgumentError, DataError
from tables import gray_folder, noise, table_of, write_images


def by_pillow(root: Path, keys: list[str], mode: str = "L", side: int | None = None) -> np.ndarray:
    """What a plain loop over the files with Pillow gives: (N, H, W) or (N, H, W, 3)."""
    pictures = (Image.open(root / key).convert(mode) for key in keys)
    if side is not None:
        pictures = (picture.resize((side, side), Image.Resampling.BILINEAR) for picture in pictures)
    return np.stack([np.asarray(picture) for picture in pictures])


def test_the_values_are_pillows(tmp_path: Path) -> None:
    """Images of one size come out unchanged, in the order of the table, with their labels."""
    table = table_of(gray_folder(tmp_path, count=12))
    pixels = load(table, cache=False)
    np.testing.assert_array_equal(by_pillow(tmp_path, table.keys), pixels.values[:, :, :, 0])
    assert pixels.values.dtype == np.uint8
    assert (len(pixels), pixels.size, pixels.color, pixels.resize) == (12, (6, 6), "gray", "squish")
    assert pixels.labels.tolist() == table.labels.tolist()
    assert (pixels.classes, pixels.keys) == (("a", "b"), table.keys)
    assert len(pixels.unreadable) == 0
    assert pixels.reasons == (
        "Size 6 x 6 px, since every image has it.",
        "Color gray, since every image is gray.",
    )


def test_values_cannot_be_written(tmp_path: Path) -> None:
    """Neither what lies in memory nor what is mapped from the cache may be changed by accident."""
    table = table_of(gray_folder(tmp_path))
    for pixels in (load(table, cache=False), load(table), load(table).select(np.array([3, 1]))):
        with pytest.raises(ValueError, match="read-only"):
            pixels.values[0] = 0


def test_a_size_that_is_not_square_is_kept_where_all_have_it(tmp_path: Path) -> None:
    """Height comes first, and the reason speaks of width x height."""
    write_images(tmp_path, {f"a/{i}.png": noise(10, 20, seed=i) for i in range(3)})
    pixels = load(table_of(tmp_path), cache=False)
    assert pixels.values.shape == (3, 10, 20, 1)
    assert pixels.size == (10, 20)
    assert pixels.reasons[0] == "Size 20 x 10 px, since every image has it."


@pytest.mark.parametrize(
    ("sides", "expected"),
    [
        ([20, 30, 40], 32),
        ([63, 64, 65], 64),
        ([63, 63, 65], 32),
        ([100, 150, 900], 128),
        ([300, 301, 302], 224),
    ],
)
def test_images_that_differ_get_their_median_rounded_down(tmp_path: Path, sides: list[int], expected: int) -> None:
    """The median of the shorter sides goes down to 32, 64, 128 or 224, and up to 32 at the least."""
    write_images(tmp_path, {f"a/{i}.png": noise(side, side + 7 * i) for i, side in enumerate(sides)})
    pixels = load(table_of(tmp_path), cache=False)
    assert pixels.size == (expected, expected)
    assert f"median of the shorter sides, {sides[1]} px" in pixels.reasons[0]
    np.testing.assert_array_equal(by_pillow(tmp_path, pixels.keys, side=expected), pixels.values[:, :, :, 0])


def test_large_images_of_one_size_are_made_smaller(tmp_path: Path) -> None:
    """A shorter side over 512 px is rounded down even where all images share it; 512 px are kept."""
    write_images(tmp_path / "large", {f"a/{i}.png": noise(513, 600) for i in range(2)})
    write_images(tmp_path / "kept", {f"a/{i}.png": noise(512, 600) for i in range(2)})
    large = load(table_of(tmp_path / "large"), cache=False)
    assert large.size == (224, 224)
    assert "every image has 600 x 513 px" in large.reasons[0]
    assert load(table_of(tmp_path / "kept"), cache=False).size == (512, 600)


def test_an_odd_size_late_in_a_large_folder_changes_the_choice(tmp_path: Path) -> None:
    """One image of 300 that differs is found after the choice was made, and the choice is made anew."""
    root = gray_folder(tmp_path, count=300, side=40)
    write_images(root, {"b/zzz.png": noise(90, 50)})
    pixels = load(table_of(root))
    assert pixels.size == (32, 32)
    assert "shorter sides 40 to 50 px" in pixels.reasons[0]
    np.testing.assert_array_equal(by_pillow(root, pixels.keys, side=32), pixels.values[:, :, :, 0])


def test_a_late_image_of_the_size_that_large_ones_shrink_to_differs_too(tmp_path: Path) -> None:
    """An image that already has the target size still breaks the hope that all are alike."""
    write_images(tmp_path, {f"a/{i:02}.png": noise(520, 520) for i in range(9)} | {"a/99.png": noise(224, 224)})
    assert "images differ (shorter sides 224 to 520 px)" in load(table_of(tmp_path), cache=False).reasons[0]


def test_broken_files_and_orientation_do_not_count_for_the_median(tmp_path: Path) -> None:
    """A photo on its side has the same shorter side, and what is no image has none."""
    upright, turned = Image.fromarray(noise(40, 90, 3)), Image.Exif()
    turned[0x0112] = 6
    images: dict[str, np.ndarray | bytes] = {f"a/{i:02}.png": noise(70 + i, 70) for i in range(20)}
    write_images(tmp_path, images | {"a/99.png": b"no image"})
    upright.save(tmp_path / "a" / "50.jpg", exif=turned)
    pixels = load(table_of(tmp_path), cache=False)
    assert pixels.size == (64, 64)
    assert "shorter sides 40 to 70 px" in pixels.reasons[0]
    assert pixels.unreadable.keys == ["a/99.png"]


def test_one_colored_image_among_gray_ones_makes_all_rgb(tmp_path: Path) -> None:
    """Gray images are repeated into three channels as soon as one image, however late, has color."""
    root = gray_folder(tmp_path, count=30)
    write_images(root, {"b/zzz.png": noise(6, 6, 3)})
    pixels = load(table_of(root), cache=False)
    assert pixels.color == "rgb"
    assert pixels.reasons[1] == "Color rgb, since not every image is gray."
    np.testing.assert_array_equal(by_pillow(root, pixels.keys, "RGB"), pixels.values)


@pytest.mark.parametrize(("color", "mode"), [("gray", "L"), ("rgb", "RGB")])
def test_the_color_that_is_asked_for_is_given(tmp_path: Path, color: str, mode: str) -> None:
    """Gray and colored images alike come out as asked, with Pillow's values."""
    write_images(tmp_path, {"a/1.png": noise(6, 6), "a/2.png": noise(6, 6, 3)})
    pixels = load(table_of(tmp_path), color=color, cache=False)
    expected = by_pillow(tmp_path, pixels.keys, mode)
    np.testing.assert_array_equal(expected, pixels.values if mode == "RGB" else pixels.values[..., 0])
    assert pixels.reasons[1] == f"Color {color} as requested."


@pytest.mark.parametrize("resize", ["squish", "crop", "pad"])
def test_each_image_is_what_the_one_for_single_images_makes_of_it(tmp_path: Path, resize: str) -> None:
    """A folder and a single image go through the same change of size."""
    from firstlight.data.decoding.resize import to_shape

    images = {f"a/{i}.png": noise(20 + i, 40) for i in range(4)}
    pixels = load(table_of(write_images(tmp_path, images)), size=16, resize=resize, cache=False)
    for image, found in zip(images.values(), pixels.values, strict=True):
        expected = to_shape(image[:, :, None], size=(16, 16), color="gray", resize=resize)
        np.testing.assert_array_equal(expected, found)


def test_a_height_and_width_may_be_asked_for(tmp_path: Path) -> None:
    """Two numbers are (height, width), as in ``size`` of the result."""
    table = table_of(gray_folder(tmp_path, count=4))
    pixels = load(table, size=(8, 12), cache=False)
    assert pixels.values.shape == (4, 8, 12, 1)
    assert pixels.size == (8, 12)
    assert pixels.reasons[0] == "Size 12 x 8 px as requested."
    assert load(table, size=[8, 12]).size == load(table, size=(8, 12)).size


@pytest.mark.parametrize(
    "options",
    [
        {"size": (8, 12, 3)},
        {"size": (8, 0)},
        {"size": 0},
        {"size": 4097},
        {"size": 28.0},
        {"size": True},
        {"size": "28"},
        {"color": "grey"},
        {"resize": "cut"},
    ],
)
def test_an_option_that_is_not_known_is_refused(tmp_path: Path, options: dict) -> None:
    """The sentence names the option, its value and what can be passed."""
    passed = "{}={!r}".format(*next(iter(options.items())))
    with pytest.raises(ArgumentError, match=f"^{re.escape(passed)} "):
        load(table_of(gray_folder(tmp_path)), **options)


@pytest.mark.parametrize("cache", [True, False])
def test_few_broken_images_are_left_out_and_listed(tmp_path: Path, cache: bool) -> None:
    """One in a hundred costs nothing but a line that names it; the rows stay aligned."""
    root = gray_folder(tmp_path, count=100)
    broken = table_of(root).keys[50]
    (root / broken).write_bytes(b"no image")
    table = table_of(root)
    for _ in range(2):
        pixels = load(table, cache=cache)
        assert pixels.unreadable.keys == [broken]
        assert pixels.unreadable.rows["problem"].null_count == 0
        assert pixels.keys == [key for key in table.keys if key != broken]
        np.testing.assert_array_equal(by_pillow(root, pixels.keys), pixels.values[:, :, :, 0])


def test_more_than_five_per_cent_broken_is_refused_with_the_first_names(tmp_path: Path) -> None:
    """The count, three names with reasons and the way on are told; five in a hundred still pass."""
    table = table_of(gray_folder(tmp_path / "6", count=100, broken=6))
    with pytest.raises(DataError, match=r"6 of 100 .*a/000\.png: .*a/002\.png: .*--allow-unreadable"):
        load(table)
    assert len(load(table_of(gray_folder(tmp_path / "5", count=100, broken=5))).unreadable) == 5


def test_more_broken_images_pass_when_that_is_asked_for(tmp_path: Path) -> None:
    """With allow_unreadable the rest is loaded, and without it the cache does not let it pass either."""
    table = table_of(gray_folder(tmp_path, count=10, broken=9))
    pixels = load(table, allow_unreadable=True)
    assert (len(pixels), len(pixels.unreadable)) == (1, 9)
    with pytest.raises(DataError, match="9 of 10"):
        load(table)


@pytest.mark.parametrize("allow", [True, False])
def test_all_broken_is_refused_in_any_case(tmp_path: Path, allow: bool) -> None:
    """Nothing to work with is a failure even where unreadable images are allowed."""
    table = table_of(gray_folder(tmp_path, count=4, broken=4))
    with pytest.raises(DataError, match="4 images"):
        load(table, allow_unreadable=allow)
    with pytest.raises(DataError, match=r"4 images .*a/000\.png: at birth"):
        load(table.with_columns(problem=["at birth"] * 4), allow_unreadable=allow)


def test_a_table_without_rows_is_refused(tmp_path: Path) -> None:
    """No image at all is told as such."""
    table = table_of(gray_folder(tmp_path))
    with pytest.raises(DataError, match="image"):
        load(table.select(np.zeros(len(table), bool)))


def test_rows_with_a_problem_are_not_read(tmp_path: Path) -> None:
    """What is known to be unusable is listed with the reason that it came with."""
    table = table_of(gray_folder(tmp_path, count=40))
    problems = [None] * 40
    problems[3] = "known before"
    pixels = load(table.with_columns(problem=problems))
    assert pixels.unreadable.rows["problem"].to_pylist() == ["known before"]
    assert pixels.keys == [key for row, key in enumerate(table.keys) if row != 3]


def test_a_file_that_vanished_is_unreadable(tmp_path: Path) -> None:
    """An image that was deleted after the scan is listed with that reason, beside older problems."""
    root = gray_folder(tmp_path, count=60)
    table = table_of(root)
    (root / table.keys[30]).unlink()
    problems = [None] * 60
    problems[3] = "known before"
    pixels = load(table.with_columns(problem=problems))
    assert pixels.unreadable.rows["problem"].to_pylist() == ["known before", "no longer there"]
    assert pixels.unreadable.keys == [table.keys[3], table.keys[30]]
    np.testing.assert_array_equal(by_pillow(root, pixels.keys), pixels.values[:, :, :, 0])


def test_a_result_too_large_for_memory_goes_to_a_temporary_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond the bound nothing is held in memory, and the values are the same."""
    root = gray_folder(tmp_path, count=40, broken=1)
    table = table_of(root)
    expected = load(table, cache=False)
    monkeypatch.setattr(stack, "IN_MEMORY", 100)
    found = load(table, cache=False)
    assert isinstance(found.values.base, np.memmap)
    np.testing.assert_array_equal(expected.values, found.values)
    assert found.unreadable.keys == expected.unreadable.keys


def test_threads_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that are worth a thread give the same rows in the same order."""
    from firstlight.data.decoding import plan

    root = gray_folder(tmp_path, count=700, broken=9)
    table = table_of(root)
    alone = load(table, cache=False)
    monkeypatch.setattr(plan, "WORTH_A_THREAD", 0)
    monkeypatch.setattr(plan, "cores", lambda: 3)
    threaded = load(table, cache=False)
    np.testing.assert_array_equal(alone.values, threaded.values)
    assert alone.unreadable.rows.equals(threaded.unreadable.rows)


def test_progress_is_reported_up_to_the_last_image(tmp_path: Path) -> None:
    """The numbers grow, count broken images too, and end at all."""
    told: list[tuple[int, int]] = []
    load(
        table_of(gray_folder(tmp_path, count=600, broken=7)),
        progress=lambda step: told.append((step.done, step.total)),
        cache=False,
    )
    assert told[-1] == (600, 600)
    assert told == sorted(set(told))


@pytest.fixture
def split_folder(tmp_path: Path) -> Pixels:
    """Pixels of train and validation, each a run of rows of its own."""
    images: dict[str, np.ndarray | bytes] = {
        f"{split}/{name}/{i}.png": noise(4, 4, seed=i)
        for split in ("train", "valid")
        for name in "ab"
        for i in range(9)
    }
    images["valid/a/0.png"] = b"broken"
    return load(table_of(write_images(tmp_path, images), split=True))


def test_a_split_that_lies_in_one_run_is_a_view(split_folder: Pixels) -> None:
    """Choosing a split of a sorted table copies nothing."""
    chosen = split_folder.select("train")
    assert np.shares_memory(chosen.values, split_folder.values)
    assert chosen.keys == [key for key in split_folder.keys if key.startswith("train")]
    assert set(chosen.splits.tolist()) == {0}


def test_a_split_has_its_own_unreadable_images(split_folder: Pixels) -> None:
    """The image that is left out of validation counts there and not in train."""
    assert split_folder.select("validation").unreadable.keys == ["valid/a/0.png"]
    assert len(split_folder.select("train").unreadable) == 0
    assert len(split_folder.select(["train", "validation"]).unreadable) == 1


def test_rows_are_chosen_by_mask_and_by_number(split_folder: Pixels) -> None:
    """Values, labels and keys stay aligned in the order that is asked for."""
    numbers = np.array([5, 2, 9])
    chosen = split_folder.select(numbers)
    np.testing.assert_array_equal(split_folder.values[numbers], chosen.values)
    assert chosen.keys == [split_folder.keys[number] for number in numbers]
    assert chosen.labels.tolist() == split_folder.labels[numbers].tolist()
    mask = np.arange(len(split_folder)) % 3 == 0
    np.testing.assert_array_equal(split_folder.values[mask], split_folder.select(mask).values)
    assert len(split_folder.select(np.zeros(len(split_folder), bool))) == 0


def test_an_unknown_split_is_refused(split_folder: Pixels) -> None:
    """A name that is no split's is told with the names that are."""
    with pytest.raises(ArgumentError, match="'val'"):
        split_folder.select("val")


def test_a_pixels_prints_as_one_line(split_folder: Pixels) -> None:
    """A person sees how many, how large, which color and how many are missing."""
    assert repr(split_folder) == "<Pixels: 35 images of 4 x 4 px, gray, 1 unreadable>"


def test_real_digits_have_the_pixels_that_pillow_reads(tmp_path: Path) -> None:
    """A file with the chapter's block, and the embedded digits twice; a split shares the memory of the whole."""
    write_images(tmp_path / "chapter", {"3/10000.png": three(), "7/1.png": three().T})
    pixels = load(table_of(tmp_path / "chapter"))
    assert CHAPTER == pixels.values[pixels.keys.index("3/10000.png"), 4:10, 4:10, 0].tolist()
    for name in ("train", "valid"):
        write_digits(tmp_path / "digits" / name)
    pixels = load(table_of(tmp_path / "digits", split=True))
    assert pixels.values.shape == (2 * 1797, 8, 8, 1)
    np.testing.assert_array_equal(by_pillow(tmp_path / "digits", pixels.keys[::9]), pixels.values[::9, :, :, 0])
    assert np.shares_memory(pixels.values, pixels.select("validation").values)


def test_three_odd_photos_among_hands_decide_nothing(tmp_path: Path) -> None:
    """Three images of 1200 px among 60 of 100 px leave the median at 100 px, so all become 64 px."""
    images = {f"{'ab'[i % 2]}/{i:02}.jpg": noise(100, 100, 3, seed=i) for i in range(57)}
    images |= {f"a/large-{i}.jpg": noise(1200, 1600, 3, seed=i) for i in range(3)}
    pixels = load(table_of(write_images(tmp_path, images)), cache=False)
    assert pixels.values.shape == (60, 64, 64, 3)
    assert "100 to 1200 px" in pixels.reasons[0]
    assert "100 px" in pixels.reasons[0]


@pytest.mark.parametrize(
    ("shapes", "true"),
    [
        ([(10, 10), (15, 20), (21, 30)], ("shorter sides 10 to 21 px", "15 px, is less than the least, 32 px")),
        ([(400, 500), (400, 600)], ("longer sides 500 to 600 px", "rounded down to 32, 64, 128 or 224")),
        ([(64, 90), (90, 64)], ("some are wide and some are high, 64 by 90 px", "64 px, is one of the choices")),
    ],
)
def test_what_is_said_of_sizes_that_differ_is_true(
    tmp_path: Path, shapes: list[tuple[int, int]], true: tuple[str, str]
) -> None:
    """No range from a number to itself, nothing rounded down to more."""
    write_images(tmp_path, {f"a/{i}.png": noise(*shape) for i, shape in enumerate(shapes)})
    reason = load(table_of(tmp_path), cache=False).reasons[0]
    assert all(part in reason for part in true), reason
