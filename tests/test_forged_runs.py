"""Run folders that were changed and sealed again: every reader ends well, or in one sentence that names the file."""

from __future__ import annotations

import copy
import json
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load, save

import firstlight as fl
from firstlight.data.fetching.catalog import write_digits
from firstlight.errors import FirstlightError, RunError
from firstlight.models.exporting.card import card
from firstlight.models.exporting.document import document
from firstlight.models.exporting.session import Session
from firstlight.reporting import picture
from firstlight.reporting.report import render
from firstlight.runs.evidence_file import EVIDENCE, read_evidence
from firstlight.runs.folder import read_run
from firstlight.runs.seal import VERSION, digest
from firstlight.runs.tensors import METADATA
from run_folders import everything, needs_links, sentence

RUNGS = ("prior", "ink", "centroid-l2", "linear")
GONE = object()
VALUES: tuple[Any, ...] = (
    *(None, True, -1, 0, 3, 10**18, 10**400, -0.5, 1e308, float("nan"), float("inf")),
    *("", "x", "\ud800", "caf\udce9", "a\x1b[31m\x00", "../../x", [], {}, [[]], ["x"], {"x": 1}, GONE),
)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two finished runs of the same images, with other seeds."""
    home = tmp_path_factory.mktemp("runs")
    write_digits(home / "data", ("3", "7"))
    for seed in (0, 1):
        fl.climb(home / "data", rungs=RUNGS, effort="quick", epochs=2, seed=seed, out=home / str(seed))
    return home / "0", home / "1"


@pytest.fixture
def run(runs: tuple[Path, Path], tmp_path: Path) -> Path:
    """A copy of the first run."""
    return Path(shutil.copytree(runs[0], tmp_path / "run"))


def sealed(kind: str, content: Any) -> bytes:
    """What `seal` writes, also of what it refuses: the digest fits."""
    text = json.dumps([kind, content], sort_keys=True, separators=(",", ":"))
    head = {"format": f"firstlight {kind} {VERSION}", "blake2b": digest(text.encode())}
    return json.dumps({**head, **content}).encode()


def content(path: Path) -> dict[str, Any]:
    found = json.loads(path.read_bytes())
    return {name: value for name, value in found.items() if name not in ("format", "blake2b")}


def forge_model(run: Path, rung: str, model: dict[str, Any], tensors: dict[str, np.ndarray]) -> None:
    """Writes a model's two files, and in run.json their sizes and digests."""
    home, data = run / "rungs" / rung, save(tensors)
    stated = {name: {"dtype": each.dtype.name, "shape": list(each.shape)} for name, each in tensors.items()}
    file = {"bytes": len(data), "blake2b": digest(data)}
    (home / "model.safetensors").write_bytes(data)
    (home / "model.json").write_bytes(sealed("model", {**model, "tensors": stated, "file": file}))
    record(run, f"rungs/{rung}/model.safetensors", f"rungs/{rung}/model.json")


def record(run: Path, *names: str) -> None:
    """Writes into run.json what its files are now."""
    document = content(run / "run.json")
    for name in names:
        data = (run / name).read_bytes()
        document["files"][name] = {"bytes": len(data), "blake2b": digest(data)}
    (run / "run.json").write_bytes(sealed("run", document))


def forge_evidence(run: Path, config: dict[str, Any], tensors: dict[str, np.ndarray]) -> None:
    data = save(tensors)
    stated = {name: {"dtype": each.dtype.name, "shape": list(each.shape)} for name, each in tensors.items()}
    file = {"bytes": len(data), "blake2b": digest(data)}
    text = sealed("model", {"config": config, "tensors": stated, "file": file}).decode()
    (run / EVIDENCE).write_bytes(save(load(data), metadata={METADATA: text}))


