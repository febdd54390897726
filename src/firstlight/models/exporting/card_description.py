"""The descriptive part of a model card: what the model is, its classes, its preprocessing, how it was trained."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any

import numpy as np

from firstlight.data.decoding.loading import Preprocessing
from firstlight.models.checkpoint import EMBEDDED, NETWORK
from firstlight.models.closed_form.baselines import COUNTED
from firstlight.models.closed_form.training_set import HELD_OUT
from firstlight.models.exporting.markdown import one_line, safe, safe_sentence
from firstlight.runs.evidence import Evidence
from firstlight.runs.results import Run
from firstlight.runs.rung_result import RungResult
from firstlight.runs.training import TrainingRecord
from firstlight.wording import plural, rough

LISTED = 100  # classes listed in a card
DISTANCES = {
    "l1": "the mean absolute difference of the pixels (L1)",
    "l2": "the root mean squared difference of the pixels (L2)",
    "cosine": "one minus the cosine of the angle between the images",
}
RESIZES = {
    "squish": "without keeping the aspect ratio",
    "crop": "after a centre crop to this aspect ratio",
    "pad": "keeping the aspect ratio, padded with black",
}
ALIGNMENTS = {
    "box": "Then the bounding box of the ink is stretched to the whole image.",
    "mass": "Then the image is shifted so that the ink's centre of mass is in the middle.",
    "deskew": "Then the image is sheared so that the ink is upright.",
}


def name_of(run: Run) -> str:
    """The name of the images' folder, without its path."""
    return one_line(PurePath(run.request.data).name) or "images"


def description(rung: RungResult) -> str:
    """What a model of this kind stores and does."""
    return DESCRIPTIONS[rung.model.config["kind"]](rung)


def _prior(rung: RungResult) -> str:
    return (
        "A baseline that predicts the class with the most training images, whatever the image shows; its probabilities "
        "are the classes' shares of the training images. Any useful classifier has to beat it."
    )


def _ink(rung: RungResult) -> str:
    counts = rung.model.config["options"].get("measure", "mean") == "count"
    number = f"share of pixels of at least {COUNTED}" if counts else "mean pixel"
    return (
        f"A baseline that computes one number, the image's {number}, and predicts the class whose training images have "
        "the nearest average. It sees no shapes."
    )


def _centroid(rung: RungResult) -> str:
    centre = "median" if rung.name.endswith("-median") else "mean"
    return (
        f"A nearest-centroid classifier: it stores one image per class, the {centre} of the class's training images, "
        f"and predicts the class whose image is nearest. {_distance(rung)}"
    )


def _prototypes(rung: RungResult) -> str:
    most = int(np.bincount(rung.model.tensors["owners"]).max())
    return (
        f"A nearest-prototype classifier: it stores up to {most} images per class, the means of clusters found by "
        f"k-means, and predicts the class of the nearest one. {_distance(rung)}"
    )


def _distance(rung: RungResult) -> str:
    return f"The distance is {DISTANCES[rung.model.config['options']['distance']]}."


def _network(rung: RungResult) -> str:
    options = rung.model.config["options"]
    kinds = {
        "linear": "A linear classifier with one weight per pixel and class",
        "mlp": f"A network with one hidden layer of {len(rung.model.tensors.get('module.hidden.bias', ()))} units",
        "cnn": "A small convolutional network",
    }
    parameters = 0 if rung.training is None else rung.training.parameters
    text = f"{kinds[options['module']]}: {parameters:,} parameters."
    if len(options["views"]) > 1:
        text += (
            f" Its scores are averaged over {len(options['views'])} shifted or mirrored copies of the image (test-time "
            "augmentation)."
        )
    return text


def _embedded(rung: RungResult) -> str:
    options, tuned = rung.model.config["options"], rung.training is not None
    head = "the nearest mean embedding of a class by the cosine" if rung.name == "embed-centroid" else "a linear head"
    trained = ", whose last blocks were trained on" if tuned else ""
    return (
        f"The pretrained network {safe(str(options['backbone']))}{trained}, which makes embeddings of photos, and "
        f"{head}. What the network was pretrained on, with its gaps and its license, is part of this model."
    )


