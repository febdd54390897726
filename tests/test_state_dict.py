"""State dicts made by hand, operation by operation: what lies about sizes, names and places is refused, at no cost."""

from __future__ import annotations

import io
import pickletools
import random
import struct
import time
import tracemalloc
from collections import OrderedDict
from importlib.metadata import distribution
from pathlib import Path

import numpy as np
import pytest
import torch

from firstlight.errors import DataError
from firstlight.models.pretrained.packaged import PACKAGED
from firstlight.models.pretrained.state_dict import OPERATIONS, read_state_dict

MAGIC = b"\x80\x02\x8a\x0a" + (0x1950A86A20F9469CFC6C).to_bytes(10, "little") + b"."
CANARY = "ran"  # the folder that an attack would make


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def whole(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)


def name(module: str, attribute: str) -> bytes:
    return f"c{module}\n{attribute}\n".encode()


def storage(key: str = "0", count: int = 4, kind: str = "FloatStorage", end: bytes = b"N") -> bytes:
    return b"(" + text("storage") + name("torch", kind) + text(key) + text("cpu") + whole(count) + end + b"tQ"


def tensor(
    shape: tuple[int, ...] = (4,), strides: tuple[int, ...] = (1,), offset: int = 0, of: bytes = storage()
) -> bytes:
    sides, steps = (b"(" + b"".join(map(whole, numbers)) + b"t" for numbers in (shape, strides))
    rebuild, hooks = name("torch._utils", "_rebuild_tensor_v2"), name("collections", "OrderedDict") + b")R"
    return rebuild + b"(" + of + whole(offset) + sides + steps + b"\x89" + hooks + b"tR"


def header(version: int = 1001, order: bytes = b"\x88") -> bytes:
    return MAGIC + b"\x80\x02" + whole(version) + b"." + b"\x80\x02}" + text("little_endian") + order + b"s."


def file(
    values: dict[str, bytes], keys: tuple[str, ...] = ("0",), numbers: int = 4, head: bytes = header(), end: bytes = b""
) -> bytes:
    """A file of PyTorch's old form: values are operations; each storage has ``numbers`` zeros."""
    state = b"\x80\x02}(" + b"".join(text(key) + value for key, value in values.items()) + b"u" + end + b"."
    listed = b"\x80\x02](" + b"".join(map(text, keys)) + b"e."
    return head + state + listed + (struct.pack("<q", numbers) + bytes(4 * numbers)) * len(keys)


def refusal(data: bytes) -> str:
    """The sentence with which a file is refused."""
    with pytest.raises(DataError, match=r"^evil\.pth is .*\.$") as caught:
        read_state_dict(data, "evil.pth")
    return str(caught.value)


def test_the_file_made_by_hand_is_one_that_torch_reads() -> None:
    """So each of the refusals below is of the one thing that it changes."""
    data = file({"a": tensor(), "b": tensor((2, 1), (2, 1), offset=1)})
    expected = torch.load(io.BytesIO(data), weights_only=True)
    found = read_state_dict(data, "good.pth")
    assert expected.keys() == found.keys()
    assert all(np.array_equal(expected[key].numpy(), found[key]) for key in expected)


