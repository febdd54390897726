"""The device that a network computes on, compared with the CPU before the first step."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from firstlight.errors import ArgumentError
from firstlight.models.training.recipes import DEVICES

# Largest difference from the CPU that rounding explains, as a share of the largest score: TF32 and fused
# kernels stay below 1e-2 on random weights; the fault of ultralytics#24399 was of the size of the scores.
ROUNDING = 2e-2
# Values in a batch of images below which one thread is faster than two, which would mostly wait for each other
# (docs/log.md).
WORTH_THREADS = 2**16


def device_for(requested: str) -> torch.device:
    """The device of this name; ``"auto"``: cuda, else mps, else the CPU.

    Raises:
        ArgumentError: where this computer has no such device.

    Example:
        >>> device_for("cpu")
        device(type='cpu')
    """
    available: dict[str, Callable[[], bool]] = {
        "cuda": torch.cuda.is_available,
        "mps": torch.backends.mps.is_available,
        "cpu": lambda: True,
    }
    if requested == "auto":
        return torch.device(next(name for name, works in available.items() if works()))
    name, colon, number = requested.partition(":")
    if name not in available or (colon and not number.isdecimal()):
        raise ArgumentError(f"device={requested!r} is not known; choose from {', '.join(DEVICES)}.")
    if not available[name]() or (name == "cuda" and int(number or 0) >= torch.cuda.device_count()):
        raise ArgumentError(f'device={requested!r} is not available; pass device="auto" to use what is.')
    return torch.device(requested)


def agreeing(module: nn.Module, images: Tensor, device: torch.device) -> tuple[torch.device, str]:
    """The device if it scores these images as the CPU does, else the CPU and why.

    Args:
        module: on the CPU; not changed.
        images: (B, C, H, W) float, one batch.
        device: to check; the CPU passes unchecked.

    Returns:
        The device to use, and a sentence where that is not the one passed.
    """
    if device.type == "cpu":
        return device, ""
    here = copy.deepcopy(module).eval()
    with torch.inference_mode():
        expected = here(images)
        try:
            found = here.to(device)(images.to(device)).cpu()
        except (RuntimeError, TypeError) as error:  # mps refuses float64 weights by a TypeError
            reason = str(error).splitlines()[0].rstrip(".")
            return torch.device("cpu"), f"The CPU is used, since {device} failed on one batch: {reason}."
    largest = float(expected.abs().max())
    difference = float((found - expected).abs().max())
    if difference <= ROUNDING * max(largest, 1e-6):  # NaN is never
        return device, ""
    return torch.device("cpu"), (
        f"The CPU is used, since {device} gave other scores for one batch: they differ by {difference:.3g} where the "
        f"largest is {largest:.3g}."
    )


def computes_in_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies in bfloat16 natively, so that it is faster and not only smaller."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type == "cpu":
        native = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
        return any(getattr(torch.cpu, name, lambda: False)() for name in native)
    return False


@contextlib.contextmanager
def threads_for(values: int) -> Iterator[None]:
    """One thread inside the block where a batch has too few values for more; else as many as are set."""
    before = torch.get_num_threads()
    try:
        if values < WORTH_THREADS:
            torch.set_num_threads(1)
        yield
    finally:
        torch.set_num_threads(before)