DESCRIPTIONS: Mapping[str, Callable[[RungResult], str]] = {
    "prior": _prior,
    "ink": _ink,
    "centroid": _centroid,
    "prototypes": _prototypes,
    EMBEDDED: _embedded,
    NETWORK: _network,
}


def class_list(classes: Sequence[str]) -> str:
    """The names of the classes; of many classes the first ones."""
    more = f" and {len(classes) - LISTED:,} more, which config.json lists" if len(classes) > LISTED else ""
    return f"Classes: {', '.join(map(safe, classes[:LISTED]))}{more}."


def preprocessing(about: Mapping[str, Any]) -> str:
    """The preprocessing in a model's document."""
    how = Preprocessing.from_dict(about["preprocessing"])
    (height, width), color = how.size, "grayscale (ITU-R BT.601)" if how.color == "gray" else "RGB"
    text = (
        "An image is rotated upright by its Exif orientation, composited onto white where it is transparent, converted "
        f"to {color} and resized to {height} x {width} px (antialiased bilinear), {RESIZES[how.resize]}."
    )
    return " ".join([text, *([ALIGNMENTS[how.align]] if how.align != "none" else [])])


def training(run: Run, rung: RungResult, evidence: Evidence | None) -> Iterator[str]:
    """Data, recipe, temperature, decisions and versions, one paragraph each."""
    counts = {} if evidence is None else evidence.counts.get("train", {})
    images = f", {plural(sum(counts.values()), 'training image')}" if counts else ""
    yield f"Data: {safe(name_of(run))}{images}; fingerprint of the list of images {safe(run.fingerprint) or 'none'}."
    if rung.training is not None:
        yield from _recipe(run, rung, rung.training)
    else:
        how = "by k-means" if rung.model.config["kind"] == "prototypes" else "in closed form"
        yield f"Computed {how} in {rough(rung.seconds.fit)}, without gradient descent."
        if rung.model.config["kind"] != "prior":
            yield (
                f"The temperature, which turns distances into probabilities, was fitted on up to {HELD_OUT:,} training "
                "images, scored by a model that was fitted without them."
            )
    reasons = [*run.decided, *(() if rung.training is None else rung.training.reasons)]
    yield "\n".join(f"- {safe_sentence(reason)}" for reason in reasons) or "No option was chosen automatically."
    versions = ", ".join(f"{safe(name)} {safe(version)}" for name, version in run.versions.items())
    yield f"Random seed {rung.model.config['seed']}. Versions: {versions}."


def _recipe(run: Run, rung: RungResult, record: TrainingRecord) -> Iterator[str]:
    recipe = record.recipe
    rows = {
        "epochs": str(recipe["epochs"]),
        "batch size": str(recipe["batch_size"]),
        "loss": f"{recipe['loss']}, label smoothing {recipe['label_smoothing']:g}",
        "optimizer": f"{recipe['optimizer']}, weight decay {recipe['weight_decay']:g}",
        "learning rate": f"{recipe['lr']}, {recipe['schedule']}",
        "augmentation": _augmentation(recipe["augment"]),
        "precision": str(recipe["precision"]),
        "device": record.device,
        "training time": rough(rung.seconds.fit),
    }
    yield "| hyperparameter | value |\n|---|---|\n" + "\n".join(
        f"| {name} | {safe(value)} |" for name, value in rows.items()
    )
    held_out = "up to 1,000 held-out training images, a fifth of them at most"
    yield (
        "The temperature, which scales the scores before the softmax, was fitted on "
        f"{'the validation images' if rung.predictions.calibrated_here else held_out}"
        f"{', and so was the number of epochs' if recipe['patience'] else ''}."
    )
    if record.stopped:
        yield safe_sentence(record.stopped)
    if seeds := record.seeds:
        yield (
            f"Trained with {len(seeds.seeds)} seeds, it reached a mean accuracy of {seeds.mean:.4f}, standard "
            f"deviation {seeds.standard_deviation:.4f}; this is the model of the first seed."
        )


def _augmentation(augment: Any) -> str:
    if not isinstance(augment, Mapping):
        return str(augment)
    return ", ".join(f"{name} {value}" for name, value in augment.items() if value) or "none"
