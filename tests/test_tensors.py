"""The model file: arrays come back to the bit, and whatever does not fit its description is refused."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from bombs import Bomb
from firstlight.errors import RunError
from firstlight.runs.seal import digest, seal
from firstlight.runs.tensors import DTYPES, SavedModel, pack, unpack

WHERE = Path("rungs") / "prior" / "model.json"
CONFIG = {"kind": "centroid", "classes": ["3", "7"], "preprocessing": {"size": [28, 28]}, "seed": 0}


def described(data: bytes, tensors: dict[str, object]) -> bytes:
    """A description that is whole in itself, of whatever bytes are passed: what a forger would write."""
    file = {"bytes": len(data), "blake2b": digest(data)}
    return seal("model", {"config": CONFIG, "tensors": tensors, "file": file})


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 4), (2, 5, 3)])
def test_every_dtype_and_shape_comes_back_to_the_bit(dtype: str, shape: tuple[int, ...]) -> None:
    """An array of any permitted dtype and shape, scalars and empty ones too, is read as it was."""
    array = np.random.default_rng(0).integers(0, 2, shape).astype(dtype)
    text, data = pack(SavedModel(CONFIG, {"x": array}))
    found = unpack(text, data, WHERE).tensors["x"]
    assert (array.dtype, array.shape, array.tobytes()) == (found.dtype, found.shape, found.tobytes())


def test_transposed_strided_and_big_endian_arrays_keep_their_values() -> None:
    """How an array lies in memory does not change what is read back."""
    straight = np.arange(24, dtype=np.int64).reshape(4, 6)
    tensors = {
        "t": straight.T,
        "s": straight[::2, ::-3],
        "b": straight.astype(">i8"),
        "f": np.asfortranarray(straight),
    }
    text, data = pack(SavedModel(CONFIG, tensors))
    found = unpack(text, data, WHERE)
    assert list(tensors) == list(found.tensors)
    assert CONFIG == found.config
    for name, array in tensors.items():
        np.testing.assert_array_equal(array, found.tensors[name])


def test_the_description_states_each_shape_and_dtype() -> None:
    """The JSON can be read without the arrays and says what they are."""
    text, _ = pack(SavedModel(CONFIG, {"sums": np.zeros((2, 784), np.int64), "counts": np.ones(2, np.float32)}))
    expected = {"sums": {"dtype": "int64", "shape": [2, 784]}, "counts": {"dtype": "float32", "shape": [2]}}
    assert expected == json.loads(text)["tensors"]


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (
            np.array([1.0, np.nan], np.float32),
            "'x' .*centroid .*NaN",
        ),
        (np.array([np.inf]), "'x' .*infinity"),
        (np.array([{"a": 1}], object), "'x' .*object"),
        (np.array(["text"]), "'x' .*<U4"),
        (np.array([1j]), "'x' .*complex128"),
    ],
)
def test_what_is_no_finite_number_is_not_written(array: np.ndarray, said: str) -> None:
    """Objects, text and numbers that are not finite are refused by the tensor's name."""
    with pytest.raises(RunError, match=said):
        pack(SavedModel(CONFIG, {"x": array}))


@pytest.mark.parametrize("wrap", ["bare", "numpy", "behind a safetensors header"])
def test_a_pickle_in_place_of_the_tensors_is_refused_and_never_run(tmp_path: Path, wrap: str) -> None:
    """A pickle with a digest that fits is no safetensors file, and its code does not run."""
    mark = tmp_path / "it-ran"
    data = pickle.dumps(Bomb(mark))
    pickle.loads(data)  # noqa: S301 - to see that the bomb works
    mark.unlink()
    if wrap == "numpy":
        np.save(tmp_path / "x.npy", np.array([Bomb(mark)], object), allow_pickle=True)
        data = (tmp_path / "x.npy").read_bytes()
    elif wrap == "behind a safetensors header":
        data = save({"x": np.zeros(2)}) + data
    with pytest.raises(RunError, match=r"model\.safetensors"):
        unpack(described(data, {"x": {"dtype": "float64", "shape": [2]}}), data, WHERE)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("stated", "said"),
    [
        ({"x": {"dtype": "float64", "shape": [3, 2]}}, r"'x' .*\[2, 3\].*\[3, 2\]"),
        ({"x": {"dtype": "float32", "shape": [2, 3]}}, "'x' .*float64.*float32"),
        (
            {"x": {"dtype": "float64", "shape": [2, 3]}, "y": {"dtype": "int64", "shape": [1]}},
            "'y'",
        ),
        ({}, "'x' .*None"),
        ({"x": 7}, "'x' .*7"),
    ],
)
def test_a_tensor_that_differs_from_its_description_is_named(stated: dict[str, object], said: str) -> None:
    """Another shape, another dtype, a missing and an extra tensor are each named."""
    data = save({"x": np.zeros((2, 3))})
    with pytest.raises(RunError, match=said):
        unpack(described(data, stated), data, WHERE)


def test_a_number_that_is_not_finite_is_refused_when_read() -> None:
    """NaN in a file that is whole otherwise does not become a model."""
    data = save({"x": np.array([1.0, np.nan])})
    with pytest.raises(RunError, match=r"'x' .*NaN"):
        unpack(described(data, {"x": {"dtype": "float64", "shape": [2]}}), data, WHERE)


def test_a_complex_tensor_is_refused_though_safetensors_knows_it() -> None:
    """Only the permitted dtypes are read, whatever the description says."""
    data = save({"x": np.zeros(2, np.complex64)})
    with pytest.raises(RunError, match="'x'"):
        unpack(described(data, {"x": {"dtype": "complex64", "shape": [2]}}), data, WHERE)


def test_a_tampered_weight_is_noticed() -> None:
    """Every single flipped byte of the safetensors file is noticed by its digest."""
    text, data = pack(SavedModel(CONFIG, {"x": np.arange(4.0)}))
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= 1
        with pytest.raises(RunError, match="digest"):
            unpack(text, bytes(changed), WHERE)


@pytest.mark.parametrize("kept", [0, 1, 0.5, -1])
def test_a_cut_off_file_is_noticed(kept: float) -> None:
    """A safetensors file that was cut off is told by its size."""
    text, data = pack(SavedModel(CONFIG, {"x": np.arange(4.0)}))
    end = int(kept * len(data)) if kept == 0.5 else int(kept)
    with pytest.raises(RunError, match="bytes"):
        unpack(text, data[:end], WHERE)


@pytest.mark.parametrize("missing", ["config", "tensors", "file"])
def test_a_description_without_a_part_is_refused(missing: str) -> None:
    """A description that lacks a part is refused in one sentence."""
    text, data = pack(SavedModel(CONFIG, {"x": np.arange(4.0)}))
    content = {key: value for key, value in json.loads(text).items() if key not in ("format", "blake2b", missing)}
    with pytest.raises(RunError, match=r"config, .*tensors or .*file"):
        unpack(seal("model", content), data, WHERE)
