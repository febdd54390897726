"""The evidence of a run as one file of its folder: written completely or not at all, checked when it is read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from firstlight.atomic import new_file
from firstlight.errors import RunError
from firstlight.runs.checks import sound
from firstlight.runs.document import document
from firstlight.runs.evidence import Evidence, ShownExplanation
from firstlight.runs.evidence_checks import of_evidence
from firstlight.runs.files import EVIDENCE, existing, reading
from firstlight.runs.records import record
from firstlight.runs.results import Run
from firstlight.runs.seal import digest, plain, seal
from firstlight.runs.tensors import SavedModel, pack_one, unpack_one

KIND = "evidence"
REMEDY = f"remove {EVIDENCE} and run firstlight climb again, which gathers it anew"
# The groups of images and their maps in the file: rank and type.
ARRAYS = {
    "ideals": (4, np.uint8),
    "samples": (4, np.uint8),
    "mistakes": (4, np.uint8),
    "explained": (4, np.uint8),
    "maps": (3, np.float32),
    "seen": (4, np.uint8),
    "neighbours": (4, np.uint8),
    "points": (2, np.float32),
    "thumbs": (4, np.uint8),
}
LATER = ("seen", "neighbours", "points", "thumbs")  # runs of before have none


def has_evidence(run: Run) -> bool:
    """Whether the run folder holds evidence, whole or not."""
    return run.path is not None and os.path.lexists(run.path / EVIDENCE)


def write_evidence(run: Run, evidence: Evidence) -> None:
    """Writes the evidence of a run into its folder, completely or not at all, replacing what was there.

    Raises:
        RunError: where the folder cannot be written to.
    """
    assert run.path is not None
    about = plain(
        _without_arrays(evidence)
        | {
            "samples": {name: len(images) for name, images in evidence.samples.items()},
            "mistakes": [_without_arrays(one) | {"size": one.image.shape[:2]} for one in evidence.mistakes],
            "explained": [
                _without_arrays(one)
                | {"explanations": [_of_map(each) for each in one.explanations]}
                | {"neighbours": [_without_arrays(each) | {"size": each.image.shape[:2]} for each in one.neighbours]}
                for one in evidence.explained
            ],
            "image_map": None if evidence.image_map is None else _without_arrays(evidence.image_map),
        }
    )
    of_map = evidence.image_map
    groups = {
        "ideals": list(evidence.ideals),
        "samples": [image for images in evidence.samples.values() for image in images],
        "mistakes": _padded([one.image for one in evidence.mistakes]),
        "explained": [one.image for one in evidence.explained],
        "maps": _padded([each.map for one in evidence.explained for each in one.explanations]),
        "seen": _padded(
            [each.image for one in evidence.explained for each in one.explanations if each.image is not None]
        ),
        "neighbours": _padded([each.image for one in evidence.explained for each in one.neighbours]),
        "points": [] if of_map is None else list(of_map.points),
        "thumbs": [] if of_map is None else list(of_map.thumbs),
    }
    tensors = {name: np.stack(group) if group else _nothing(name) for name, group in groups.items()}
    with new_file(run.path / EVIDENCE, RunError) as part:
        part.write_bytes(pack_one(SavedModel({"kind": KIND, "run": identity(run), "about": about}, tensors)))


def read_evidence(run: Run) -> Evidence | None:
    """The evidence of a run; None where its folder has none.

    Raises:
        RunError: where the file was changed, cut off, is too large, is of another run, holds something else, or is a
            link that leads out of the folder.
    """
    if run.path is None or not has_evidence(run):
        return None
    with reading(run.path):
        path = existing(run.path, EVIDENCE, remedy=REMEDY)
        data = path.read_bytes()
    try:
        saved = unpack_one(data, path)
    except RunError as error:
        raise RunError(f"{path} is damaged; {REMEDY}.") from error
    if (saved.config.get("kind"), saved.config.get("run")) != (KIND, identity(run)):
        raise RunError(f"{path} is of another run, or run.json was changed after it was written; {REMEDY}.")
    for name, (rank, dtype) in ARRAYS.items():
        found = saved.tensors.get(name, _nothing(name) if name in LATER else None)
        if found is None or found.ndim != rank or found.dtype != dtype:
            raise RunError(f"{path} has no {name} of rank {rank} and type {np.dtype(dtype).name}; {REMEDY}.")
    evidence = record(Evidence, _with_arrays(saved, path), path, REMEDY)
    sound(evidence, path, REMEDY, of_evidence(evidence, run))
    return evidence


def identity(run: Run) -> str:
    """A digest of everything that run.json says of a run, its files apart, so that other evidence is noticed."""
    return digest(seal(KIND, plain(document(run, {}))))


def _without_arrays(one: Any) -> dict[str, Any]:
    """The fields of a dataclass that are no arrays."""
    values = {each.name: getattr(one, each.name) for each in fields(one)}
    return {name: value for name, value in values.items() if not isinstance(value, np.ndarray)}


def _of_map(one: ShownExplanation) -> dict[str, Any]:
    """What is said of a map, with its size and whether it has an image of its own."""
    return _without_arrays(one) | {"size": one.map.shape, "image": one.image is not None}


def _padded(images: list[np.ndarray]) -> list[np.ndarray]:
    """Images of any proportions as arrays of one shape, (max h, max w, C): an array of the file has one shape."""
    sides = np.array([image.shape for image in images]).max(axis=0, initial=1)
    return [
        np.pad(image, [(0, most - side) for most, side in zip(sides, image.shape, strict=True)]) for image in images
    ]


def _cropped(about: Any, image: np.ndarray) -> dict[str, Any]:
    """What is said of an image, with the image of its own size."""
    return dict(about) | {"image": _of_size(about["size"], image)}


def _of_size(size: Any, image: np.ndarray) -> np.ndarray:
    height, width = size
    if not (0 < height <= image.shape[0] and 0 < width <= image.shape[1]):
        raise ValueError(f"an image of {height} x {width} px in one of {image.shape[0]} x {image.shape[1]}")
    return image[:height, :width]


def _next(images: Iterator[np.ndarray], group: str) -> np.ndarray:
    image = next(images, None)
    if image is None:
        raise ValueError(f"too few images among {group}")
    return image


def _with_map(about: Any, values: np.ndarray, seen: Iterator[np.ndarray]) -> dict[str, Any]:
    """What is said of a map, with the map and the image below it."""
    size = about.get("size", values.shape)
    own = _of_size(size, _next(seen, "seen")) if about.get("image") is True else None
    rest = {name: value for name, value in about.items() if name != "size"}
    return rest | {"map": _of_size(size, values), "image": own}


def _nothing(name: str) -> np.ndarray:
    rank, dtype = ARRAYS[name]
    return np.zeros((0, *[1] * (rank - 1)), dtype)


def _with_arrays(saved: SavedModel, path: Path) -> dict[str, Any]:
    """The fields of `Evidence`, every image and map next to what is said of it."""
    try:
        about, arrays = dict(saved.config["about"]), saved.tensors
        counts = list(about["samples"].values())
        if sum(counts) != len(arrays["samples"]):
            raise ValueError(f"{len(arrays['samples'])} samples instead of {sum(counts)}")
        samples = np.split(arrays["samples"], np.cumsum(counts)[:-1])
        maps = [dict(each) for one in about["explained"] for each in one["explanations"]]
        seen, near = iter(arrays.get("seen", ())), iter(arrays.get("neighbours", ()))
        of_map = about.get("image_map")
        if of_map is not None:
            about["image_map"] = dict(of_map) | {"points": arrays["points"], "thumbs": arrays["thumbs"]}
        explanations = iter([_with_map(one, values, seen) for one, values in zip(maps, arrays["maps"], strict=True)])
        return about | {
            "ideals": arrays["ideals"],
            "samples": dict(zip(about["samples"], samples, strict=True)),
            "mistakes": [
                _cropped(one, image) for one, image in zip(about["mistakes"], arrays["mistakes"], strict=True)
            ],
            "explained": [
                dict(one)
                | {"image": image, "explanations": [next(explanations) for _ in one["explanations"]]}
                | {"neighbours": [_cropped(each, _next(near, "neighbours")) for each in one.get("neighbours", ())]}
                for one, image in zip(about["explained"], arrays["explained"], strict=True)
            ],
        }
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise RunError(f"{path} does not hold the evidence of a run ({error}); {REMEDY}.") from error
