"""The networks of the ladder: linear, one hidden layer, convolutional; images (B, C, H, W) -> scores (B, K)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  # the field's name for it
from torch import Tensor, nn

from firstlight.errors import ArgumentError

SCALE = 1 / 9  # of the cnn's scores: keeps the first losses small where the learning rate is high
WHITENING_EPSILON = 5e-4  # added to the eigenvalues, so that empty directions stay small
LARGEST_PATCH = 300  # values of a patch of which the main directions are taken


class Head(nn.Module):
    """The last layer. Two classes need one number z: the scores are (0, z), whose softmax is z's sigmoid."""

    def __init__(self, inputs: int, classes: int) -> None:
        super().__init__()
        self.layer = nn.Linear(inputs, 1 if classes == 2 else classes)

    def forward(self, features: Tensor) -> Tensor:  # (B, inputs) -> (B, K)
        scores = self.layer(features)
        return F.pad(scores, (1, 0)) if scores.shape[1] == 1 else scores


class Linear(nn.Module):
    """A weight for each pixel and class, and a bias for each class.

    Args:
        shape: (H, W, C) of the images.
        classes: K.

    Example:
        >>> network = Linear((28, 28, 1), 2)
        >>> sum(parameter.numel() for parameter in network.parameters())  # 784 weights and a bias
        785
    """

    def __init__(self, shape: Sequence[int], classes: int) -> None:
        super().__init__()
        self.head = Head(math.prod(shape), classes)

    def forward(self, images: Tensor) -> Tensor:  # (B, C, H, W) -> (B, K)
        return self.head(images.flatten(1))


class MLP(nn.Module):
    """One hidden layer with ReLU between two linear ones; with 30 units the network of fastbook, chapter 4.

    Args:
        shape: (H, W, C) of the images.
        classes: K.
        hidden: units of the hidden layer.

    Example:
        >>> network = MLP((28, 28, 1), 2, hidden=30)
        >>> sum(parameter.numel() for parameter in network.parameters())
        23581
    """

    def __init__(self, shape: Sequence[int], classes: int, *, hidden: int = 30) -> None:
        super().__init__()
        if hidden < 1:
            raise ValueError("hidden counts from 1 on")
        self.hidden = nn.Linear(math.prod(shape), hidden)
        self.head = Head(hidden, classes)

    def forward(self, images: Tensor) -> Tensor:  # (B, C, H, W) -> (B, K)
        return self.head(self.hidden(images.flatten(1)).relu())


class Block(nn.Module):
    """Two 3 x 3 convolutions with batch norm and ReLU; the first halves the map by max pooling.

    At the start as many features as possible pass through unchanged (Dirac filters).
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(outputs)
        self.second = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(outputs)
        for filters in (self.first.weight.data, self.second.weight.data):
            if not filters.is_meta:  # without memory there is nothing to set
                nn.init.dirac_(filters[: filters.shape[1]])

    def forward(self, maps: Tensor) -> Tensor:  # (B, inputs, H, W) -> (B, outputs, H/2, W/2)
        maps = F.max_pool2d(self.first(maps), 2, ceil_mode=True)  # before norm and ReLU: a quarter of their work
        maps = self.first_norm(maps).relu()
        return self.second_norm(self.second(maps)).relu()


class CNN(nn.Module):
    """A stem, then blocks that halve the map, then the maximum of each feature and a linear layer.

    Blocks, Dirac filters, whitening stem and the scale of the scores are those of Jordan 2024, "94% on CIFAR-10 in
    3.29 Seconds on a Single GPU" (arXiv 2404.00498), sections 3.1 to 3.3, with fewer features.

    Args:
        shape: (H, W, C) of the images, from 1 px on.
        classes: K.
        width: features of the stem; each block doubles them.
        side: px that the stem brings the shorter side of the images to, roughly; it steps by a power of two,
            with filters twice as wide and one more. 0: 16 px for gray images, whose strokes are coarse, and 32
            for color. There are as many blocks as bring that to about 4 px.

    Example:
        >>> network = CNN((32, 32, 3), 10, width=16)
        >>> network(torch.zeros(5, 3, 32, 32)).shape, len(network.blocks)
        (torch.Size([5, 10]), 3)
    """

    def __init__(self, shape: Sequence[int], classes: int, *, width: int = 16, side: int = 0) -> None:
        super().__init__()
        if width < 1 or side < 0:
            raise ValueError("width counts from 1 on and side from 0 on")
        shorter = min(shape[:2])
        stride = nearest_power(shorter / (side or (16 if shape[2] == 1 else 32)))
        blocks = max(1, int(math.log2(nearest_power(shorter / stride / 4))))
        widths = [width * 2**number for number in range(blocks + 1)]
        self.stem = nn.Conv2d(shape[2], width, 2 * stride + 1, stride=stride, padding=stride)
        self.blocks = nn.Sequential(*(Block(*pair) for pair in pairwise(widths)))
        self.head = Head(widths[-1], classes)

    def forward(self, images: Tensor) -> Tensor:  # (B, C, H, W) -> (B, K)
        maps = self.blocks(self.stem(images).relu())  # (B, widths[-1], h, w)
        return self.head(maps.amax(dim=(2, 3))) * SCALE

    @torch.no_grad()
    def start_from(self, images: Tensor) -> None:
        """Sets the stem's filters to the principal directions of the images' patches and freezes them.

        Half of the filters are the eigenvectors of the patches' covariance with the largest eigenvalues, each over
        the root of its eigenvalue, so that their outputs are uncorrelated and equally large; the other half are the
        same with opposite sign, since a ReLU follows. Filters that are too large or too many stay random.

        Args:
            images: (N, C, H, W) normalized training images; a few hundred are enough.
        """
        filters = self.stem.weight  # (F, C, k, k)
        size, half = filters[0].numel(), len(filters) // 2
        if size > LARGEST_PATCH or half > size or min(images.shape[2:]) < filters.shape[2]:
            return
        patches = F.unfold(images, filters.shape[2], stride=self.stem.stride)  # (N, size, L)
        flat = patches.transpose(0, 1).flatten(1).double()  # (size, N * L)
        values, vectors = torch.linalg.eigh(flat @ flat.T / flat.shape[1])  # from the smallest on
        main = (vectors / (values + WHITENING_EPSILON).sqrt()).T.flip(0)[:half]  # (half, size)
        filters[:half] = main.reshape(half, *filters.shape[1:]).to(filters.dtype)
        filters[half : 2 * half] = -filters[:half]
        filters.requires_grad_(False)


def nearest_power(ratio: float) -> int:
    """The power of two that is nearest by logarithm, at least 1.

    Example:
        >>> [nearest_power(side / 16) for side in (8, 28, 64, 224)]
        [1, 2, 4, 16]
    """
    return 2 ** max(0, round(math.log2(ratio)))


NETWORKS: Mapping[str, type[nn.Module]] = {"linear": Linear, "mlp": MLP, "cnn": CNN}


def build(name: str, shape: Sequence[int], classes: int, sizes: Mapping[str, Any]) -> nn.Module:
    """The network of a rung, with random weights from torch's generator.

    Args:
        name: ``"linear"``, ``"mlp"`` or ``"cnn"``.
        shape: (H, W, C) of the images.
        classes: K.
        sizes: the other arguments of its class.

    Raises:
        ArgumentError: where it takes no such size.
    """
    try:
        return NETWORKS[name](shape, classes, **sizes)
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise ArgumentError(f"sizes={dict(sizes)!r} do not fit {name}: {reason}.") from error
