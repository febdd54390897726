"""The options of `fit` and `climb` by name: those of loading, of the recipe and of the centroid."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

from firstlight.data.decoding.loading import Loading, LoadingOptions
from firstlight.data.pixels import Pixels, loading_of
from firstlight.errors import ArgumentError
from firstlight.models.pretrained.backbone import Backbone
from firstlight.models.pretrained.backbones import DEFAULT, backbone
from firstlight.models.rungs import Rung, centroid_name, named, own
from firstlight.models.training.recipes import RECIPES, Options, recipe_for
from firstlight.seeds import seed_of
from firstlight.wording import choose, shortlist

if TYPE_CHECKING:
    from torch import nn

OF_CENTROID = ("distance", "centre")


class ClimbOptions(Options, LoadingOptions, total=False):
    """Options of `climb`: the fields of `Recipe` and of `Loading`, a pretrained network, and a budget of time."""

    backbone: str
    minutes: float


class FitOptions(ClimbOptions, total=False):
    """Options of `fit`: the same, and two of the centroid."""

    distance: str
    centre: str


def loading_from(data: Any, loading: Loading | None, options: dict[str, Any]) -> Loading | None:
    """The loading that was passed, or that of the options, which are taken out of them; None where there is neither.

    Raises:
        ArgumentError: where both were passed, or either with pixels, which are loaded already.
    """
    taken: Any = {name: options.pop(name) for name in Loading.__dataclass_fields__ if name in options}
    if loading is None and not taken:
        return None
    if isinstance(data, Pixels):
        passed = next(iter(taken), "loading")
        raise ArgumentError(
            f"{passed} was passed with pixels, which are loaded already; pass their table to load them in another way."
        )
    return loading_of(loading, taken)


def refuse_misspelt(options: Mapping[str, Any], arguments: Iterable[str]) -> None:
    """Refuses an option of `climb` that is probably one of its arguments.

    Raises:
        ArgumentError: with the argument that was probably meant.
    """
    from difflib import get_close_matches

    known = {*ClimbOptions.__annotations__, *Options.__annotations__, *LoadingOptions.__annotations__}
    for name in options:
        if name not in known and (close := get_close_matches(name, arguments, n=1)):
            raise ArgumentError(f"climb has no argument {name!r}; pass {close[0]}= instead.")


def minutes_from(options: dict[str, Any]) -> float | None:
    """The budget of a climb in minutes, which is taken out of the options; None where there is none.

    Raises:
        ArgumentError: where it is no number above 0.
    """
    minutes = options.pop("minutes", None)
    if minutes is None:
        return None
    if isinstance(minutes, bool) or not isinstance(minutes, Real) or not float(minutes) > 0:
        raise ArgumentError(f"minutes={minutes!r} was passed; pass a number above 0, or omit it.")
    return float(minutes)


def backbone_for(rungs: Sequence[Rung], name: str | None) -> Backbone | None:
    """The backbone whose embeddings rungs learn from; None where no rung does.

    Args:
        rungs: of a fit or climb.
        name: of the backbone that was requested; None: the one that comes with the extra ``photos``.

    Raises:
        ArgumentError: where there is no such backbone, or one was requested and no rung uses it.
        MissingExtraError: where its package is not installed.
    """
    if any(rung.pretrained for rung in rungs):
        return backbone(DEFAULT if name is None else name)
    if name is None:
        return None
    names = shortlist([rung.name for rung in rungs])
    raise ArgumentError(
        f"backbone={name!r} has no effect on {names}; omit it, or name a rung that uses one, such as embed-linear."
    )


def rung_from(rung: str | nn.Module, effort: str, options: dict[str, Any]) -> Rung:
    """The rung of `fit`; distance and centre, which belong to the centroid, are taken out of the options.

    Raises:
        ArgumentError: where there is no such rung or effort, or the rung has no such option.
    """
    if isinstance(rung, str):
        if rung == "centroid":
            chosen = named(centroid_name(options.pop("distance", "l1"), options.pop("centre", "mean")))[0]
        else:
            (chosen,) = named(rung)
    elif hasattr(rung, "state_dict"):
        chosen = own(rung)
    else:
        raise ArgumentError(
            f"{type(rung).__name__} is no rung; pass the name of one, such as 'centroid' or 'cnn', or an nn.Module."
        )
    check_options(effort, options if chosen.recipe else {}, (chosen,))
    if options and not chosen.recipe:
        name = next(iter(options))
        if name in OF_CENTROID:
            raise ArgumentError(f"{chosen.name} has no option {name!r}; it belongs to the rung 'centroid'.")
        raise ArgumentError(f"{chosen.name} is not trained, so it has no option {name!r}; omit it.")
    return chosen


def check_options(effort: str, options: dict[str, Any], rungs: Sequence[Rung] = ()) -> None:
    """Checks an effort and the options of a recipe before anything is loaded.

    Args:
        effort: the effort.
        options: the fields of `Recipe` that were passed.
        rungs: those that the options are for; none where that is not known yet.

    Raises:
        ArgumentError: where there is no such effort or option, a value is not accepted, or no rung would use it.
    """
    only = rungs[0].recipe if len(rungs) == 1 else ""
    recipe_for(only or "module", effort, options)
    if not rungs or not options:
        return
    if not any(rung.recipe for rung in rungs):
        names = shortlist([rung.name for rung in rungs])
        raise ArgumentError(
            f"{names} {'is' if len(rungs) == 1 else 'are'} not trained, so {next(iter(options))!r} has no effect; "
            "omit it, or name a rung that is trained, such as cnn."
        )
    for size in options.get("sizes", {}):
        known = {one for rung in rungs for one in _sizes(rung)}
        if size not in known and not any(rung.recipe == "module" for rung in rungs):
            names = shortlist([rung.name for rung in rungs if rung.recipe])
            raise ArgumentError(f"sizes={size!r} is none of {names}; {choose(size, sorted(known))}, or omit it.")


def options_for(rung: Rung, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a climb that a rung uses: of the sizes only its own network's."""
    if rung.recipe == "module" or "sizes" not in options:
        return dict(options)
    sizes = {name: value for name, value in options["sizes"].items() if name in _sizes(rung)}
    rest = {name: value for name, value in options.items() if name != "sizes"}
    return rest | {"sizes": sizes} if sizes else rest


def _sizes(rung: Rung) -> set[str]:
    """The sizes that its recipes name."""
    return {name for recipe in RECIPES.get(rung.recipe, {}).values() for name in recipe.sizes}


def seeds_from(seed: Any) -> tuple[int, ...]:
    """One random seed or several.

    Raises:
        ArgumentError: where there is none, or one is no seed.
    """
    if isinstance(seed, str) or not isinstance(seed, Iterable) or isinstance(seed, Integral):
        return (seed_of(seed),)
    seeds = tuple(map(seed_of, seed))
    if not seeds:
        raise ArgumentError("No seed was given; pass a number, or several.")
    return seeds
