"""Fitting a network: from a recipe with open questions to a trained module with its temperature."""

from __future__ import annotations

import copy
import time
from dataclasses import replace

import numpy as np
import torch
from torch import nn

from firstlight.errors import ArgumentError
from firstlight.models.calibration import fit_temperature
from firstlight.models.closed_form.training_set import TrainingSet
from firstlight.models.training.architectures import CNN, build
from firstlight.models.training.augmentation_policy import augmentation_for, keeps_class
from firstlight.models.training.devices import agreeing, computes_in_bfloat16, device_for, threads_for
from firstlight.models.training.loop import train
from firstlight.models.training.losses import LOSSES, checked, one_hot
from firstlight.models.training.lr_range import find_lr
from firstlight.models.training.network import Network, laid_out, statistics, views_of
from firstlight.models.training.recipes import Augmentation, Recipe, for_few
from firstlight.models.training.setting import Fitted, Setting
from firstlight.runs.training import RangeCurve, TrainingRecord

STARTED_FROM = 500  # images, evenly spaced, that the first filters of a cnn are made from
PROBED = 8  # images of the one batch that a module and a device are tried on


def fit_network(name: str | nn.Module, data: TrainingSet, setting: Setting) -> Fitted:
    """Builds a rung's network, or takes a copy of the user's, trains it and fits its temperature.

    Args:
        name: ``"linear"``, ``"mlp"``, ``"cnn"``, or a module; the module itself is not changed.
        data: the training images.
        setting: what it is fitted with.

    Raises:
        ArgumentError: where the module, the loss or an option does not fit the images; the sentence says how.
    """
    assert setting.recipe is not None
    with threads_for(data.images[0].size * min(setting.recipe.batch_size, len(data.labels))):
        return _fit(name, data, setting)


def _fit(name: str | nn.Module, data: TrainingSet, setting: Setting) -> Fitted:
    assert setting.recipe is not None
    started = time.perf_counter()
    network = start(name, data, setting.recipe, setting.seed)
    device = device_for(setting.recipe.device)
    recipe, reasons = decided(setting.recipe, data, setting, device)
    _probe(network, data, recipe)
    few = torch.from_numpy(np.array(data.images[:PROBED])).permute(0, 3, 1, 2)
    device, warning = agreeing(network.module, network.floats(few), device)
    reasons += [warning] if warning else []
    module = laid_out(network.module).to(device)
    network = replace(network, module=module, device=device)
    curve = None
    if recipe.lr == "auto":
        tried = find_lr(network, data, recipe, setting.seed)
        recipe = replace(recipe, lr=tried.lr)
        reasons.append(f"Learning rate {tried.lr:g}, by the range test.")
        curve = RangeCurve(tried.rates, tried.losses)
    before, other_threads = _resumed(setting)
    reasons += [other_threads] if other_threads else []
    history, stopped = train(network, data, recipe, setting)
    if recipe.views == "many":
        varied = recipe.augment
        mirrored = isinstance(varied, Augmentation) and varied.mirror is True
        network = replace(network, views=views_of(data.images.shape[1:], mirrored))
        reasons.append(f"The finished network looks at each image in {len(network.views)} ways and takes the mean.")
    reasons += [stopped] if stopped else []
    watched = setting.watched
    temperature = 1.0 if watched is None else fit_temperature(network.scores(watched.images), watched.labels)
    record = TrainingRecord(
        recipe=recipe.to_dict(),
        device=str(device),
        threads=torch.get_num_threads(),
        parameters=sum(parameter.numel() for parameter in module.parameters()),
        reasons=tuple(reasons),
        stopped=stopped,
        seconds=time.perf_counter() - started + before,
        lr_range=curve,
    )
    return Fitted(network, temperature, record, history)


