"""`State`: what a training is made of at a complete step, so that it can go on from there to the same bits."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from firstlight.models.training.network import load_weights
from firstlight.models.training.optimizers import Optimizer
from firstlight.runs.history import Epoch
from firstlight.runs.tensors import SavedModel


class State:
    """Everything that the next step depends on, besides the data, the recipe and the seed.

    Args:
        module: whose weights and buffers belong to it.
        optimizer: whose momenta belong to it.

    Attributes:
        step: complete steps so far.
        loss: summed over the images of the epoch under way, ().
        seconds: of training so far.
        history: the complete epochs.
        kept: the weights to go back to: of the lowest validation loss where it is watched, else of the last
            epoch; None before the first has ended.
        kept_epoch: which epoch that was.
        stale: epochs since the validation loss was lowest.
    """

    def __init__(self, module: nn.Module, optimizer: Optimizer) -> None:
        self.module, self.optimizer = module, optimizer
        self.step, self.seconds = 0, 0.0
        self.loss = torch.zeros((), device=next(module.parameters()).device)
        self.history: tuple[Epoch, ...] = ()
        self.kept: dict[str, Tensor] | None = None
        self.kept_epoch = self.stale = 0

    def end_epoch(self, epoch: Epoch) -> None:
        """Notes a complete epoch."""
        losses = [one.validation_loss for one in (*self.history, epoch) if one.validation_loss is not None]
        self.history = (*self.history, epoch)
        self.loss = torch.zeros_like(self.loss)
        lowest = not losses or losses[-1] <= min(losses)
        self.stale = 0 if lowest else self.stale + 1
        if lowest:
            self.kept = {name: value.clone() for name, value in self.module.state_dict().items()}
            self.kept_epoch = epoch.epoch

    def finite(self) -> bool:
        """Whether every weight is a finite number."""
        return all(bool(torch.isfinite(weights).all()) for weights in self.module.parameters())

    def use_kept(self) -> bool:
        """Puts the kept weights in place; False where there are none."""
        if self.kept is None:
            return False
        self.module.load_state_dict(self.kept)
        return True

    def to_saved(self) -> SavedModel:
        """The state as JSON and arrays."""
        tensors = {f"module.{name}": value for name, value in self.module.state_dict().items()}
        tensors |= {f"kept.{name}": value for name, value in (self.kept or {}).items()}
        tensors |= {f"optimizer.{name}": value for name, value in self.optimizer.tensors().items()}
        config = {
            "kind": "training",
            "step": self.step,
            "seconds": self.seconds,
            "history": [epoch.to_dict() for epoch in self.history],
            "kept_epoch": self.kept_epoch,
            "stale": self.stale,
            "threads": torch.get_num_threads(),
        }
        arrays = {name: value.detach().cpu().numpy() for name, value in tensors.items()}
        return SavedModel(config, {**arrays, "loss": self.loss.cpu().numpy()})

    def restore(self, saved: SavedModel) -> None:
        """Takes over a state that was saved.

        Raises:
            RunError: where it is of another module or optimizer; the sentence names the tensor.
        """
        parts: dict[str, dict[str, Tensor]] = {"module": {}, "kept": {}, "optimizer": {}}
        for name, array in saved.tensors.items():
            part, _, rest = name.partition(".")
            if part in parts:
                parts[part][rest] = torch.from_numpy(np.array(array))
        load_weights(self.module, parts["module"])
        for name, mean in self.optimizer.tensors().items():
            mean.copy_(parts["optimizer"][name])
        self.optimizer.steps = int(saved.config["step"])
        device = self.loss.device
        self.kept = {name: value.to(device) for name, value in parts["kept"].items()} or None
        self.loss = torch.from_numpy(np.array(saved.tensors["loss"])).to(device)
        self.step, self.seconds = int(saved.config["step"]), float(saved.config["seconds"])
        self.kept_epoch, self.stale = int(saved.config["kept_epoch"]), int(saved.config["stale"])
        self.history = tuple(Epoch.from_dict(one) for one in saved.config["history"])
