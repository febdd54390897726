"""EfficientNet-Lite: its layers, read off the shapes of its weights, and its ONNX graph."""

# Tan and Le 2019, arXiv 1905.11946; the Lite variants (no squeeze-and-excitation, ReLU6) are TensorFlow's, 2020.

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from firstlight.errors import RunError
from firstlight.models.graphs.values import Value

EPSILON = 1e-3  # of its batch norms
MEAN, DEVIATION = 127.0, 128.0  # of a pixel: the weights want (x - 127) / 128
STRIDES = (1, 2, 2, 2, 1, 2, 1)  # of the first block of each stage

Weights = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Block:
    """An inverted residual block.

    Attributes:
        name: the start of the names of its weights.
        expand: whether a 1 x 1 convolution widens the maps first.
        kernel: px of a side of its depthwise filters.
        stride: of these.
        residual: whether its input is added to its output.
    """

    name: str
    expand: bool
    kernel: int
    stride: int
    residual: bool


@dataclass(frozen=True)
class Architecture:
    """One of the variants.

    Attributes:
        side: px of the images that it was trained on.
        repeats: the number of blocks of each of its seven stages.
    """

    side: int
    repeats: tuple[int, ...]

    def blocks(self, weights: Weights) -> list[Block]:
        """The blocks in their order.

        Raises:
            RunError: where the weights are those of another architecture.
        """
        strides = [s for stride, count in zip(STRIDES, self.repeats, strict=True) for s in (stride, *[1] * (count - 1))]
        there = {name.split(".")[1] for name in weights if name.startswith("_blocks.")}
        if len(there) != len(strides):
            raise RunError(
                f"The weights have {len(there)} blocks and the architecture {len(strides)}; pass the weights of this "
                "architecture."
            )
        return [_block(f"_blocks.{number}", stride, weights) for number, stride in enumerate(strides)]


TAIL = 5  # blocks that are fine-tuned, with the last convolution
LITE0 = Architecture(224, (1, 2, 2, 3, 3, 4, 1))
LITE2 = Architecture(260, (1, 3, 3, 4, 4, 5, 1))


def _block(name: str, stride: int, weights: Weights) -> Block:
    expand = f"{name}._expand_conv.weight" in weights
    depthwise, project = (weights[f"{name}.{part}.weight"].shape for part in ("_depthwise_conv", "_project_conv"))
    inside = weights[f"{name}._expand_conv.weight"].shape[1] if expand else depthwise[0]
    return Block(name, expand, depthwise[2], stride, stride == 1 and inside == project[0])


def pads(side: int, kernel: int, stride: int) -> tuple[int, int]:
    """Zeros before and after a side, as TensorFlow's "SAME" pads.

    Example:
        >>> pads(224, 3, 2), pads(17, 5, 2), pads(14, 5, 1)
        ((0, 1), (2, 2), (2, 2))
    """
    missing = max((-(-side // stride) - 1) * stride + kernel - side, 0)
    return missing // 2, missing - missing // 2


def graph(images: Value, weights: Weights, architecture: Architecture) -> Value:
    """uint8 (N, S, S, 3) -> float32 (N, D, s, s): the last maps, whose mean over the positions is the embedding."""
    blocks = architecture.blocks(weights)
    maps, side = _through(images, weights, architecture, blocks)
    layers = _Layers(weights)
    maps, _ = layers.convolved(maps, side, "_conv_head", "_bn1")
    return layers.relu6(maps)


def middle(images: Value, weights: Weights, architecture: Architecture) -> Value:
    """uint8 (N, S, S, 3) -> float32 (N, C, s, s): the maps before the blocks that are fine-tuned."""
    return _through(images, weights, architecture, architecture.blocks(weights)[:-TAIL])[0]


def _through(images: Value, weights: Weights, architecture: Architecture, blocks: Sequence[Block]) -> tuple[Value, int]:
    """The maps after some blocks, and their side."""
    layers, side = _Layers(weights), architecture.side
    maps = ((images.to(np.float32) - MEAN) / DEVIATION).transpose(0, 3, 1, 2)
    maps, side = layers.convolved(maps, side, "_conv_stem", "_bn0", stride=2)
    maps = layers.relu6(maps)
    for block in blocks:
        maps, side = layers.block(maps, side, block)
    return maps, side


@dataclass(frozen=True)
class _Layers:
    """Layers as nodes of a graph."""

    weights: Weights

    def block(self, maps: Value, side: int, block: Block) -> tuple[Value, int]:
        inner = maps
        if block.expand:
            inner, side = self.convolved(inner, side, f"{block.name}._expand_conv", f"{block.name}._bn0")
            inner = self.relu6(inner)
        depthwise = f"{block.name}._depthwise_conv"
        inner, side = self.convolved(inner, side, depthwise, f"{block.name}._bn1", stride=block.stride)
        inner, side = self.convolved(self.relu6(inner), side, f"{block.name}._project_conv", f"{block.name}._bn2")
        return (inner + maps if block.residual else inner), side

    def convolved(self, maps: Value, side: int, name: str, norm: str, *, stride: int = 1) -> tuple[Value, int]:
        """A convolution with its batch norm, and the side of its maps."""
        array = self.weights[f"{name}.weight"]
        kernel = array.shape[2]
        before, after = pads(side, kernel, stride)
        group = len(array) if array.shape[1] == 1 else 1
        around = [before, before, after, after]
        maps = maps.graph.op(
            "Conv", maps, self._array(maps, f"{name}.weight"), pads=around, strides=[stride] * 2, group=group
        )
        arrays = [self._array(maps, f"{norm}.{part}") for part in ("weight", "bias", "running_mean", "running_var")]
        return maps.graph.op("BatchNormalization", maps, *arrays, epsilon=EPSILON), -(-side // stride)

    def relu6(self, maps: Value) -> Value:
        low, high = (maps.graph.constant(bound, np.float32) for bound in (0, 6))
        return maps.graph.op("Clip", maps, low, high)  # which ONNX Runtime fuses with the convolution

    def _array(self, maps: Value, name: str) -> Value:
        """Saved as the float16 that it is, which takes half the room; ONNX Runtime casts it once, as it loads."""
        return maps.graph.initializer(name, self.weights[name]).to(np.float32)
