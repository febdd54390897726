"""Backbones that the user brings: an ONNX file with its preprocessing, and everything that is none."""

from __future__ import annotations

import json
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

import firstlight as fl
from firstlight.data.decoding.resize import to_shape
from firstlight.errors import ArgumentError, DataError, RunError
from firstlight.models.pretrained.backbone import described
from firstlight.models.pretrained.backbones import backbone
from photos import photos

SIDE = 8
CONFIG = {"size": {"shortest_edge": 10}, "crop_size": {"height": SIDE, "width": SIDE}, "image_mean": [0.5, 0.4, 0.3]}
CONFIG |= {"image_std": [0.2, 0.25, 0.3], "rescale_factor": 1 / 255, "do_normalize": True, "auto_map": {"x": "evil.py"}}


def network(kind: str = "maps", opset: int = 17, domain: str = "") -> onnx.ModelProto:
    """A convolution with a ReLU; as maps (N, 5, 8, 8), their means (N, 5), or tokens (N, 64, 5)."""
    filters = np.random.default_rng(0).normal(size=(5, 3, 3, 3)).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["pixel_values", "filters"], ["wide"], pads=[1] * 4),
        helper.make_node("Relu", ["wide"], ["maps"], domain=domain),
    ]
    shapes = {"maps": ["N", 5, SIDE, SIDE], "pooler_output": ["N", 5], "last_hidden_state": ["N", SIDE * SIDE, 5]}
    if kind == "pooler_output":
        nodes += [
            helper.make_node("GlobalAveragePool", ["maps"], ["one"]),
            helper.make_node("Flatten", ["one"], [kind]),
        ]
    if kind == "last_hidden_state":
        nodes += [helper.make_node("Reshape", ["maps", "shape"], ["flat"])]
        nodes += [helper.make_node("Transpose", ["flat"], [kind], perm=[0, 2, 1])]
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, ["N", 3, SIDE, SIDE])],
        [helper.make_tensor_value_info(kind, TensorProto.FLOAT, shapes[kind])],
        [numpy_helper.from_array(filters, "filters"), numpy_helper.from_array(np.array([0, 5, -1]), "shape")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def folder_of(folder: Path, model: bytes, config: Any = CONFIG, place: str = "model.onnx") -> Path:
    (folder / place).parent.mkdir(parents=True, exist_ok=True)
    (folder / place).write_bytes(model)
    if config is not None:
        (folder / "preprocessor_config.json").write_text(json.dumps(config))
    return folder


@pytest.mark.parametrize("opset", [14, 18])
@pytest.mark.parametrize("kind", ["maps", "pooler_output", "last_hidden_state"])
def test_a_network_of_the_users_gives_what_onnx_runtime_computes_of_normalized_images(
    kind: str, opset: int, tmp_path: Path
) -> None:
    """By the folder's mean and deviation, in its size; maps are averaged, and of tokens the first is taken."""
    model = network(kind, opset)
    found = backbone(str(folder_of(tmp_path / "own", model.SerializeToString(), place="onnx/model.onnx")))
    images = np.random.default_rng(1).integers(0, 256, (3, SIDE, SIDE, 3), dtype=np.uint8)
    planes = ((images / 255 - CONFIG["image_mean"]) / CONFIG["image_std"]).transpose(0, 3, 1, 2).astype(np.float32)
    (expected,) = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"pixel_values": planes})
    expected = {2: lambda: expected, 3: lambda: expected[:, 0], 4: lambda: expected.mean((2, 3))}[expected.ndim]()
    assert (5, (SIDE, SIDE, 3)) == (found.dimensions, found.shape)
    assert np.abs(found.embed(images) - expected).max() < 2e-3 * np.abs(expected).max()
    assert (found.maps(images) is None) == (kind != "maps")


def test_it_climbs_is_restored_and_exported(tmp_path: Path, own_cache: Path) -> None:
    """The run names it with its license; another file of that name is refused later."""
    own = folder_of(tmp_path / "own", network("pooler_output").SerializeToString())
    (own / "README.md").write_text("---\nlicense: cc-by-nc-4.0\n---\n")
    run = fl.climb(
        photos(tmp_path / "photos"), rungs=["prior", "embed-linear"], backbone=str(own), out=tmp_path / "run"
    )
    assert any("cc-by-nc-4.0" in sentence and "permits" in sentence for sentence in run.decided)
    assert "permits" not in described(backbone())
    exported = fl.export(run, tmp_path / "model.onnx", rung="embed-linear")
    assert 0 == exported.parity.labels and exported.parity.probability < 1e-4
    backbone.cache_clear()
    folder_of(own, network("pooler_output", 16).SerializeToString())
    with pytest.raises(RunError, match="fit it anew"):
        fl.restore(run["embed-linear"].model)


def pickled() -> bytes:
    return pickle.dumps({"weights": [1.0]})


@pytest.mark.parametrize(
    ("data", "config", "match"),
    [
        (b"", CONFIG, "no whole ONNX"),
        (network().SerializeToString()[:300], CONFIG, "no whole ONNX"),
        (b"hello" * 99, CONFIG, "no whole ONNX"),
        (pickled(), CONFIG, "pickle"),
        (network(domain="evil").SerializeToString(), CONFIG, "ONNX"),
        (network().SerializeToString(), None, "preprocessor_config.json"),
        (network().SerializeToString(), [], "preprocessor_config.json"),
        (network().SerializeToString(), CONFIG | {"image_std": [0, 1, 1]}, "image_std"),
        (network().SerializeToString(), CONFIG | {"image_std": [1e-30] * 3}, "image_std"),
        (network().SerializeToString(), CONFIG | {"crop_size": 10**9}, "size"),
        (network().SerializeToString(), CONFIG | {"crop_size": 9}, "9 px"),
    ],
    ids=["empty", "cut", "text", "pickle", "operators", "no config", "list", "std", "tiny", "huge", "other size"],
)
def test_what_is_no_backbone_is_refused_in_a_sentence(data: bytes, config: Any, match: str, tmp_path: Path) -> None:
    """Cut, pickled, with foreign operators, without or with wrong preprocessing, of another size."""
    with pytest.raises(DataError, match=match):
        backbone(str(folder_of(tmp_path / "own", data, config)))


@pytest.mark.parametrize("name", ["weights.pth", "pytorch_model.bin", "model.pkl", "model.pt"])
def test_pickled_weights_are_refused_by_name_and_by_content(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(pickled())
    with pytest.raises(DataError, match="run code"):
        backbone(str(tmp_path / name))
    with zipfile.ZipFile(tmp_path / "model.onnx", "w") as archive:
        archive.writestr("archive/data.pkl", pickled())
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(CONFIG))
    with pytest.raises(DataError, match="run code"):
        backbone(str(tmp_path / "model.onnx"))


def test_a_folder_without_a_graph_says_how_to_get_one(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(DataError, match="optimum"):
        backbone(str(tmp_path))
    with pytest.raises(ArgumentError, match="hf download somebody/some-model"):
        backbone("somebody/some-model")


def test_the_square_that_is_seen_is_the_centred_one(tmp_path: Path) -> None:
    """As `crop` cuts it."""
    found = backbone(str(folder_of(tmp_path / "own", network().SerializeToString())))
    image = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    expected = to_shape(image, size=(SIDE, SIDE), color="rgb", resize="crop")
    assert np.array_equal(expected, found.preprocessing.shaped(image))
