"""From a model's pixels to its scores, for each kind of rung, as nodes of a graph and the numbers that they need."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count

import numpy as np

from firstlight.errors import ArgumentError, RunError
from firstlight.models.closed_form.baselines import COUNTED
from firstlight.models.closed_form.distances import FRACTION
from firstlight.runs.tensors import SavedModel

NEVER = -2.0  # the score of a class without training images, as the closed-form rungs have it
SCALE = 1 / 9  # of the cnn's scores, as `networks.CNN` has it
EPSILON = 1e-5  # of torch's batch norm

Part = tuple[str, dict[str, np.ndarray]]  # nodes as ONNX's text, and their constants by name


def scoring(saved: SavedModel) -> Part:
    """The nodes from ``pixels`` uint8 (N, h, w, c) to ``scores`` (N, K).

    Args:
        saved: a rung as plain data.

    Returns:
        Lines of nodes, and arrays by the names that they have there. Of the closed-form rungs everything is float64
        in the order of `models.closed_form.distances`; a centroid's nodes give ``far`` (N, K) too, its distances.

    Raises:
        ArgumentError: where it is a module of the user's, which is not stored as code.
        RunError: where its tensors are not those of such a rung.
    """
    options = saved.config["options"]
    if options.get("own"):
        raise ArgumentError(
            f"The model is your own module {str(options.get('module'))[:60]!r}, and a run holds no code of it; "
            "export it by torch.onnx.export."
        )
    try:
        return KINDS[str(saved.config["kind"])](saved)
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise RunError(f"The model's description is not whole ({error}); fit it anew.") from error


def _prior(saved: SavedModel) -> Part:
    counts = saved.tensors["counts"]
    nodes = """
  number = Shape <start = 0, end = 1> (pixels)
  classes = Shape (shares)
  wanted = Concat <axis = 0> (number, classes)
  scores = Expand (shares, wanted)
"""
    return nodes, {"shares": np.log((counts + 1) / (counts + 1).sum())}


FLAT = """
  numbers = Cast <to = 11> (pixels)
  one_row_each = Constant <value = int64[2] {0, -1}> ()
  flat = Reshape (numbers, one_row_each)
"""


COUNTED_PIXELS = f"""
  counted_from = Constant <value = double {{{COUNTED}}}> ()
  full = Constant <value = double {{255}}> ()
  empty = Constant <value = double {{0}}> ()
  is_strong = GreaterOrEqual (flat, counted_from)
  strong = Where (is_strong, full, empty)
"""


def _ink(saved: SavedModel) -> Part:
    totals, pixels = saved.tensors["totals"], saved.tensors["pixels"]
    height, width, channels = saved.config["shape"]
    counts = saved.config["options"].get("measure") == "count"
    nodes = f"""{FLAT}{COUNTED_PIXELS if counts else ""}
  along = Constant <value = int64[1] {{1}}> ()
  sums = ReduceSum <keepdims = 1> ({"strong" if counts else "flat"}, along)
  inks = Div (sums, size)
  differences = Sub (inks, class_inks)
  absolute = Abs (differences)
  white = Constant <value = double {{255}}> ()
  distance = Div (absolute, white)
  nearness = Neg (distance)
  never = Constant <value = double {{{NEVER}}}> ()
  scores = Where (there, nearness, never)
"""
    inks = totals / np.maximum(pixels, 1)  # (K,)
    size = np.float64(height * width * channels)
    return nodes, {"size": np.array(size), "class_inks": inks[None], "there": (pixels > 0)[None]}


# Constants of the distances: (1, K) or (P, K) float64, classes without training images among them.
L1 = """
  fraction = Constant <value = double {65536}> ()
  fine = Mul (flat, fraction)
  a_row = Constant <value = int64[1] {1}> ()
  images_by_class = Unsqueeze (fine, a_row)
  differences = Sub (images_by_class, centres)
  absolute = Abs (differences)
  along = Constant <value = int64[1] {2}> ()
  sums = ReduceSum <keepdims = 0> (absolute, along)
  far_there = Div (sums, size)
"""
PRODUCTS = """
  products = MatMul (flat, sums)
  squares = Mul (flat, flat)
  along = Constant <value = int64[1] {1}> ()
  norms = ReduceSum <keepdims = 1> (squares, along)
