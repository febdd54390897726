"""Which augmentation suits the data: by color, by the classes' names, and by asking the images."""

from __future__ import annotations

import numpy as np
import pytest

from firstlight.models.closed_form.training_set import TrainingSet
from firstlight.models.training.augmentation_policy import augmentation_for, keeps_class
from firstlight.models.training.kinds import kind_of, separability

LEFT = np.array(
    [
        [0, 0, 0, 1, 0, 0, 0, 0],
        [0, 0, 1, 1, 0, 0, 0, 0],
        [0, 1, 1, 1, 1, 1, 1, 1],
        [0, 1, 1, 1, 1, 1, 1, 1],
        [0, 0, 1, 1, 0, 0, 0, 0],
        [0, 0, 0, 1, 0, 0, 0, 0],
    ]
)
RIGHT = LEFT[:, ::-1]
DISC = np.array(
    [[0, 0, 0, 1, 1, 0, 0, 0], [0, 0, 1, 1, 1, 1, 0, 0], [0, 0, 1, 1, 1, 1, 0, 0], [0, 0, 0, 1, 1, 0, 0, 0]]
)
BARS = np.array([[1, 0, 0, 0, 0, 0, 0, 1]] * 4)


def drawn(*shapes: np.ndarray, each: int = 50, channels: int = 3) -> TrainingSet:
    """So many images of each shape, a class a shape, in shades of gray with noise."""
    generator = np.random.default_rng(0)
    labels = np.repeat(np.arange(len(shapes)), each)
    clean = 180 * np.stack(shapes)[labels][..., None] + generator.integers(
        0, 60, (len(labels), *shapes[0].shape, channels)
    )
    return TrainingSet(clean.astype(np.uint8), labels, len(shapes))


SYMMETRIC = drawn(DISC, BARS)  # whose images alone speak for mirroring


def test_classes_that_are_alike_from_both_sides_are_mirrored() -> None:
    """Discs and bars are recognised in the mirror as well as they are, and the sentence says so."""
    answer, told = keeps_class(SYMMETRIC, ["disc", "bars"])
    assert answer is True
    expected = "the nearest mean recognises 1.000 of 20 images and 1.000 of their mirror images (p = 1)"
    assert f"Half of the training images are mirrored: {expected}." == told


def test_arrows_are_not_mirrored_though_no_name_tells_their_side() -> None:
    """Left and right arrows under names without a side: in the mirror none is recognised, McNemar's p is 2 / 2^20."""
    answer, told = keeps_class(drawn(LEFT, RIGHT), ["hither", "yonder"])
    assert answer is False
    expected = "the nearest mean recognises 1.000 of 20 images and 0.000 of their mirror images (p = 1.91e-06)"
    assert f"No mirror images: {expected}." == told


def test_two_classes_with_a_side_among_many_without_are_enough() -> None:
    """Discs and bars do not outvote the arrows."""
    shapes = [LEFT, RIGHT, *(np.pad(one, ((1, 1), (0, 0))) for one in (DISC, BARS))]
    assert keeps_class(drawn(*shapes), ["hither", "yonder", "disc", "bars"])[0] is False


def test_an_arrow_without_its_counterpart_may_be_mirrored() -> None:
    """Where all arrows point one way, a mirrored one is still nearer to the arrows than to the bars."""
    assert keeps_class(drawn(LEFT, np.pad(BARS, ((1, 1), (0, 0)))), ["arrow", "bars"])[0] is True


def test_a_difference_that_may_be_chance_speaks_not_against_mirroring() -> None:
    """Discs and bars in strong noise: a few errors more in the mirror, and a p of 0.5."""
    generator, labels = np.random.default_rng(5), np.arange(200) % 2
    clean = 108 + 40 * np.stack([DISC, BARS])[labels][..., None]
    images = np.clip(clean + generator.normal(0, 90, (200, 4, 8, 3)), 0, 255).astype(np.uint8)
    answer, told = keeps_class(TrainingSet(images, labels, 2), ["disc", "bars"])
    assert answer is True
    assert "recognises 0.950 of 40 images and 0.900 of their mirror images (p = 0.5)" in told


