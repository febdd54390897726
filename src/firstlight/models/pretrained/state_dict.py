"""`read_state_dict()`: the arrays of a PyTorch state dict, read without unpickling: nothing in the file can run."""

# The file (PyTorch's form until 1.5) begins with five sequences of pickle operations: a magic number, a version, sizes
# of C types, the state dict with references to storages, and the list of these; then come the storages' raw numbers.
# The operations are only listed, by `pickletools.genops`, and a table here says what each may mean: text, a number, a
# tuple, a reference to a storage, an array of it. Whatever is not in the table ends the reading. Arrays are views that
# NumPy holds against the bytes of the file, so no number in the file leads outside of it.

from __future__ import annotations

import io
import math
import pickletools
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from firstlight.errors import DataError

MAGIC = 0x1950A86A20F9469CFC6C  # of torch.save
VERSION = 1001  # of the form, in torch/serialization.py
ZIP = b"PK\x03\x04"
OPERATIONS = 50_000  # at most, of each sequence: Lite2, the largest file that is read, has 13,931
AXES = 8  # of an array, at most
DTYPES: Mapping[str, np.dtype[Any]] = {"torch FloatStorage": np.dtype("<f4"), "torch LongStorage": np.dtype("<i8")}
DICT, TENSOR = "collections OrderedDict", "torch._utils _rebuild_tensor_v2"
ANSWER = "pass the weights that were published, as the package has them"


@dataclass(frozen=True)
class _Name:
    """A name in the file: of a class, or of a function; neither is looked up."""

    text: str


@dataclass(frozen=True)
class _Storage:
    key: str
    dtype: np.dtype[Any]
    size: int


@dataclass(frozen=True)
class _Tensor:
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _RefusedError(Exception):
    """Why the file is no plain state dict."""


