"""`fit()` and `climb()`: the whole way from a folder of images to a run with its advice."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from firstlight.data.arrange import arrange, labelled_in, load_for
from firstlight.data.decoding.loading import Loading
from firstlight.data.given import table_of
from firstlight.data.pixels import Pixels
from firstlight.errors import ArgumentError
from firstlight.evaluation.advice import Cost, advise
from firstlight.evaluation.compare import compare_all
from firstlight.gathering import gather
from firstlight.models.classifier import Classifier
from firstlight.models.estimate import DoesNotFitError, skipped
from firstlight.models.ladders import Ladder, ladder_for
from firstlight.models.measuring import Climb, Maps, callbacks_of, embedded_training_set, fit_rung, measured_rung
from firstlight.models.options import (
    ClimbOptions,
    FitOptions,
    backbone_for,
    check_options,
    loading_from,
    minutes_from,
    refuse_misspelt,
    rung_from,
    seeds_from,
)
from firstlight.models.pretrained.backbone import described
from firstlight.models.rungs import named, refuse_missing
from firstlight.models.training.monitoring import monitored, training_set
from firstlight.models.training.recipes import recipe_for
from firstlight.models.training.setting import Setting
from firstlight.progress import Progress, Step, reported
from firstlight.runs.evidence_file import has_evidence, write_evidence
from firstlight.runs.growing import (
    Numbered,
    add_rung,
    already,
    begin_run,
    end_run,
    refuse_other,
)
from firstlight.runs.ledger import count_reading, dataset_of, readings_of
from firstlight.runs.request import Request, versions
from firstlight.runs.results import Run
from firstlight.runs.rung_result import RungResult
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
        options: fields of `Recipe` that replace those of the recipe, ``epochs=10, lr=1.0, loss="l1"``; fields of
            `Loading`, ``size=32``, instead of ``loading``; and ``backbone``, the name of the pretrained network.

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
    name: Any = given.pop("backbone", None)
    chosen = rung_from(rung, effort, given)
    refuse_missing([chosen])
    backbone = backbone_for([chosen], name)
    with reported(progress) as report:
        if isinstance(data, Pixels):
            arranged = replace(data, table=arrange(data.table, seed=seed))
        else:
            arranged = load_for(data, split="validation", seed=seed, loading=loading, progress=report)
        training = training_set(arranged)
        if backbone is not None and chosen.embeds:
            training = embedded_training_set(arranged, backbone, report)
        callbacks = callbacks_of(chosen, report)
        setting = Setting(classes=arranged.classes, seed=seed, callbacks=callbacks, backbone=backbone)
        if chosen.recipe:
            recipe = recipe_for(chosen.recipe, effort, given)
            inputs = None
            if backbone is not None and chosen.tunes:
                maps = Maps(backbone, recipe, seed, report)
                training, inputs = maps.training_set(arranged), maps.of
            setting = replace(setting, recipe=recipe)
            training, setting = monitored(arranged, training, setting, given, hold_out=False, inputs=inputs)
        classifier = fit_rung(chosen, arranged, training, setting)
    if classifier.training is not None and classifier.training.stopped:
        warnings.warn(classifier.training.stopped, stacklevel=2)
    return classifier


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
        rungs: names of rungs, simplest first; ``"centroid"`` means its three distances. Default: those that suit the
            images, as `ladder_for` chooses them.
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
        options: fields of `Recipe` that replace those of every network's recipe, such as ``device="cpu"``; fields of
            `Loading`, ``size=32``, instead of ``loading``; ``backbone``, the name of the pretrained network; and
            ``minutes``, in which the climb should end: a rung that would not fit, by its first steps, is skipped and
            named in ``Run.decided``.

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
    ladder = None if rungs is None else Ladder(named(rungs))
    refuse_misspelt(options, ("rungs", "effort", "split", "out", "seed", "progress"))
    seeds, given = seeds_from(seed), dict(options)
    loading = loading_from(data, loading, given)
    name: Any = given.pop("backbone", None)
    minutes, started = minutes_from(given), time.monotonic()
    if ladder is None:
        check_options(effort, given)
    else:
        _check(ladder, effort, given, seeds)
        backbone_for(ladder.rungs, name)  # a name that is none's is refused before anything is loaded
    if not isinstance(out, str | os.PathLike | Numbered | None):
        raise ArgumentError(f"out={out!r} is no folder; pass the path of the run folder.")
    if out is not None:
        refuse_other(out)
    with reported(progress) as report:
        source = data if isinstance(data, Pixels) else table_of(data)
        pixels = load_for(source, split=split, seed=seeds[0], loading=loading, progress=report)
        report(Step("decoding", len(pixels), len(pixels), result=pixels))
        if ladder is None:
            ladder = ladder_for(pixels, effort)
            _check(ladder, effort, given, seeds)
        backbone = backbone_for(ladder.rungs, name)
        if remark := " ".join(filter(None, (ladder.reason, described(backbone), ladder.remark))):
            report(Step("climbing", 0, len(ladder.rungs), "rungs", remark))
        table = table_of(source)
        steps = Climb(
            pixels=pixels,
            training=training_set(pixels),
            backbone=backbone,
            split=split,
            effort=effort,
            seeds=seeds,
            options=given,
            report=report,
            deadline=None if minutes is None else started + 60 * minutes,
            test_images=labelled_in(table, "test"),
            test_dataset=dataset_of([table]),
        )
        return _climbed(ladder, steps, minutes, out)


def _check(ladder: Ladder, effort: str, options: dict[str, Any], seeds: Sequence[int]) -> None:
    """Refuses options that no rung has, rungs whose packages are missing, and seeds that no rung needs."""
    check_options(effort, options, ladder.rungs)
    refuse_missing(ladder.rungs)
    if len(seeds) > 1 and not any(rung.recipe for rung in ladder.rungs):
        raise ArgumentError(f"{len(seeds)} seeds were passed, but no rung of this climb is trained; pass one seed.")


def _climbed(ladder: Ladder, steps: Climb, minutes: float | None, out: str | Path | Numbered | None) -> Run:
    """The climb from its pixels to the evidence."""
    chosen = ladder.rungs
    run, report = _begun(ladder, steps, minutes), steps.report
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
            try:
                result = measured_rung(rung, steps, run)
            except DoesNotFitError as error:
                assert minutes is not None
                run = replace(run, decided=(*run.decided, skipped(rung.name, minutes, error)))
                report(Step("climbing", place, len(chosen), "rungs", run.decided[-1]))
                continue
            run = replace(run, rungs=(*run.rungs, result)) if out is None else add_rung(run, result)
        report(Step("climbing", place, len(chosen), "rungs", result))
    if not len(run):
        raise ArgumentError(f"No rung fits into {minutes:g} minutes; pass more minutes, or other rungs.")
    if not run.finished:
        seen = [result.predictions for result in run]
        compared = compare_all(seen)
        costs = {result.name: _cost(result) for result in run}
        run = end_run(run, compared, advise(seen, comparisons=compared, costs=costs))
    report(Step("climbing", len(chosen), len(chosen), "rungs", run))
    if run.path is not None and not has_evidence(run):
        write_evidence(run, gather(run, steps.pixels, progress=report))
    return run


def _begun(ladder: Ladder, climb: Climb, minutes: float | None) -> Run:
    """The run before its first rung: the arguments, and what was decided."""
    pixels, chosen = climb.pixels, ladder.rungs
    request = Request(
        data=str(pixels.table.source or pixels.table.root),
        in_memory=not pixels.table.source,
        scanning=pixels.table.scanning,
        rungs=tuple(rung.name for rung in chosen),
        split=climb.split,
        loading=pixels.loading,
        seeds=tuple(climb.seeds),
        backbone=None if climb.backbone is None else climb.backbone.name,
        minutes=minutes,
    )
    packages = dict(versions())
    if climb.backbone is not None:
        packages["onnxruntime"] = version("onnxruntime")
    if any(rung.recipe for rung in chosen):
        recipe = recipe_for("module", climb.effort, climb.options).to_dict()
        request = replace(request, effort=climb.effort, options={name: recipe[name] for name in climb.options})
        packages["torch"] = version("torch")
    return Run(
        request=request,
        decided=(*pixels.reasons, *pixels.table.notes, *filter(None, [ladder.reason, described(climb.backbone)])),
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


def _cost(result: RungResult) -> Cost:
    size = sum(tensor.nbytes for tensor in result.model.tensors.values())
    size += result.model.config["options"].get("bytes", 0)  # of a pretrained network
    return Cost(result.seconds.fit, result.seconds.predict / result.metrics.n * 1e6, size / 1e6)