def test_images_that_are_recognised_better_in_the_mirror_are_mirrored() -> None:
    """Where every fifth arrow, those that are asked, points the other way, mirroring is what helps."""
    arrows = drawn(LEFT, RIGHT)
    fifth = np.arange(100) % 5 == 4
    assert np.array_equal(np.flatnonzero(fifth), arrows.held_out_rows)
    images = np.where(fifth[:, None, None, None], arrows.images[:, :, ::-1], arrows.images)
    answer, told = keeps_class(TrainingSet(images, arrows.labels, 2), ["hither", "yonder"])
    assert answer is True
    assert "recognises 0.000 of 20 images and 1.000 of their mirror images" in told


@pytest.mark.parametrize("each", [5, 10, 14])
def test_too_few_images_to_ask_are_not_mirrored(each: int) -> None:
    """A test that could not say no whatever the images are is not asked: of 14 arrows a class, 4 are not enough."""
    answer, told = keeps_class(drawn(LEFT, RIGHT, each=each), ["hither", "yonder"])
    assert answer is False
    assert told.startswith("No mirror images: too few images")


def test_five_images_are_too_few_to_ask() -> None:
    """Of 15 arrows one way and 10 the other, 3 and 2 are asked, and 5 against none is McNemar's 2 / 2^5."""
    all_of_both = drawn(LEFT, RIGHT, each=15)
    some = TrainingSet(all_of_both.images[:25], all_of_both.labels[:25], 2)
    assert 5 == len(some.held_out.labels)
    assert keeps_class(some, ["hither", "yonder"])[1].startswith("No mirror images: too few images")


def test_six_images_are_enough_to_say_no_and_too_few_to_say_yes() -> None:
    """Of 15 arrows a class 3 each are asked, and 6 against none is McNemar's 2 / 2^6; discs and bars show nothing."""
    answer, told = keeps_class(drawn(LEFT, RIGHT, each=15), ["hither", "yonder"])
    assert answer is False and "0.000 of their mirror images (p = 0.031" in told

    for each, expected in ((15, False), (45, False), (50, True)):  # 6, 18 and 20 images, all right from both sides
        answer, told = keeps_class(drawn(DISC, BARS, each=each), ["disc", "bars"])
        assert (answer, expected or "too few images" in told) == (expected, True)


def colored(each: int) -> TrainingSet:
    """Photos: random smooth pictures in color, whose classes cannot be told apart."""
    generator, count = np.random.default_rng(1), 2 * each
    coarse = generator.integers(0, 256, (count, 4, 4, 3)).astype(float)
    images = np.repeat(np.repeat(coarse, 4, axis=1), 4, axis=2) + generator.normal(0, 8, (count, 16, 16, 3))
    return TrainingSet(np.clip(images, 0, 255).astype(np.uint8), np.arange(count) % 2, 2)


@pytest.mark.parametrize("each", [2, 15, 100])
def test_photos_in_color_are_mirrored_unless_the_images_object(each: int) -> None:
    """Few images show nothing, so the kind of image decides."""
    answer, told = keeps_class(colored(each), ["ants", "bees"])
    assert answer is True and "photos in color" in told


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("each", [15, 200])
def test_gray_images_are_never_mirrored(channels: int, each: int) -> None:
    """However alike they are from both sides, and also where gray is saved in three channels."""
    gray = drawn(DISC, BARS, each=each, channels=1)
    training = TrainingSet(np.repeat(gray.images, channels, axis=3), gray.labels, 2)
    answer, told = keeps_class(training, ["disc", "bars"])
    assert answer is False and "gray" in told
    assert augmentation_for(training, ["disc", "bars"])[0].mirror is False