"""
L2 = f"""{PRODUCTS}
  two = Constant <value = double {{2}}> ()
  twice = Mul (two, products)
  crossed = Div (twice, counts)
  without = Sub (norms, crossed)
  squared = Add (without, centre_norms)
  nothing = Constant <value = double {{0}}> ()
  positive = Max (squared, nothing)
  mean = Div (positive, size)
  root = Sqrt (mean)
  white = Constant <value = double {{255}}> ()
  far_there = Div (root, white)
"""
COSINE = f"""{PRODUCTS}
  image_lengths = Sqrt (norms)
  lengths = Mul (image_lengths, centre_lengths)
  nothing = Constant <value = double {{0}}> ()
  one = Constant <value = double {{1}}> ()
  there_is = Greater (lengths, nothing)
  divisor = Where (there_is, lengths, one)
  ratio = Div (products, divisor)
  cosine = Where (there_is, ratio, nothing)
  far_there = Sub (one, cosine)
"""
FAR = f"""
  never = Constant <value = double {{{-NEVER}}}> ()
  far = Where (there, far_there, never)
  scores = Neg (far)
"""


OF_THE_NEAREST = f"""
  a_class = Constant <value = int64[1] {{2}}> ()
  far_by_class = Unsqueeze (far_there, a_class)
  beyond = Constant <value = double {{{-NEVER}}}> ()
  own_far = Where (owned, far_by_class, beyond)
  a_prototype = Constant <value = int64[1] {{1}}> ()
  far = ReduceMin <keepdims = 0> (own_far, a_prototype)
  scores = Neg (far)
"""


def _centroid(saved: SavedModel) -> Part:
    nodes, constants = _distances(saved)
    return nodes + FAR, constants | {"there": (saved.tensors["counts"] > 0)[None]}


def _prototypes(saved: SavedModel) -> Part:
    nodes, constants = _distances(saved)
    owned = saved.tensors["owners"][:, None] == np.arange(len(saved.tensors["classes"]))  # (M, K)
    return nodes + OF_THE_NEAREST, constants | {"owned": owned[None]}


def _distances(saved: SavedModel) -> Part:
    sums, counts, distance = saved.tensors["sums"], saved.tensors["counts"], saved.config["options"]["distance"]
    divisors = np.maximum(counts, 1)
    constants: dict[str, np.ndarray] = {}
    if distance == "l1":
        centres = (2 * FRACTION * sums + divisors[:, None]) // (2 * divisors[:, None])  # rounded as in `distances`
        constants |= {"centres": centres[None].astype(np.float64), "size": np.array(FRACTION * 255.0 * sums.shape[1])}
        return FLAT + L1, constants
    constants["sums"] = sums.T.astype(np.float64)  # (P, K)
    if distance == "l2":
        constants["centre_norms"] = ((sums / divisors[:, None]) ** 2).sum(axis=1)[None]
        constants |= {"counts": divisors[None].astype(np.float64), "size": np.array(float(sums.shape[1]))}
        return FLAT + L2, constants
    constants["centre_lengths"] = np.sqrt((sums.astype(np.float64) ** 2).sum(axis=1))[None]
    return FLAT + COSINE, constants


class _Nodes:
    """Nodes one after the other, each of which takes what the one before gave."""

    def __init__(self, value: str) -> None:
        self.lines: list[str] = []
        self.value = value
        self.names: Iterator[int] = count()

    def then(self, operation: str, *inputs: str) -> None:
        taken, self.value = self.value, f"layer_{next(self.names)}"
        self.lines.append(f"  {self.value} = {operation} ({', '.join((taken, *inputs))})")


def _network(saved: SavedModel) -> Part:
    """The module's layers, over every view of the images at once: (views * N, C, H, W)."""
    views, shape = [tuple(view) for view in saved.config["options"]["views"]], saved.config["shape"]
    mean, spread = (float(value) for value in saved.tensors["normalize"])
    weights = {name.removeprefix("module."): value for name, value in saved.tensors.items() if name != "normalize"}
    constants: dict[str, np.ndarray] = {
        "scale": np.array(1 / (255 * spread), np.float32),
        "shift": np.array(-mean / spread, np.float32),
    }
    nodes = _Nodes("pixels")
    nodes.then("Cast <to = 1>")
    nodes.then("Mul", "scale")
    nodes.then("Add", "shift")
    nodes.then("Transpose <perm = [0, 3, 1, 2]>")
    if len(views) > 1:
        seen = []
        images = nodes.value
        for number, (down, right, mirrored) in enumerate(views):
            rows, columns = _moved(shape[0], down), _moved(shape[1], right)
            constants |= {f"rows_{number}": rows, f"columns_{number}": columns[::-1].copy() if mirrored else columns}
            nodes.value = images
            nodes.then("Gather <axis = 2>", f"rows_{number}")
            nodes.then("Gather <axis = 3>", f"columns_{number}")
            seen.append(nodes.value)
        nodes.value = seen[0]
        nodes.then("Concat <axis = 0>", *seen[1:])
    layers = {"linear": _linear, "mlp": _mlp, "cnn": _cnn}[saved.config["options"]["module"]]
    layers(nodes, weights, shape, saved.config["options"]["sizes"])
    constants |= {name: np.ascontiguousarray(value, np.float32) for name, value in weights.items()}
    for layer in ("weight", "bias"):  # two classes have one output z, and the scores (0, z)
        last = constants[f"head.layer.{layer}"]
        if len(last) == 1:
            constants[f"head.layer.{layer}"] = np.concatenate([np.zeros_like(last), last])
    constants |= {"apart": np.array([len(views), -1, len(saved.config["classes"])])}
    nodes.then("Reshape", "apart")
    constants |= {"over_views": np.array([0])}
    nodes.then("ReduceMean <keepdims = 0>", "over_views")
    constants = {name: value for name, value in constants.items() if not name.endswith("num_batches_tracked")}
    text = "\n".join([*nodes.lines, f"  scores = Cast <to = 11> ({nodes.value})"])
    names = {name: f"c_{name.replace('.', '_')}" for name in constants}  # a name in ONNX's text has no dot
    for name in sorted(names, key=len, reverse=True):
        text = text.replace(f", {name})", f", {names[name]})").replace(f", {name},", f", {names[name]},")
    return text, {names[name]: value for name, value in constants.items()}


