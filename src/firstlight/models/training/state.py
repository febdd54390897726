"""`State`: everything that a training's next step depends on, so that it resumes from a checkpoint to the same bits."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from firstlight.models.training.network import check_tensors, load_weights
from firstlight.models.training.optimizers import Optimizer
from firstlight.runs.history import Epoch
from firstlight.runs.tensors import SavedModel

PARTS = ("module", "best", "optimizer")  # of the arrays' names, before the first dot


class State:
    """Everything that the next step depends on, besides the data, the recipe and the seed.

    Args:
        module: its weights and buffers are part of the state.
        optimizer: so are its running means.

    Attributes:
        step: complete steps so far.
        loss: summed over the images of the current epoch, ().
        seconds: of training so far.
        history: the complete epochs.
        best: the weights to go back to: those of the lowest validation loss where early stopping is on and there are
            images for it, else those of the lowest training loss; None before the first epoch has ended.
        best_epoch: the epoch of these weights.
        stale: epochs since the validation loss was lowest.
    """

    def __init__(self, module: nn.Module, optimizer: Optimizer) -> None:
        self.module, self.optimizer = module, optimizer
        self.step, self.seconds = 0, 0.0
        self.loss = torch.zeros((), device=next(module.parameters()).device)
        self.history: tuple[Epoch, ...] = ()
        self.best: dict[str, Tensor] | None = None
        self.best_epoch = self.stale = 0

    def end_epoch(self, epoch: Epoch) -> None:
        """Adds a complete epoch to the history, and copies its weights if they are the best so far."""
        self.history = (*self.history, epoch)
        self.loss = torch.zeros_like(self.loss)
        stopping = self.optimizer.recipe.patience > 0 and epoch.validation_loss is not None
        losses = [one.validation_loss if stopping else one.train_loss for one in self.history]
        lowest = losses[-1] == min(loss for loss in losses if loss is not None)
        self.stale = self.stale + 1 if stopping and not lowest else 0
        if lowest:
            self.best = {name: value.clone() for name, value in self.module.state_dict().items()}
            self.best_epoch = epoch.epoch

    def finite(self) -> bool:
        """Whether every weight is a finite number."""
        return all(bool(torch.isfinite(weights).all()) for weights in self.module.parameters())

    def use_best(self) -> bool:
        """Loads the best weights into the module; False where there are none yet."""
        if self.best is None:
            return False
        self.module.load_state_dict(self.best)
        return True

    def to_saved(self) -> SavedModel:
        """The state as JSON and arrays."""
        tensors = {f"module.{name}": value for name, value in self.module.state_dict().items()}
        tensors |= {f"best.{name}": value for name, value in (self.best or {}).items()}
        tensors |= {f"optimizer.{name}": value for name, value in self.optimizer.state.items()}
        config = {
            "kind": "training",
            "step": self.step,
            "seconds": self.seconds,
            "history": [epoch.to_dict() for epoch in self.history],
            "best_epoch": self.best_epoch,
            "stale": self.stale,
            "threads": torch.get_num_threads(),
        }
        arrays = {name: value.detach().cpu().numpy() for name, value in tensors.items()}
        return SavedModel(config, {**arrays, "loss": self.loss.cpu().numpy()})

    def restore(self, saved: SavedModel) -> None:
        """Loads a state that `to_saved` returned.

        Raises:
            RunError: where it belongs to another module or optimizer; the sentence names the tensor.
        """
        parts: dict[str, dict[str, Tensor]] = {part: {} for part in PARTS}
        for name, array in saved.tensors.items():
            part, _, rest = name.partition(".")
            if part in parts:
                parts[part][rest] = torch.from_numpy(np.array(array))
        load_weights(self.module, parts["module"])
        check_tensors("optimizer", parts["optimizer"], self.optimizer.state)
        for name, value in self.optimizer.state.items():
            value.copy_(parts["optimizer"][name])
        device = self.loss.device
        self.best = {name: value.to(device) for name, value in parts["best"].items()} or None
        self.loss = torch.from_numpy(np.array(saved.tensors["loss"])).to(device)
        self.step, self.seconds = int(saved.config["step"]), float(saved.config["seconds"])
        self.best_epoch, self.stale = int(saved.config["best_epoch"]), int(saved.config["stale"])
        self.history = tuple(Epoch.from_dict(one) for one in saved.config["history"])