def test_kinds_of_images() -> None:
    """Otsu's separability is that of the best threshold, tried one by one; flat icons and two tones are drawings."""
    assert "photo" == kind_of(colored(10).images)
    assert "drawing" == kind_of(SYMMETRIC.images)
    icon = np.zeros((3, 8, 8, 3), np.uint8)
    icon[:, 2:5, 2:6] = (200, 30, 30)
    assert "drawing" == kind_of(icon)
    values = np.random.default_rng(0).integers(0, 256, 500).astype(np.uint8)
    best = max(
        (values <= cut).mean()
        * (values > cut).mean()
        * (values[values <= cut].mean() - values[values > cut].mean()) ** 2
        for cut in range(values.min(), values.max())
    )
    assert best / values.var() == pytest.approx(separability(values))


def test_classes_of_four_images_are_not_asked() -> None:
    """None is held out of them, and nothing fails."""
    answer, told = keeps_class(drawn(DISC, BARS, each=4), ["disc", "bars"])
    assert answer is False and told.startswith("No mirror images: too few images")


@pytest.mark.parametrize(
    ("classes", "named"),
    [
        (["3", "7"], "3, 7"),
        (["10", "2024"], "10, 2024"),
        (["A", "b"], "A, b"),
        (["cat", "7"], "7"),
        (["ن", "ي"], "ن, ي"),
        (["0", "1", "2", "3"], "0, 1, 2"),
    ],
)
def test_signs_are_never_mirrored(classes: list[str], named: str) -> None:
    """One letter or a number as a name is enough, whatever the images say; three of them are told."""
    training = drawn(*([DISC, BARS] * 2)[: len(classes)])
    told = keeps_class(training, classes)
    reason = f"the classes are named like signs ({named}), and a mirrored sign is another one"
    assert (False, f"No mirror images: {reason}.") == told


@pytest.mark.parametrize(
    "name", ["left", "RIGHT", "turn_left", "turn right", "arrow-left-2", "left3", "links", "nach rechts", "à gauche"]
)
def test_classes_with_a_side_in_their_name_are_never_mirrored(name: str) -> None:
    """The word is enough, whatever the images say."""
    told = keeps_class(SYMMETRIC, ["ahead", name])
    assert (False, f"No mirror images: the class {name!r} has a side in its name.") == told


@pytest.mark.parametrize("name", ["bright", "leftover", "cleft", "copyright", "three", "cufflinks", "rightly"])
def test_a_side_inside_another_word_is_none(name: str) -> None:
    """There the images are asked."""
    assert keeps_class(SYMMETRIC, ["ahead", name])[0] is True


def test_the_question_does_not_know_the_order_of_classes() -> None:
    """Classes numbered backwards give the same answer with the same p."""
    for training in (SYMMETRIC, drawn(LEFT, RIGHT)):
        other = TrainingSet(training.images, 1 - training.labels, 2)
        assert keeps_class(training, ["hither", "yonder"]) == keeps_class(other, ["yonder", "hither"])


def test_gray_images_are_shifted_turned_and_scaled_but_never_mirrored() -> None:
    """They are drawings more often than not, whatever their classes are called."""
    how, told = augmentation_for(drawn(DISC, BARS, channels=1), ["disc", "bars"])
    assert min(how.shift, how.rotate, how.scale) > 0 and how.mirror is False
    assert "gray" in told


def test_signs_in_color_are_augmented_like_drawings() -> None:
    """House numbers are photos of digits; the sentence names the classes that say so."""
    drawing, _ = augmentation_for(drawn(DISC, BARS, channels=1), ["disc", "bars"])
    how, told = augmentation_for(SYMMETRIC, ["1", "2"])
    assert drawing == how
    assert "since the classes are named like signs (1, 2)." in told


def test_photos_are_shifted_and_asked_whether_they_may_be_mirrored() -> None:
    """Things in color are neither turned nor scaled."""
    how, told = augmentation_for(SYMMETRIC, ["disc", "bars"])
    assert how.shift > 0 and "auto" == how.mirror
    assert 0 == how.rotate == how.scale == how.cutout
    assert "Training images are shifted a little, since they are in color." == told