def evidence_of(run: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    from firstlight.runs.tensors import unpack_one

    saved = unpack_one((run / EVIDENCE).read_bytes(), run / EVIDENCE)
    return dict(saved.config), dict(saved.tensors)


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place of a document; of a list the first two entries."""
    if at:
        yield at
    inner = value.items() if isinstance(value, dict) else enumerate(value[:2]) if isinstance(value, list) else ()
    for name, each in inner:
        yield from places(each, (*at, name))


def changed(document: dict[str, Any], at: tuple[Any, ...], value: Any) -> dict[str, Any]:
    document = copy.deepcopy(document)
    inner = document
    for name in at[:-1]:
        inner = inner[name]
    if value is GONE:
        del inner[at[-1]]
    elif value == "twice":
        inner[at[-1]] = inner[at[-1]] * 2
    else:
        inner[at[-1]] = value
    return document


def forgeries(document: dict[str, Any], count: int) -> Iterator[tuple[tuple[Any, ...], Any, dict[str, Any]]]:
    """Some of all changes of one field, the same in every run of the tests."""
    every = [(at, value) for at in places(document) for value in VALUES]
    order = np.random.default_rng(0).permutation(len(every))[:count]
    for at, value in (every[place] for place in order):
        yield at, value, changed(document, at, value)


def arrays(tensors: dict[str, np.ndarray]) -> Iterator[dict[str, np.ndarray]]:
    """The tensors, one of them missing, of another shape, of another type or with extreme numbers."""
    for name, value in tensors.items():
        top = np.iinfo(value.dtype).max if value.dtype.kind in "iu" else 3e38
        for other in (
            *(value[:0], value[: len(value) // 2], np.concatenate([value, value]), value.ravel()),
            *(value.astype(np.float64), value.astype(np.int8), value * 0, np.full_like(value, top)),
            *(value[..., :0], np.full_like(value, np.nan) if value.dtype.kind == "f" else value - 1),
        ):
            yield {**tensors, name: np.ascontiguousarray(other)}
        yield {each: tensors[each] for each in tensors if each != name}


def read_all(run: Path) -> None:
    """What a summary, a report and a comparison read of a run."""
    found = read_run(run)
    attempt(lambda: everything(found))
    attempt(lambda: str(found) + json.dumps(found.to_dict()))
    attempt(lambda: render(found))
    attempt(lambda: str(fl.compare(found, against="centroid-l2")))


def use(run: Path, rung: str) -> None:
    """What predictions and an export read of a rung."""
    found = read_run(run)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of numbers that overflow
        attempt(lambda: found[rung].classifier.predict(np.zeros((8, 8, 1), np.uint8)))
        attempt(lambda: Session.of(found, rung).answer(np.zeros((2, 9, 7, 3), np.uint8)))
        attempt(lambda: card(found, found[rung], document(found, rung)))


def attempt(part: Any) -> None:
    """One reader: it ends well or in one sentence."""
    try:
        part()
    except FirstlightError as error:
        assert "\n" not in str(error)


@pytest.fixture
def without_charts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing a chart takes a second; its numbers are computed all the same."""
    monkeypatch.setattr(picture.Picture, "svg", lambda *_, **__: "<svg></svg>")


@pytest.mark.slow
@pytest.mark.usefixtures("without_charts")
@pytest.mark.parametrize("file", ["run.json", "readings.json", EVIDENCE, "linear", "centroid-l2", "ink"])
def test_a_changed_field_that_was_sealed_again_ends_in_one_sentence(file: str, run: Path) -> None:
    """Whatever a field says, no reader ends in anything but one sentence."""
    if file.endswith(".json"):
        for _, _, document in forgeries(content(run / file), 120):
            try:
                (run / file).write_bytes(sealed(file.removesuffix(".json"), document))
            except ValueError:  # more digits than Python writes, or half a pair
                continue
            attempt(lambda: read_all(run))
    elif file == EVIDENCE:
        config, tensors = evidence_of(run)
        for _, _, document in forgeries(config, 40):
            attempt(lambda document=document: forge_evidence(run, document, tensors))
            attempt(lambda: render(read_run(run)))
    else:
        home = run / "rungs" / file
        model, tensors = content(home / "model.json"), load((home / "model.safetensors").read_bytes())
        for _, _, config in forgeries(model["config"], 30):
            attempt(lambda config=config: forge_model(run, file, {"config": config}, tensors))
            attempt(lambda: use(run, file))


@pytest.mark.slow
@pytest.mark.usefixtures("without_charts")
def test_changed_arrays_that_were_sealed_again_end_in_one_sentence(run: Path) -> None:
    """Neither another shape nor extreme numbers reach whoever computes with them."""
    for rung in ("ink", "centroid-l2", "linear"):
        home = run / "rungs" / rung
        model, tensors = content(home / "model.json"), load((home / "model.safetensors").read_bytes())
        for forged in arrays(tensors):
            forge_model(run, rung, model, forged)
            attempt(lambda rung=rung: use(run, rung))
    config, tensors = evidence_of(run)
    for forged in arrays(tensors):
        forge_evidence(run, config, forged)
        attempt(lambda: render(read_run(run)))


@pytest.mark.slow
def test_evidence_of_another_run_is_refused(run: Path, runs: tuple[Path, Path]) -> None:
    """It is whole, but of another seed."""
    shutil.copy(runs[1] / EVIDENCE, run / EVIDENCE)
    with pytest.raises(RunError, match="of another run") as caught:
        read_evidence(read_run(run))
    assert str(run / EVIDENCE) in sentence(caught)


@needs_links
def test_evidence_that_is_a_link_or_a_folder_is_refused(run: Path, runs: tuple[Path, Path]) -> None:
    """Neither is followed out of the folder or taken for none."""
    (run / EVIDENCE).unlink()
    (run / EVIDENCE).symlink_to(runs[0] / EVIDENCE)
    with pytest.raises(RunError, match="leads out"):
        read_evidence(read_run(run))
    (run / EVIDENCE).unlink()
    (run / EVIDENCE).mkdir()
    with pytest.raises(RunError, match="not an ordinary file"):
        read_evidence(read_run(run))


@pytest.mark.parametrize("size", [[20_000, 20_000], [4096, 4096], [8, 9]])
def test_a_model_that_asks_for_other_sizes_than_its_own_is_refused(size: list[int], run: Path) -> None:
    """A small image never becomes one of gigabytes."""
    home = run / "rungs" / "centroid-l2"
    model, tensors = content(home / "model.json"), load((home / "model.safetensors").read_bytes())
    model["config"]["preprocessing"]["size"] = size
    forge_model(run, "centroid-l2", model, tensors)
    with pytest.raises(RunError, match=r"size|shape") as caught:
        fl.restore(read_run(run)["centroid-l2"].model)
    assert str(home / "model.json") in sentence(caught)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["run.json", "readings.json", "rungs/linear/history.csv", "rungs/ink/model.json"])
