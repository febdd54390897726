"""The static page: whole, verified, installable, without a network after the first visit, updated in one piece."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import re
import tarfile
from collections.abc import Callable
from functools import partial
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import firstlight as fl
from counting import Site, sites_fixture
from firstlight.apps.web import folder as folder_module
from firstlight.apps.web import runtime as runtime_module
from firstlight.apps.web.folder import page_folder, space_folder
from firstlight.apps.web.runtime import runtime_files
from firstlight.data.fetching.catalog import write_digits
from firstlight.errors import ArgumentError, DownloadError, RunError
from firstlight.models.exporting.session import Session
from firstlight.runs.results import Run

pytestmark = pytest.mark.slow

__all__ = ["sites_fixture"]

SCRIPT, COMPUTE = b"export {};\n", b"\0asm\1\0\0\0"
NAMES = tuple(runtime_module.FILES)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Two rungs on the embedded digits."""
    home = tmp_path_factory.mktemp("phone")
    write_digits(home / "digits")
    return fl.climb(home / "digits", rungs=["prior", "centroid-l2"], out=home / "run")


def pin(home: Path, patch: pytest.MonkeyPatch) -> Path:
    """A runtime of a few bytes that counts as the pinned one."""
    home.mkdir()
    pinned = {}
    for name, data in zip(NAMES, (SCRIPT, COMPUTE), strict=True):
        (home / name).write_bytes(data)
        pinned[name] = hashlib.sha256(data).hexdigest()
    patch.setattr(runtime_module, "FILES", pinned)
    return home


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return pin(tmp_path / "runtime", monkeypatch)


