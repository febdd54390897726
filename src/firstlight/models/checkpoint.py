"""`save()` and `restore()`: a classifier as a model file and back, its description as JSON, its numbers as arrays."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from firstlight.atomic import new_file
from firstlight.data.decoding.loading import Preprocessing
from firstlight.errors import ArgumentError, RunError, require
from firstlight.models.classifier import Classifier, Model
from firstlight.models.closed_form.baselines import Ink, Prior
from firstlight.models.closed_form.centroid import Centroid
from firstlight.models.closed_form.prototypes import Prototypes
from firstlight.runs.description import described
from firstlight.runs.request import versions
from firstlight.runs.rung_result import RungResult
from firstlight.runs.seal import plain
from firstlight.runs.tensors import SavedModel, pack_one, unpack_one

if TYPE_CHECKING:
    from torch import nn

# From options, tensors, (H, W, C) and the number of classes to the model.
Restore = Callable[[Mapping[str, Any], Mapping[str, np.ndarray], tuple[int, ...], int], Model]
CLOSED_FORM: dict[str, Restore] = {
    Prior.kind: Prior.restored,
    Ink.kind: Ink.restored,
    Centroid.kind: Centroid.restored,
    Prototypes.kind: Prototypes.restored,
}
EMBEDDED = "embedded"  # the kind of `firstlight.models.pretrained.embedded.Embedded`, which needs the backbone
SUFFIX = ".safetensors"
NETWORK = "network"  # the kind of `firstlight.models.training.network.Network`, which needs torch


def save(classifier: Classifier | RungResult, path: str | os.PathLike[str] | None = None) -> SavedModel:
    """The classifier as plain data, and as a file where a path is passed; `restore` reads both.

    Args:
        classifier: as `fit` returns it, or a rung of a run.
        path: the file to write, ending in .safetensors: the arrays with a description, no code. An existing one is
            replaced.

    Returns:
        A `SavedModel`, which a run folder writes as model.json and model.safetensors.

    Raises:
        ArgumentError: where the path has another ending.
        RunError: where the file cannot be written.

    Example:
        >>> import firstlight as fl
        >>> ideal = fl.fit("centroid", digits)
        >>> saved = fl.save(ideal, f"{digits}.safetensors")
        >>> fl.restore(f"{digits}.safetensors").name
        'centroid-l1'
    """
    classifier = getattr(classifier, "classifier", classifier)
    if not isinstance(classifier, Classifier):
        raise ArgumentError(f"{type(classifier).__name__} is not a classifier; pass what fit returns, or run.best.")
    target = None if path is None else Path(path)
    if target is not None and target.suffix.lower() != SUFFIX:
        raise ArgumentError(f"{target} does not end in {SUFFIX}; name a file with this ending.")
    config: dict[str, Any] = {
        "kind": classifier.model.kind,
        "name": classifier.name,
        "classes": list(classifier.classes),
        "temperature": classifier.temperature,
        "shape": list(classifier.shape),
        "preprocessing": classifier.preprocessing.to_dict(),
        "fingerprint": classifier.fingerprint,
        "seed": classifier.seed,
        "versions": versions(),
        "options": classifier.model.options(),
        "training": plain(classifier.training),
        "calibrated_on": classifier.calibrated_on,
    }
    saved = SavedModel(config, classifier.model.tensors())
    if target is not None:
        with new_file(target, RunError) as part:
            part.write_bytes(pack_one(saved))
    return saved


def _read(path: str | os.PathLike[str]) -> SavedModel:
    try:
        return unpack_one(Path(path).read_bytes(), Path(path))
    except OSError as error:
        raise RunError(
            f"{os.fspath(path)} cannot be read ({error.strerror or error}); name a file that save wrote."
        ) from error


def restore(saved: SavedModel | RungResult | str | os.PathLike[str], *, module: nn.Module | None = None) -> Classifier:
    """The classifier of a model file.

    Args:
        saved: as `save` returns it, the file that it wrote, or a rung of a run: ``run["cnn"]``.
        module: for a network of your own class: a module of the same class and sizes, since a model file contains no
            code. Its copy gets the weights.

    Raises:
        ArgumentError: where your own module is needed and missing.
        RunError: where the parts of the file do not fit together; the sentence names the tensor that differs.

    Example:
        >>> import firstlight as fl
        >>> run = fl.climb(digits, rungs=["centroid-l2"])
        >>> fl.restore(run["centroid-l2"].model).model.centres.shape  # ten mean images of 8 x 8 px
        (10, 64)
    """
    if isinstance(saved, str | os.PathLike):
        saved = _read(saved)
    elif isinstance(saved, RungResult):
        saved = saved.model
    elif not isinstance(saved, SavedModel):
        raise ArgumentError(f"{type(saved).__name__} is no model; pass a file that save wrote, or a rung of a run.")
    about = described(saved, "The model's description", "fit it anew")
    kind, options, tensors, classes = about.kind, about.options, saved.tensors, len(about.classes)
    try:
        if kind == NETWORK:
            with require("train", purpose="Trained rungs"):
                from firstlight.models.training.network import restored

            model: Model = restored(options, tensors, about.shape, classes, module)
        elif kind == EMBEDDED:
            from firstlight.models.pretrained.embedded import Embedded

            model = Embedded.restored(options, tensors, about.shape, classes)
        elif kind in CLOSED_FORM:
            model = CLOSED_FORM[kind](options, tensors, about.shape, classes)
        else:
            known = ", ".join([*CLOSED_FORM, EMBEDDED, NETWORK])
            raise RunError(f"The model is of the kind {kind[:60]!r}; this version reads {known}.")
    except ArgumentError:
        raise  # the module was not passed; the file is all right
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise RunError(f"The model's description is invalid ({error}); fit it anew.") from error
    return Classifier(
        name=about.name,
        model=model,
        classes=about.classes,
        temperature=about.temperature,
        shape=about.shape,
        preprocessing=Preprocessing.from_dict(about.preprocessing.to_dict()),
        fingerprint=about.fingerprint,
        seed=about.seed,
        training=about.training,
        calibrated_on=about.calibrated_on,
    )


def intact(saved: SavedModel) -> SavedModel:
    """The same model, after a look that its description fits its arrays; networks are left to whoever builds them.

    Raises:
        RunError: where they do not fit; the sentence names the field or the tensor.
    """
    if saved.config.get("kind") in (EMBEDDED, NETWORK):
        described(saved, "The model's description", "fit it anew")
    else:
        restore(saved)
    return saved
