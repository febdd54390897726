"""The model file of a network: what stands in it, who can read it, and what it says where it was tampered with."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from torch import nn

import firstlight as fl
from blobs import Own, blobs, fit
from firstlight.errors import ArgumentError, FirstlightError, RunError
from firstlight.models.checkpoint import save
from firstlight.models.classifier import Classifier
from firstlight.runs.tensors import SavedModel, pack, unpack

NETWORKS = ("linear", "mlp", "cnn")


@pytest.fixture(scope="module")
def fitted() -> dict[str, Classifier]:
    """A classifier of each network and of a user's module; gray images of 8 x 8 px in three classes."""
    return {name: fit(name, blobs(), seed=5) for name in (*NETWORKS, "own")}


def changed(saved: SavedModel, **config: Any) -> SavedModel:
    """The model with other values in its description; those of ``options`` take the place of single ones."""
    options = {**saved.config["options"], **config.pop("options", {})}
    return SavedModel({**copy.deepcopy(dict(saved.config)), **config, "options": options}, saved.tensors)


def refused(saved: SavedModel, said: str, kind: type[FirstlightError] = RunError) -> None:
    """It is not restored, and one sentence says why."""
    with pytest.raises(kind, match=said) as caught:
        fl.restore(saved)
    assert kind is type(caught.value)
    assert str(caught.value).endswith(".") and "\n" not in str(caught.value)


@pytest.mark.slow
def test_the_files_of_a_network_say_what_it_is(tmp_path: Path) -> None:
    """Module, sizes, classes, preprocessing, fingerprint, seed and versions stand in model.json, in plain JSON."""
    pixels = blobs()
    fl.climb(pixels, rungs=["mlp"], out=tmp_path / "run", seed=5, effort="quick", epochs=1, batch_size=16)
    folder = tmp_path / "run" / "rungs" / "mlp"
    document = json.loads((folder / "model.json").read_text())
    config = document["config"]
    assert {"module": "mlp", "own": False, "sizes": {"hidden": 30}, "views": [[0, 0, False]]} == config["options"]
    assert ["class 0", "class 1", "class 2"] == config["classes"]
    assert {"size": [8, 8], "color": "gray", "resize": "squish"} == config["preprocessing"]
    assert [8, 8, 1] == config["shape"]
    assert pixels.table.fingerprint == config["fingerprint"]
    assert 5 == config["seed"]
    assert {"firstlight", "numpy", "python", "platform"} <= config["versions"].keys()
    assert (1, 16) == (config["training"]["recipe"]["epochs"], config["training"]["recipe"]["batch_size"])
    expected = {
        "normalize": ("float64", (2,)),
        "module.hidden.weight": ("float32", (30, 64)),
        "module.hidden.bias": ("float32", (30,)),
        "module.head.layer.weight": ("float32", (3, 30)),
        "module.head.layer.bias": ("float32", (3,)),
    }
    weights = load_file(folder / "model.safetensors")
    assert expected == {name: (value.dtype.name, value.shape) for name, value in weights.items()}
    assert expected == {name: (one["dtype"], tuple(one["shape"])) for name, one in document["tensors"].items()}