@pytest.fixture(scope="module")
def page(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An exported page, to look at."""
    home = tmp_path_factory.mktemp("page")
    with pytest.MonkeyPatch.context() as patch:
        exported = page_folder(run, home / "page", rung="centroid-l2", runtime=pin(home / "runtime", patch))
    assert home / "page" / "model.onnx" == exported.path
    return home / "page"


def packed(home: Path, path: Path) -> Path:
    """The files as npm packs them."""
    with tarfile.open(path, "w:gz") as archive:
        for file in home.iterdir():
            archive.add(file, f"package/dist/{file.name}")
    return path


def sentence(kind: type[Exception], work: Callable[[], object]) -> str:
    """What a refusal says, in one line."""
    with pytest.raises(kind) as raised:
        work()
    said = str(raised.value)
    assert "\n" not in said and said.endswith(".")
    return said


# The runtime


def test_the_runtime_is_taken_from_a_folder_or_a_package(small: Path, tmp_path: Path) -> None:
    """Files side by side, an unpacked package and npm's .tgz give the same bytes."""
    unpacked = tmp_path / "unpacked"
    (unpacked / "package").mkdir(parents=True)
    expected = dict(zip(NAMES, (SCRIPT, COMPUTE), strict=True))
    archive = packed(small, tmp_path / "runtime.tgz")
    small.rename(unpacked / "package" / "dist")
    assert [expected] * 3 == [runtime_files(one) for one in (archive, unpacked, unpacked / "package")]


def test_a_runtime_with_another_content_is_refused(small: Path, tmp_path: Path) -> None:
    """One changed byte is one too many, and the sentence says how to get the right one."""
    (small / NAMES[1]).write_bytes(COMPUTE[:-1] + b"\1")
    for source in (small, packed(small, tmp_path / "changed.tgz")):
        said = sentence(DownloadError, partial(runtime_files, source))
        assert NAMES[1] in said and "SHA-256" in said and "npm pack onnxruntime-web@" in said


@pytest.mark.parametrize("damage", ["missing", "cut", "no archive", "other archive"])
def test_a_package_that_cannot_be_read_is_refused(small: Path, tmp_path: Path, damage: str) -> None:
    """Missing, cut off, no archive at all, or the package of something else: one sentence that names the file."""
    source = packed(small, tmp_path / "package.tgz")
    whole = source.read_bytes()
    if damage == "missing":
        source.unlink()
    elif damage == "cut":
        source.write_bytes(whole[: len(whole) // 2])
    elif damage == "no archive":
        source.write_bytes(gzip.compress(b"no archive"))
    else:
        (small / NAMES[0]).rename(small / "other.mjs")
        packed(small, source)
    assert str(source) in sentence(DownloadError, partial(runtime_files, source))


def test_the_runtime_is_fetched_once(
    small: Path, sites: Callable[[Path], Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was fetched is kept, so that the second export needs no network."""
    site = sites(small)
    monkeypatch.setattr(runtime_module, "ADDRESS", f"{site.url}/")
    first = runtime_files()
    site.stop()
    assert first == runtime_files() == dict(zip(NAMES, (SCRIPT, COMPUTE), strict=True))
    assert sorted((name, 200) for name in NAMES) == sorted(site.asked)


def test_a_fetched_runtime_with_another_content_is_refused(
    small: Path, sites: Callable[[Path], Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a server gives out in its place is neither used nor kept."""
    (small / NAMES[0]).write_bytes(b"alert(1)")
    site = sites(small)
    monkeypatch.setattr(runtime_module, "ADDRESS", f"{site.url}/")
    said = [sentence(DownloadError, runtime_files) for _ in range(2)]
    assert said[0] == said[1] and 2 == site.asked.count((NAMES[0], 200))


def test_without_a_network_it_is_reported_how_to_get_the_runtime(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plain sentence names the package and the option."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(runtime_module, "ADDRESS", "http://127.0.0.1:9/")
    said = sentence(DownloadError, runtime_files)
    assert "npm pack onnxruntime-web@" in said and "--runtime" in said


# The folder


class _Addresses(HTMLParser):
    """What a page fetches, in order, with the tag that does."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, str]] = []
        self.policy = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        named = dict(attributes)
        if named.get("http-equiv") == "Content-Security-Policy":
            self.policy = named["content"] or ""
            assert [] == self.found  # a policy holds for what comes after it
        if tag in ("script", "link", "img"):
            self.found.append((tag, named.get("src") or named.get("href") or ""))


def addresses(home: Path) -> set[str]:
    """Every file that page, scripts and manifest name."""
    parser = _Addresses()
    parser.feed((home / "index.html").read_text())
    found = {address for tag, address in parser.found if address}
    for script in home.glob("*.js"):
        text = script.read_text()
        found |= set(re.findall(r'from "\./([^"]+)"', text)) | set(re.findall(r'new URL\("([^"]+)"', text))
        found |= set(re.findall(r' get\("([^"]+)"\)', text))
    return found | {icon["src"] for icon in json.loads((home / "manifest.webmanifest").read_text())["icons"]}


def test_the_folder_holds_all_that_it_names(page: Path) -> None:
    """Page, scripts and manifest name files of the folder only, by relative addresses."""
    named = addresses(page)
    there = {path.name for path in page.iterdir()}
    assert set() == named - there
    assert {"engine.js", "engine-worker.js", "model.onnx", "model.json", *NAMES} <= named


def test_the_folder_asks_nobody_else(page: Path) -> None:
    """No file of ours holds another address than the names of its own formats."""
    ours = [path for path in page.iterdir() if path.suffix in (".html", ".css", ".js", ".svg")]
    found = {address for path in ours for address in re.findall(r"\w+://[\w./]+", path.read_text())}
    assert {"http://www.w3.org/2000/svg"} == found


def test_the_policy_allows_only_the_folder(page: Path) -> None:
    """It comes before anything is loaded, and names neither another site nor inline code."""
    parser = _Addresses()
    parser.feed((page / "index.html").read_text())
    rules = dict(rule.strip().split(" ", 1) for rule in parser.policy.split(";"))
    assert "'none'" == rules["default-src"]
    assert "'self' 'wasm-unsafe-eval'" == rules["script-src"]
    allowed = {"'self'", "'none'", "'wasm-unsafe-eval'", "blob:", "data:"}
    assert set() == {source for rule in rules.values() for source in rule.split()} - allowed


def test_the_service_worker_lists_every_file(page: Path) -> None:
    """Each file but itself, with its SHA-256."""
    first, _, rest = (page / "sw.js").read_text().partition("\n")
    there = [path for path in page.iterdir() if path.name != "sw.js"]
    digest = {path.name: base64.b64encode(hashlib.sha256(path.read_bytes()).digest()).decode() for path in there}
    expected = {name: f"sha256-{value}" for name, value in digest.items()}
    assert expected == json.loads(first.removeprefix("const FILES = ").removesuffix(";"))
    assert (folder_module.PAGE / "sw.js").read_text() == rest


def test_icons_have_the_sizes_that_the_manifest_says(page: Path) -> None:
    """Of every PNG; one of them may be cut to any shape: it fills its square, and its drawing stays in the middle."""
    icons = json.loads((page / "manifest.webmanifest").read_text())["icons"]
    drawn = {icon["src"]: icon["sizes"] for icon in icons if icon["type"] == "image/png"}
    pictures = {name: Image.open(io.BytesIO((page / name).read_bytes())) for name in drawn}
    sizes = {name: f"{picture.width}x{picture.height}" for name, picture in pictures.items()}
    assert drawn == sizes and {"192x192", "512x512"} <= set(sizes.values())
    maskable = next(icon["src"] for icon in icons if icon.get("purpose") == "maskable")
    pixels = np.asarray(pictures[maskable].convert("RGBA")).astype(int)
    rows, columns = np.nonzero(np.abs(pixels - pixels[0, 0]).sum(axis=2) > 60)
    side = len(pixels)
    assert (pixels[..., 3] == 255).all()  # and W3C's safe zone is a circle of two fifths of the side
    assert np.hypot(rows - side / 2, columns - side / 2).max() < 0.4 * side


def test_the_folder_says_what_the_model_is(page: Path) -> None:
    """model.json is the document that the model itself carries."""
    assert Session.of(page / "model.onnx").about == json.loads((page / "model.json").read_text())


def test_an_earlier_page_is_replaced(run: Run, small: Path, tmp_path: Path) -> None:
    """Exported anew to the same place, it holds the other model, and nothing is left beside it."""
    page_folder(run, tmp_path / "out" / "page", rung="centroid-l2", runtime=small)
    page_folder(run, tmp_path / "out" / "page", rung="prior", runtime=small)
    assert "prior" == json.loads((tmp_path / "out" / "page" / "model.json").read_text())["name"]
    assert ["page"] == [path.name for path in (tmp_path / "out").iterdir()]


def contents(home: Path) -> dict[str, bytes]:
    return {path.relative_to(home).as_posix(): path.read_bytes() for path in home.rglob("*") if path.is_file()}


@pytest.mark.parametrize("added", [".git/config", "CNAME", "style.css", ""])
def test_what_the_user_put_there_is_never_lost(run: Run, small: Path, tmp_path: Path, added: str) -> None:
    """A folder of something else, and a page to which a file was added or in which one was changed, are refused."""
    out = tmp_path / "out"
    if added:
        page_folder(run, out, rung="centroid-l2", runtime=small)
        (out / added).parent.mkdir(exist_ok=True)
        (out / added).write_text("mine")
    else:
        out.mkdir()
        (out / "sw.js").write_text("const other = 1;")
    before = contents(out)
    said = sentence(ArgumentError, lambda: page_folder(run, out, rung="prior", runtime=small))
    assert str(out) in said and added.partition("/")[0] in said
    assert before == contents(out)


def test_an_export_that_fails_leaves_the_earlier_page(
    run: Run, small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the model cannot be proved, the folder is what it was, and nothing lies beside it."""
    out = tmp_path / "out" / "page"
    page_folder(run, out, rung="centroid-l2", runtime=small)
    before = contents(tmp_path / "out")

    def refuse(*_: object, **__: object) -> None:
        raise RunError("It differs.")

    monkeypatch.setattr(folder_module, "export", refuse)
    with pytest.raises(RunError, match="differs"):
        page_folder(run, out, rung="prior", runtime=small)
    assert before == contents(tmp_path / "out")


def test_a_space_has_a_head_that_the_hub_reads(run: Run, page: Path, small: Path, tmp_path: Path) -> None:
    """The Hub's own client reads the fields of a static Space, and finds the page where it says."""
    from huggingface_hub import SpaceCard

    space_folder(run, tmp_path / "space", rung="centroid-l2", runtime=small, license_name="mit")
    head = SpaceCard.load(tmp_path / "space" / "README.md").data.to_dict()
    found = {name: head[name] for name in ("title", "sdk", "app_file", "pinned", "license")}
    expected = {"title": "What is this? (centroid-l2)", "sdk": "static", "app_file": "index.html", "pinned": False}
    assert expected | {"license": "mit"} == found
    assert {"emoji", "colorFrom", "colorTo"} <= set(head)
    more = contents(tmp_path / "space").keys() - contents(page).keys()
    assert {"README.md", ".gitattributes"} == more


def test_a_licence_that_breaks_the_head_is_refused(run: Run, small: Path, tmp_path: Path) -> None:
    """What is no name of a licence never reaches the file."""
    refused = partial(space_folder, run, tmp_path / "space", runtime=small, license_name="mit\nsdk: docker")
    assert "apache-2.0" in sentence(ArgumentError, refused)
    assert not (tmp_path / "space").exists()
