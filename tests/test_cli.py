"""The commands as a person types them: what they print, what they write, what they say of bad input."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pyarrow.csv
import pyarrow.parquet
import pytest
from PIL import Image
from typer.testing import CliRunner

import firstlight as fl
from command import COMMAND, firstlight, in_a_process, refused
from firstlight.apps import climbing
from firstlight.apps.cli import app
from firstlight.models.training.accepted import options_of
from firstlight.models.training.recipes import Recipe

CLOSED_FORM = ("--rungs", "prior,ink,centroid")  # the rungs that are trained take longer


def grow(root: Path, **counts: int) -> Path:
    """A folder of small gray images by class; those of a later class are brighter."""
    generator = np.random.default_rng(0)
    for number, (name, count) in enumerate(counts.items()):
        (root / name).mkdir(parents=True)
        for index in range(count):
            values = generator.integers(0, 60, (6, 6)) + 60 * number
            Image.fromarray(values.astype(np.uint8)).save(root / name / f"{index}.png")
    return root


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return grow(tmp_path / "photos", dark=60, light=60)


@pytest.mark.slow
def test_climb_prints_a_row_for_each_rung_and_the_advice(photos: Path, tmp_path: Path) -> None:
    """Accuracy with its interval, n, recall by class, the comparison, and times; then where to stop."""
    done = in_a_process("climb", photos, *CLOSED_FORM, folder=tmp_path)
    assert 0 == done.returncode, done.stderr
    rows = [line.split() for line in done.stdout.splitlines() if line.strip()]
    head = next(place for place, row in enumerate(rows) if row[:2] == ["rung", "accuracy"])
    expected = ["prior", "ink", "centroid-l1", "centroid-l2", "centroid-cosine"]
    assert expected == [row[0] for row in rows[head + 1 : head + 6]]
    assert "Stop at ink, 1.000" in done.stdout
    assert "runs/photos" in done.stderr.replace("\\", "/")
    assert ["prior", "ink"] == [rung.name for rung in fl.read_run(tmp_path / "runs" / "photos")][:2]


@pytest.mark.slow
def test_climb_as_json_is_one_document_with_the_run(photos: Path, tmp_path: Path) -> None:
    """Standard output holds nothing else."""
    done = firstlight("climb", photos, "--rungs", "prior,centroid", "--json", folder=tmp_path)
    document = json.loads(done.stdout)
    assert ["prior", "centroid-l1", "centroid-l2", "centroid-cosine"] == [one["name"] for one in document["rungs"]]
    assert fl.read_run(tmp_path / document["run"]).to_dict()["rungs"] == document["rungs"]


@pytest.mark.slow
def test_climb_twice_is_one_run_and_another_climb_gets_another_folder(photos: Path, tmp_path: Path) -> None:
    """Where --out was not given, the same climb is found again, and another takes the next free name."""
    said = [firstlight("climb", photos, *CLOSED_FORM, "--quiet", folder=tmp_path).stdout for _ in range(2)]
    assert said[0] == said[1] != ""
    assert 0 == firstlight("climb", photos, "--rungs", "prior", folder=tmp_path).returncode
    assert ["photos", "photos-2"] == sorted(path.name for path in (tmp_path / "runs").iterdir())


@pytest.mark.slow
def test_quiet_says_nothing_on_standard_error(photos: Path, tmp_path: Path) -> None:
    """Only the result is printed."""
    assert "" == firstlight("climb", photos, *CLOSED_FORM, "--quiet", folder=tmp_path).stderr


@pytest.mark.slow
def test_fit_keeps_one_rung(photos: Path, tmp_path: Path) -> None:
    """The distance and the centre are part of its name."""
    done = firstlight("fit", photos, "--distance", "l2", "--centre", "median", "--out", "run", folder=tmp_path)
    assert 0 == done.returncode, done.stderr
    assert ["centroid-l2-median"] == [rung.name for rung in fl.read_run(tmp_path / "run")]


@pytest.mark.slow
def test_compare_sets_every_rung_next_to_one(photos: Path, tmp_path: Path) -> None:
    """As a table and as JSON."""
    firstlight("climb", photos, *CLOSED_FORM, "--out", "run", folder=tmp_path)
    done = firstlight("compare", "run", "--against", "prior", folder=tmp_path)
    assert "prior" in done.stdout and "centroid-l1" in done.stdout
    document = json.loads(firstlight("compare", "run", "--against", "prior", "--json", folder=tmp_path).stdout)
    assert ["ink", "centroid-l1", "centroid-l2", "centroid-cosine"] == [row["name"] for row in document["rows"]]
    refused(firstlight("compare", "run", "--against", "cnn", folder=tmp_path), "'cnn'", "centroid-l1")


@pytest.mark.slow
def test_predict_names_the_class_of_one_image_and_of_many(photos: Path, tmp_path: Path) -> None:
    """A line each, or a file; measured where the classes are known."""
    firstlight("climb", photos, *CLOSED_FORM, "--out", "run", folder=tmp_path)
    one = firstlight("predict", "run", photos / "light" / "0.png", folder=tmp_path)
    row = one.stdout.splitlines()[1].split()
    assert [str(photos / "light" / "0.png"), "light"] == row[:2]
    for name in ("seen.parquet", "seen.csv"):
        many = firstlight("predict", "run", photos, "--rung", "ink", "--out", name, folder=tmp_path)
        assert 0 == many.returncode, many.stderr
        assert "ink: accuracy 1.000" in many.stderr
    table = pyarrow.csv.read_csv(tmp_path / "seen.csv").to_pydict()
    assert table["label"] == ["dark"] * 60 + ["light"] * 60 == table["truth"]
    assert table["label"] == pyarrow.parquet.read_table(tmp_path / "seen.parquet")["label"].to_pylist()
    lines = firstlight("predict", "run", photos / "dark", "--json", folder=tmp_path).stdout.splitlines()
    assert {"dark"} == {json.loads(line)["label"] for line in lines}
    refused(firstlight("predict", "run", photos, "--out", "seen.xlsx", folder=tmp_path), "seen.xlsx", ".csv")


@pytest.mark.slow
def test_measuring_on_test_is_counted(tmp_path: Path) -> None:
    """The climb counts as the first reading, a prediction of labelled test images as the next."""
    root = tmp_path / "photos"
    grow(root / "train", dark=30, light=30)
    grow(root / "test", dark=5, light=5)
    assert 0 == firstlight("climb", root, *CLOSED_FORM, "--split", "test", "--out", "run", folder=tmp_path).returncode
    assert 1 == fl.read_run(tmp_path / "run").test_readings
    assert 0 == firstlight("predict", "run", root, "--split", "test", folder=tmp_path).returncode
    assert 2 == fl.read_run(tmp_path / "run").test_readings


@pytest.mark.slow
def test_scan_and_split_print_and_save_a_table(photos: Path, tmp_path: Path) -> None:
    """What was saved can be scanned and climbed again."""
    done = firstlight("scan", photos, folder=tmp_path)
    assert "120 images of 2 classes" in done.stdout
    done = firstlight("split", photos, "--test", 0.2, "--out", "photos.parquet", "--json", folder=tmp_path)
    counts = json.loads(done.stdout)["counts"]
    assert ["train", "validation", "test"] == list(counts)
    assert 120 == sum(sum(split.values()) for split in counts.values())
    document = json.loads(firstlight("climb", "photos.parquet", *CLOSED_FORM, "--json", folder=tmp_path).stdout)
    assert sum(counts["validation"].values()) == document["rungs"][0]["n"]
    assert 0 == firstlight("split", photos, "--out", "photos.csv", folder=tmp_path).returncode
    assert "key" in (tmp_path / "photos.csv").read_text().splitlines()[0]


@pytest.mark.slow
def test_quiet_leaves_the_notes_of_a_table_out(photos: Path, tmp_path: Path) -> None:
    """The counts are the result, the notes are remarks."""
    assert "note: " in firstlight("split", photos, folder=tmp_path).stdout
    quiet = firstlight("split", photos, "--quiet", folder=tmp_path).stdout
    assert "120 images of 2 classes" in quiet and "note: " not in quiet


@pytest.mark.slow
def test_cache_is_shown_and_cleared(photos: Path, tmp_path: Path) -> None:
    """An entry for each folder that was decoded, and what pretrained networks saved; clearing leaves none."""
    cache = {"FIRSTLIGHT_CACHE": str(tmp_path / "cache")}
    firstlight("climb", photos, *CLOSED_FORM, folder=tmp_path, **cache)
    entries = json.loads(firstlight("cache", "--json", folder=tmp_path, **cache).stdout)
    assert [str(photos)] == [entry["root"] for entry in entries if entry["root"]]
    assert "120 images" in firstlight("cache", folder=tmp_path, **cache).stdout
    assert (
        len(entries) == json.loads(firstlight("cache", "--clear", "--json", folder=tmp_path, **cache).stdout)["deleted"]
    )
    assert [] == json.loads(firstlight("cache", "--json", folder=tmp_path, **cache).stdout)


@pytest.mark.slow
def test_get_lists_what_it_knows_and_unpacks_a_local_archive(photos: Path, tmp_path: Path) -> None:
    """The path that is printed can be climbed."""
    assert "mnist_sample" in firstlight("get", folder=tmp_path).stdout
    shutil.make_archive(str(tmp_path / "photos"), "gztar", tmp_path, "photos")
    archive = (tmp_path / "photos.tar.gz").rename(tmp_path / "mine.tgz")
    done = firstlight("get", archive, "--quiet", folder=tmp_path, FIRSTLIGHT_DATA=str(tmp_path / "data"))
    assert 0 == done.returncode, done.stderr
    assert 120 == len(fl.scan(done.stdout.strip()))


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a demo without mnist_sample, which was told once, with its output."""
    home = tmp_path_factory.mktemp("demo")
    with mock.patch("firstlight.apps.demo.within_reach", lambda *_, **__: None):
        done = firstlight("demo", folder=home, FIRSTLIGHT_DATA=str(home / "none"))
    assert 0 == done.returncode, done.stderr
    (home / "output").write_text(done.stdout, "utf-8")
    return home


