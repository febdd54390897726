"""One rung of a climb: fitted, timed and measured, a network once with each seed."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import mean, stdev
from time import monotonic
from typing import Any

import numpy as np

from firstlight.data.pixels import Pixels
from firstlight.data.table import SPLITS
from firstlight.evaluation.metrics import evaluate
from firstlight.models.checkpoint import save
from firstlight.models.classifier import Classifier
from firstlight.models.closed_form.training_set import TrainingSet
from firstlight.models.estimate import DoesNotFitError, Estimate
from firstlight.models.inference import as_seen, scored
from firstlight.models.options import options_for
from firstlight.models.pretrained.backbone import Backbone
from firstlight.models.pretrained.embeddings import embeddings
from firstlight.models.pretrained.middle import middle_maps
from firstlight.models.rungs import Rung
from firstlight.models.timing import FEWEST, MOST, seconds_per_image
from firstlight.models.training.monitoring import labelled, monitored
from firstlight.models.training.recipes import Recipe, recipe_for
from firstlight.models.training.setting import Callbacks, Checkpointing, Setting
from firstlight.progress import Report, Step, counted
from firstlight.runs.growing import load_checkpoint, save_checkpoint
from firstlight.runs.history import Epoch
from firstlight.runs.results import Run
from firstlight.runs.rung_result import InMemory, RungResult, Seconds
from firstlight.runs.tensors import SavedModel
from firstlight.runs.training import SeedResults

VERSIONS = 4  # of each training image in fine-tuning: itself, its mirror image, two crops; 44 kB each


@dataclass(frozen=True, kw_only=True)
class Climb:
    """What all rungs of a climb share.

    Attributes:
        pixels: the images, of all splits.
        training: the labelled training images.
        backbone: of the rungs that learn from embeddings; None where there is none.
        split: that is measured on.
        effort: of the recipes.
        seeds: each network is trained once with each.
        options: fields of `Recipe` that replace the recipe's own.
        report: called with every step.
        deadline: when it should end, by `time.monotonic`; None: whenever it is done.
        test_images: labelled images of the test split.
        test_dataset: names these in the ledger of this machine.
    """

    pixels: Pixels
    training: TrainingSet
    backbone: Backbone | None
    split: str
    effort: str
    seeds: Sequence[int]
    options: Mapping[str, Any]
    report: Report
    deadline: float | None
    test_images: int
    test_dataset: str

    @cached_property
    def embedded(self) -> TrainingSet:
        """The embeddings of the training images, computed once for all rungs."""
        assert self.backbone is not None
        return embedded_training_set(self.pixels, self.backbone, self.report, deadline=self.deadline)


def measured_rung(rung: Rung, climb: Climb, run: Run) -> RungResult:
    """Fits and measures one rung; a network once with each seed.

    Raises:
        DoesNotFitError: where it would end after the climb's deadline.
    """
    if climb.deadline is not None and monotonic() > climb.deadline:
        raise DoesNotFitError
    seeds = climb.seeds if rung.recipe else climb.seeds[:1]
    results = [_measured(rung, climb, run, seed) for seed in seeds]
    if len(seeds) == 1:
        return results[0]
    first = results[0]
    assert first.training is not None
    outputs = InMemory(first.predictions, first.model, tuple(epoch for one in results for epoch in one.history))
    return replace(first, training=replace(first.training, seeds=_seed_results(seeds, results)), outputs=outputs)


def _measured(rung: Rung, climb: Climb, run: Run, seed: int) -> RungResult:
    """Fits and measures one rung with one seed."""
    pixels = climb.pixels
    started = time.perf_counter()
    training = climb.embedded if rung.embeds else climb.training
    inputs = None
    callbacks = callbacks_of(rung, climb.report, deadline=climb.deadline)
    setting = Setting(classes=pixels.classes, seed=seed, callbacks=callbacks, backbone=climb.backbone)
    if rung.recipe:
        recipe = recipe_for(rung.recipe, climb.effort, options_for(rung, climb.options))
        setting = replace(setting, recipe=recipe, checkpointing=_checkpointing(rung, run, seed))
        if rung.tunes:
            assert climb.backbone is not None
            maps = Maps(climb.backbone, recipe, seed, climb.report)
            training, inputs = maps.training_set(pixels), maps.of
        hold_out = climb.split == "test"
        training, setting = monitored(pixels, training, setting, climb.options, hold_out=hold_out, inputs=inputs)
    classifier = fit_rung(rung, pixels, training, setting)
    fitted = time.perf_counter()
    predictions = scored(classifier, pixels, climb.split)
    roughly = (time.perf_counter() - fitted) / len(predictions)
    most = MOST if classifier.model.preprocessing is None else FEWEST  # which are decoded again
    part = pixels.select(np.flatnonzero(pixels.splits == SPLITS.index(climb.split))[:most])
    each = seconds_per_image(classifier.model, as_seen(classifier, part).values, roughly=roughly)
    record = classifier.training
    return RungResult(
        name=rung.name,
        metrics=evaluate(predictions),
        seconds=Seconds(fitted - started if record is None else record.seconds, each * len(predictions)),
        outputs=InMemory(predictions, save(classifier), classifier.history),
        training=record,
    )


def embedded_training_set(
    pixels: Pixels, backbone: Backbone, report: Report, *, deadline: float | None = None
) -> TrainingSet:
    """The embeddings of the labelled training images."""
    known = labelled(pixels, "train")
    progress = Estimate("embedding", counted(report, "embedding"), report, deadline=deadline)
    return TrainingSet(embeddings(known, backbone, progress=progress), known.labels, len(pixels.classes))


@dataclass(frozen=True)
class Maps:
    """What fine-tuning takes of images.

    Attributes:
        backbone: that is fine-tuned.
        recipe: by which.
        seed: random seed of the augmented versions.
        report: called with every step.
    """

    backbone: Backbone
    recipe: Recipe
    seed: int
    report: Report

    def training_set(self, pixels: Pixels) -> TrainingSet:
        """Augmented versions of the labelled training images: as many as there are epochs, at most four."""
        known = labelled(pixels, "train")
        maps = self.of(known, versions=min(VERSIONS, self.recipe.epochs))
        return TrainingSet(maps, known.labels, len(pixels.classes))

    def of(self, pixels: Pixels, versions: int = 1) -> np.ndarray:
        """The middle maps of images."""
        progress = counted(self.report, "preparing fine-tune")
        return middle_maps(pixels, self.backbone, versions=versions, seed=self.seed, progress=progress)


def callbacks_of(rung: Rung, report: Report, *, deadline: float | None = None) -> Callbacks:
    """The steps and epochs of a training, reported."""
    work = f"training {rung.name}"

    def on_epoch(epoch: Epoch) -> None:
        report(Step(work, epoch.epoch, epoch.epochs, "epochs", epoch))

    return Callbacks(on_epoch, Estimate(rung.name, counted(report, work, "steps"), report, deadline=deadline))


def _checkpointing(rung: Rung, run: Run, seed: int) -> Checkpointing | None:
    """Where a training saves its state: in the run folder, where there is one."""
    if run.path is None:
        return None

    def save_state(state: SavedModel, epochs: tuple[Epoch, ...]) -> None:
        save_checkpoint(run, rung.name, seed, state, epochs)

    return Checkpointing(save_state, load_checkpoint(run, rung.name, seed))


def fit_rung(rung: Rung, pixels: Pixels, training: TrainingSet, setting: Setting) -> Classifier:
    """Fits one rung: the classifier with what its images went through."""
    fitted = rung.fit(training, setting)
    how = fitted.model.preprocessing or pixels.preprocessing
    return Classifier(
        name=rung.name,
        model=fitted.model,
        classes=pixels.classes,
        temperature=fitted.temperature,
        shape=how.shape,
        preprocessing=how,
        fingerprint=pixels.table.fingerprint,
        seed=setting.seed,
        training=fitted.training,
        history=fitted.history,
        calibrated_on=setting.calibrated_on,
    )


def _seed_results(seeds: Sequence[int], results: Sequence[RungResult]) -> SeedResults:
    accuracies = tuple(one.metrics.accuracy for one in results)
    return SeedResults(
        seeds=tuple(seeds),
        accuracies=accuracies,
        mean=mean(accuracies),
        standard_deviation=stdev(accuracies),
        seconds=tuple(one.seconds.fit for one in results),
    )
