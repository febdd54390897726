"""What a model card says: what the rung is, how it was made, what was measured and what was not."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from math import isfinite
from pathlib import PurePath
from typing import Any

import numpy as np

from firstlight.data.loading import Preprocessing
from firstlight.evaluation.compare import Comparison
from firstlight.models.checkpoint import NETWORK
from firstlight.models.closed_form.baselines import COUNTED
from firstlight.models.closed_form.training_set import HELD_OUT
from firstlight.runs.evidence import Evidence
from firstlight.runs.results import Run, RungResult
from firstlight.runs.training import TrainingRecord
from firstlight.wording import duration, p_value

LONGEST = 60  # letters of a name in a card
NAMED, WORST, MISTAKES, FINDINGS = 100, 5, 3, 10  # how many classes, of them, and so on are told
FEW = 30  # images of a class below which its recall says little: the 95 % interval is then up to 0.34 wide
DISTANCES = {
    "l1": "the mean difference of their pixels (L1)",
    "l2": "the root of the mean squared difference of their pixels (L2)",
    "cosine": "one minus the cosine between them",
}
RESIZES = {
    "squish": "squeezed to that size whatever its proportions",
    "crop": "cut to the middle in these proportions",
    "pad": "fitted into that size with black around",
}
ALIGNMENTS = {
    "box": "Then the box of its ink is stretched to the whole image.",
    "mass": "Then its ink is moved so that its centre of mass is in the middle.",
    "deskew": "Then its ink is made upright, row by row.",
}


def safe(name: object) -> str:
    """A name as Markdown that reads as these letters and nothing else, on one line.

    Example:
        >>> print(safe("<b>cats</b> | dogs"))
        \\<b\\>cats\\</b\\> \\| dogs
    """
    escaped = re.sub(r"([\\`*_{}\[\]<>#!|~$&^@:])", r"\\\1", one_line(name))
    return re.sub(r"(?i)(www)\.", r"\1\\.", escaped) or "(no name)"  # else readers make an address of it


def one_line(name: object) -> str:
    """A name without line ends, control letters and excess; not yet safe in Markdown."""
    letters = "".join(letter if letter.isprintable() else "\ufffd" for letter in " ".join(str(name).split()))
    return letters if len(letters) <= LONGEST else f"{letters[: LONGEST - 1]}\u2026"


def name_of(run: Run) -> str:
    """The name of the images' folder; where it lies is nobody's business."""
    return one_line(PurePath(run.request.data).name) or "images"


def what_it_is(rung: RungResult) -> str:
    """What a rung of this kind holds and does."""
    config, tensors = rung.model.config, rung.model.tensors
    options = config["options"]
    match config["kind"]:
        case "prior":
            return (
                "It always names the class that had the most training images, whatever the image shows; its "
                "probabilities are the shares of the classes. It is the floor that a classifier has to beat, and none "
                "to use."
            )
        case "ink":
            number = "mean pixel" if options.get("measure", "mean") == "mean" else f"share of pixels from {COUNTED} on"
            return (
                f"It looks at one number, the image's {number}, and names the class whose training images have "
                "the nearest on average. It is a yardstick: it sees no shape."
            )
        case "centroid":
            centre = "median" if rung.name.endswith("-median") else "mean"
            return (
                f"It holds one image a class, the {centre} of the class's training images, and names the class whose "
                f"image is nearest. The distance is {DISTANCES[options['distance']]}."
            )
        case "prototypes":
            return (
                f"It holds up to {int(np.bincount(tensors['owners']).max())} images a class, the means of its "
                "clusters by k-means, and names the class of the nearest one. The distance is "
                f"{DISTANCES[options['distance']]}."
            )
    layers = {
        "linear": "a weight for each pixel and class, and nothing else",
        "mlp": f"one hidden layer of {len(tensors.get('module.hidden.bias', ()))} units",
        "cnn": "a small convolutional network",
    }
    parameters = 0 if rung.training is None else rung.training.parameters
    told = f"It is {layers[options['module']]}: {parameters:,} parameters."
    if len(options["views"]) > 1:
        told += f" Its scores are the mean over {len(options['views'])} moved or mirrored views of the image."
    return told


def classes_of(classes: Sequence[str]) -> str:
    """The names, as many as a reader goes through."""
    more = f" and {len(classes) - NAMED:,} more, which config.json names" if len(classes) > NAMED else ""
    return f"Classes: {', '.join(map(safe, classes[:NAMED]))}{more}."


def what_an_image_goes_through(about: Mapping[str, Any]) -> str:
    """The preprocessing of a model's document, in words."""
    how = Preprocessing.from_dict(about["preprocessing"])
    (height, width), color = how.size, "gray (ITU-R BT.601)" if how.color == "gray" else "RGB"
    told = (
        f"It is turned upright, laid over white where it is transparent, made {color}, and brought to {height} x "
        f"{width} px (antialiased bilinear): {RESIZES[how.resize]}."
    )
    return " ".join([told, *([ALIGNMENTS[how.align]] if how.align != "none" else [])])


