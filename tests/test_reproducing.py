"""The line in the report that makes a run again makes the same run, and options without effect are refused."""

from __future__ import annotations

import ast
import html
import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import firstlight as fl
from command import firstlight, refused
from firstlight.data.decoding.loading import Loading
from firstlight.reporting.reproducing import reproducing
from firstlight.runs.request import Request


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of small gray images, and a list of them in which the labels are the other way round."""
    root = tmp_path_factory.mktemp("data") / "my photos"
    generator = np.random.default_rng(0)
    for number, name in enumerate(("dark", "light")):
        (root / name).mkdir(parents=True)
        for index in range(24):
            values = generator.integers(0, 120, (8, 6)) + 100 * number
            Image.fromarray(values.astype(np.uint8)).save(root / name / f"{index}.png")
    rows = [f"{path.relative_to(root).as_posix()},{path.parent.name[::-1]}" for path in sorted(root.rglob("*.png"))]
    (root / "list.csv").write_text("\n".join(["path,label", *rows]))
    return root


CLIMBS = {
    "a list, cropped, with another seed": "list.csv --rungs prior,centroid --size 4 --resize crop --seed 7",
    "aligned, not square, and one rung": ". --rungs centroid-l2 --align box --size 6x5 --color rgb --allow-unreadable",
    "trained": ". --rungs ink,linear,mlp --effort quick --epochs 2 --batch-size 8 --lr 0.01 --loss l1 --hidden 5 "
    "--no-normalize --label-smoothing 0.1 --optimizer sgd --min-steps 4 --device cpu --seeds 2 --seed 3",
}


@pytest.mark.slow
@pytest.mark.parametrize("typed", CLIMBS.values(), ids=CLIMBS)
def test_the_command_in_the_report_makes_the_same_run(photos: Path, tmp_path: Path, typed: str) -> None:
    """The same images, arguments and predictions, from the text of the page alone."""
    data, *words = typed.split()
    done = firstlight("climb", photos / data, *words, "--out", tmp_path / "first", folder=tmp_path)
    assert 0 == done.returncode, done.stderr
    page = (tmp_path / "first" / "report.html").read_text("utf-8")
    command = shlex.split(html.unescape(re.findall(r"<code>(firstlight climb .*?)</code>", page)[-1]))
    assert 0 == firstlight(*command[1:], "--out", tmp_path / "second", folder=tmp_path).returncode
    first, second = (fl.read_run(tmp_path / name) for name in ("first", "second"))
    assert (first.request, first.fingerprint, first.seed) == (second.request, second.fingerprint, second.seed)
    for one, other in zip(first, second, strict=True):
        assert (one.predictions.scores == other.predictions.scores).all()


@pytest.mark.parametrize(
    "request_",
    [
        Request(data="a", rungs=("cnn",), effort="quick", options={"sizes": {"width": 8, "side": 16}}),
        Request(data="it's", rungs=("linear",), seeds=(4, 2), effort="standard", options={"tta": True}),
        Request(data="a", rungs=("cnn",), options={"augment": {"shift": 0.1}}, loading=Loading(size=32)),
    ],
)
def test_what_no_option_can_say_is_a_call_in_python(request_: Request) -> None:
    """With the same arguments."""
    call = ast.parse(reproducing(request_), mode="eval").body
    assert isinstance(call, ast.Call) and "fl.climb" == ast.unparse(call.func)
    assert request_.data == ast.literal_eval(call.args[0])
    given: dict[str, Any] = {}
    for one in call.keywords:
        if isinstance(one.value, ast.Call):
            given[str(one.arg)] = {str(each.arg): ast.literal_eval(each.value) for each in one.value.keywords}
        else:
            given[str(one.arg)] = ast.literal_eval(one.value)
    assert list(request_.rungs) == given.pop("rungs")
    assert list(request_.seeds) == list(given.pop("seed", (0,)))
    assert (request_.effort or "standard") == given.pop("effort", "standard")
    assert request_.loading == Loading(**given.pop("loading", {}))
    assert request_.options == given


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ("fit DATA --rung centroid --epochs 5", "epochs"),
        ("fit DATA --rung centroid-l2 --distance l1", "--distance"),
        ("fit DATA --rung ink --centre median", "--centre"),
        ("fit DATA --rung cnn --hidden 5", "hidden"),
        ("fit DATA --rung prior --seeds 3", "seeds"),
        ("climb DATA --rungs prior,centroid --lr 0.1", "lr"),
        ("climb DATA --rungs linear,cnn --hidden 7", "hidden"),
        ("climb DATA --rungs cnnn", "cnnn"),
        ("climb DATA --effort fast", "fast"),
        ("climb DATA --epochs 0", "epochs"),
        ("compare nowhere --by size --against ink", "--against"),
        ("compare nowhere elsewhere --against ink", "--against"),
        ("export nowhere --license mit", "--license"),
        ("export nowhere --to safetensors --runtime x.tgz", "--runtime"),
        ("serve nowhere --phone --host 0.0.0.0", "--host"),
        ("get --folder here", "--folder"),
        ("audit DATA --strict FL503", "FL503"),
    ],
)
def test_an_option_without_effect_is_refused(words: str, named: str, tmp_path: Path) -> None:
    """Before anything is read or decoded: there are no images here."""
    refused(firstlight(*words.replace("DATA", "nowhere").split(), folder=tmp_path), named)


@pytest.mark.parametrize(
    ("rung", "options"),
    [
        ("prior", {"distance": "l1"}),
        ("centroid-l2", {"distance": "cosine"}),
        ("ink", {"centre": "nonsense"}),
        ("cnnn", {}),
        ("prior", {"effort": "fast"}),
        ("mlp", {"sizes": {"width": 3}}),
    ],
)
def test_the_library_refuses_the_same_before_it_looks_at_images(rung: str, options: Any) -> None:
    """The folder does not exist, and that is not what the error says."""
    with pytest.raises(ValueError, match=rung if rung == "cnnn" else str(next(reversed(list(options))))) as caught:
        fl.fit(rung, "nowhere", **options)
    assert "nowhere" not in str(caught.value)


@pytest.mark.slow
def test_an_unfinished_run_is_called_unfinished(photos: Path, tmp_path: Path) -> None:
    """By compare too, which needs all rungs for its p-values; the same climb says that it resumes, then that it is
    finished."""

    def stop(step: fl.Step) -> None:
        if isinstance(step.result, fl.RungResult):
            raise KeyboardInterrupt

    out = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        fl.climb(photos, rungs=["prior", "ink"], out=out, progress=stop)
    refused(firstlight("compare", out, folder=tmp_path), "not finished", "ink")
    words = ["climb", photos, "--rungs", "prior,ink", "--out", out]
    assert "Resumed" in firstlight(*words, folder=tmp_path).stderr
    again = firstlight(*words, folder=tmp_path).stderr
    assert "finished already" in again and "Resumed" not in again
    assert 0 == firstlight("compare", out, folder=tmp_path).returncode


@pytest.mark.slow
def test_a_place_that_is_taken_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    """A climb says so at once."""
    (tmp_path / "file").write_text("mine")
    refused(firstlight("climb", "nowhere", "--rungs", "prior", "--out", "file", folder=tmp_path), "file")