def read_state_dict(data: bytes, name: str) -> dict[str, np.ndarray]:
    """The arrays of a state dict.

    Args:
        data: the bytes of the file.
        name: of the file, for the error message.

    Returns:
        float32 and int64 arrays, views of ``data``, by their names.

    Raises:
        DataError: where the file is anything but a state dict of such arrays, or is cut off.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of genops, at a backslash in a name
            return _read(data)
    except _RefusedError as reason:
        raise DataError(f"{name} is not a plain state dict of PyTorch ({reason}); {ANSWER}.") from None
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RecursionError) as error:
        raise DataError(f"{name} is damaged or no state dict of PyTorch ({type(error).__name__}); {ANSWER}.") from error


def _read(data: bytes) -> dict[str, np.ndarray]:
    if data.startswith(ZIP):
        raise _RefusedError("it is a zip, as PyTorch writes since 1.6; only the form of before is read")
    stream = io.BytesIO(data)
    if _value(stream) != MAGIC:
        raise _RefusedError("it does not begin with PyTorch's magic number")
    version, types = _value(stream), _value(stream)
    if version != VERSION or types.get("little_endian") is not True:
        raise _RefusedError(f"its form is not {VERSION}, little-endian")
    state, keys = _value(stream), _value(stream)
    if not isinstance(state, dict) or not isinstance(keys, list) or not state:
        raise _RefusedError("it holds something else than named arrays")
    storages = _storages(data, stream.tell(), keys, _expected(state))
    return {_text(name): _array(tensor, storages) for name, tensor in state.items()}


def _expected(state: Mapping[Any, Any]) -> dict[str, _Storage]:
    if not all(isinstance(one, _Tensor) for one in state.values()):
        raise _RefusedError("one of its values is no array")
    expected: dict[str, _Storage] = {}
    for one in state.values():
        if expected.setdefault(one.storage.key, one.storage) != one.storage:
            raise _RefusedError(f"its arrays disagree about storage {one.storage.key[:40]}")
    return expected


def _storages(data: bytes, at: int, keys: list[Any], expected: Mapping[str, _Storage]) -> dict[str, np.ndarray]:
    """The numbers of each storage: a count of 8 bytes, then the numbers; the last one ends the file."""
    found: dict[str, np.ndarray] = {}
    for key in keys:
        storage = expected[_text(key)]
        count = int.from_bytes(data[at : at + 8], "little")
        end = at + 8 + count * storage.dtype.itemsize
        if count != storage.size or end > len(data) or key in found:
            raise _RefusedError(f"the numbers of storage {key[:40]} are cut off or there twice")
        found[storage.key] = np.frombuffer(data, storage.dtype, count, at + 8)
        at = end
    if at != len(data):
        raise _RefusedError("it goes on after its numbers")
    return found


def _array(tensor: _Tensor, storages: Mapping[str, np.ndarray]) -> np.ndarray:
    numbers = storages[tensor.storage.key]
    strides = [stride * numbers.itemsize for stride in tensor.strides]
    # Unlike as_strided, this raises where a shape and its strides reach outside of the buffer.
    return np.ndarray(tensor.shape, numbers.dtype, numbers.data, tensor.offset * numbers.itemsize, strides)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise _RefusedError("a name is no text")
    return value


def _value(stream: io.BytesIO) -> Any:
    """What one sequence of operations describes."""
    machine = _Machine([], [], {})
    for number, (operation, argument, _) in enumerate(pickletools.genops(stream)):
        if operation.name == "STOP":
            (value,) = machine.stack
            return value
        meaning = MEANINGS.get(operation.name)
        if meaning is None or number > OPERATIONS:
            raise _RefusedError(f"its operation {operation.name} is not one of a state dict, or it has too many")
        meaning(machine, argument)
    raise _RefusedError("it is cut off")


@dataclass
class _Machine:
    """What the operations so far describe.

    Attributes:
        stack: the values.
        marks: the heights of the stack at which groups begin.
        memo: values by number, to be used again.
    """

    stack: list[Any]
    marks: list[int]
    memo: dict[int, Any]

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def pop(self, count: int) -> tuple[Any, ...]:
        if count > len(self.stack) - (self.marks[-1] if self.marks else 0):
            raise _RefusedError("a group has too few values")
        values = tuple(self.stack[len(self.stack) - count :])
        del self.stack[len(self.stack) - count :]
        return values

    def group(self) -> tuple[Any, ...]:
        """What was pushed since the last mark."""
        start = self.marks.pop()
        values = tuple(self.stack[start:])
        del self.stack[start:]
        return values

    def name(self, text: str) -> None:
        if text not in (DICT, TENSOR, *DTYPES):
            raise _RefusedError(f"it names {text[:60]!r}")
        self.push(_Name(text))

    def storage(self) -> None:
        """("storage", its class, its key, its device, its count, no view)."""
        (parts,) = self.pop(1)
        kind, of, key, _, size, view = parts
        if kind != "storage" or view is not None or not 0 < size < 2**40:
            raise _RefusedError("a reference is none to a storage")
        dtype: np.dtype[Any] = DTYPES[of.text]
        self.push(_Storage(_text(key), dtype, size))

    def call(self) -> None:
        """An empty dict, or an array: (storage, offset, shape, strides, gradients, hooks)."""
        function, arguments = self.pop(2)
        if function == _Name(DICT) and arguments == ():
            self.push({})
            return
        if function != _Name(TENSOR):
            raise _RefusedError("its operation REDUCE calls something else than a constructor of arrays")
        storage, offset, shape, strides, *_ = arguments
        whole = all(isinstance(number, int) and 0 <= number < 2**31 for number in (offset, *shape, *strides))
        if not isinstance(storage, _Storage) or not whole or len(shape) > AXES:
            raise _RefusedError("an array is not laid out plainly")
        last = offset + sum((side - 1) * stride for side, stride in zip(shape, strides, strict=True))
        if last >= storage.size or not 0 < math.prod(shape) <= storage.size:
            raise _RefusedError("an array is empty or larger than its storage")
        self.push(_Tensor(storage, offset, shape, strides))

    def set_items(self, values: tuple[Any, ...]) -> None:
        for key, value in zip(values[::2], values[1::2], strict=True):
            self.stack[-1][_text(key)] = value

    def append_all(self, values: tuple[Any, ...]) -> None:
        if not isinstance(self.stack[-1], list):
            raise _RefusedError("it appends to something else than a list")
        self.stack[-1].extend(values)

    def remember(self, number: int) -> None:
        self.memo[number] = self.stack[-1]

    def attributes(self) -> None:
        """Attributes of the state dict: versions of layers, which are left out."""
        (attributes,) = self.pop(1)
        if not isinstance(attributes, dict) or set(attributes) != {"_metadata"} or not isinstance(self.stack[-1], dict):
            raise _RefusedError("its operation BUILD sets other attributes than a state dict has")


_Meaning = Callable[[_Machine, Any], object]


def _meanings() -> Iterator[tuple[str, _Meaning]]:
    yield "PROTO", lambda machine, version: None
    yield "MARK", lambda machine, _: machine.marks.append(len(machine.stack))
    for name in ("BINUNICODE", "BININT", "BININT1", "BININT2", "LONG1"):
        yield name, _Machine.push
    yield "NONE", lambda machine, _: machine.push(None)
    yield "NEWTRUE", lambda machine, _: machine.push(True)
    yield "NEWFALSE", lambda machine, _: machine.push(False)
    yield "EMPTY_TUPLE", lambda machine, _: machine.push(())
    yield "EMPTY_LIST", lambda machine, _: machine.push([])
    yield "EMPTY_DICT", lambda machine, _: machine.push({})
    yield "TUPLE", lambda machine, _: machine.push(machine.group())
    yield "TUPLE1", lambda machine, _: machine.push(machine.pop(1))
    yield "TUPLE2", lambda machine, _: machine.push(machine.pop(2))
    yield "TUPLE3", lambda machine, _: machine.push(machine.pop(3))
    yield "SETITEM", lambda machine, _: machine.set_items(machine.pop(2))
    yield "SETITEMS", lambda machine, _: machine.set_items(machine.group())
    yield "APPEND", lambda machine, _: machine.append_all(machine.pop(1))
    yield "APPENDS", lambda machine, _: machine.append_all(machine.group())
    for name in ("BINPUT", "LONG_BINPUT"):
        yield name, _Machine.remember
    for name in ("BINGET", "LONG_BINGET"):
        yield name, lambda machine, number: machine.push(machine.memo[number])
    yield "GLOBAL", _Machine.name
    yield "BINPERSID", lambda machine, _: machine.storage()
    yield "REDUCE", lambda machine, _: machine.call()
    yield "BUILD", lambda machine, _: machine.attributes()


MEANINGS: Mapping[str, _Meaning] = dict(_meanings())