def start(name: str | nn.Module, data: TrainingSet, recipe: Recipe, seed: int) -> Network:
    """The network before its training: random weights from the seed, or a copy of the user's module."""
    shape = data.images.shape[1:]
    mean, spread = statistics(data.images) if recipe.normalize else (0.0, 1.0)
    if isinstance(name, nn.Module):
        if recipe.sizes:
            raise ArgumentError(f"sizes={dict(recipe.sizes)!r} are for our own networks; give your module its sizes.")
        module, about = copy.deepcopy(name), {"module": type(name).__name__, "own": True}
    else:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            module = build(name, shape, data.classes, recipe.sizes)
        about = {"module": name, "own": False, "sizes": dict(recipe.sizes)}
    network = Network(module, mean, spread, about)
    if isinstance(module, CNN):
        step = -(-len(data.images) // STARTED_FROM)
        module.start_from(network.floats(torch.from_numpy(np.array(data.images[::step])).permute(0, 3, 1, 2)))
    return network


def decided(recipe: Recipe, data: TrainingSet, setting: Setting, device: torch.device) -> tuple[Recipe, list[str]]:
    """The recipe with what it left open decided, and the reasons; the learning rate comes later."""
    reasons = []
    if recipe.min_steps:
        fitted = for_few(recipe, len(data.labels))
        if fitted != recipe:
            reasons.append(
                f"{fitted.epochs} epochs of batches of {fitted.batch_size} for {len(data.labels):,} training images, "
                f"so that there are at least {recipe.min_steps} steps."
            )
        recipe = fitted
    if recipe.precision == "auto":
        recipe = replace(recipe, precision="bfloat16" if computes_in_bfloat16(device) else "float32")
    if recipe.augment == "auto":
        augmentation, why = augmentation_for(data, setting.classes)
        recipe = replace(recipe, augment=augmentation)
        reasons.append(why)
    if isinstance(recipe.augment, Augmentation) and recipe.augment.mirror == "auto":
        mirror, why = keeps_class(data, setting.classes)
        recipe = replace(recipe, augment=replace(recipe.augment, mirror=mirror))
        reasons.append(why)
    return recipe, reasons


def _probe(network: Network, data: TrainingSet, recipe: Recipe) -> None:
    """One batch through a copy of the module and the loss, so that what does not fit is told before training."""
    steps = -(-len(data.labels) // recipe.batch_size)
    count = min(PROBED, len(data.labels) // steps)  # no more than the smallest batch: one image is too few for some
    rows = np.arange(count)
    images = network.floats(torch.from_numpy(data.images[rows]).permute(0, 3, 1, 2))
    module = copy.deepcopy(network.module).train()
    given = f"images {tuple(images.shape)}"
    with torch.random.fork_rng(devices=[]):
        try:
            scores = module(images)
        except (RuntimeError, TypeError, ValueError, IndexError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise ArgumentError(
                f"The module failed on {given}: {reason}; it takes (B, C, H, W) and gives (B, K)."
            ) from error
    got = tuple(scores.shape) if isinstance(scores, torch.Tensor) else type(scores).__name__
    if got != (count, data.classes):
        raise ArgumentError(
            f"The module gave {got} for {given} of {data.classes} classes; its last layer must give "
            f"{data.classes} scores an image: {(count, data.classes)}."
        )
    if not any(parameter.requires_grad for parameter in module.parameters()):
        raise ArgumentError("The module has no parameter that can be trained; give it at least one layer with weights.")
    targets = one_hot(torch.from_numpy(np.array(data.labels[rows], np.int64)), data.classes, recipe.label_smoothing)
    loss_of = recipe.loss if callable(recipe.loss) else LOSSES[recipe.loss]
    if not checked(loss_of(scores.float(), targets), count).requires_grad:
        raise ArgumentError(
            "The loss has no gradient by the scores; compute it with torch from the scores, without argmax or rounding."
        )


def _resumed(setting: Setting) -> tuple[float, str]:
    """Seconds of training in the sessions before this one, and a warning where those had other threads."""
    resumed = setting.kept.resumed if setting.kept is not None else None
    if resumed is None:
        return 0.0, ""
    then, now = int(resumed.config["threads"]), torch.get_num_threads()
    told = f"Training went on with {now} threads where {then} had begun it: the last bits may differ."
    return float(resumed.config["seconds"]), told if then != now else ""