@pytest.mark.slow
def test_the_weights_can_be_used_without_firstlight(tmp_path: Path) -> None:
    """Normalizing and two products in NumPy, from the safetensors file alone, give the same scores."""
    pixels = blobs()
    run = fl.climb(pixels, rungs=["mlp"], out=tmp_path / "run", effort="quick", epochs=1, batch_size=16)
    weights = load_file(tmp_path / "run" / "rungs" / "mlp" / "model.safetensors")
    chosen = pixels.select("validation")
    mean, spread = weights["normalize"]
    flat = (chosen.values.reshape(len(chosen), 64) / 255 - mean) / spread
    hidden = np.maximum(flat @ weights["module.hidden.weight"].T + weights["module.hidden.bias"], 0)
    scores = hidden @ weights["module.head.layer.weight"].T + weights["module.head.layer.bias"]
    assert np.allclose(scores, run["mlp"].predictions.scores, rtol=0, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_read_from_a_run_scores_with_the_same_bits(name: str, tmp_path: Path) -> None:
    """The folder is enough to predict."""
    pixels = blobs()
    run = fl.climb(pixels, rungs=[name], out=tmp_path / "run", effort="quick", epochs=1, batch_size=16)
    again = fl.predict(fl.read_run(tmp_path / "run")[name], pixels, split="validation")
    assert np.array_equal(run[name].predictions.scores, again.scores)
    assert run[name].predictions.temperature == again.temperature


@pytest.mark.parametrize("name", NETWORKS)
def test_saved_restored_and_saved_again_the_files_are_the_same(name: str, fitted: dict[str, Classifier]) -> None:
    """To the byte, both of them."""
    files = pack(save(fitted[name]))
    assert files == pack(save(fl.restore(unpack(*files, Path("model.json")))))


@pytest.mark.parametrize("name", NETWORKS)
def test_restoring_draws_no_random_number(name: str, fitted: dict[str, Classifier]) -> None:
    """Torch's generator and its usual device are as before."""
    saved, random_state = save(fitted[name]), torch.get_rng_state()
    fl.restore(saved)
    assert torch.equal(random_state, torch.get_rng_state())
    assert "cpu" == torch.zeros(1).device.type


@pytest.mark.parametrize("name", NETWORKS)
def test_a_restored_network_has_weights_of_its_own(name: str, fitted: dict[str, Classifier]) -> None:
    """It is set to evaluation; what is done to its weights changes neither the saved model nor another copy."""
    images, saved = blobs().values, save(fitted[name])
    first, second = fl.restore(saved).model, fl.restore(saved).model
    before = {key: value.copy() for key, value in saved.tensors.items()}
    module: nn.Module = first.module  # type: ignore[attr-defined]
    assert not any(part.training for part in module.modules())
    with torch.no_grad():
        for weights in module.parameters():
            weights.add_(1.0)
    assert all(np.array_equal(before[key], value) for key, value in saved.tensors.items())
    assert np.array_equal(fitted[name].model.scores(images), second.scores(images))
    assert not np.array_equal(first.scores(images), second.scores(images))


@pytest.mark.parametrize("name", NETWORKS)
def test_a_restored_network_can_be_trained_on(name: str, fitted: dict[str, Classifier]) -> None:
    """As a module of one's own, since that is what it is; its weights take gradients."""
    module = fl.restore(save(fitted[name])).model.module  # type: ignore[attr-defined]
    again = fl.fit(module, blobs(), epochs=1, batch_size=16, lr=0.01)
    first, later = (value for value in (module.state_dict(), again.model.module.state_dict()))  # type: ignore[attr-defined]
    assert first.keys() == later.keys()
    assert not all(torch.equal(first[key], later[key]) for key in first)


Change = Callable[[dict[str, np.ndarray], str], object]
CHANGES: dict[str, tuple[Change, str]] = {
    "missing": (lambda tensors, key: tensors.pop(key), r"'{}'.* missing .*float32 \("),
    "left over": (
        lambda tensors, key: tensors.update({f"{key}2": np.zeros(4, np.float32)}),
        r"'{}2'.* float32 \(4,\) .*missing",
    ),
    "shorter": (
        lambda tensors, key: tensors.update({key: tensors[key][1:]}),
        r"'{}'.* float32 \(.*\) .*float32 \(",
    ),
    "of other numbers": (
        lambda tensors, key: tensors.update({key: tensors[key].astype(np.float64)}),
        r"'{}'.* float64 \(.*\) .*float32 \(",
    ),
    "of more axes": (
        lambda tensors, key: tensors.update({key: tensors[key][None]}),
        r"'{}'.* float32 \(1, .*\) .*float32 \(",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize(
    ("name", "tensor"),
    [
        ("linear", "head.layer.weight"),
        ("linear", "head.layer.bias"),
        ("mlp", "hidden.bias"),
        ("cnn", "stem.weight"),
        ("cnn", "blocks.0.first_norm.running_var"),
    ],
)
def test_a_tensor_that_does_not_fit_is_named(
    name: str, tensor: str, change: str, fitted: dict[str, Classifier]
) -> None:
    """Missing, left over, of another shape or of other numbers."""
    apply, said = CHANGES[change]
    saved = save(fitted[name])
    tensors = dict(saved.tensors)
    apply(tensors, f"module.{tensor}")
    refused(SavedModel(saved.config, tensors), said.format(tensor.replace(".", r"\.")))


@pytest.mark.parametrize(
    "value", [None, np.array([0.5, 0.0]), np.array([0.5, -1.0]), np.zeros(3), np.array([0.5, 0.25], np.float32)]
)
def test_normalizing_that_cannot_be_is_named(value: np.ndarray | None, fitted: dict[str, Classifier]) -> None:
    """A mean and a standard deviation above 0, as float64."""
    saved = save(fitted["linear"])
    tensors = {key: one for key, one in {**saved.tensors, "normalize": value}.items() if one is not None}
    refused(SavedModel(saved.config, tensors), "tensor 'normalize' is .*mean and standard deviation")


def test_a_module_of_ones_own_has_to_be_passed(fitted: dict[str, Classifier]) -> None:
    """The sentence names it and says how; the file is not to blame, so nothing is to be fitted anew."""
    saved = save(fitted["own"])
    with pytest.raises(ArgumentError, match=r"'Own'.*module=\.\.\.") as caught:
        fl.restore(saved)
    assert "anew" not in str(caught.value)
    with pytest.raises(ArgumentError, match="'Own'"):
        fl.predict(saved, blobs())
    assert {"module": "Own", "own": True, "views": [[0, 0, False]]} == saved.config["options"]


def test_a_module_that_is_passed_takes_the_weights_as_a_copy(fitted: dict[str, Classifier]) -> None:
    """Itself it stays as it was."""
    images, module = blobs().values, Own(1, 3)
    before = {key: value.clone() for key, value in module.state_dict().items()}
    after = fl.restore(save(fitted["own"]), module=module)
    assert np.array_equal(fitted["own"].model.scores(images), after.model.scores(images))
    assert all(torch.equal(before[key], value) for key, value in module.state_dict().items())
    assert module.training


@pytest.mark.parametrize(
    ("module", "said"),
    [
        (Own(3, 3), r"'filters\.weight'.* float32 \(6, 1, 1, 1\) .*float32 \(6, 3, 1, 1\)"),
        (Own(1, 4), r"'out\.bias'.* float32 \(3,\) .*float32 \(4,\)"),
        (Own(1, 3).double(), r"'filters\.bias'.* float32 \(6,\) .*float64 \(6,\)"),
        (nn.Linear(64, 3), r"'bias'.* missing .*float32 \(3,\)"),
    ],
    ids=["channels", "classes", "precision", "another"],
)
def test_a_module_that_is_another_is_reported_by_its_tensor(
    module: nn.Module, said: str, fitted: dict[str, Classifier]
) -> None:
    """The first that differs is named with both shapes."""
    with pytest.raises(RunError, match=said):
        fl.restore(save(fitted["own"]), module=module)


HUGE = [10**7, 10**9, 10**12, 2**62, 2**70, 10**400]
NO_WIDTH: list[Any] = [0, -1, True, "30", 30.5, None, [30], {"a": 1}, "__import__('os').abort()"]


@pytest.mark.parametrize("value", [*HUGE, *NO_WIDTH], ids=lambda value: repr(value)[:20])
@pytest.mark.parametrize(("name", "size"), [("mlp", "hidden"), ("cnn", "width")])
def test_a_forged_size_is_refused_in_a_sentence(
    name: str, size: str, value: Any, fitted: dict[str, Classifier]
) -> None:
    """At once, whatever it claims."""
    refused(changed(save(fitted[name]), options={"sizes": {size: value}}), "anew")


@pytest.mark.parametrize("side", [1e-9, 1e-300, 5e-324, 0.01, -1, "16", None, float("nan"), float("inf")], ids=str)
def test_a_forged_side_is_refused_in_a_sentence(side: Any, fitted: dict[str, Classifier]) -> None:
    """The stem's filters grow as the side shrinks, so a tiny one asks for endless memory."""
    refused(changed(save(fitted["cnn"]), options={"sizes": {"width": 24, "side": side}}), "anew")


@pytest.mark.parametrize("sizes", [None, [], "hidden", 7, {"units": 30}, {"shape": [1]}, {"classes": 2}], ids=str)
def test_sizes_that_are_no_sizes_are_refused(sizes: Any, fitted: dict[str, Classifier]) -> None:
    """Another type, or names that the network does not take."""
    refused(changed(save(fitted["mlp"]), options={"sizes": sizes}), "invalid")


def test_a_forged_size_takes_no_memory(fitted: dict[str, Classifier]) -> None:
    """A hidden layer of ten million units would be 2.6 GB; the tensors show that it is forged before it is made."""
    resource = pytest.importorskip("resource")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # the largest so far, KiB (bytes on a Mac)
    refused(changed(save(fitted["mlp"]), options={"sizes": {"hidden": 10**7}}), "'head.layer.weight'")
    refused(changed(save(fitted["linear"]), shape=[10**4, 10**4, 1]), "shape")
    refused(changed(save(fitted["cnn"]), options={"sizes": {"width": 10**4}}), r"'blocks\.0\.first\.weight'")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 2 * before


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"options": {"module": "forest"}}, "'forest'"),
        ({"options": {"module": "os.system"}}, r"'os\.system'"),
        ({"options": {"module": "cnn"}}, "{'hidden': 30}.* cnn"),
        ({"options": {"module": "linear", "sizes": {}}}, r"'head\.layer\.weight'.* float32 \(3, 30\)"),
        ({"options": {"views": []}}, " 0 "),
        ({"options": {"views": [[0, 0, False]] * 65}}, " 65 "),
        ({"options": {"views": [[0, 0]]}}, "invalid"),
        ({"options": {"views": [["a", 0, False]]}}, "invalid"),
        ({"options": {"views": None}}, "invalid"),
        ({"classes": ["a", "b", "c", "d"]}, r"'head\.layer\.bias'.* float32 \(3,\) .*float32 \(4,\)"),
        ({"classes": ["a", "b"]}, r"'head\.layer\.bias'.* float32 \(3,\) .*float32 \(1,\)"),
        ({"classes": 3}, "classes"),
        ({"shape": [8, 9, 1]}, "shape"),
        ({"shape": [10**6, 10**6, 1]}, "shape"),
        ({"shape": [10**30, 8, 1]}, "shape"),
        ({"shape": [-8, 8, 1]}, "shape"),
        ({"shape": [8, 8]}, "shape"),
        ({"shape": [float("inf"), 8, 1]}, "shape"),
        ({"temperature": 0}, "temperature"),
        ({"temperature": float("nan")}, "temperature.*nan"),
        ({"temperature": 10**400}, "temperature"),
        ({"seed": None}, "seed"),
        ({"training": 3}, "not as expected"),
        ({"kind": "forest"}, "'forest'"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_forged_description_is_refused_in_a_sentence(
    config: dict[str, Any], said: str, fitted: dict[str, Classifier]
) -> None:
    """Names of modules are looked up in a table and never imported; numbers are held against the tensors."""
    refused(changed(save(fitted["mlp"]), **config), said)


@pytest.mark.parametrize("shape", [[8, 8], [8], [10**6, 10**6, 1], [0.5, 8, 1]], ids=str)
def test_a_forged_shape_of_a_cnn_is_refused_in_a_sentence(shape: list[float], fitted: dict[str, Classifier]) -> None:
    """Its number of blocks hangs on it."""
    refused(changed(save(fitted["cnn"]), shape=shape), "anew")


@pytest.mark.parametrize("part", ["module", "own", "sizes", "views"])
def test_a_description_without_a_part_is_refused(part: str, fitted: dict[str, Classifier]) -> None:
    """The part is named."""
    saved = save(fitted["mlp"])
    options = {key: value for key, value in saved.config["options"].items() if key != part}
    refused(SavedModel({**saved.config, "options": options}, saved.tensors), f"'{part}'")
