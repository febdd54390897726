"""Recipes: every rung and effort, what options replace, values that are refused in one sentence, few images."""

from __future__ import annotations

import json
import math
from dataclasses import FrozenInstanceError, fields, replace
from itertools import product
from typing import Any, get_type_hints

import numpy as np
import pytest

from firstlight.errors import ArgumentError
from firstlight.models.rungs import RUNGS
from firstlight.models.training.accepted import options_of
from firstlight.models.training.recipes import EFFORTS, RECIPES, Augmentation, Options, Recipe, for_few, recipe_for

TRAINED = sorted(RECIPES)
each_recipe = pytest.mark.parametrize(("rung", "effort"), list(product(TRAINED, EFFORTS)))


def own_loss(scores: Any, targets: Any) -> Any:
    return (scores - targets).square().sum(dim=1)


def test_every_trained_rung_and_effort_has_a_recipe() -> None:
    """The table knows each rung of the ladder that is trained, and a module of the user's, at all three efforts."""
    assert {"linear", "mlp", "cnn", "fine-tune", "module"} == set(RECIPES)
    assert {rung.recipe for rung in RUNGS if rung.recipe} <= set(RECIPES)
    for efforts in RECIPES.values():
        assert ("quick", "standard", "thorough") == tuple(efforts) == EFFORTS


@each_recipe
def test_options_take_the_place_of_what_the_table_says(rung: str, effort: str) -> None:
    """What is passed is used, and all else stays as in the table."""
    recipe = recipe_for(rung, effort, {"lr": 0.25, "loss": "l1", "sizes": {"hidden": 3}})
    assert (0.25, "l1", {"hidden": 3}) == (recipe.lr, recipe.loss, recipe.sizes)
    table = RECIPES[rung][effort]
    assert table == replace(recipe, lr=table.lr, loss=table.loss, sizes=table.sizes)


@each_recipe
def test_without_options_the_recipe_is_the_tables(rung: str, effort: str) -> None:
    """Nothing is changed on the way."""
    assert RECIPES[rung][effort] == recipe_for(rung, effort, {})


@pytest.mark.parametrize("options", [{"epochs": 2}, {"batch_size": 7}, {"epochs": 2, "batch_size": 7}])
def test_epochs_and_batch_size_that_are_passed_are_meant(options: dict[str, int]) -> None:
    """However few the images are, the number of steps does not overrule them."""
    recipe = recipe_for("linear", "standard", options)
    assert 0 == recipe.min_steps
    for name, value in options.items():
        assert value == getattr(recipe, name)


def test_a_number_of_steps_that_is_passed_stands_next_to_the_epochs() -> None:
    """Who passes both gets both."""
    assert 500 == recipe_for("linear", "quick", {"epochs": 2, "min_steps": 500}).min_steps


def test_options_for_typing_are_the_fields_of_a_recipe() -> None:
    """What a type checker lets through is what a recipe takes: the same names with the same types."""
    assert get_type_hints(Recipe) == get_type_hints(Options)
    assert [one.name for one in fields(Recipe)] == list(Options.__annotations__)


@pytest.mark.parametrize("value", [np.int64(3), np.uint8(3)])
def test_whole_numbers_may_be_numpys(value: Any) -> None:
    """An integer that was computed is as good as one that was typed; a float is not."""
    assert 3 == Recipe(epochs=value).epochs
    with pytest.raises(ArgumentError):
        Recipe(epochs=np.float64(3))


def test_numbers_may_be_numpys() -> None:
    """Of any precision; not a number stays not a number."""
    assert 0.25 == Recipe(lr=np.float32(0.25)).lr
    with pytest.raises(ArgumentError):
        Recipe(lr=np.float32("nan"))


def test_every_option_has_a_default_that_it_accepts() -> None:
    """The declaration agrees with itself."""
    for kind in (Recipe, Augmentation):
        for name, option in options_of(kind).items():
            assert option.accepted.test(getattr(kind(), name)), name


@pytest.mark.parametrize("effort", ["fast", "", "Quick", None, 1])
def test_an_effort_that_is_not_known_is_reported_with_those_that_are(effort: Any) -> None:
    """The sentence repeats what was passed and names all three."""
    with pytest.raises(ArgumentError) as caught:
        recipe_for("linear", effort, {})
    assert str(caught.value).startswith(f"effort={effort!r} ")
    assert "quick, standard or thorough" in str(caught.value)


