"""The training loop in seven steps: start, predict, measure the loss, take the gradient, step, repeat, stop."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from firstlight.errors import ArgumentError
from firstlight.evaluation.uncertainty import wilson
from firstlight.models.closed_form.training_set import TrainingSet
from firstlight.models.training.augmentation import augment
from firstlight.models.training.batches import Images, deal
from firstlight.models.training.checkpoints import Checkpoints
from firstlight.models.training.interrupts import Interrupts
from firstlight.models.training.losses import LOSSES, balanced, checked, one_hot
from firstlight.models.training.network import Network
from firstlight.models.training.optimizers import Optimizer, schedule
from firstlight.models.training.recipes import Augmentation, Recipe
from firstlight.models.training.setting import Setting
from firstlight.models.training.state import State
from firstlight.runs.history import Epoch

CHECK_EVERY = 25  # steps between two checks of the loss on an accelerator, each of which waits for it


class Training:
    """A network, its images and its optimizer: what a step needs.

    Args:
        network: its module is trained in place.
        data: the training images.
        recipe: with a number as ``lr``.
        seed: random seed. The randomness of a step depends on (seed, epoch, step) alone, so that a resumed training
            needs no generator's state.
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
        self.steps = -(-len(data.labels) // recipe.batch_size)  # per epoch
        self.total = self.steps * recipe.epochs
        self.optimizer = Optimizer(network.module, recipe)
        self.state = State(network.module, self.optimizer)

    def step(self, rows: np.ndarray, seed: int, lr: float) -> Tensor:
        """One step on the images of these rows; returns the loss before it, ()."""
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
            self.optimizer.clip(self.recipe.clip)
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
        """bfloat16 for matrix products and convolutions if that is the recipe's precision."""
        return torch.autocast(self.network.device.type, torch.bfloat16, enabled=self.recipe.precision == "bfloat16")

    def order(self, epoch: int) -> tuple[list[np.ndarray], list[int]]:
        """The batches of an epoch, and the seed of each step."""
        sequence = np.random.SeedSequence((self.seed, epoch))
        seeds = sequence.generate_state(self.steps).tolist()
        return deal(len(self.data.labels), self.recipe.batch_size, np.random.default_rng(sequence)), seeds

    def lr(self) -> float:
        """The learning rate of the next step."""
        assert not isinstance(self.recipe.lr, str)
        return self.recipe.lr * schedule(self.recipe.schedule, self.state.step / self.total)


def train(network: Network, data: TrainingSet, recipe: Recipe, setting: Setting) -> tuple[tuple[Epoch, ...], str]:
    """Trains a network's module in place, in the seven steps of fastbook, chapter 4, numbered in the code.

    Args:
        network: with random weights, or those to continue from.
        data: the training images.
        recipe: how to train; ``lr``, ``augment`` and ``precision`` are no longer ``"auto"``.
        setting: the validation images, the seed, the callbacks, and where to save checkpoints.

    Returns:
        The epochs, and a sentence that says why training stopped early; empty where it did not.

    Raises:
        ArgumentError: where the loss is not finite before the first epoch has ended.
        KeyboardInterrupt: after a complete step whose state is saved, where ``setting.checkpointing`` is given.
    """
    callbacks, checkpointing = setting.callbacks, setting.checkpointing
    random_state = torch.get_rng_state()
    training = Training(network, data, recipe, setting.seed)  # 1 start, from the weights that the module has
    state = training.state
    if checkpointing is not None and checkpointing.resumed is not None:
        state.restore(checkpointing.resumed)
    check_every = 1 if network.device.type == "cpu" else CHECK_EVERY
    network.module.train()
    try:
        with Interrupts(enabled=checkpointing is not None) as interrupts:
            checkpoints = Checkpoints(state, checkpointing, interrupts)
            for epoch in range(state.step // training.steps, recipe.epochs):
                if recipe.patience and state.stale >= recipe.patience:
                    break  # 7 stop
                batches, seeds = training.order(epoch)
                for number in range(state.step % training.steps, training.steps):  # 6 repeat
                    loss = training.step(batches[number], seeds[number], training.lr())
                    state.loss += loss * len(batches[number])
                    state.step += 1
                    if state.step % check_every == 0 and not math.isfinite(loss.item()):
                        return state.history, _revert(training, float(loss))
                    if callbacks.on_step is not None:
                        callbacks.on_step(state.step, training.total)
                    if number + 1 < training.steps:
                        checkpoints.save_if_due()
                measured = _validate(training, setting.validation, checkpoints.seconds())
                if not (math.isfinite(measured.train_loss) and state.finite()):
                    return state.history, _revert(training, measured.train_loss)
                state.end_epoch(measured)
                if callbacks.on_epoch is not None:
                    callbacks.on_epoch(measured)
                checkpoints.save_if_due(last=state.step == training.total)
    finally:
        network.module.eval()
        torch.set_rng_state(random_state)
    return state.history, _use_best(training)


def _validate(training: Training, validation: TrainingSet | None, seconds: float) -> Epoch:
    """The epoch that has just ended, measured on the validation images."""
    state, recipe = training.state, training.recipe
    epoch = Epoch(
        seed=training.seed,
        epoch=state.step // training.steps,
        epochs=recipe.epochs,
        train_loss=float(state.loss) / len(training.data.labels),
        lr=training.lr() if state.step < training.total else 0.0,
        seconds=seconds,
    )
    if validation is None or not len(validation.labels):
        return epoch
    scores = torch.from_numpy(training.network.scores(validation.images))
    labels = torch.from_numpy(np.array(validation.labels, np.int64))
    losses = training.loss_of(scores, one_hot(labels, validation.classes).to(scores.dtype))
    correct, n = int((scores.argmax(dim=1) == labels).sum()), len(labels)
    low, high = wilson(correct, n)
    interval = (float(low), float(high))
    return replace(epoch, validation_loss=float(losses.mean()), accuracy=correct / n, interval=interval, n=n)


def _revert(training: Training, loss: float) -> str:
    """Loads the best weights after the loss has become infinite or NaN; returns the sentence that says so."""
    state, recipe = training.state, training.recipe
    if state.step <= 1:
        raise ArgumentError(
            f"The loss is {loss} at the first step, before any learning rate matters; look at the loss and the module "
            "for a division by zero, a logarithm of zero or weights that are not finite."
        )
    where = f"The loss became {loss} in epoch {state.step // training.steps + 1} with lr={recipe.lr}"
    if not state.use_best():
        raise ArgumentError(
            f'{where}, before an epoch had ended; pass a smaller lr (lr="auto" looks for one), a bound for the '
            "gradient (clip=1), or look at the loss if it is your own."
        )
    chosen = (
        f"the weights of epoch {state.best_epoch}, of the lowest {'held-out' if recipe.patience else 'training'} loss"
    )
    return f"{where}: training stopped, and {chosen}, are used."


def _use_best(training: Training) -> str:
    """Loads the best weights where early stopping is on; returns the sentence that says when it stopped."""
    state, patience = training.state, training.recipe.patience
    if not patience or not state.use_best() or state.stale < patience:
        return ""
    return (
        f"Training stopped after epoch {len(state.history)}, since the held-out loss had not fallen for {patience} "
        f"epochs; the weights of epoch {state.best_epoch} are used."
    )
