"""Devices: names, those that are not there, one that scores unlike the CPU or fails, bfloat16, and threads."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from firstlight.errors import ArgumentError
from firstlight.models.training.architectures import NETWORKS, build
from firstlight.models.training.devices import WORTH_THREADS, agreeing, computes_in_bfloat16, device_for, threads_for

CPU, ELSEWHERE = torch.device("cpu"), torch.device("meta")  # meta is a device that every torch has, without values
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here")


def no_accelerator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


def some_cuda(monkeypatch: pytest.MonkeyPatch, count: int = 1) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)


class Moving(nn.Module):
    """A stand-in: it scores its weights, or what an accelerator would give once it was moved to one."""

    def __init__(self, here: Tensor, there: Tensor | Exception) -> None:
        super().__init__()
        self.weights, self.there, self.moved = nn.Parameter(here), there, False

    def to(self, *_: Any, **__: Any) -> Moving:
        self.moved = True
        return self

    def forward(self, images: Tensor) -> Tensor:  # (B, C, H, W) -> (B, K)
        if not self.moved:
            return self.weights * 1
        if isinstance(self.there, Exception):
            raise self.there
        assert images.device == ELSEWHERE
        return self.there


IMAGES = torch.zeros(2, 1, 4, 4)
SCORES = torch.tensor([[1.0, -2.0], [0.5, 0.25]])


def test_the_cpu_is_always_there() -> None:
    """It needs no question to be asked."""
    assert CPU == device_for("cpu")


def test_auto_takes_cuda_then_mps_then_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fastest that is there."""
    no_accelerator(monkeypatch)
    assert CPU == device_for("auto")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert torch.device("mps") == device_for("auto") == device_for("mps")
    some_cuda(monkeypatch)
    assert torch.device("cuda") == device_for("auto") == device_for("cuda")


def test_one_of_several_cuda_devices_is_taken_by_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second of two is there and a third is not."""
    some_cuda(monkeypatch, 2)
    assert torch.device("cuda", 1) == device_for("cuda:1")
    with pytest.raises(ArgumentError, match=r"^device='cuda:2' .*device=\"auto\""):
        device_for("cuda:2")


@pytest.mark.parametrize("asked", ["gpu", "", "CPU", "cuda:x", "cuda:-1", "cuda:", "cpu:", "meta", "cuda:0:1", "xla"])
def test_a_device_that_is_not_known_is_reported_with_those_that_are(
    asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sentence repeats what was passed."""
    some_cuda(monkeypatch)
    with pytest.raises(ArgumentError) as caught:
        device_for(asked)
    assert str(caught.value).startswith(f"device={asked!r} ") and "auto, cpu, cuda, mps" in str(caught.value)