def test_an_option_that_is_not_known_is_reported_with_those_that_are() -> None:
    """The sentence names the rung, the option and the fields of a recipe."""
    with pytest.raises(ArgumentError, match=r"^cnn .*'learning_rate'.* epochs, batch_size, "):
        recipe_for("cnn", "quick", {"learning_rate": 0.1})


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        *((name, value, "a whole number from 1") for name in ("epochs", "batch_size") for value in (0, -1, 2.0)),
        *((name, value, "a whole number from 1") for name in ("epochs", "batch_size") for value in (True, "3", None)),
        *((name, value, "a whole number from 0") for name in ("patience", "min_steps") for value in (-1, 0.5, None)),
        *(("loss", value, "l1, mse, bce, cross_entropy or a function") for value in ("l2", None, ["l1"], 3)),
        *(("lr", value, "a number above 0 and below 1e+09 or auto") for value in (0, -0.1, "0.1", "best", None, True)),
        *(("lr", value, "a number above 0 and below 1e+09 or auto") for value in (math.nan, math.inf)),
        *(("label_smoothing", value, "a number from 0 to below 1") for value in (-0.1, 1.0, "0.1", math.nan)),
        *(("momentum", value, "a number from 0 to below 1") for value in (-0.1, 1.0, None, math.nan)),
        *(("weight_decay", value, "a number from 0 to below 1000") for value in (-1e-4, 1000, math.inf, False)),
        *(("clip", value, "a number from 0 to below 1e+09") for value in (-1, math.inf, math.nan, "1")),
        ("class_weights", True, "balanced or none"),
        ("class_weights", None, "balanced or none"),
        ("optimizer", "adam", "sgd or adamw"),
        ("optimizer", "SGD", "sgd or adamw"),
        ("schedule", "cosine", "constant or one_cycle"),
        ("precision", "float16", "auto, float32 or bfloat16"),
        ("augment", "all", "auto, none or an Augmentation"),
        ("augment", None, "auto, none or an Augmentation"),
        ("augment", True, "auto, none or an Augmentation"),
        ("normalize", "no", "True or False"),
        ("normalize", None, "True or False"),
        ("tta", 1, "True or False"),
        ("tta", "many", "True or False"),
        ("device", 0, "auto, cpu, cuda or mps"),
        ("device", None, "auto, cpu, cuda or mps"),
        ("sizes", 30, "sizes by name"),
        ("sizes", None, "sizes by name"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_in_one_sentence(name: str, value: Any, wanted: str) -> None:
    """The sentence says what was passed, and what may be."""
    with pytest.raises(ArgumentError) as caught:
        recipe_for("linear", "quick", {name: value})
    message = str(caught.value)
    assert message.startswith(f"{name}={value!r} ")
    assert wanted in message
    assert message.endswith(".") and "\n" not in message


@pytest.mark.parametrize(
    ("name", "value", "most"),
    [
        *(("shift", value, "0.5") for value in (-0.1, 0.51, "0.1", math.nan, True)),
        *(("rotate", value, "180") for value in (-1, 181, None, math.inf)),
        *(("scale", value, "0.9") for value in (-0.1, 1, math.nan)),
        *(("cutout", value, "1") for value in (-0.1, 1.5, [0.5])),
    ],
)
def test_an_augmentation_out_of_bounds_is_refused_with_its_bounds(name: str, value: Any, most: str) -> None:
    """The sentence says what was passed, and from where to where it may be."""
    with pytest.raises(ArgumentError) as caught:
        Augmentation(**{name: value})
    assert str(caught.value).startswith(f"{name}={value!r} ")
    assert f"from 0 to {most}." in str(caught.value)


@pytest.mark.parametrize("mirror", ["yes", None, 1, 0, "True"])
def test_mirroring_is_yes_no_or_auto(mirror: Any) -> None:
    """A 1 is no True: it would be let through here and mirror nothing later."""
    with pytest.raises(ArgumentError) as caught:
        Augmentation(mirror=mirror)
    assert str(caught.value).startswith(f"mirror={mirror!r} ")
    assert "True, False or auto" in str(caught.value)


def test_the_bounds_themselves_can_be_used() -> None:
    """The largest augmentation, and the smallest and largest numbers of a recipe."""
    assert 0.5 == Augmentation(shift=0.5, rotate=180, scale=0.9, cutout=1, mirror="auto").shift
    recipe = Recipe(epochs=1, batch_size=1, lr=1e-12, label_smoothing=0, momentum=0, clip=0, patience=0, loss=own_loss)
    assert 1 == recipe.batch_size


def test_an_augmentation_may_be_passed_as_a_mapping() -> None:
    """What a JSON file holds makes the same recipe."""
    expected = Augmentation(shift=0.1, mirror=True)
    assert expected == recipe_for("cnn", "quick", {"augment": {"shift": 0.1, "mirror": True}}).augment


def test_an_unknown_augmentation_is_refused_with_those_that_are_known() -> None:
    """A misspelt name in a mapping is a sentence like any other."""
    with pytest.raises(ArgumentError) as caught:
        recipe_for("cnn", "quick", {"augment": {"turn": 10}})
    assert "'turn'" in str(caught.value) and "shift, rotate, scale, cutout, mirror" in str(caught.value)


def test_a_recipe_cannot_be_changed() -> None:
    """One recipe may serve many fits."""
    with pytest.raises(FrozenInstanceError):
        Recipe().lr = 1.0  # type: ignore[misc]


@each_recipe
def test_a_recipe_is_plain_values_that_make_it_again(rung: str, effort: str) -> None:
    """Through JSON and back it is the same recipe."""
    recipe = recipe_for(rung, effort, {"augment": Augmentation(shift=0.1, mirror="auto")})
    assert recipe == Recipe(**json.loads(json.dumps(recipe.to_dict())))


def test_a_loss_of_the_users_is_reported_by_its_name() -> None:
    """A function is no plain value; an object without a name is told by its class."""

    class Loss:
        def __call__(self, scores: Any, targets: Any) -> Any:
            return own_loss(scores, targets)

    assert "own_loss" == Recipe(loss=own_loss).to_dict()["loss"]
    assert "Loss" == Recipe(loss=Loss()).to_dict()["loss"]


@pytest.mark.parametrize(
    ("count", "batch_size", "epochs"),
    [
        (60000, 256, 8),  # 235 steps an epoch are more than enough
        (19200, 256, 8),  # 75 x 8 = 600
        (18944, 256, 9),  # 74 x 8 = 592 are too few
        (3072, 256, 50),  # 12 steps an epoch
        (3071, 128, 25),  # below 12 batches of 256 the batch is halved: 24 steps an epoch
        (1650, 128, 47),
        (192, 16, 50),
        (100, 16, 86),  # never below 16 images: 7 steps an epoch
        (10, 16, 600),
        (1, 16, 600),
    ],
)
def test_few_images_get_smaller_batches_and_more_epochs(count: int, batch_size: int, epochs: int) -> None:
    """At least 12 batches an epoch where 16 images make one, and at least 600 steps in all, by hand."""
    few = for_few(Recipe(epochs=8, batch_size=256, min_steps=600), count)
    assert (batch_size, epochs) == (few.batch_size, few.epochs)


def test_few_images_never_make_a_batch_larger_or_the_epochs_fewer() -> None:
    """What the recipe says is the most, and the least."""
    few = for_few(Recipe(epochs=500, batch_size=4, min_steps=10), 1000)
    assert (4, 500) == (few.batch_size, few.epochs)


@each_recipe
@pytest.mark.parametrize("count", [1, 17, 100, 1000, 12345, 100_000])
def test_every_recipe_takes_as_many_steps_as_it_promises(rung: str, effort: str, count: int) -> None:
    """Whatever the number of images, no more epochs than are needed for it."""
    recipe = RECIPES[rung][effort]
    few = for_few(recipe, count)
    steps = math.ceil(count / few.batch_size)
    assert steps * few.epochs >= recipe.min_steps
    assert few.epochs == recipe.epochs or steps * (few.epochs - 1) < recipe.min_steps
    assert replace(few, epochs=recipe.epochs, batch_size=recipe.batch_size) == recipe
