"""What does not fit together in the evidence of a run, whatever its digest says."""

from __future__ import annotations

from collections.abc import Iterator

from firstlight.data.table import SPLITS
from firstlight.evaluation.slices import Slices
from firstlight.runs.checks import Doubt
from firstlight.runs.evidence import Evidence, ImageMap
from firstlight.runs.results import Run

WHY = ("wrong", "uncertain", "typical")


def of_evidence(evidence: Evidence, run: Run) -> Iterator[Doubt]:
    """Whether everything in it is of this run's classes and rungs, and every list is as long as its neighbour."""
    classes, rungs = set(run.classes), {rung.name for rung in run.rungs}
    if len(evidence.ideals) != len(classes):
        yield Doubt("$.ideals", len(evidence.ideals), f"{len(classes)} mean images, one for each class")
    images = [
        ("$.ideals", evidence.ideals),
        *((f"$.samples[{name!r}]", each) for name, each in evidence.samples.items()),
    ]
    images += [(f"$.mistakes[{place}].image", one.image[None]) for place, one in enumerate(evidence.mistakes)]
    images += [(f"$.explained[{place}].image", one.image[None]) for place, one in enumerate(evidence.explained)]
    for path, each in images:
        if 0 in each.shape[1:] or each.shape[3] not in (1, 3):
            yield Doubt(path, each.shape, "images of one or three channels")
    for split, counts in evidence.counts.items():
        if split not in SPLITS or not classes >= counts.keys() or min(counts.values(), default=0) < 0:
            yield Doubt(f"$.counts[{split!r}]", counts, "a count for each class of a split")
    names = [("$.samples", name, classes) for name in evidence.samples]
    for place, one in enumerate([*evidence.mistakes, *evidence.explained]):
        names += [
            (f"$.mistakes, explained [{place}]", name, classes) for name in (one.label or one.predicted, one.predicted)
        ]
    for place, one in enumerate(evidence.explained):
        path = f"$.explained[{place}]"
        names.append((f"{path}.why", one.why, set(WHY)))
        for shown in one.explanations:
            names += [(f"{path}.rung", shown.rung, rungs)]
            names += [(f"{path}.predicted", name, classes) for name in (shown.predicted, shown.against)]
            if 0 in shown.map.shape:
                yield Doubt(f"{path}.map", shown.map.shape, "a map with pixels")
            if shown.image is not None and shown.image.shape[2] not in (1, 3):
                yield Doubt(f"{path}.image", shown.image.shape, "an image of one or three channels")
        for near in one.neighbours:
            if 0 in near.image.shape or near.image.shape[2] not in (1, 3):
                yield Doubt(f"{path}.neighbours", near.image.shape, "images of one or three channels")
        names += [(f"{path}.neighbours", near.label, classes) for near in one.neighbours if near.label is not None]
    if evidence.image_map is not None:
        yield from _of_map(evidence.image_map, len(run.classes))
    for place, sliced in enumerate(evidence.slices):
        names += [(f"$.slices[{place}].rungs", name, rungs) for name in sliced.rungs]
        yield from _of_slices(sliced, f"$.slices[{place}]")
    if evidence.without_leaked is not None:
        names += [("$.without_leaked.rungs", name, rungs) for name in evidence.without_leaked.rungs]
    for path, name, known in names:
        if name not in known:
            yield Doubt(path, name, f"one of {', '.join(sorted(known))[:200]}")


def _of_map(found: ImageMap, classes: int) -> Iterator[Doubt]:
    lengths = {len(found.keys), len(found.labels), len(found.wrong), len(found.points), len(found.thumbs)}
    if (
        len(lengths) > 1
        or 0 in found.thumbs.shape
        or found.points.shape[1:] != (2,)
        or found.thumbs.shape[3] not in (1, 3)
    ):
        yield Doubt("$.image_map", sorted(lengths), "a point, a class and a picture for each image")
    if not (0 <= found.share <= 1 and found.images >= len(found.keys)):
        yield Doubt("$.image_map.share", found.share, "a share of the variance, of no fewer images than points")
    if (
        any(not -1 <= label < classes for label in found.labels)
        or not ((found.points >= 0) & (found.points <= 1)).all()
    ):
        yield Doubt("$.image_map.labels", found.labels[:3], f"indices of {classes} classes, and points from 0 to 1")


def _of_slices(sliced: Slices, path: str) -> Iterator[Doubt]:
    if len(sliced.cells) != len(sliced.rungs) or any(len(cells) != len(sliced.parts) for cells in sliced.cells):
        yield Doubt(f"{path}.cells", "another number of cells", "one for each rung and slice")
        return
    for cells in sliced.cells:
        for cell in cells:
            if not 0 <= cell.correct <= cell.n or cell.n == 0:
                yield Doubt(f"{path}.cells", cell.correct, f"at most n ({cell.n}), and n at least 1")
