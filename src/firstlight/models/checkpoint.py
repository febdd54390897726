"""A classifier as plain data and back: module, classes, preprocessing and fingerprint as JSON and arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from firstlight.errors import ArgumentError, RunError
from firstlight.models.classifier import Classifier, Model
from firstlight.models.closed_form.centroid import Centroid, Ink, Prior
from firstlight.models.closed_form.distances import DISTANCES
from firstlight.models.closed_form.prototypes import Prototypes
from firstlight.runs.results import versions
from firstlight.runs.tensors import SavedModel

if TYPE_CHECKING:
    from torch import nn

KINDS: dict[str, type] = {"prior": Prior, "ink": Ink, "centroid": Centroid, "prototypes": Prototypes}
NETWORK = "network"  # any module of torch, whose name and sizes stand in the options


def save(classifier: Classifier) -> SavedModel:
    """The classifier as JSON and arrays.

    Returns:
        A `SavedModel`, which a run folder writes as model.json and model.safetensors.
    """
    model = classifier.model
    kind = next((name for name, one in KINDS.items() if isinstance(model, one)), NETWORK)
    if kind == NETWORK:
        from firstlight.models.training.network import Network

        assert isinstance(model, Network)
        options, tensors = {**model.about, "views": [list(view) for view in model.views]}, model.tensors()
    else:
        options = {name: value for name, value in vars(model).items() if isinstance(value, str)}
        tensors = {name: value for name, value in vars(model).items() if isinstance(value, np.ndarray)}
    config: dict[str, Any] = {
        "kind": kind,
        "name": classifier.name,
        "classes": list(classifier.classes),
        "temperature": classifier.temperature,
        "shape": list(classifier.shape),
        "preprocessing": dict(classifier.preprocessing),
        "fingerprint": classifier.fingerprint,
        "seed": classifier.seed,
        "versions": versions(),
        "options": options,
        "training": dict(classifier.training),
    }
    return SavedModel(config, tensors)


def restore(saved: SavedModel, *, module: nn.Module | None = None) -> Classifier:
    """The classifier that was saved.

    Args:
        saved: what `save` gave, or a run holds: ``run["cnn"].model``.
        module: one of the same class and sizes, where the user's own was trained: a model file holds no code. Its
            copy takes the weights.

    Raises:
        ArgumentError: where a module of the user's is needed and missing.
        RunError: where the file's parts do not belong together; the sentence names the tensor that differs.

    Example:
        >>> import firstlight as fl
        >>> run = fl.climb(digits, rungs=["centroid-l2"])
        >>> fl.restore(run["centroid-l2"].model).model.ideal.shape  # ten ideal images of 8 x 8 px
        (10, 64)
    """
    config = saved.config
    try:
        classes, shape = tuple(map(str, config["classes"])), tuple(map(int, config["shape"]))
        temperature = float(config["temperature"])
        if not 0 < temperature < float("inf"):
            raise ValueError(f"temperature {temperature}")
        model: Model
        if config["kind"] == NETWORK:
            from firstlight.models.training.network import restored

            model = restored(config["options"], saved.tensors, shape, len(classes), module)
        else:
            model = _model(config, saved.tensors, len(classes), int(np.prod(shape)))
        height, width, channels = shape
        return Classifier(
            name=str(config["name"]),
            model=model,
            classes=classes,
            temperature=temperature,
            shape=(height, width, channels),
            preprocessing=dict(config["preprocessing"]),
            fingerprint=str(config["fingerprint"]),
            seed=int(config["seed"]),
            training=dict(config["training"]),
        )
    except ArgumentError:
        raise  # a module was not passed, which is no fault of the file
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise RunError(f"The model's description is not whole ({error}); fit it anew.") from error


def _model(config: Mapping[str, Any], tensors: Mapping[str, np.ndarray], classes: int, pixels: int) -> Model:
    kind = config["kind"]
    known: dict[str, dict[str, tuple[int, ...]]] = {
        "prior": {"counts": (classes,)},
        "ink": {"totals": (classes,), "pixels": (classes,)},
        "centroid": {"sums": (classes, pixels), "counts": (classes,)},
        "prototypes": _of_prototypes(tensors, classes, pixels),
    }
    shapes = known.get(kind)
    if shapes is None:
        raise RunError(f"The model is of the kind {kind!r}; this version knows {', '.join([*KINDS, NETWORK])}.")
    if tensors.keys() != shapes.keys():
        raise RunError(f"The model has the tensors {sorted(tensors)}; {kind} has {sorted(shapes)}; fit it anew.")
    for name, expected in shapes.items():
        found = tensors[name]
        if found.shape != expected or found.dtype != np.int64 or found.min(initial=0) < 0:
            raise RunError(
                f"The tensor {name!r} is {found.dtype} {found.shape}; {kind} has int64 {expected}, none negative; "
                "fit it anew."
            )
    options = config["options"]
    if kind in ("prior", "ink"):
        measure = options.get("measure", "mean")  # of ink
        if measure not in ("mean", "count"):
            raise RunError(f"The model measures ink by {measure!r}; expected mean or count; fit it anew.")
        return Prior(**tensors) if kind == "prior" else Ink(**tensors, measure=measure)
    distance = config["options"]["distance"]
    if distance not in DISTANCES:
        raise RunError(f"The model's distance is {distance!r}; expected one of {', '.join(DISTANCES)}; fit it anew.")
    made: Model = KINDS[kind](**tensors, distance=distance)
    return made


def _of_prototypes(tensors: Mapping[str, np.ndarray], classes: int, pixels: int) -> dict[str, tuple[int, ...]]:
    """The shapes of prototypes, whose number each model has for itself."""
    owners = tensors.get("owners", np.zeros(0, np.int64))
    if owners.ndim != 1 or owners.max(initial=0) >= classes:
        raise RunError("The tensor 'owners' names a class that the model does not have; fit it anew.")
    count = len(owners)
    return {"sums": (count, pixels), "counts": (count,), "owners": (count,), "classes": (classes,)}
