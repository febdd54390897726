"""One of anything is not called several: what the commands say of a folder in which nearly everything is one."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from command import firstlight
from firstlight.runs.folder import read_run
from tables import noise, write_images

ONE_OF_SEVERAL = re.compile(
    r"(?<![\d.,-])1 (?:\w+ )?"
    r"(images|rungs|classes|labels|rows|epochs|warnings|notes|errors|files|folders|groups|seeds)\b"
)


@pytest.mark.slow
def test_one_is_never_several(tmp_path: Path) -> None:
    """One validation image, one warning, one near-duplicate, one broken file, one rung."""
    images = {f"train/{name}/{n}.png": noise(6, 6, seed=n + 50 * at) for at, name in enumerate("ab") for n in range(20)}
    root = write_images(tmp_path / "photos", images | {"val/a/x.png": noise(6, 6, seed=900)})
    (root / "train" / "a" / "broken.png").write_bytes(b"no image")
    (root / "train" / "a" / "copy.png").write_bytes((root / "train" / "b" / "3.png").read_bytes())
    said = []
    for words in (
        ["scan", root],
        ["audit", root],
        ["climb", root, "--rungs", "prior,ink", "--out", "run"],
        ["climb", root, "--rungs", "prior", "--out", "one"],
        ["compare", "run"],
        ["predict", "run", root / "val" / "a" / "x.png", "--rung", "ink"],
        ["cache"],
    ):
        done = firstlight(*words, folder=tmp_path)
        assert 0 == done.returncode, done.stderr
        said.append(done.stdout + done.stderr)
    said.append(repr(read_run(tmp_path / "one")))
    for text in said:
        assert not ONE_OF_SEVERAL.search(text), ONE_OF_SEVERAL.search(text)
    assert np.all([ONE_OF_SEVERAL.search(text) for text in ("1 images", "on 1 validation images", "of 1 classes.")])