@pytest.mark.slow
def test_the_demo_tells_the_whole_story(demo: Path) -> None:
    """On the embedded digits, and it says so."""
    output = (demo / "output").read_text("utf-8")
    assert "362 handwritten 3s and 7s, 8 x 8 px" in output and 1 == output.count("cannot be fetched")
    assert "class 3" in output and "█" in output
    rows = [line.split() for line in output.splitlines() if line.startswith("centroid-l1 ")]
    assert 2 == sum(row[1].startswith(("0.", "1.")) for row in rows)  # in the two ladders; others name it in pairs
    assert 1 == output.count("cnn is the most accurate") and output.index("cnn is") > output.index("ten digits")
    assert "What to type next" in output


@pytest.mark.slow
def test_the_demo_as_json_is_both_runs(demo: Path) -> None:
    """One document, of the pair of digits and of all ten; where the runs are there, nothing is asked again."""
    with mock.patch("firstlight.data.fetching.reach.answers", side_effect=AssertionError):
        done = firstlight("demo", "--json", folder=demo, FIRSTLIGHT_DATA=str(demo / "none"))
    document = json.loads(done.stdout)
    assert [2, 10] == [len(run["classes"]) for run in document["runs"]]
    assert ["digits", "threes-and-sevens"] == sorted(path.name for path in (demo / "firstlight-demo/runs").iterdir())