def how_it_was_made(run: Run, rung: RungResult, evidence: Evidence | None) -> Iterator[str]:
    """Images, recipe, temperature, decisions, versions: a paragraph each."""
    counts = {} if evidence is None else evidence.counts.get("train", {})
    images = f", {sum(counts.values()):,} training images" if counts else ""
    yield f"Images: {safe(name_of(run))}{images}; fingerprint of the list of images {safe(run.fingerprint) or 'none'}."
    if rung.training is not None:
        yield from _trained(run, rung, rung.training)
    else:
        once = "by k-means" if rung.model.config["kind"] == "prototypes" else "in closed form"
        yield f"It was computed {once}, in {duration(rung.seconds.fit)}; nothing was trained by SGD."
        if rung.model.config["kind"] != "prior":
            yield (
                f"Its temperature, one number that turns distances into probabilities, was fitted on at most "
                f"{HELD_OUT:,} of the training images, as a model scores them that was made without these."
            )
    reasons = [*run.decided, *(() if rung.training is None else rung.training.reasons)]
    yield "\n".join([f"- {_sentence(reason)}" for reason in reasons]) or "Nothing had to be decided."
    versions = ", ".join(f"{safe(name)} {safe(version)}" for name, version in run.versions.items())
    yield f"Seed {rung.model.config['seed']}. Versions: {versions}."


def _trained(run: Run, rung: RungResult, training: TrainingRecord) -> Iterator[str]:
    recipe = training.recipe
    rows = {
        "epochs, batch": f"{recipe['epochs']}, {recipe['batch_size']}",
        "loss": f"{recipe['loss']}, label smoothing {recipe['label_smoothing']:g}",
        "optimizer": f"{recipe['optimizer']}, weight decay {recipe['weight_decay']:g}",
        "learning rate": f"{recipe['lr']}, {recipe['schedule']}",
        "variation": _variation(recipe["augment"]),
        "precision, device": f"{recipe['precision']}, {training.device}",
        "time": duration(rung.seconds.fit),
    }
    yield "| trained by | |\n|---|---|\n" + "\n".join(f"| {name} | {safe(value)} |" for name, value in rows.items())
    watched = "up to 1,000 training images, a fifth of them at most, that were held out"
    yield (
        "Its temperature, one number that turns scores into probabilities, was fitted on "
        f"{watched if run.split == 'test' else 'the validation images'}"
        f"{', and so was the number of epochs' if recipe['patience'] else ''}."
    )
    if training.stopped:
        yield _sentence(training.stopped)
    if seeds := training.seeds:
        yield (
            f"Trained with {len(seeds.seeds)} seeds it reached an accuracy of {seeds.mean:.4f} on average, "
            f"standard deviation {seeds.standard_deviation:.4f}; this is the first one's."
        )


def _variation(augment: Any) -> str:
    if not isinstance(augment, Mapping):
        return str(augment)
    return ", ".join(f"{name} {value}" for name, value in augment.items() if value) or "none"


