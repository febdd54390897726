"""Batches: every row once an epoch, of nearly one size; pixels as they are, wherever they lie."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from firstlight.models.training.batches import Images, deal
from tables import noise

CPU = torch.device("cpu")
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here")


@given(count=st.integers(1, 400), batch_size=st.integers(1, 500), seed=st.integers(0, 2**32))
def test_an_epoch_sees_every_row_exactly_once(count: int, batch_size: int, seed: int) -> None:
    """However many rows there are, in as few batches as can be, whose sizes differ by one at most."""
    batches = deal(count, batch_size, np.random.default_rng(seed))
    assert list(range(count)) == sorted(np.concatenate(batches).tolist())
    sizes = [len(rows) for rows in batches]
    assert max(sizes) <= batch_size
    assert max(sizes) - min(sizes) <= 1
    assert (len(batches) - 1) * batch_size < count <= len(batches) * batch_size


@pytest.mark.parametrize(
    ("count", "batch_size", "sizes"),
    [(10, 4, [4, 3, 3]), (8, 4, [4, 4]), (9, 4, [3, 3, 3]), (257, 256, [129, 128]), (3, 256, [3]), (3, 1, [1, 1, 1])],
)
def test_rows_are_dealt_by_hand(count: int, batch_size: int, sizes: list[int]) -> None:
    """One image more than a batch holds makes two halves, no batch of one image."""
    assert sizes == [len(rows) for rows in deal(count, batch_size, np.random.default_rng(0))]


def test_the_generator_gives_the_order() -> None:
    """The same seed deals the same batches, another one others, and the next epoch of one generator others again."""

    def order(generator: np.random.Generator) -> list[int]:
        return np.concatenate(deal(50, 8, generator)).tolist()

    generator = np.random.default_rng(1)
    first = order(generator)
    assert first == order(np.random.default_rng(1))
    assert first != order(generator)
    assert first != order(np.random.default_rng(2))


def test_every_row_comes_in_every_place() -> None:
    """Over many epochs, the first place of an epoch is each row's about equally often."""
    generator = np.random.default_rng(0)
    firsts = [int(deal(5, 2, generator)[0][0]) for _ in range(1000)]
    counts = np.bincount(firsts, minlength=5)
    assert (np.abs(counts - 200) < 51).all()  # 4 deviations of 1,000 draws with p = 1/5


@pytest.mark.parametrize("channels", [1, 3])
def test_a_batch_is_those_images_channels_first(channels: int) -> None:
    """In the order asked, one image twice where it is asked twice, the pixels as they are."""
    values = noise(6, 4, 5, channels)
    batch = Images(values, CPU).batch(np.array([5, 0, 0, 3]))
    assert torch.uint8 == batch.dtype and CPU == batch.device
    assert np.array_equal(values[[5, 0, 0, 3]].transpose(0, 3, 1, 2), batch.numpy())


def test_a_batch_lies_in_channels_last_order() -> None:
    """The pixels are not put into another order on the way."""
    batch = Images(noise(6, 4, 5, 3), CPU).batch(np.arange(6))
    assert batch.is_contiguous(memory_format=torch.channels_last)


def test_there_are_as_many_images_as_rows() -> None:
    """Their number is the length."""
    assert 7 == len(Images(noise(7, 2, 2, 1), CPU))


def read_only(values: np.ndarray, _: Path) -> np.ndarray:
    values.flags.writeable = False
    return values


def mapped(values: np.ndarray, folder: Path) -> np.ndarray:
    np.save(folder / "values.npy", values)
    return np.load(folder / "values.npy", mmap_mode="r")


def every_second(values: np.ndarray, _: Path) -> np.ndarray:
    return np.repeat(values, 2, axis=0)[::2]


def backwards(values: np.ndarray, _: Path) -> np.ndarray:
    return values[:, :, ::-1].copy()[:, :, ::-1]


@pytest.mark.parametrize("lying", [read_only, mapped, every_second, backwards])
def test_pixels_may_lie_anywhere_and_are_never_changed(
    lying: Callable[[np.ndarray, Path], np.ndarray], tmp_path: Path
) -> None:
    """Read-only, mapped from a file or strided, they give the same batch without a warning, and a copy of their own."""
    values = noise(8, 3, 4, 3)
    there = lying(values.copy(), tmp_path)
    batch = Images(there, CPU).batch(np.array([7, 2]))
    assert np.array_equal(values[[7, 2]].transpose(0, 3, 1, 2), batch.numpy())
    batch.fill_(0)
    assert np.array_equal(values, there)


def test_every_batch_of_an_epoch_is_a_copy_of_its_own() -> None:
    """What is done to one batch is not seen in the next."""
    images = Images(noise(4, 2, 2, 1), CPU)
    first, again = images.batch(np.arange(4)), images.batch(np.arange(4))
    kept = again.clone()
    first.fill_(0)
    assert torch.equal(kept, again)


@needs_cuda
def test_pixels_that_fit_stay_on_the_accelerator() -> None:
    """They are moved there once, and a batch is taken there."""
    values = noise(6, 4, 5, 3)
    images = Images(values, torch.device("cuda"))
    batch = images.batch(np.array([5, 0]))
    assert images.there is not None and "cuda" == batch.device.type
    assert np.array_equal(values[[5, 0]].transpose(0, 3, 1, 2), batch.cpu().numpy())


@needs_cuda
def test_pixels_that_do_not_fit_stay_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each batch is moved on its own where the accelerator has too little free memory."""
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (100, 1000))
    values = noise(6, 4, 5, 3)
    images = Images(values, torch.device("cuda"))
    assert images.there is None
    assert np.array_equal(values[[5, 0]].transpose(0, 3, 1, 2), images.batch(np.array([5, 0])).cpu().numpy())
