"""`Tail`: the last blocks of an EfficientNet-Lite and a head in torch, trained from where they start."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  # the field's name for it
from torch import Tensor, nn

from firstlight.models.pretrained.backbone import EfficientNet
from firstlight.models.pretrained.efficientnet import EPSILON, TAIL, Block, pads
from firstlight.models.pretrained.heads import Head

PIXEL = 255.0  # by which `NormalizedModule.floats` divides what it takes for pixels


class Tail(nn.Module):
    """Maps of the backbone's middle (B, V C, s, s) -> scores (B, K).

    The weights are those that they start from plus a change, which is what is trained: weight decay then pulls them
    back to their start and not to 0 (Li et al. 2018, arXiv 1802.01483). Statistics and scales of the batch norms are
    frozen. While training, each image is one of its V augmented versions, at random.

    Args:
        network: the backbone.
        channels: C, of its middle maps.
        side: s.
    """

    def __init__(self, network: EfficientNet, channels: int, side: int) -> None:
        super().__init__()
        self.blocks = network.architecture.blocks(network.weights)[-TAIL:]
        self.channels, self.side = channels, side
        self.norms: dict[str, tuple[str, str]] = {}
        for block in self.blocks:
            for part, norm in _layers(block):
                self._layer(network.weights, f"{block.name}.{part}", f"{block.name}.{norm}")
        self._layer(network.weights, "_conv_head", "_bn1")

    def _layer(self, weights: Mapping[str, np.ndarray], name: str, norm: str) -> None:
        self._add(f"{name}.weight", torch.from_numpy(weights[f"{name}.weight"].astype(np.float32)))
        scale, bias, mean, variance = (
            torch.from_numpy(weights[f"{norm}.{part}"].astype(np.float32))
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        scale = scale / (variance + EPSILON).sqrt()
        self.register_buffer(_plain(f"{name}.scale"), scale[:, None, None, None], persistent=False)
        self.register_buffer(_plain(f"{name}.shift"), bias - mean * scale, persistent=False)

    def _add(self, name: str, start: Tensor) -> None:
        self.register_buffer(f"start_{_plain(name)}", start, persistent=False)
        self.register_parameter(_plain(name), nn.Parameter(torch.zeros_like(start)))

    def start_head(self, head: Head, temperature: float) -> None:
        """Starts from a head on the embeddings, whose probabilities the scores give without a temperature."""
        self._add("head.weight", torch.from_numpy(head.weight / temperature))
        self._add("head.bias", torch.from_numpy(head.bias / temperature))

    def weight(self, name: str) -> Tensor:
        """A weight as it is now."""
        return self.get_buffer(f"start_{_plain(name)}") + self.get_parameter(_plain(name))

    def weights(self) -> dict[str, np.ndarray]:
        """The blocks' weights as they are now, by their names in the backbone, and the head's."""
        names = [name.removeprefix("start_").replace("-", ".") for name, _ in self.named_buffers() if "start_" in name]
        return {name: self.weight(name).detach().cpu().numpy() for name in names}

    def forward(self, maps: Tensor) -> Tensor:
        return F.linear(F.normalize(self.embed(maps)), self.weight("head.weight"), self.weight("head.bias"))

    def embed(self, maps: Tensor) -> Tensor:
        """(B, V C, s, s) -> (B, D)."""
        versions = maps.shape[1] // self.channels
        if versions > 1 and self.training:
            chosen = torch.randint(versions, (len(maps),), device=maps.device)
            maps = maps.unflatten(1, (versions, self.channels))[torch.arange(len(maps), device=maps.device), chosen]
        maps, side = maps[:, : self.channels] * PIXEL, self.side
        for block in self.blocks:
            inner = maps
            for part, _ in _layers(block):
                stride = block.stride if part == "_depthwise_conv" else 1
                inner, side = self._convolved(inner, side, f"{block.name}.{part}", stride)
                inner = inner if part == "_project_conv" else F.relu6(inner)
            maps = inner + maps if block.residual else inner
        maps, _ = self._convolved(maps, side, "_conv_head", 1)
        return F.relu6(maps).float().mean((2, 3))

    def _convolved(self, maps: Tensor, side: int, name: str, stride: int) -> tuple[Tensor, int]:
        """A convolution and its batch norm, whose scale multiplies the filters: a seventh less time (docs/log.md)."""
        scale, shift = self.get_buffer(_plain(f"{name}.scale")), self.get_buffer(_plain(f"{name}.shift"))
        filters = self.weight(f"{name}.weight") * scale
        filters = filters.contiguous(memory_format=torch.channels_last)  # like the maps
        before, after = pads(side, filters.shape[-1], stride)
        if before != after:
            maps, before = F.pad(maps, [before, after, before, after]), 0
        groups = len(filters) if filters.shape[1] == 1 else 1
        maps = F.conv2d(maps, filters, shift, stride=stride, padding=before, groups=groups)
        return maps, -(-side // stride)


def _layers(block: Block) -> list[tuple[str, str]]:
    """The convolutions of a block and their batch norms."""
    layers = [("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2")]
    return [("_expand_conv", "_bn0"), *layers] if block.expand else layers


def _plain(name: str) -> str:
    """A name without dots, which torch takes for parts of a module."""
    return name.replace(".", "-")