def test_the_remedy_of_a_damaged_file_helps(name: str, run: Path, runs: tuple[Path, Path], tmp_path: Path) -> None:
    """The same climb into the same folder would meet the same damage, so another --out is what the sentence names."""
    (run / name).write_bytes((run / name).read_bytes()[:-2])
    with pytest.raises(RunError, match=r"another --out") as caught:
        everything(read_run(run))
    assert str(run / name) in sentence(caught)
    again = fl.climb(runs[0].parent / "data", rungs=["prior", "ink"], out=tmp_path / "other")
    assert everything(again) == everything(read_run(tmp_path / "other"))


@pytest.mark.parametrize(("at", "value"), [(("module",), "other"), (("views",), 3), (("views",), GONE)])
def test_a_card_of_a_network_of_an_unknown_kind_is_refused(at: tuple[str, ...], value: Any, run: Path) -> None:
    """Its options are left to whoever builds it; the card builds none."""
    home = run / "rungs" / "linear"
    model, tensors = content(home / "model.json"), load((home / "model.safetensors").read_bytes())
    forge_model(run, "linear", changed(model, ("config", "options", *at), value), tensors)
    found = read_run(run)
    with pytest.raises(RunError, match="linear"):
        card(found, found["linear"], document(found, "linear"))


def test_predictions_of_no_image_are_refused(run: Path) -> None:
    """A file that is whole but empty does not reach whoever takes a quantile of it."""
    name = "rungs/ink/predictions.parquet"
    seen = read_run(run)["ink"].predictions
    seen.select(np.zeros(len(seen), bool)).to_parquet(run / name)
    record(run, name)
    with pytest.raises(RunError, match=r"predictions\.parquet") as caught:
        Session.of(run, "ink")
    assert str(run / name) in sentence(caught)