@pytest.mark.parametrize("layout", ["conv", "transposed", "shared", "scalar", "long"])
def test_arrays_are_those_that_torch_reads(layout: str) -> None:
    numbers = torch.arange(24, dtype=torch.float32)
    state = {
        "conv": torch.nn.Sequential(torch.nn.Conv2d(3, 2, 2), torch.nn.BatchNorm2d(2)).state_dict(),  # with _metadata
        "transposed": {"a": numbers.reshape(2, 3, 4).permute(2, 0, 1)},
        "shared": OrderedDict(a=numbers[2:5], b=numbers[4:].reshape(4, 5)),
        "scalar": {"a": torch.tensor(2.5)},
        "long": {"a": torch.tensor([2**40, -1])},
    }[layout]
    saved = io.BytesIO()
    torch.save(state, saved, _use_new_zipfile_serialization=False)
    found = read_state_dict(saved.getvalue(), "good.pth")
    assert list(state) == list(found)
    for key, value in state.items():
        assert value.numpy().dtype == found[key].dtype and np.array_equal(value.numpy(), found[key])
        assert not found[key].flags.writeable


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        # The first array may be as large as its own storage; the second says that this storage has 4 numbers.
        ({"a": tensor((100_000,), of=storage(count=100_000)), "b": tensor()}, "disagree about storage 0"),
        ({"a": tensor((1,), of=storage(kind="LongStorage")), "b": tensor()}, "disagree about storage 0"),
        ({"a": tensor((5,))}, "larger than its storage"),
        ({"a": tensor((2, 2), (3, 1))}, "larger than its storage"),
        ({"a": tensor((2,), (1,), offset=3)}, "larger than its storage"),
        ({"a": tensor((2**30, 2**30), (0, 0))}, "larger than its storage"),
        ({"a": tensor((0,))}, "empty"),
        ({"a": tensor((-1,))}, "not laid out plainly"),
        ({"a": tensor(strides=(-1,))}, "not laid out plainly"),
        ({"a": tensor(offset=-1)}, "not laid out plainly"),
        ({"a": tensor((1,) * 9, (1,) * 9)}, "not laid out plainly"),
        ({"a": tensor((2, 2), (1,))}, "ValueError"),
        ({"a": tensor(of=storage(count=2**31 - 1))}, "storage 0 are cut off"),
        ({"a": tensor(of=storage(count=0))}, "none to a storage"),
        ({"a": tensor(of=storage(kind="HalfStorage"))}, "names 'torch HalfStorage'"),
        ({"a": tensor(of=storage(end=b"(" + text("0") + whole(0) + whole(4) + b"t"))}, "none to a storage"),  # a view
        ({"a": tensor(of=text("storage"))}, "not laid out plainly"),
        ({"a": tensor(of=text("elsewhere") + b"Q")}, "ValueError"),  # a persistent id of another shape
        ({"a": tensor(of=text("module") + b"\x85Q")}, "ValueError"),
        ({"a": storage()}, "one of its values is no array"),
        ({}, "something else than named arrays"),
    ],
)
def test_a_wrong_size_place_or_reference_is_refused(values: dict[str, bytes], reason: str) -> None:
    assert reason in refusal(file(values))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (file({"a": tensor()}, keys=("0", "0")), "there twice"),
        (file({"a": tensor()}, keys=("0", "1")), "KeyError"),
        (file({"a": tensor()}, keys=()), "KeyError"),
        (file({"a": tensor()}) + b"more", "goes on after its numbers"),
        (file({"a": tensor()}, numbers=5), "storage 0 are cut off"),
        (file({"a": tensor()}, head=header(1002)), "form is not 1001"),
        (file({"a": tensor()}, head=header(order=b"\x89")), "little-endian"),
        (b"", "ValueError"),
        (b"PK\x03\x04" + bytes(100), "a zip, as PyTorch writes since 1.6"),
        (b"\x93NUMPY", "operation STACK_GLOBAL"),
    ],
)
def test_another_form_is_refused(data: bytes, reason: str) -> None:
    assert reason in refusal(data)


def test_what_torch_writes_today_is_refused_as_a_zip() -> None:
    saved = io.BytesIO()
    torch.save({"a": torch.zeros(4)}, saved)
    assert "a zip, as PyTorch writes since 1.6" in refusal(saved.getvalue())


