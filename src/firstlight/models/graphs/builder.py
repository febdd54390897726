"""`GraphBuilder`: an ONNX graph as it is built: its nodes in order, its weights, its local functions."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from firstlight.errors import require
from firstlight.models.graphs.values import Value

if TYPE_CHECKING:
    from onnx import FunctionProto, GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto

DOMAIN, OPSET, IR_VERSION = "firstlight", 18, 9

Side = int | str | None  # of a shape: a size, a name for any size, or unknown


class GraphBuilder:
    """The nodes of one model, in order, and the local functions that they call.

    Raises:
        MissingExtraError: where onnx is not installed.

    Example:
        >>> graph = GraphBuilder()
        >>> images = graph.input("images", np.uint8, ["N", 4])
        >>> graph.output("means", (images.to(np.float32) / 255).mean(1), ["N"])
        >>> [node.op_type for node in graph.model("means").graph.node]
        ['Cast', 'Constant', 'Div', 'Constant', 'ReduceMean', 'Identity']
    """

    def __init__(self, functions: dict[str, tuple[FunctionProto, np.dtype[Any]]] | None = None) -> None:
        with require("export", purpose="Models in the ONNX format"):
            import onnx  # noqa: F401
        self._functions = {} if functions is None else functions
        self._nodes: list[NodeProto] = []
        self._initializers: list[TensorProto] = []
        self._inputs: list[ValueInfoProto] = []
        self._outputs: list[ValueInfoProto] = []
        self._numbers = count()

    def input(self, name: str, dtype: npt.DTypeLike, shape: Sequence[Side]) -> Value:
        """An input of the model."""
        self._inputs.append(_value_info(name, np.dtype(dtype), shape))
        return Value(self, name, dtype)

    def output(self, name: str, value: Value, shape: Sequence[Side]) -> None:
        """Names a value as an output of the model."""
        self._outputs.append(_value_info(name, value.dtype, shape))
        self.add("Identity", [value], [name])

    def initializer(self, name: str, array: np.ndarray) -> Value:
        """An array that is saved in the model under a name."""
        from onnx import numpy_helper

        self._initializers.append(numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), name))
        return Value(self, name, array.dtype)

    def constant(self, values: npt.ArrayLike, dtype: npt.DTypeLike) -> Value:
        """A number, or a few, as a node."""
        from onnx import numpy_helper

        return self.op("Constant", dtype=dtype, value=numpy_helper.from_array(np.array(values, dtype)))

    def op(self, kind: str, *inputs: Value, dtype: npt.DTypeLike | None = None, **attributes: Any) -> Value:
        """The result of one of ONNX's operators; of the first input's dtype where no other is named."""
        name = f"{kind.lower()}_{next(self._numbers)}"
        self.add(kind, inputs, [name], **attributes)
        return Value(self, name, inputs[0].dtype if dtype is None else dtype)

    def add(self, kind: str, inputs: Sequence[Value], outputs: Sequence[str], **attributes: Any) -> None:
        """One node."""
        from onnx import helper

        self._nodes.append(helper.make_node(kind, [value.name for value in inputs], outputs, **attributes))

    def split(self, value: Value, parts: int, axis: int) -> list[Value]:
        """A value in as many equal parts along an axis."""
        whole = f"split_{next(self._numbers)}"
        names = [f"{whole}_{number}" for number in range(parts)]
        self.add("Split", [value], names, axis=axis, num_outputs=parts)
        return [Value(self, name, value.dtype) for name in names]

    def call(self, name: str, function: Callable[..., Value], *inputs: Value, **options: Any) -> Value:
        """The result of a local function of the model, which is built at its first call."""
        from onnx import helper

        if name not in self._functions:
            inner = GraphBuilder(self._functions)
            parameters = list(inspect.signature(function).parameters)[: len(inputs)]
            pairs = zip(parameters, inputs, strict=True)
            result = function(*(Value(inner, parameter, value.dtype) for parameter, value in pairs), **options)
            proto = helper.make_function(DOMAIN, name, parameters, [result.name], inner._nodes, _opsets())
            self._functions[name] = proto, result.dtype
        return self.op(name, *inputs, dtype=self._functions[name][1], domain=DOMAIN)

    def choose(self, condition: Value, then: Callable[[], Value], otherwise: Callable[[], Value]) -> Value:
        """The result of one of two branches; only that one is computed."""
        then_branch, dtype = self._branch("then", then)
        else_branch, _ = self._branch("else", otherwise)
        return self.op("If", condition, dtype=dtype, then_branch=then_branch, else_branch=else_branch)

    def inline(self, model: ModelProto, images: Value, output: str, prefix: str) -> tuple[Value, int]:
        """The nodes of another model of our version of the operators, with one input; gives an output and its rank.

        Args:
            model: the other model.
            images: its input.
            output: the name of the output.
            prefix: of all its names here.
        """
        from onnx import compose, shape_inference

        weights = {one.name for one in model.graph.initializer}
        own = [one.name for one in model.graph.input if one.name not in weights]
        graph = shape_inference.infer_shapes(compose.add_prefix(model, prefix)).graph
        self.add("Identity", [images], [prefix + own[0]])
        self._initializers.extend(graph.initializer)
        self._nodes.extend(graph.node)
        found = next(one for one in graph.output if one.name == prefix + output)
        return Value(self, found.name, np.float32), len(found.type.tensor_type.shape.dim)

    def _branch(self, name: str, make: Callable[[], Value]) -> tuple[GraphProto, np.dtype[Any]]:
        from onnx import helper

        outer, self._nodes = self._nodes, []
        result = self.op("Identity", make())  # what comes from outside has no node in the branch
        inner, self._nodes = self._nodes, outer
        return helper.make_graph(inner, name, [], [_value_info(result.name, result.dtype, None)]), result.dtype

    def model(self, name: str) -> ModelProto:
        """The whole as a model."""
        from onnx import helper

        return helper.make_model(
            helper.make_graph(self._nodes, name, self._inputs, self._outputs, self._initializers),
            functions=[proto for proto, _ in self._functions.values()],
            opset_imports=_opsets(),
            ir_version=IR_VERSION,
            producer_name=DOMAIN,
        )


def _value_info(name: str, dtype: np.dtype[Any], shape: Sequence[Side] | None) -> ValueInfoProto:
    from onnx import helper

    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(dtype), shape)


def _opsets() -> list[Any]:
    from onnx import helper

    return [helper.make_opsetid("", OPSET), helper.make_opsetid(DOMAIN, 1)]
