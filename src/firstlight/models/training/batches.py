"""Mini-batches by row number; the uint8 pixels are not copied as a whole."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

SHARE_OF_MEMORY = 0.5  # of an accelerator's free memory that the pixels may take; otherwise they stay in main memory


class Images:
    """Images in memory, mapped from a file, or on an accelerator where they fit.

    Args:
        values: (N, H, W, C) uint8; never changed, and never copied as a whole on the CPU.
        device: of the batches.

    Example:
        >>> images = Images(np.full((5, 8, 8, 3), 255, np.uint8), torch.device("cpu"))
        >>> batch = images.batch(np.array([4, 0]))
        >>> batch.shape, batch.dtype
        (torch.Size([2, 3, 8, 8]), torch.uint8)
    """

    def __init__(self, values: np.ndarray, device: torch.device) -> None:
        self.values, self.device = values, device
        self.on_device: Tensor | None = None
        if device.type == "cuda" and values.nbytes < SHARE_OF_MEMORY * torch.cuda.mem_get_info(device)[0]:
            self.on_device = torch.from_numpy(np.array(values)).to(device)

    def __len__(self) -> int:
        return len(self.values)

    def batch(self, rows: np.ndarray) -> Tensor:
        """The images of these rows, (B, C, H, W) uint8 on the device, in channels-last memory order."""
        if self.on_device is not None:
            images = self.on_device[torch.from_numpy(rows).to(self.device)]
        else:
            images = torch.from_numpy(np.take(self.values, rows, axis=0)).to(self.device)
        return images.permute(0, 3, 1, 2)


def deal(count: int, batch_size: int, generator: np.random.Generator) -> list[np.ndarray]:
    """The row numbers of an epoch in random order, split into batches whose sizes differ by one at most.

    No image is left out, and no batch is so small that its gradient is mostly noise.

    Args:
        count: N.
        batch_size: rows per batch, at most.
        generator: for the random order.

    Returns:
        ceil(N / batch_size) arrays of int64.

    Example:
        >>> [len(rows) for rows in deal(10, 4, np.random.default_rng(0))]
        [4, 3, 3]
    """
    return np.array_split(generator.permutation(count), -(-count // batch_size))