MKDIR = name("os", "mkdir")
ATTACKS = {
    "REDUCE": (MKDIR + text(CANARY) + b"\x85R", "names 'os mkdir'"),
    "REDUCE eval": (name("builtins", "eval") + text(f"__import__('os').mkdir('{CANARY}')") + b"\x85R", "builtins eval"),
    "REDUCE of a permitted name": (name("torch", "FloatStorage") + whole(4) + b"\x85R", "operation REDUCE"),
    "REDUCE of a dict with items": (name("collections", "OrderedDict") + b"]\x85R", "operation REDUCE"),
    "REDUCE of text": (text("os mkdir") + text(CANARY) + b"\x85R", "operation REDUCE"),
    "REDUCE of text like a name": (text("collections OrderedDict") + b"\x85)R", "operation REDUCE"),
    "GLOBAL of a dotted name": (name("collections", "abc.sys.modules"), "names 'collections abc.sys.modules'"),
    "GLOBAL in torch": (name("torch", "load"), "names 'torch load'"),
    "GLOBAL by escapes": (name("o\\x73", "mkdir"), "names 'os mkdir'"),
    "GLOBAL with a wrong escape": (name("torch\\c", "load"), "names"),
    "STACK_GLOBAL": (text("os") + text("mkdir") + b"\x93" + text(CANARY) + b"\x85R", "operation STACK_GLOBAL"),
    "INST": (b"(" + text(CANARY) + b"ios\nmkdir\n", "operation INST"),
    "OBJ": (b"(" + name("torch", "FloatStorage") + text(CANARY) + b"o", "operation OBJ"),
    "NEWOBJ": (name("torch", "FloatStorage") + b")\x81", "operation NEWOBJ"),
    "NEWOBJ_EX": (name("torch", "FloatStorage") + b")}\x92", "operation NEWOBJ_EX"),
    "BUILD of an array": (tensor() + b"}b", "operation BUILD"),
    "BUILD of slots": (name("collections", "OrderedDict") + b")RN}" + b"\x86b", "operation BUILD"),
    "BUILD of other attributes": (
        name("collections", "OrderedDict") + b")R}" + text("__class__") + b"Nsb",
        "operation BUILD",
    ),
    "EXT1": (b"\x82\x01", "operation EXT1"),
    "EXT2": (b"\x83\x01\x00", "operation EXT2"),
    "EXT4": (b"\x84\x01\x00\x00\x00", "operation EXT4"),
    "PERSID": (b"Pos.mkdir\n", "operation PERSID"),
    "NEXT_BUFFER": (b"\x97", "operation NEXT_BUFFER"),
    "memo that is not there": (b"h\x07", "KeyError"),
    "memo number of 2**32": (b"Nr\xff\xff\xff\xff0", "operation POP"),
}


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("place", ["value", "state", "start"])
def test_what_could_run_code_is_named_and_runs_nothing(
    attack: str, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a value of a state dict, in its place, and as the first thing in the file."""
    monkeypatch.chdir(tmp_path)
    operations, reason = ATTACKS[attack]
    data = {
        "value": file({"a": tensor(), "b": operations}),
        "state": header() + b"\x80\x02" + operations + b".",
        "start": b"\x80\x02" + operations + b".",
    }[place]
    assert reason in refusal(data)
    assert [] == list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize(
    "operations",
    [
        b"N" * (OPERATIONS + 2),
        b"(" * (OPERATIONS + 2),
        b"N" + b"\x85" * (OPERATIONS - 2),  # a tuple of a tuple of a tuple ...
        b")q\x00" + b"h\x00h\x00\x86q\x00" * 10_000,  # 2 ** 10,000 values, were they counted
        b"]q\x00(h\x00e",  # a list of itself
        b"X\xff\xff\xff\xff" + b"a",  # text of 4 GB
        b"B\xff\xff\xff\x7f" + b"a",
        b"\x8b\xff\xff\xff\x7f" + b"a",  # a number of 2 GB
        b"\x8e" + b"\xff" * 7 + b"\x7f",
        b"I" + b"9" * 1_000_000 + b"\n",  # quadratic, were it converted
    ],
    ids=["values", "marks", "deep", "doubled", "cyclic", "text", "bytes", "long", "bytes8", "digits"],
)
def test_a_bomb_costs_a_moment_and_little_memory(operations: bytes) -> None:
    """Under 5 seconds (0.7 measured, most of it tracemalloc's), and 60 MB."""
    tracemalloc.start()
    start = time.process_time()
    try:
        refusal(header() + b"\x80\x02" + operations + b".")
        assert tracemalloc.get_traced_memory()[1] < 60e6
    finally:
        tracemalloc.stop()
    assert time.process_time() - start < 5


@pytest.mark.slow
def test_changed_files_are_refused_or_give_numbers_of_the_file() -> None:
    """2,000 of them: bytes replaced, repeated, taken out; operations and extreme numbers put in."""
    saved = io.BytesIO()
    state = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 2), torch.nn.BatchNorm2d(2)).state_dict()
    torch.save(state, saved, _use_new_zipfile_serialization=False)
    chance = random.Random(0)  # noqa: S311 - its seed repeats the test
    codes = [one.code.encode("latin-1") for one in pickletools.opcodes]
    read = 0
    for _ in range(2_000):
        data = bytearray(saved.getvalue())
        for _ in range(chance.randint(1, 3)):
            at = chance.randrange(len(data))
            match chance.randrange(5):
                case 0:
                    data[at] = chance.randrange(256)
                case 1:
                    data[at:at] = chance.choice(codes)
                case 2:
                    data[at:at] = data[at : at + chance.randrange(40)]
                case 3:
                    del data[at : at + chance.randrange(1, 9)]
                case _:
                    data[at : at + 4] = struct.pack("<I", chance.choice([0, 1, 2**31 - 1, 2**32 - 1]))
        kept = bytes(data)
        try:
            found = read_state_dict(kept, "changed.pth")
        except DataError:
            continue
        read += 1
        inside = np.frombuffer(kept, np.uint8)
        assert all(np.may_share_memory(array, inside) and array.nbytes <= len(kept) for array in found.values())
    assert 10 < read < 500


@pytest.mark.slow
def test_the_published_file_is_read_as_torch_reads_it() -> None:
    """Every array of it, in float32 and int64, and as many parameters as Lite0 has."""
    package = PACKAGED["efficientnet-lite0"]
    path = Path(str(distribution(package.distribution).locate_file(package.file)))
    found, expected = read_state_dict(path.read_bytes(), path.name), torch.load(path, weights_only=True)
    assert list(expected) == list(found)
    assert 4_652_008 == sum(array.size for key, array in found.items() if "running" not in key and "num_" not in key)
    for key, value in expected.items():
        assert value.numpy().dtype == found[key].dtype and np.array_equal(value.numpy(), found[key])
