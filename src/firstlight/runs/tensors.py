"""The model file: a model as plain data, arrays as safetensors and the rest as JSON; it holds no code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from firstlight.characters import visible
from firstlight.errors import RunError
from firstlight.parsing import parsed
from firstlight.runs.seal import digest, seal, unseal

# The dtypes that NumPy and safetensors both know without another package.
DTYPES = (
    *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float16", "float32", "float64"),
)

METADATA = "firstlight"  # the key of the JSON where both are one file
AGAIN = "restore it from a copy, or run firstlight climb again with another --out"


@dataclass(frozen=True, eq=False)
class SavedModel:
    """A model as plain data; every rung can be converted to it and restored from it.

    Attributes:
        config: kind of model, classes, preprocessing, fingerprint of the table, seed, versions: JSON values.
        tensors: its arrays by name; finite numbers of one of `DTYPES`, any shape.

    Example:
        >>> model = SavedModel({"kind": "centroid", "classes": ["3", "7"]}, {"sums": np.zeros((2, 784), int)})
        >>> print(model)
        centroid with sums int64 (2, 784)
    """

    config: Mapping[str, Any]
    tensors: Mapping[str, np.ndarray] = field(repr=False)

    def __repr__(self) -> str:
        return visible(f"<SavedModel: {self}>")

    def __str__(self) -> str:
        parts = [f"{name} {array.dtype} {array.shape}" for name, array in self.tensors.items()]
        return f"{self.config.get('kind', 'model')} with {', '.join(parts) or 'no tensors'}"


def pack(model: SavedModel) -> tuple[bytes, bytes]:
    """The two files of a model: the JSON that describes it and the safetensors that it describes.

    Args:
        model: the model; its numbers must be finite.

    Returns:
        The JSON and the safetensors, as bytes. The JSON states every tensor's dtype and shape, and the
        size and the digest of the safetensors.

    Raises:
        RunError: where a tensor holds NaN or infinity, or anything but plain numbers.

    Example:
        >>> text, data = pack(SavedModel({"kind": "prior"}, {"counts": np.array([6131, 6265])}))
        >>> unpack(text, data, Path("model.json")).tensors["counts"]
        array([6131, 6265])
    """
    from safetensors.numpy import save

    tensors = {}
    for name, value in model.tensors.items():
        array = np.asarray(value)
        if array.dtype.name not in DTYPES:
            raise RunError(
                f"Tensor {name!r} of a {model.config.get('kind', 'model')} has dtype {array.dtype}; "
                f"a model file takes {', '.join(DTYPES)}."
            )
        _finite(name, array, f"a {model.config.get('kind', 'model')} to be written")
        # In native order and contiguous, since safetensors copies the memory as it is.
        tensors[name] = array.astype(array.dtype.newbyteorder("="), order="C", copy=False)
    data = save(tensors)
    stated = {name: _shape(array) for name, array in tensors.items()}
    file = {"bytes": len(data), "blake2b": digest(data)}
    return seal("model", {"config": model.config, "tensors": stated, "file": file}), data


def unpack(text: bytes, data: bytes, path: Path) -> SavedModel:
    """Reads what `pack` wrote and checks every array against the JSON.

    Args:
        text: the bytes of the JSON file.
        data: the bytes of the safetensors file.
        path: of the JSON file, for the error message; the arrays are next to it as ``.safetensors``.

    Returns:
        The model; its arrays are views of ``data`` and cannot be written to.

    Raises:
        RunError: where a file was changed, cut off or is of another kind, or a tensor is missing, extra,
            of another dtype or shape, or not finite; the message names the tensor.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    content, arrays = unseal("model", text, path), path.with_suffix(".safetensors")
    match content:
        case {"config": dict() as config, "tensors": dict() as stated, "file": dict() as file}:
            pass
        case _:
            raise RunError(f"{path} lacks the config, the tensors or the file of a model; {AGAIN}.")
    if len(data) != file.get("bytes"):
        raise RunError(f"{arrays} has {len(data)} bytes instead of {file.get('bytes')} as {path} says; {AGAIN}.")
    if digest(data) != file.get("blake2b"):
        raise RunError(f"{arrays} was changed after it was written: its digest differs; {AGAIN}.")
    try:
        tensors = load(data)
    except (SafetensorError, ValueError, KeyError, TypeError, OverflowError) as error:
        raise RunError(f"{arrays} is not a safetensors file of plain numbers; {AGAIN}.") from error
    for name in sorted(stated.keys() | tensors.keys()):
        if name not in tensors:
            raise RunError(f"{arrays} has no tensor {name!r}, which {path} names; {AGAIN}.")
        found = _shape(tensors[name])
        if found != stated.get(name) or found["dtype"] not in DTYPES:
            raise RunError(f"{arrays} has tensor {name!r} as {found} instead of {stated.get(name)}; {AGAIN}.")
        _finite(name, tensors[name], str(arrays))
    return SavedModel(config, {name: tensors[name] for name in stated})  # in the original order


def pack_one(model: SavedModel) -> bytes:
    """A model as one file, which can be replaced atomically: safetensors with the JSON as its metadata.

    Args:
        model: the model; its numbers must be finite.

    Returns:
        The bytes of the file.

    Raises:
        RunError: where a tensor holds anything but finite numbers.

    Example:
        >>> data = pack_one(SavedModel({"kind": "training", "step": 7}, {"loss": np.zeros((), np.float32)}))
        >>> unpack_one(data, Path("training.safetensors")).config["step"]
        7
    """
    from safetensors.numpy import load, save

    text, data = pack(model)
    return save(load(data), metadata={METADATA: text.decode()})


def unpack_one(data: bytes, path: Path) -> SavedModel:
    """Reads what `pack_one` wrote.

    Args:
        data: the bytes of the file.
        path: of the file, for the error message.

    Raises:
        RunError: where the file was changed, was cut off or is of another kind.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load, save

    try:
        length = int.from_bytes(data[:8], "little")  # of the header: a JSON object, as the format says
        text = parsed(data[8 : 8 + length])["__metadata__"][METADATA]
        alone = save(load(data))
    except (SafetensorError, ValueError, KeyError, TypeError, OverflowError) as error:
        raise RunError(f"{path} is not a safetensors file with a description; {AGAIN}.") from error
    return unpack(str(text).encode(), alone, path)


def _shape(array: np.ndarray) -> dict[str, Any]:
    return {"dtype": array.dtype.name, "shape": list(array.shape)}


def _finite(name: str, array: np.ndarray, where: str) -> None:
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise RunError(f"Tensor {name!r} of {where} holds NaN or infinity; fit the model again.")
