"""`fit_network()`: from a recipe with open choices to a trained network with its temperature."""

from __future__ import annotations

import copy
import time
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from firstlight.errors import ArgumentError
from firstlight.evaluation.calibration import fit_temperature
from firstlight.models.closed_form.training_set import TrainingSet
from firstlight.models.training.architectures import CNN, build
from firstlight.models.training.augmentation_policy import augmentation_for, keeps_class
from firstlight.models.training.devices import agreeing, computes_in_bfloat16, device_for, threads_for
from firstlight.models.training.loop import train
from firstlight.models.training.lr_range import find_lr
from firstlight.models.training.network import Network, laid_out, statistics, views_of
from firstlight.models.training.probe import IMAGES, probe
from firstlight.models.training.recipes import Augmentation, Recipe, for_few
from firstlight.models.training.setting import Fitted, Setting
from firstlight.runs.training import RangeCurve, TrainingRecord
from firstlight.wording import plural

STEM_IMAGES = 500  # evenly spaced, from which the first filters of a cnn are computed


def fit_network(name: str | nn.Module, data: TrainingSet, setting: Setting) -> Fitted:
    """Builds a rung's network, or copies the user's, trains it and fits its temperature.

    The same inputs give the same bits on one processor with the same number of threads; with another number PyTorch
    adds up other parts, and the last bits differ.

    Args:
        name: ``"linear"``, ``"mlp"``, ``"cnn"``, or a module; the module itself is not changed.
        data: the training images.
        setting: recipe, validation images, seed, callbacks and checkpoints.

    Raises:
        ArgumentError: where the module, the loss or an option does not fit the images; the sentence says how.
    """
    assert setting.recipe is not None
    with threads_for(data.images[0].size * min(setting.recipe.batch_size, len(data.labels))):
        return _fit(name, data, setting, setting.recipe)


def _fit(name: str | nn.Module, data: TrainingSet, setting: Setting, recipe: Recipe) -> Fitted:
    started = time.perf_counter()
    network = start(name, data, recipe, setting.seed)
    device = device_for(recipe.device)
    recipe, reasons = decided(recipe, data, setting, device)
    probe(network, data, recipe)
    device, warning = agreeing(network.module, network.floats(_batch(data.images[:IMAGES])), device)
    reasons.append(warning)
    network = replace(network, module=laid_out(network.module).to(device), device=device)
    curve = None
    if recipe.lr == "auto":
        tried = find_lr(network, data, recipe, setting.seed)
        recipe = replace(recipe, lr=tried.lr)
        curve = RangeCurve(tried.rates, tried.losses)
        reasons.append(f"Learning rate {tried.lr:g}, by the range test.")
    seconds_before, other_threads = _resumed(setting)
    reasons.append(other_threads)
    history, stopped = train(network, data, recipe, setting)
    if recipe.tta:
        mirrored = isinstance(recipe.augment, Augmentation) and recipe.augment.mirror is True
        network = replace(network, views=views_of(data.images.shape[1:], mirrored))
        reasons.append(f"Test-time augmentation: scores are the mean over {len(network.views)} views of each image.")
    reasons.append(stopped)
    monitor = data.none if setting.validation is None else setting.validation
    temperature = fit_temperature(network.scores(monitor.images), monitor.labels)
    reasons.append(_calibration(len(monitor.labels), setting.calibrated_on, recipe.patience > 0))
    record = TrainingRecord(
        recipe=recipe.to_dict(),
        device=str(device),
        threads=torch.get_num_threads(),
        parameters=sum(parameter.numel() for parameter in network.module.parameters()),
        reasons=tuple(reason for reason in reasons if reason),
        stopped=stopped,
        seconds=time.perf_counter() - started + seconds_before,
        lr_range=curve,
    )
    return Fitted(network, temperature, record, history)


def start(name: str | nn.Module, data: TrainingSet, recipe: Recipe, seed: int) -> Network:
    """The network before its training: random weights from the seed, or a copy of the user's module."""
    shape = data.images.shape[1:]
    mean, std = statistics(data.images) if recipe.normalize else (0.0, 1.0)
    if isinstance(name, nn.Module):
        if recipe.sizes:
            raise ArgumentError(f"sizes={dict(recipe.sizes)!r} are for our own networks; give your module its sizes.")
        module, about = copy.deepcopy(name), {"module": type(name).__name__, "own": True}
    else:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            module = build(name, shape, data.classes, recipe.sizes)
        about = {"module": name, "own": False, "sizes": dict(recipe.sizes)}
    network = Network(module=module, mean=mean, std=std, about=about)
    if isinstance(module, CNN):
        step = -(-len(data.images) // STEM_IMAGES)
        module.start_from(network.floats(_batch(data.images[::step])))
    return network


def decided(recipe: Recipe, data: TrainingSet, setting: Setting, device: torch.device) -> tuple[Recipe, list[str]]:
    """The recipe without open choices but the learning rate, which comes later; and the reason for each choice."""
    reasons = []
    if recipe.min_steps:
        fitted = for_few(recipe, len(data.labels))
        if fitted != recipe:
            reasons.append(
                f"{plural(fitted.epochs, 'epoch')} of batches of {fitted.batch_size} for "
                f"{plural(len(data.labels), 'training image')}, "
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


def _calibration(count: int, calibrated_on: str, stopping: bool) -> str:
    """On how many images the temperature was fitted, and on which."""
    if not count:
        rest = ", nor was training stopped early" if stopping else ""
        return f"Probabilities are not calibrated{rest}: no image could be held out (five of a class are needed)."
    if calibrated_on:
        return f"Temperature fitted on {plural(count, 'validation image')}; its figures are cross-fitted."
    choice = "early stopping and the temperature" if stopping else "the temperature"
    return f"{plural(count, 'training image')} held out for {choice}."


def _batch(images: np.ndarray) -> Tensor:
    """(N, H, W, C) uint8 -> (N, C, H, W) uint8, a copy."""
    return torch.from_numpy(np.array(images)).permute(0, 3, 1, 2)


def _resumed(setting: Setting) -> tuple[float, str]:
    """Seconds of training in earlier sessions, and a warning where these had another number of threads."""
    resumed = setting.checkpointing.resumed if setting.checkpointing is not None else None
    if resumed is None:
        return 0.0, ""
    then, now = int(resumed.config["threads"]), torch.get_num_threads()
    warning = f"Training resumed with {now} threads after it had started with {then}: the last bits may differ."
    return float(resumed.config["seconds"]), warning if then != now else ""
