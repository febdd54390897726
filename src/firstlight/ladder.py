"""`fit()` and `climb()`: the whole way from a folder of images to a run with its advice."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from statistics import mean, stdev
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from firstlight.data.arrange import arrange, labelled_in, load_for
from firstlight.data.decoding.loading import Loading
from firstlight.data.given import table_of
from firstlight.data.pixels import Pixels
from firstlight.data.table import SPLITS
from firstlight.errors import ArgumentError, DataError
from firstlight.evaluation.advice import Cost, advise
from firstlight.evaluation.compare import compare_all
from firstlight.evaluation.metrics import evaluate
from firstlight.gathering import gather
from firstlight.models.checkpoint import save
from firstlight.models.classifier import Classifier
from firstlight.models.closed_form.training_set import TrainingSet
from firstlight.models.inference import scored
from firstlight.models.options import (
    ClimbOptions,
    FitOptions,
    check_options,
    loading_from,
    options_for,
    rung_from,
    seeds_from,
)
from firstlight.models.rungs import Rung, climbed, named
from firstlight.models.timing import MOST, seconds_per_image
from firstlight.models.training.monitoring import labelled, monitored, training_set_of
from firstlight.models.training.recipes import recipe_for
from firstlight.models.training.setting import Callbacks, Checkpointing, Setting
from firstlight.progress import Progress, Report, Step, counted, reported
from firstlight.runs.evidence_file import has_evidence, write_evidence
from firstlight.runs.growing import (
    Numbered,
    add_rung,
    already,
    begin_run,
    end_run,
    load_checkpoint,
    refuse_other,
    save_checkpoint,
)
from firstlight.runs.history import Epoch
from firstlight.runs.ledger import count_reading, dataset_of, readings_of
from firstlight.runs.request import Request, versions
from firstlight.runs.results import Run
from firstlight.runs.rung_result import InMemory, RungResult, Seconds
from firstlight.runs.tensors import SavedModel
from firstlight.runs.training import SeedResults
from firstlight.seeds import seed_of

if TYPE_CHECKING:
    from torch import nn


def fit(
    rung: str | nn.Module,
    data: Any,
    *,
    loading: Loading | None = None,
    effort: str = "standard",
    seed: int = 0,
    progress: Progress = None,
    **options: Unpack[FitOptions],
) -> Classifier:
    """Fits one rung, or a module of your own, on the training images.

    Args:
        rung: a rung's name, such as ``"cnn"``; ``"centroid"`` with the options ``distance`` (``"l1"``, ``"l2"``,
            ``"cosine"``) and ``centre`` (``"mean"``, ``"median"``); or an ``nn.Module`` that takes images
            (B, C, H, W) and gives scores (B, K): a copy of it is trained.
        data: pixels, as `load` returns them; a table; or a folder, or anything else that `scan` takes. Where there is
            no split, 20 % become validation images first; these are used for monitoring and for the temperature, and
            never trained on. With ``patience``, a fifth of the training images, at most 1,000, are held out for both
            instead.
        loading: size, color, resize, align and allow_unreadable of the images; pixels have theirs already.
        effort: ``"quick"``, ``"standard"`` or ``"thorough"``: the recipe by which a network is trained.
        seed: random seed of the split, where one has to be made, of the first weights, of the order of the images
            and of their augmentation.
        progress: called with a `Step` as the work proceeds, whose ``result`` is each `Epoch` of a network; True shows
            meters.
        options: fields of `Recipe` that replace those of the recipe, ``epochs=10, lr=1.0, loss="l1"``; and fields of
            `Loading`, ``size=32``, instead of ``loading``.

    Returns:
        The fitted classifier.

    Raises:
        ArgumentError: where there is no such rung or option, or a module does not fit the images.
        DataError: where the training images are of one class or none.
        MissingExtraError: where the rung is a network and torch is not installed.

    Example:
        >>> import firstlight as fl
        >>> pixels = fl.load(fl.split(fl.scan(digits)))
        >>> ideal = fl.fit("centroid", pixels, distance="cosine")
        >>> ideal.model.centres.shape  # ten mean images of 8 x 8 px
        (10, 64)
        >>> network = fl.fit("linear", pixels, epochs=3)
        >>> [epoch.epoch for epoch in network.history]
        [1, 2, 3]
    """
    given, seed = dict(options), seed_of(seed)
    loading = loading_from(data, loading, given)
    chosen = rung_from(rung, effort, given)
    with reported(progress) as report:
        if isinstance(data, Pixels):
            arranged = replace(data, table=arrange(data.table, seed=seed))
        else:
            arranged = load_for(data, split="validation", seed=seed, loading=loading, progress=report)
        training = training_set(arranged)
        setting = Setting(classes=arranged.classes, seed=seed, callbacks=_callbacks(chosen, report))
        if chosen.recipe:
            recipe = recipe_for(chosen.recipe, effort, given)
            training, setting = _monitored(arranged, training, replace(setting, recipe=recipe), given)
        classifier = _fit(chosen, arranged, training, setting)
    if classifier.training is not None and classifier.training.stopped:
        warnings.warn(classifier.training.stopped, stacklevel=2)
    return classifier


@dataclass(frozen=True)
class _Climb:
    """The inputs that all steps of a climb share."""

    pixels: Pixels
    training: TrainingSet
    split: str
    effort: str
    seeds: Sequence[int]
    options: Mapping[str, Any]
    report: Report
    test_images: int = 0
    test_dataset: str = ""


def climb(
    data: Any,
    *,
    rungs: Iterable[str] | None = None,
    effort: str = "standard",
    split: str = "validation",
    loading: Loading | None = None,
    out: str | Path | Numbered | None = None,
    seed: int | Sequence[int] = 0,
    progress: Progress = None,
    **options: Unpack[ClimbOptions],
) -> Run:
    """Climbs the ladder: fits and measures each rung, compares every pair of them, and advises where to stop.

    Args:
        data: a folder (or anything that `scan` takes), a table, or pixels.
        rungs: names of rungs, simplest first; ``"centroid"`` means its three distances. Default: every rung, or the
            untrained ones where torch is not installed.
        effort: ``"quick"``, ``"standard"`` or ``"thorough"``: the recipes by which networks are trained.
        split: the images to measure on. ``"validation"`` images are taken from the training images where the folder
            has none. ``"test"`` must be requested; it fits on training and validation images, and networks hold out
            a fifth of these, at most 1,000, for monitoring.
        loading: size, color, resize, align and allow_unreadable of the images; pixels have theirs already.
        out: the run folder; default: nothing is written. It can be read at any time, and the same climb, after an
            interruption, resumes from it; a finished run is only read. At the end it gets what a `report` shows:
            findings, images, explanations.
        seed: random seed of the split, where one has to be made, and of training. With several
            seeds, each network is trained once per seed: the result is the first one's, and the standard deviation
            over all is reported.
        progress: called with a `Step` as the work proceeds, whose ``result`` is the `Pixels`, each `Epoch`, each
            `RungResult` and the `Run` with its advice, as soon as they are complete; True shows meters.
        options: fields of `Recipe` that replace those of every network's recipe, such as ``device="cpu"``; and fields
            of `Loading`, ``size=32``, instead of ``loading``.

    Returns:
        The run: every rung's predictions, metrics and model, and the advice.

    Raises:
        ArgumentError: where there is no such rung, effort or option.
        DataError: where nothing can be learnt from the folder: one class, no readable image, no test split.
        RunError: where ``out`` holds anything but this climb.
        MissingExtraError: where a rung is a network and torch is not installed.

    Example:
        >>> import firstlight as fl
        >>> run = fl.climb(digits, rungs=["prior", "centroid"])
        >>> [rung.name for rung in run]
        ['prior', 'centroid-l1', 'centroid-l2', 'centroid-cosine']
    """
    chosen = named(climbed() if rungs is None else rungs)
    seeds, given = seeds_from(seed), dict(options)
    loading = loading_from(data, loading, given)
    check_options(effort, given, chosen)
    if len(seeds) > 1 and not any(rung.recipe for rung in chosen):
        raise ArgumentError(f"{len(seeds)} seeds were passed, but no rung of this climb is trained; pass one seed.")
    if not isinstance(out, str | os.PathLike | Numbered | None):
        raise ArgumentError(f"out={out!r} is no folder; pass the path of the run folder.")
    if out is not None:
        refuse_other(out)
    with reported(progress) as report:
        source = data if isinstance(data, Pixels) else table_of(data)
        pixels = load_for(source, split=split, seed=seeds[0], loading=loading, progress=report)
        report(Step("decoding", len(pixels), len(pixels), result=pixels))
        steps = _Climb(pixels, training_set(pixels), split, effort, seeds, given, report)
        table = table_of(source)
        steps = replace(steps, test_images=labelled_in(table, "test"), test_dataset=dataset_of([table]))
        return _climbed(chosen, steps, out)


def _climbed(chosen: Sequence[Rung], steps: _Climb, out: str | Path | Numbered | None) -> Run:
    """The climb from its pixels to the evidence."""
    run, report = _begun(chosen, steps), steps.report
    if out is not None:
        run = begin_run(run, out)
        if there := already(run):
            report(Step("climbing", len(run), len(chosen), "rungs", there))
    counted = count_reading if steps.split == "test" and not len(run) else readings_of
    run = replace(run, test_readings=max(run.test_readings, counted(steps.test_dataset)))
    for place, rung in enumerate(chosen, 1):
        if rung.name in run:
            result = run[rung.name]
        else:
            result = _step(rung, steps, run)
            run = replace(run, rungs=(*run.rungs, result)) if out is None else add_rung(run, result)
        report(Step("climbing", place, len(chosen), "rungs", result))
    if not run.finished:
        seen = [result.predictions for result in run]
        compared = compare_all(seen)
        costs = {result.name: _cost(result) for result in run}
        run = end_run(run, compared, advise(seen, comparisons=compared, costs=costs))
    report(Step("climbing", len(chosen), len(chosen), "rungs", run))
    if run.path is not None and not has_evidence(run):
        write_evidence(run, gather(run, steps.pixels, progress=report))
    return run


def training_set(pixels: Pixels) -> TrainingSet:
    """The labelled training images.

    Raises:
        DataError: where they are of fewer than two classes.
    """
    train = training_set_of(labelled(pixels, "train"))
    present = np.unique(train.labels)
    if len(present) < 2:
        names = ", ".join(pixels.classes[label] for label in present) or "none"
        raise DataError(
            f"{pixels.table.root} has training images of {len(present)} class ({names}); telling classes apart "
            "needs at least two: put the images of each class into a folder of its own."
        )
    return train


def _monitored(
    pixels: Pixels, training: TrainingSet, setting: Setting, options: Mapping[str, Any], *, test: bool = False
) -> tuple[TrainingSet, Setting]:
    """The images that a network is trained on, and the setting with those that it is monitored on.

    A requested batch must not be larger than the number of training images.
    """
    assert setting.recipe is not None
    divided = monitored(pixels, training, hold_out=test or setting.recipe.patience > 0)
    count = len(divided.training.labels)
    if options.get("batch_size", 0) > count:
        raise ArgumentError(
            f"batch_size={options['batch_size']} is more than the {count:,} training images; pass at most that many."
        )
    return divided.training, replace(setting, validation=divided.monitor, calibrated_on=divided.calibrated_on)


def _begun(chosen: Sequence[Rung], climb: _Climb) -> Run:
    """The run before its first rung: the arguments, and what was decided."""
    pixels = climb.pixels
    request = Request(
        data=str(pixels.table.source or pixels.table.root),
        scanning=pixels.table.scanning,
        rungs=tuple(rung.name for rung in chosen),
        split=climb.split,
        loading=pixels.loading,
        seeds=tuple(climb.seeds),
    )
    packages = dict(versions())
    if any(rung.recipe for rung in chosen):
        recipe = recipe_for("module", climb.effort, climb.options).to_dict()
        request = replace(request, effort=climb.effort, options={name: recipe[name] for name in climb.options})
        packages["torch"] = version("torch")
    return Run(
        request=request,
        decided=(*pixels.reasons, *pixels.table.notes),
        versions=packages,
        seed=climb.seeds[0],
        fingerprint=pixels.table.fingerprint,
        classes=pixels.classes,
        split=climb.split,
        unreadable=len(pixels.unreadable),
        rungs=(),
        test_images=climb.test_images if climb.split != "test" else 0,
        test_dataset=climb.test_dataset,
    )


def _step(rung: Rung, climb: _Climb, run: Run) -> RungResult:
    """Fits and measures one rung; a network once with each seed."""
    seeds = climb.seeds if rung.recipe else climb.seeds[:1]
    results = [_measured(rung, climb, run, seed) for seed in seeds]
    if len(seeds) == 1:
        return results[0]
    first = results[0]
    assert first.training is not None
    outputs = InMemory(first.predictions, first.model, tuple(epoch for one in results for epoch in one.history))
    return replace(first, training=replace(first.training, seeds=_seed_results(seeds, results)), outputs=outputs)


def _measured(rung: Rung, climb: _Climb, run: Run, seed: int) -> RungResult:
    """Fits and measures one rung with one seed."""
    pixels, training = climb.pixels, climb.training
    setting = Setting(classes=pixels.classes, seed=seed, callbacks=_callbacks(rung, climb.report))
    if rung.recipe:
        recipe = recipe_for(rung.recipe, climb.effort, options_for(rung, climb.options))
        setting = replace(setting, recipe=recipe, checkpointing=_checkpointing(rung, run, seed))
        training, setting = _monitored(pixels, training, setting, climb.options, test=climb.split == "test")
    started = time.perf_counter()
    classifier = _fit(rung, pixels, training, setting)
    fitted = time.perf_counter()
    predictions = scored(classifier, pixels, climb.split)
    roughly = (time.perf_counter() - fitted) / len(predictions)
    part = pixels.values[np.flatnonzero(pixels.splits == SPLITS.index(climb.split))[:MOST]]
    each = seconds_per_image(classifier.model, part, roughly=roughly)
    record = classifier.training
    return RungResult(
        name=rung.name,
        metrics=evaluate(predictions),
        seconds=Seconds(fitted - started if record is None else record.seconds, each * len(predictions)),
        outputs=InMemory(predictions, save(classifier), classifier.history),
        training=record,
    )


def _callbacks(rung: Rung, report: Report) -> Callbacks:
    """The steps and epochs of a training, reported."""
    work = f"training {rung.name}"

    def on_epoch(epoch: Epoch) -> None:
        report(Step(work, epoch.epoch, epoch.epochs, "epochs", epoch))

    return Callbacks(on_epoch, counted(report, work, "steps"))


def _checkpointing(rung: Rung, run: Run, seed: int) -> Checkpointing | None:
    """Where a training saves its state: in the run folder, where there is one."""
    if run.path is None:
        return None

    def save_state(state: SavedModel, epochs: tuple[Epoch, ...]) -> None:
        save_checkpoint(run, rung.name, seed, state, epochs)

    return Checkpointing(save_state, load_checkpoint(run, rung.name, seed))


def _fit(rung: Rung, pixels: Pixels, training: TrainingSet, setting: Setting) -> Classifier:
    fitted = rung.fit(training, setting)
    height, width, channels = pixels.values.shape[1:]
    return Classifier(
        name=rung.name,
        model=fitted.model,
        classes=pixels.classes,
        temperature=fitted.temperature,
        shape=(height, width, channels),
        preprocessing=pixels.preprocessing,
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


def _cost(result: RungResult) -> Cost:
    size = sum(tensor.nbytes for tensor in result.model.tensors.values())
    return Cost(result.seconds.fit, result.seconds.predict / result.metrics.n * 1e6, size / 1e6)