@pytest.mark.parametrize("asked", ["cuda", "cuda:0", "mps"])
def test_a_device_that_is_not_there_is_reported_before_anything_is_computed(
    asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sentence says how to take what is there."""
    no_accelerator(monkeypatch)
    with pytest.raises(ArgumentError) as caught:
        device_for(asked)
    assert str(caught.value).startswith(f"device={asked!r} ") and 'device="auto"' in str(caught.value)


def test_the_cpu_is_not_checked_against_itself() -> None:
    """Nothing is computed, so a module that fails passes here and is told of elsewhere."""
    module = Moving(SCORES, RuntimeError("not to be reached"))
    module.moved = True
    assert (CPU, "") == agreeing(module, IMAGES, CPU)


@pytest.mark.parametrize("off", [0.0, 0.01, -0.039])
def test_a_device_that_scores_as_the_cpu_but_for_rounding_is_used(off: float) -> None:
    """Up to a fiftieth of the largest score, which is 2 here, may be rounding."""
    assert (ELSEWHERE, "") == agreeing(Moving(SCORES, SCORES + off), IMAGES, ELSEWHERE)


def test_one_score_that_is_off_by_more_than_rounding_moves_all_to_the_cpu() -> None:
    """The sentence says by how much and of how much."""
    there = SCORES.clone()
    there[1, 1] += 0.125
    device, told = agreeing(Moving(SCORES, there), IMAGES, ELSEWHERE)
    assert CPU == device
    assert (
        "The CPU is used, since meta gave other scores for one batch: they differ by 0.125 where the largest is 2."
        == told
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_scores_that_are_not_finite_never_pass(value: float) -> None:
    """One NaN or infinity among the device's scores is enough."""
    there = SCORES.clone()
    there[0, 0] = value
    device, told = agreeing(Moving(SCORES, there), IMAGES, ELSEWHERE)
    assert CPU == device
    assert f"they differ by {abs(value)} where the largest is 2." in told


def test_scores_that_are_not_finite_on_either_never_pass() -> None:
    """NaN here and NaN there are no agreement."""
    nothing = torch.full((2, 2), float("nan"))
    assert CPU == agreeing(Moving(nothing, nothing), IMAGES, ELSEWHERE)[0]


def test_scores_of_zero_agree_with_zero_only() -> None:
    """A device that gives something where the CPU gives nothing does not pass."""
    assert (ELSEWHERE, "") == agreeing(Moving(0 * SCORES, 0 * SCORES), IMAGES, ELSEWHERE)
    assert CPU == agreeing(Moving(0 * SCORES, 0 * SCORES + 1e-6), IMAGES, ELSEWHERE)[0]


@pytest.mark.parametrize("kind", [RuntimeError, NotImplementedError, TypeError])
def test_a_device_that_fails_leaves_the_work_to_the_cpu(kind: type[Exception]) -> None:
    """The first line of what it said is the reason; mps tells of float64 weights by a TypeError."""
    failed = kind("no such kernel.\nCompile with ... to see more.")
    device, told = agreeing(Moving(SCORES, failed), IMAGES, ELSEWHERE)
    assert CPU == device
    assert "The CPU is used, since meta failed on one batch: no such kernel." == told


@pytest.mark.slow
def test_a_real_module_that_cannot_compute_elsewhere_stays_on_the_cpu() -> None:
    """The meta device has no values to copy back, and that is told in one sentence."""
    module = nn.Sequential(nn.Flatten(), nn.Linear(16, 2))
    device, told = agreeing(module, IMAGES, ELSEWHERE)
    assert CPU == device
    assert told.startswith("The CPU is used, since meta failed on one batch: ")
    assert "\n" not in told


@pytest.mark.slow
def test_the_check_changes_neither_the_module_nor_the_random_numbers() -> None:
    """It stays on the CPU, in its mode, with its weights and its running means."""
    module = nn.Sequential(nn.BatchNorm2d(1), nn.Flatten(), nn.Dropout(0.5), nn.Linear(16, 2)).train()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    state = torch.get_rng_state()
    agreeing(module, torch.ones(2, 1, 4, 4), ELSEWHERE)
    assert torch.equal(state, torch.get_rng_state())
    assert module.training and all(one.training for one in module)
    for name, value in module.state_dict().items():
        assert value.device == CPU and torch.equal(before[name], value)


def test_dropout_is_off_while_a_device_is_checked() -> None:
    """A module that is random in training agrees with itself."""

    class Dropping(Moving):
        def forward(self, images: Tensor) -> Tensor:
            return nn.functional.dropout(super().forward(images), 0.5, self.training)

    assert (ELSEWHERE, "") == agreeing(Dropping(SCORES, SCORES).train(), IMAGES, ELSEWHERE)


@needs_cuda
@pytest.mark.parametrize("kind", NETWORKS)
def test_the_networks_of_the_ladder_agree_on_cuda(kind: str) -> None:
    """Their scores there are those of the CPU up to rounding."""
    images = torch.randn(8, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    assert (torch.device("cuda"), "") == agreeing(build(kind, (32, 32, 3), 10, {}), images, torch.device("cuda"))


def test_bfloat16_of_the_cpu_is_what_its_instructions_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """Either of the two sets of instructions is enough; a torch that does not know of them has none."""
    assert isinstance(computes_in_bfloat16(CPU), bool)
    questions = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    for answers in [(False, False), (True, False), (False, True)]:
        for question, answer in zip(questions, answers, strict=True):
            monkeypatch.setattr(torch.cpu, question, lambda answer=answer: answer, raising=False)
        assert any(answers) is computes_in_bfloat16(CPU)
    for question in questions:
        monkeypatch.delattr(torch.cpu, question)
    assert computes_in_bfloat16(CPU) is False


def test_bfloat16_of_cuda_came_with_its_eighth_generation(monkeypatch: pytest.MonkeyPatch) -> None:
    """A V100 (7.0) and a T4 (7.5) have none, an A100 (8.0) and an H100 (9.0) have."""
    found = []
    for capability in [(7, 0), (7, 5), (8, 0), (9, 0)]:
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _, capability=capability: capability)
        found.append(computes_in_bfloat16(torch.device("cuda")))
    assert [False, False, True, True] == found


def test_other_devices_compute_in_float32() -> None:
    """Nothing is known of mps, so nothing is gained by fewer digits."""
    assert computes_in_bfloat16(torch.device("mps")) is False


def test_small_batches_take_one_thread_and_give_the_others_back() -> None:
    """Inside the block there is one where the values are few, and all after it, even where it fails."""
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        with threads_for(WORTH_THREADS - 1):
            assert 1 == torch.get_num_threads()
        assert 2 == torch.get_num_threads()
        with threads_for(WORTH_THREADS):
            assert 2 == torch.get_num_threads()
        with pytest.raises(KeyError), threads_for(1):
            raise KeyError
        assert 2 == torch.get_num_threads()
    finally:
        torch.set_num_threads(before)