def what_was_measured(run: Run, rung: RungResult, evidence: Evidence | None) -> Iterator[str]:
    """The numbers with their intervals, and what makes them too good."""
    seen = rung.metrics
    low, high = seen.interval
    yield (
        f"**Accuracy {seen.accuracy:.4f}, 95 % interval {low:.4f} to {high:.4f}** (Wilson), on {seen.n:,} "
        f"{run.split} images. Always naming their commonest class gives {seen.majority_share:.4f}."
    )
    loss = f"{seen.log_loss:.4f}" if isfinite(seen.log_loss) else "infinite"
    yield (
        f"Balanced accuracy {seen.balanced_accuracy:.4f}, log loss {loss}, expected calibration error "
        f"{seen.calibration_error:.4f} (15 bins: how far the stated probability is from the share that is right)."
        + (
            " The temperature was fitted on the same images, so log loss and calibration are a little too good."
            if rung.model.config["kind"] == NETWORK and run.split != "test"
            else ""
        )
    )
    classes = [(name, one) for name, one in seen.recall.items() if one.n]
    worst = sorted(classes, key=lambda pair: pair[1].correct / pair[1].n)[:WORST]
    lines = [
        f"| {safe(name)} | {one.correct / one.n:.3f} | {one.interval[0]:.3f} to {one.interval[1]:.3f} | {one.n:,} |"
        for name, one in worst
    ]
    yield "\n".join(["| classes found least often | recall | 95 % interval | images |", "|---|---|---|---|", *lines])
    if mistakes := seen.mistakes[:MISTAKES]:
        told = ", ".join(f"{safe(label)} taken for {safe(named)} {count:,} times" for label, named, count in mistakes)
        yield f"The commonest mistakes: {told}."
    rows = [row for row in run.comparisons if row.name == rung.name]
    if rows:
        yield "On the same images, p by exact McNemar, corrected by Holm:\n\n" + "\n".join(map(_compared, rows))
    without = None if evidence is None else evidence.without_leaked
    if without is not None and rung.name in without.rungs:
        again = without.rungs[rung.name]
        low, high = again.interval
        yield (
            f"Without the {without.left_out:,} images that are nearly the same as one of another split: accuracy "
            f"{again.accuracy:.4f}, {low:.4f} to {high:.4f}, n = {again.n:,}."
        )
    if run.split == "test":
        yield f"How often the test split was read for this run: {run.test_readings}."
    elif len(run) > 1:
        yield (
            f"The {len(run)} models of this run were measured on the same images; where this one was chosen for its "
            "number, the number is a little too high."
        )


def _compared(row: Comparison) -> str:
    low, high = row.interval
    return f"- against {row.against}: {row.difference:+.4f}, {low:+.4f} to {high:+.4f}, {p_value(row.p)}: {row.verdict}"


def what_was_not_tried(
    run: Run, rung: RungResult, about: Mapping[str, Any], evidence: Evidence | None
) -> Iterator[str]:
    """What the numbers do not say, and what the audit of the images found."""
    yield (
        "- Images from elsewhere: other cameras, other light, other people who drew them. The number above holds for "
        "images like those that were measured.\n"
        "- Images made to mislead it, and damaged ones.\n"
        "- Differences between groups of people. It should decide nothing about anybody."
    )
    yield (
        f"An image of none of the {len(run.classes):,} classes is given one of them all the same."
        + _distribution_note(about, rung.model.config["kind"])
    )
    few = sum(one.n < FEW for one in rung.metrics.recall.values())
    if few:
        yield f"{few:,} of {len(run.classes):,} classes were measured on fewer than {FEW} images, which says little."
    if rung.metrics.unreadable:
        yield f"{rung.metrics.unreadable:,} images could not be read and were skipped."
    findings = () if evidence is None else evidence.findings.found
    if findings:
        told = [f"- {safe(one.code)}: {_sentence(one.message)}" for one in findings[:FINDINGS]]
        more = [f"- and {len(findings) - FINDINGS:,} more"] if len(findings) > FINDINGS else []
        yield "An audit of the images found:\n\n" + "\n".join([*told, *more])


def _distribution_note(about: Mapping[str, Any], kind: str) -> str:
    if kind == "prior":
        return ""
    limits = about["in_distribution"]
    far = "" if limits["distance"] is None else f", or a distance above {limits['distance']:.4f}"
    return (
        f" Of the measured images 1 in {1 / limits['share']:.0f} had a highest probability below "
        f"{limits['probability']:.4f}{far}: treat an image beyond these limits as out-of-distribution."
    )


def _sentence(text: object) -> str:
    """A sentence of the run, in which names of files and classes may stand."""
    return " ".join(word if re.fullmatch("[A-Za-z0-9,;:%-]+[.]?", word) else safe(word) for word in str(text).split())
