"""`Value`: a value of an ONNX graph, which is used as a NumPy array is; each operation adds a node."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from onnx import ModelProto


class Graph(Protocol):
    """What a value asks of the graph that it belongs to; `GraphBuilder` is one."""

    def op(self, kind: str, *inputs: Value, dtype: npt.DTypeLike | None = None, **attributes: Any) -> Value:
        """The result of an operator."""
        ...

    def constant(self, values: npt.ArrayLike, dtype: npt.DTypeLike) -> Value:
        """A number, or a few, as a node."""
        ...

    def initializer(self, name: str, array: np.ndarray) -> Value:
        """An array that is saved in the model under a name."""
        ...

    def choose(self, condition: Value, then: Callable[[], Value], otherwise: Callable[[], Value]) -> Value:
        """The result of one of two branches."""
        ...

    def split(self, value: Value, parts: int, axis: int) -> list[Value]:
        """A value in as many equal parts."""
        ...

    def inline(self, model: ModelProto, images: Value, output: str, prefix: str) -> tuple[Value, int]:
        """An output of another model, and its rank."""
        ...

    def call(self, name: str, function: Callable[..., Value], *inputs: Value, **options: Any) -> Value:
        """The result of a local function."""
        ...


class Value:
    """A value of a graph. A number or array in an operation with it becomes a constant of its dtype."""

    __array_ufunc__ = None  # so that array - value is an operation of the value

    def __init__(self, graph: Graph, name: str, dtype: npt.DTypeLike) -> None:
        self.graph, self.name, self.dtype = graph, name, np.dtype(dtype)

    def _with(self, kind: str, other: Operand, dtype: npt.DTypeLike | None = None) -> Value:
        return self.graph.op(kind, self, self._operand(other), dtype=dtype)

    def _operand(self, other: Operand) -> Value:
        return other if isinstance(other, Value) else self.graph.constant(other, self.dtype)

    def __add__(self, other: Operand) -> Value:
        return self._with("Add", other)

    __radd__ = __add__

    def __sub__(self, other: Operand) -> Value:
        return self._with("Sub", other)

    def __rsub__(self, other: Operand) -> Value:
        return self._operand(other) - self

    def __mul__(self, other: Operand) -> Value:
        return self._with("Mul", other)

    __rmul__ = __mul__

    def __truediv__(self, other: Operand) -> Value:
        return self._with("Div", other)

    def __rtruediv__(self, other: Operand) -> Value:
        return self._operand(other) / self

    def __floordiv__(self, other: Operand) -> Value:
        """Of integers that are not negative."""
        return self._with("Div", other)

    def __neg__(self) -> Value:
        return self.graph.op("Neg", self)

    def __gt__(self, other: Operand) -> Value:
        return self._with("Greater", other, bool)

    def __ge__(self, other: Operand) -> Value:
        return self._with("GreaterOrEqual", other, bool)

    def __lt__(self, other: Operand) -> Value:
        return self._with("Less", other, bool)

    def __and__(self, other: Value) -> Value:
        return self._with("And", other)

    def equals(self, other: Operand) -> Value:
        """bool."""
        return self._with("Equal", other, bool)

    def at_least(self, other: Operand) -> Value:
        """The larger one of both."""
        return self._with("Max", other)

    def at_most(self, other: Operand) -> Value:
        """The smaller one of both."""
        return self._with("Min", other)

    def floor(self) -> Value:
        return self.graph.op("Floor", self)

    def round(self) -> Value:
        """Half to even."""
        return self.graph.op("Round", self)

    def abs(self) -> Value:
        return self.graph.op("Abs", self)

    def sqrt(self) -> Value:
        return self.graph.op("Sqrt", self)

    def to(self, dtype: npt.DTypeLike) -> Value:
        """Of another dtype."""
        from onnx import helper

        return self.graph.op("Cast", self, dtype=dtype, to=helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def where(self, then: Value, otherwise: Operand) -> Value:
        """``then`` where this value is true."""
        return self.graph.op("Where", self, then, then._operand(otherwise), dtype=then.dtype)

    def sum(self, *axes: int, keepdims: bool = False) -> Value:
        return self._reduced("ReduceSum", axes, keepdims)

    def mean(self, *axes: int, keepdims: bool = False) -> Value:
        return self._reduced("ReduceMean", axes, keepdims)

    def max(self, *axes: int, keepdims: bool = False) -> Value:
        return self._reduced("ReduceMax", axes, keepdims)

    def min(self, *axes: int, keepdims: bool = False) -> Value:
        return self._reduced("ReduceMin", axes, keepdims)

    def _reduced(self, kind: str, axes: Sequence[int], keepdims: bool) -> Value:
        return self.graph.op(kind, self, self.graph.constant(axes, np.int64), keepdims=int(keepdims))

    def unsqueeze(self, *axes: int) -> Value:
        """With axes of size 1 at these places of the result."""
        return self.graph.op("Unsqueeze", self, self.graph.constant(axes, np.int64))

    def reshape(self, shape: Sequence[int] | Value) -> Value:
        """To another shape, in which 0 is the size that the axis has and -1 what is left."""
        wanted = shape if isinstance(shape, Value) else self.graph.constant(shape, np.int64)
        return self.graph.op("Reshape", self, wanted)

    def transpose(self, *order: int) -> Value:
        return self.graph.op("Transpose", self, perm=order)

    def shape(self, start: int = 0, end: int | None = None) -> Value:
        """int64 (axes,): the sizes of the axes from ``start`` up to ``end``."""
        ends = {} if end is None else {"end": end}
        return self.graph.op("Shape", self, dtype=np.int64, start=start, **ends)

    def size(self, axis: int) -> Value:
        """int64 (): the size of one axis."""
        return self.graph.op("Squeeze", self.shape(axis, axis + 1))

    def take(self, places: Value, axis: int) -> Value:
        """What is at these places of an axis."""
        return self.graph.op("Gather", self, places, axis=axis)

    def split(self, parts: int, axis: int) -> list[Value]:
        """As many equal parts."""
        return self.graph.split(self, parts, axis)


Operand = Value | float | npt.ArrayLike


def concat(values: Sequence[Value], axis: int = 0) -> Value:
    """The values one after the other."""
    return values[0].graph.op("Concat", *values, axis=axis)


def local(function: Callable[..., Value]) -> Callable[..., Value]:
    """A function that becomes a local function of the model that it is called in, with its name and parameters.

    Options, by keyword, are fixed at the first call in a model.
    """

    @wraps(function)
    def called(*inputs: Value, **options: Any) -> Value:
        return inputs[0].graph.call(function.__name__, function, *inputs, **options)

    return called
