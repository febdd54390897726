"""The training loop: start, predict, measure the loss, take the gradient, step, repeat, stop."""

from __future__ import annotations

import math
import time

import numpy as np
import torch
from torch import Tensor

from firstlight.errors import ArgumentError
from firstlight.evaluation.uncertainty import wilson
from firstlight.models.closed_form.training_set import TrainingSet
from firstlight.models.training.augmentation import augment
from firstlight.models.training.batches import Images, deal
from firstlight.models.training.interrupts import Interrupts
from firstlight.models.training.losses import LOSSES, balanced, checked, one_hot
from firstlight.models.training.network import Network
from firstlight.models.training.optimizers import clip, optimizer_for, schedule
from firstlight.models.training.recipes import Augmentation, Recipe
from firstlight.models.training.setting import Kept, Setting
from firstlight.models.training.state import State
from firstlight.runs.history import Epoch

KEEP_AFTER = 1.0  # seconds of training between two savings of its state, at least
KEEP_SHARE = 0.02  # of the time that saving may take
LOOK_EVERY = 25  # steps between two looks at the loss on an accelerator, each of which waits for it


class Training:
    """One training under way; after each step it is either kept whole or thrown away.

    Args:
        network: whose module is trained in place.
        data: the training images.
        recipe: with a number as ``lr``.
        seed: where all randomness comes from: that of a step from (seed, epoch, step) alone, so that a
            resumed training needs no generator's state.
    """

    def __init__(self, network: Network, data: TrainingSet, recipe: Recipe, seed: int) -> None:
        self.network, self.data, self.recipe, self.seed = network, data, recipe, seed
        device = network.device
        self.images = Images(data.images, device)
        self.labels = torch.from_numpy(np.array(data.labels, np.int64)).to(device)
        self.loss_of = recipe.loss if callable(recipe.loss) else LOSSES[recipe.loss]
        self.weights = balanced(self.labels, data.classes) if recipe.class_weights == "balanced" else None
        self.augmentation = recipe.augment if isinstance(recipe.augment, Augmentation) else None
        self.generator = torch.Generator()
        self.steps = -(-len(data.labels) // recipe.batch_size)  # an epoch
        self.total = self.steps * recipe.epochs
        self.optimizer = optimizer_for(network.module, recipe)
        self.state = State(network.module, self.optimizer)

    def step(self, rows: np.ndarray, seed: int, lr: float) -> Tensor:
        """One step on the images of these rows; the loss before it, ()."""
        self.seed_module(seed)
        labels = self.labels[torch.from_numpy(rows).to(self.labels.device)]  # (B,)
        targets = one_hot(labels, self.data.classes, self.recipe.label_smoothing)  # (B, K)
        images = self.network.floats(self.images.batch(rows))  # (B, C, H, W)
        if self.augmentation is not None:
            images = augment(images, self.augmentation, self.generator.manual_seed(seed))

        with self.precision():
            scores = self.network.module(images).float()  # 2 predict, (B, K)
        losses = checked(self.loss_of(scores, targets), len(rows))  # 3 measure the loss of each image, (B,)
        loss = losses.mean() if self.weights is None else (losses * self.weights[labels]).mean()  # ()
        loss.backward()  # 4 take the gradient of the loss by every parameter
        if self.recipe.clip:
            clip(self.optimizer.parameters, self.recipe.clip)
        self.optimizer.step(lr)  # 5 step downhill, by lr times the gradient
        self.optimizer.zero_grad()  # else the next gradient would be added to this one
        return loss.detach()

    def seed_module(self, seed: int) -> None:
        """Seeds the device's own generator, for a module that is random itself, as dropout is."""
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would take longer than a small step
        if self.network.device.type == "cuda":
            torch.cuda.manual_seed(seed)
        elif self.network.device.type == "mps":
            torch.mps.manual_seed(seed)

    def precision(self) -> torch.autocast:
        """bfloat16 for matrix products and convolutions where the recipe says so."""
        return torch.autocast(self.network.device.type, torch.bfloat16, enabled=self.recipe.precision == "bfloat16")

    def order(self, epoch: int) -> tuple[list[np.ndarray], list[int]]:
        """The batches of an epoch, and the seed of each step."""
        sequence = np.random.SeedSequence((self.seed, epoch))
        seeds = sequence.generate_state(self.steps).tolist()
        return deal(len(self.data.labels), self.recipe.batch_size, np.random.default_rng(sequence)), seeds

    def lr(self) -> float:
        """The learning rate of the coming step."""
        assert not isinstance(self.recipe.lr, str)
        return self.recipe.lr * schedule(self.recipe.schedule, self.state.step / self.total)


def train(network: Network, data: TrainingSet, recipe: Recipe, setting: Setting) -> tuple[tuple[Epoch, ...], str]:
    """Trains a network's module in place, in the seven steps of fastbook, chapter 4, numbered in the code.

    Args:
        network: with random weights, or those to go on from.
        data: the training images.
        recipe: how; ``lr``, ``augment`` and ``precision`` are no longer ``"auto"``.
        setting: the images that are watched, the seed, who is told, and where the state is kept.

    Returns:
        The epochs, and in a sentence why training stopped before its end; empty where it did not.

    Raises:
        ArgumentError: where the loss is not finite before the first epoch has ended.
        KeyboardInterrupt: at a complete step that was kept, where ``setting.kept`` is given.
    """
    callbacks = setting.callbacks
    random_state = torch.get_rng_state()
    training = Training(network, data, recipe, setting.seed)  # 1 start, from the weights that the module has
    state = training.state
    if setting.kept is not None and setting.kept.resumed is not None:
        state.restore(setting.kept.resumed)
    look_every = 1 if network.device.type == "cpu" else LOOK_EVERY
    clock = _Clock(state, setting.kept)
    network.module.train()
    try:
        with Interrupts(enabled=setting.kept is not None) as interrupts:
            for epoch in range(state.step // training.steps, recipe.epochs):
                if recipe.patience and state.stale >= recipe.patience:
                    break  # 7 stop
                batches, seeds = training.order(epoch)
                for number in range(state.step % training.steps, training.steps):  # 6 repeat
                    loss = training.step(batches[number], seeds[number], training.lr())
                    state.loss += loss * len(batches[number])
                    state.step += 1
                    if state.step % look_every == 0 and not math.isfinite(loss.item()):
                        return state.history, _back(training, float(loss))
                    if callbacks.on_step is not None:
                        callbacks.on_step(state.step, training.total)
                    if number + 1 < training.steps:
                        clock.keep_where_due(interrupts)
                told = _look(training, setting.watched, clock.seconds())
                if not (math.isfinite(told.train_loss) and state.finite()):
                    return state.history, _back(training, told.train_loss)
                state.end_epoch(told)
                if callbacks.on_epoch is not None:
                    callbacks.on_epoch(told)
                clock.keep_where_due(interrupts, last=state.step == training.total)
    finally:
        network.module.eval()
        torch.set_rng_state(random_state)
    return state.history, _stop(training)


def _look(training: Training, watched: TrainingSet | None, seconds: float) -> Epoch:
    """The epoch that has just ended, measured."""
    state, recipe = training.state, training.recipe
    done = state.step // training.steps
    lr = training.lr() if state.step < training.total else 0.0
    train_loss = float(state.loss) / len(training.data.labels)
    if watched is None or not len(watched.labels):
        return Epoch(
            seed=training.seed, epoch=done, epochs=recipe.epochs, train_loss=train_loss, lr=lr, seconds=seconds
        )
    scores = torch.from_numpy(training.network.scores(watched.images))
    labels = torch.from_numpy(np.array(watched.labels, np.int64))
    losses = training.loss_of(scores, one_hot(labels, watched.classes).to(scores.dtype))
    correct, n = int((scores.argmax(dim=1) == labels).sum()), len(labels)
    low, high = wilson(correct, n)
    return Epoch(
        seed=training.seed,
        epoch=done,
        epochs=recipe.epochs,
        train_loss=train_loss,
        validation_loss=float(losses.mean()),
        accuracy=correct / n,
        interval=(float(low), float(high)),
        n=n,
        lr=lr,
        seconds=seconds,
    )


def _back(training: Training, loss: float) -> str:
    """Puts the last good weights in place; the sentence that says so."""
    state, recipe = training.state, training.recipe
    where = f"The loss became {loss} in epoch {state.step // training.steps + 1} with lr={recipe.lr}"
    if state.step <= 1:
        raise ArgumentError(
            f"The loss is {loss} at the first step, before any learning rate matters; look at the loss and the module "
            "for a division by zero, a logarithm of zero or weights that are not finite."
        )
    if not state.use_kept():
        raise ArgumentError(
            f'{where}, before an epoch had ended; pass a smaller lr (lr="auto" looks for one), a bound for the '
            "gradient (clip=1), or look at the loss if it is your own."
        )
    return f"{where}: training stopped, and the weights of epoch {state.kept_epoch} are kept."


def _stop(training: Training) -> str:
    """Puts the best weights in place where training watches for them."""
    state, patience = training.state, training.recipe.patience
    if not patience or not state.use_kept():
        return ""
    if state.stale < patience:
        return ""
    return (
        f"The validation loss had been lowest {patience} epochs before epoch {len(state.history)}: training stopped, "
        f"and the weights of epoch {state.kept_epoch} are kept."
    )


class _Clock:
    """How long training has run, those before it included, and when its state is to be kept."""

    def __init__(self, state: State, kept: Kept | None) -> None:
        self.state, self.kept, self.before = state, kept, state.seconds
        self.started = self.last = time.perf_counter()
        self.cost = 0.0

    def seconds(self) -> float:
        self.state.seconds = self.before + time.perf_counter() - self.started
        return self.state.seconds

    def keep_where_due(self, interrupts: Interrupts, last: bool = False) -> None:
        """Keeps the state now and then and at the end; where somebody asked to stop, it is the last thing done."""
        if self.kept is None:
            return
        now = time.perf_counter()
        if last or interrupts.asked or now - self.last > max(KEEP_AFTER, self.cost / KEEP_SHARE):
            self.seconds()
            self.kept.keep(self.state.to_saved(), self.state.history)
            self.last = time.perf_counter()
            self.cost = self.last - now
        if interrupts.asked:
            raise KeyboardInterrupt
