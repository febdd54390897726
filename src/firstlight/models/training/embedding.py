"""The last layer's inputs of a network: the space in which its nearest neighbours are searched."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from firstlight.models.classifier import SearchSpace
from firstlight.models.training.architectures import Linear
from firstlight.models.training.normalized_module import NormalizedModule, evaluating

BLOCK = 2**22  # values of the images in one batch


def last_layer_space(network: NormalizedModule, images: np.ndarray) -> SearchSpace | None:
    """The L2 distance between the inputs of the last fully connected layer; None for a module without such a layer."""
    own = last_inputs(network, images)  # (n, D)
    if own is None:
        return None

    def distances(candidates: np.ndarray) -> np.ndarray:
        others = last_inputs(network, candidates)
        assert others is not None
        # Not by a matrix product, which gives equal rows a distance above 0.
        return torch.cdist(own, others, compute_mode="donot_use_mm_for_euclid_dist").double().numpy()

    space = "of their normalized pixels" if isinstance(network.module, Linear) else "in the last layer"
    return SearchSpace.of_values(distances, f"by the L2 distance {space}", values=images[0].size)


def last_inputs(network: NormalizedModule, images: np.ndarray) -> Tensor | None:
    """The inputs of the fully connected layer that is called last, for the images as they are.

    Args:
        network: evaluated in evaluation mode.
        images: (N, H, W, C) uint8.

    Returns:
        (N, D) float32 on the CPU; None where the module has no such layer.
    """
    last: list[Tensor] = []

    def save(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        last[:] = [inputs[0]]

    layers = [part for part in network.module.modules() if isinstance(part, nn.Linear)]
    hooks = [layer.register_forward_pre_hook(save) for layer in layers]
    at_once = max(1, min(1024, BLOCK // images[0].size))
    parts = []
    try:
        with evaluating(network.module), torch.inference_mode():
            for start in range(0, len(images), at_once):
                part = torch.from_numpy(np.array(images[start : start + at_once])).to(network.device)
                network.module(network.floats(part.permute(0, 3, 1, 2)))
                if not last:
                    return None
                parts.append(last.pop().reshape(len(part), -1).float().cpu())
    finally:
        for hook in hooks:
            hook.remove()
    return torch.cat(parts)