def _moved(size: int, by: int) -> np.ndarray:
    """From which row each comes when an image is moved, reflected at the edge as in `network.moved`."""
    if size == 1:
        return np.zeros(1, np.int64)
    index = np.abs(np.arange(size) - by)
    return (size - 1) - np.abs(size - 1 - index)


def _linear(nodes: _Nodes, weights: Mapping[str, np.ndarray], shape: Sequence[int], sizes: object) -> None:
    nodes.then("Flatten")
    nodes.then("Gemm <transB = 1>", "head.layer.weight", "head.layer.bias")


def _mlp(nodes: _Nodes, weights: Mapping[str, np.ndarray], shape: Sequence[int], sizes: object) -> None:
    nodes.then("Flatten")
    nodes.then("Gemm <transB = 1>", "hidden.weight", "hidden.bias")
    nodes.then("Relu")
    nodes.then("Gemm <transB = 1>", "head.layer.weight", "head.layer.bias")


def _cnn(nodes: _Nodes, weights: Mapping[str, np.ndarray], shape: Sequence[int], sizes: object) -> None:
    filters = weights["stem.weight"].shape[2]  # twice the stride and one
    stride, padding = (filters - 1) // 2, (filters - 1) // 2
    nodes.then(f"Conv <strides = [{stride}, {stride}], pads = {[padding] * 4}>", "stem.weight", "stem.bias")
    nodes.then("Relu")
    for number in range(sum(name.endswith("first.weight") for name in weights)):
        block = f"blocks.{number}"
        nodes.then("Conv <pads = [1, 1, 1, 1]>", f"{block}.first.weight")
        nodes.then("MaxPool <kernel_shape = [2, 2], strides = [2, 2], ceil_mode = 1>")
        _norm(nodes, f"{block}.first_norm")
        nodes.then("Relu")
        nodes.then("Conv <pads = [1, 1, 1, 1]>", f"{block}.second.weight")
        _norm(nodes, f"{block}.second_norm")
        nodes.then("Relu")
    nodes.then("GlobalMaxPool")
    nodes.then("Flatten")
    nodes.then("Gemm <transB = 1>", "head.layer.weight", "head.layer.bias")
    nodes.lines.append(f"  ninth = Constant <value = float {{{SCALE!r}}}> ()")
    nodes.then("Mul", "ninth")


def _norm(nodes: _Nodes, name: str) -> None:
    parts = ("weight", "bias", "running_mean", "running_var")
    nodes.then(f"BatchNormalization <epsilon = {EPSILON}>", *(f"{name}.{part}" for part in parts))


KINDS: Mapping[str, Callable[[SavedModel], Part]] = {
    "prior": _prior,
    "ink": _ink,
    "centroid": _centroid,
    "prototypes": _prototypes,
    "network": _network,
}