@pytest.mark.slow
def test_the_demo_tells_the_story_of_the_chapter(mnist_sample: Path, demo: Path) -> None:
    """With its images at hand: 91.7 % of the threes, 98.5 % of the sevens, 95.1 % of all; the ten digits follow."""
    done = firstlight("demo", folder=demo, FIRSTLIGHT_DATA=str(mnist_sample.parent))
    assert 0 == done.returncode, done.stderr
    assert "14,434 handwritten 3s and 7s, 28 x 28 px" in done.stdout and "cannot be fetched" not in done.stdout
    assert all(figure in done.stdout for figure in ("91.7 % of the 3s", "98.5 % of the 7s", "95.1 % of all"))
    assert 1 == done.stdout.count("cnn is the most accurate")


def chosen(monkeypatch: pytest.MonkeyPatch, *words: str) -> dict[str, Any]:
    """The training options that a command line passes on."""
    seen: list[climbing.Asked] = []
    monkeypatch.setattr(climbing, "show_climb", lambda data, asked: seen.append(asked))
    done = CliRunner().invoke(app, words)
    assert 0 == done.exit_code, done.output
    return dict(seen[0].options)


def test_training_options_are_passed_on_with_their_types(monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers as numbers, flags as True or False, words as text; what is left out is not passed on."""
    words = "fit photos --epochs 3 --lr 0.5 --loss l1 --no-normalize --tta --batch-size 8 --weight-decay 1 --hidden 7"
    expected = {"epochs": 3, "lr": 0.5, "loss": "l1", "normalize": False, "tta": True, "batch_size": 8}
    expected |= {"weight_decay": 1.0, "sizes": {"hidden": 7}}
    assert expected == chosen(monkeypatch, *words.split())
    assert {"lr": "auto"} == chosen(monkeypatch, "fit", "photos", "--lr", "auto")
    assert {"lr": "fast"} == chosen(monkeypatch, "fit", "photos", "--lr", "fast")  # which Recipe refuses
    assert {} == chosen(monkeypatch, "fit", "photos") == chosen(monkeypatch, "climb", "photos")
    assert {"device": "cpu"} == chosen(monkeypatch, "climb", "photos", "--device", "cpu")


def test_every_option_of_a_recipe_with_a_line_of_help_is_offered() -> None:
    """Under the same name, with its line; the others are not."""
    text = " ".join(CliRunner().invoke(app, ["fit", "--help"], terminal_width=300).output.split())
    for name, option in options_of(Recipe).items():
        offered = f"--{name.replace('_', '-')} " in text
        assert offered == bool(option.help), name
        assert option.help in text


@pytest.mark.parametrize("command", ["demo", "get", "scan", "split", "fit", "climb", "compare", "predict", "cache"])
def test_every_command_knows_json_and_quiet(tmp_path: Path, command: str) -> None:
    """The same two words everywhere."""
    help_text = firstlight(command, "--help", folder=tmp_path).stdout
    assert "--json" in help_text and "--quiet" in help_text


@pytest.mark.slow
def test_version_and_help(tmp_path: Path) -> None:
    """Each command's help has an example."""
    assert f"firstlight {fl.__version__}\n" == firstlight("--version", folder=tmp_path).stdout
    for command in ("demo", "get", "scan", "split", "fit", "climb", "compare", "predict", "cache"):
        assert f"Example: firstlight {command}" in firstlight(command, "--help", folder=tmp_path).stdout


@pytest.mark.slow
@pytest.mark.parametrize("words", [("climb",), ("climb", ".", "--nothing"), ("fly",), ("climb", ".", "--seed", "x")])
def test_wrong_usage_ends_with_2(tmp_path: Path, words: tuple[str, ...]) -> None:
    """As every command line does."""
    assert 2 == firstlight(*words, folder=tmp_path).returncode


@pytest.mark.slow
def test_a_missing_folder_a_file_and_an_empty_folder(tmp_path: Path) -> None:
    """Each has its sentence, which names what was passed."""
    (tmp_path / "file.txt").write_text("no folder")
    (tmp_path / "empty").mkdir()
    refused(in_a_process("climb", "nowhere", folder=tmp_path), "nowhere", "does not exist")
    refused(firstlight("climb", "file.txt", folder=tmp_path), "file.txt", "folder")
    refused(firstlight("climb", "empty", folder=tmp_path), "empty")


@pytest.mark.slow
def test_one_class(tmp_path: Path) -> None:
    """There is nothing to tell apart, and the class is named."""
    refused(firstlight("climb", grow(tmp_path / "photos", only=9), folder=tmp_path), "only", "two")


@pytest.mark.slow
def test_all_images_broken(photos: Path, tmp_path: Path) -> None:
    """Some are named with their reason."""
    for file in photos.rglob("*.png"):
        file.write_text("<html>not found</html>")
    refused(firstlight("climb", photos, *CLOSED_FORM, folder=tmp_path), "120", "not an image (text)")


@pytest.mark.slow
def test_one_percent_broken_is_listed_counted_and_done(tmp_path: Path) -> None:
    """The climb goes on without them; over 5 % it stops unless allowed."""
    photos = grow(tmp_path / "photos", dark=100, light=100)
    for number in (3, 77):
        file = photos / "dark" / f"{number}.png"
        file.write_bytes(file.read_bytes()[:40])
    done = firstlight("climb", photos, *CLOSED_FORM, "--json", folder=tmp_path)
    assert 0 == done.returncode, done.stderr
    assert 2 == json.loads(done.stdout)["unreadable"]
    assert "2 unreadable images" in done.stderr
    assert "dark/3.png" in done.stderr and "dark/77.png" in done.stderr
    for number in range(40):
        (photos / "light" / f"{number}.png").write_bytes(b"")
    refused(firstlight("climb", photos, *CLOSED_FORM, folder=tmp_path), "42", "--allow-unreadable")
    assert 0 == firstlight("climb", photos, *CLOSED_FORM, "--allow-unreadable", folder=tmp_path).returncode


@pytest.mark.slow
def test_a_run_folder_cut_off_while_it_was_written(photos: Path, tmp_path: Path) -> None:
    """A kill at any moment leaves a run folder that can be read, or none, and the same command ends it."""
    for wait in (0.3, 0.5, 0.6, 0.7, 0.8, 1.0):
        out = tmp_path / f"run-{wait}"
        process = subprocess.Popen(
            [COMMAND, "climb", photos, *CLOSED_FORM, "--out", out, "--quiet"], stdout=subprocess.DEVNULL
        )
        time.sleep(wait)
        process.kill()
        process.wait()
        assert not out.exists() or len(fl.read_run(out)) <= 5
        assert 0 == firstlight("climb", photos, *CLOSED_FORM, "--out", out, folder=tmp_path).returncode
        assert 5 == len(fl.read_run(out)) and fl.read_run(out).finished
    cut = tmp_path / "cut"
    (cut / "rungs").mkdir(parents=True)
    refused(firstlight("compare", cut, folder=tmp_path), "cut", "run.json")


@pytest.mark.slow
def test_a_tampered_model_file(photos: Path, tmp_path: Path) -> None:
    """One changed byte is noticed before anything is predicted."""
    firstlight("climb", photos, *CLOSED_FORM, "--out", "run", folder=tmp_path)
    file = tmp_path / "run" / "rungs" / "ink" / "model.safetensors"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(bytes(data))
    refused(firstlight("predict", "run", photos, "--rung", "ink", folder=tmp_path), "model.safetensors", "changed")


@pytest.mark.slow
def test_a_cache_file_cut_short(photos: Path, tmp_path: Path) -> None:
    """It is made anew, and the numbers are those of before."""
    cache = tmp_path / "cache"
    first = json.loads(
        firstlight("climb", photos, *CLOSED_FORM, "--json", folder=tmp_path, FIRSTLIGHT_CACHE=str(cache)).stdout
    )
    (file,) = cache.rglob("*.npy")
    size = file.stat().st_size
    with file.open("rb+") as opened:
        opened.truncate(size // 2)
    second = json.loads(
        firstlight("climb", photos, *CLOSED_FORM, "--json", folder=tmp_path, FIRSTLIGHT_CACHE=str(cache)).stdout
    )
    assert [one["correct"] for one in first["rungs"]] == [one["correct"] for one in second["rungs"]]
    assert [size] == [file.stat().st_size for file in cache.rglob("*.npy")]


@pytest.mark.slow
def test_no_permission_to_write(photos: Path, tmp_path: Path) -> None:
    """Where no folder can be made the sentence says so (a file in the way also stops those who may do anything)."""
    (tmp_path / "file").write_text("in the way")
    refused(firstlight("scan", photos, "--out", "file/table.parquet", folder=tmp_path), "file/table.parquet")
    done = firstlight("climb", photos, *CLOSED_FORM, "--out", "file/run", "--json", folder=tmp_path)
    refused(done, "file/run")
    assert "in the way" == (tmp_path / "file").read_text()


@pytest.mark.slow
def test_a_cache_that_cannot_be_written_costs_only_time(photos: Path, tmp_path: Path) -> None:
    """The climb is done, and says that nothing was kept."""
    (tmp_path / "file").write_text("in the way")
    done = firstlight("climb", photos, *CLOSED_FORM, folder=tmp_path, FIRSTLIGHT_CACHE=str(tmp_path / "file"))
    assert 0 == done.returncode, done.stderr
    assert "in the cache" in done.stderr


@pytest.mark.slow
def test_a_full_disk(photos: Path, tmp_path: Path) -> None:
    """What was whole stays, nothing half-written is left, and the sentence says what to do."""
    code = (
        "import os, errno, sys; import firstlight.atomic as atomic\n"
        "def full(path): raise OSError(errno.ENOSPC, 'No space left on device')\n"
        "atomic._flush = full\n"
        "from firstlight.apps.cli import main; sys.argv = ['firstlight', *sys.argv[1:]]; main()"
    )
    command = [sys.executable, "-c", code, "climb", str(photos), *CLOSED_FORM, "--out", "run", "--quiet"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert 1 == done.returncode
    assert "the disk is full" in done.stderr and "Traceback" not in done.stderr
    assert ["photos", "run"] == sorted(path.name for path in tmp_path.iterdir())
    assert 0 == len(fl.read_run(tmp_path / "run"))
    assert 0 == firstlight("climb", photos, *CLOSED_FORM, "--out", "run", folder=tmp_path).returncode
    assert fl.read_run(tmp_path / "run").finished


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent otherwise there")
def test_ctrl_c_ends_with_130_and_the_line_that_goes_on(photos: Path, tmp_path: Path) -> None:
    """What is there can be read, and the same command goes on."""
    code = (
        "import signal, sys; import firstlight.models.measuring as measuring\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a shell's background jobs ignore it
        "def interrupted(*a, **k): signal.raise_signal(signal.SIGINT)\n"
        "measuring.evaluate = interrupted\n"
        "from firstlight.apps.cli import main; sys.argv = ['firstlight', *sys.argv[1:]]; main()"
    )
    command = [sys.executable, "-c", code, "climb", str(photos), *CLOSED_FORM, "--out", "run"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert 130 == done.returncode
    assert f"firstlight climb {photos} --rungs prior,ink,centroid --out run" in done.stderr
    assert 0 == len(fl.read_run(tmp_path / "run"))
    assert 0 == firstlight("climb", photos, *CLOSED_FORM, "--out", "run", folder=tmp_path).returncode
    assert 5 == len(fl.read_run(tmp_path / "run"))
