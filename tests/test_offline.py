"""The static page in a real Chromium: under a prefix, without a network, installable, updated in one piece."""

from __future__ import annotations

import base64
import io
import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import firstlight as fl
from browser import context, profile
from counting import Site, sites_fixture
from firstlight.apps.web.folder import page_folder
from firstlight.apps.web.runtime import FILES
from firstlight.data.fetching.catalog import write_digits
from firstlight.runs.results import Run
from parity import ASK
from serving import runtime

__all__ = ["sites_fixture"]

pytestmark = pytest.mark.slow

READY = "html[data-ready]"
UNTIL = """async () => {
  const found = async () => %s;
  while (!(await found())) await new Promise((then) => setTimeout(then, 20));
}"""
KEPT = UNTIL % "navigator.serviceWorker.controller"
UPDATED = UNTIL % "(await navigator.serviceWorker.getRegistration()).waiting"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Two rungs on the embedded digits."""
    home = tmp_path_factory.mktemp("offline")
    write_digits(home / "digits")
    return fl.climb(home / "digits", rungs=["prior", "centroid-l2"], out=home / "run")


@pytest.fixture(scope="module")
def site_folder(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site whose page lies under a prefix."""
    home = tmp_path_factory.mktemp("site")
    (home / "some").mkdir()
    page_folder(run, home / "some" / "where", rung="centroid-l2", runtime=runtime())
    return home


def png(seed: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (20, 30, 3), np.uint8)).save(file, "PNG")
    return file.getvalue()


def answer(page: Any, data: bytes) -> Any:
    return page.evaluate(ASK, base64.b64encode(data).decode())


def visit(page: Any, address: str) -> None:
    page.goto(address)
    page.wait_for_selector(READY)
    page.evaluate(KEPT)


def test_it_answers_when_the_network_is_cut(site_folder: Path, sites: Callable[[Path], Site]) -> None:
    """Visited once, it loads and gives the same answers with the server gone; nothing was asked of anyone else."""
    site = sites(site_folder)
    address = f"{site.url}/some/where/"
    with context(service_workers="allow") as opened:
        first = opened.new_page()
        visit(first, address)
        before = [answer(first, png(seed)) for seed in range(3)]
        first.close()
        site.stop()
        opened.set_offline(True)
        errors: list[str] = []
        asked: list[str] = []
        second = opened.new_page()
        second.on("pageerror", lambda error: errors.append(str(error)))
        second.on("console", lambda said: said.type in ("error", "warning") and errors.append(said.text))
        opened.on("request", lambda request: asked.append(request.url))
        for way in ("", "index.html", "?from=home"):
            second.goto(address + way)
            second.wait_for_selector(READY)
            assert before == [answer(second, png(seed)) for seed in range(3)]
        assert "centroid-l2" in second.inner_text("#about")
        assert [] == errors
        assert [] == [url for url in asked if not url.startswith((address, "blob:", "data:"))]


def test_the_runtime_comes_over_the_network_once(
    site_folder: Path, sites: Callable[[Path], Site], tmp_path: Path
) -> None:
    """The service worker keeps what the page has just loaded: the large files are not sent a second time."""
    site = sites(site_folder)
    with profile(tmp_path) as opened:
        visit(opened.new_page(), f"{site.url}/some/where/")
    sent = [name for name, status in site.asked if status == 200 and name.endswith((".wasm", ".onnx"))]
    assert ["model.onnx", "ort-wasm-simd-threaded.wasm"] == sorted(sent)


def test_an_update_takes_over_when_the_page_is_opened_anew(
    run: Run, tmp_path: Path, sites: Callable[[Path], Site]
) -> None:
    """An open page goes on with its model; the next opening has the new one; only what changed is fetched."""
    out = tmp_path / "site" / "page"
    page_folder(run, out, rung="centroid-l2", runtime=runtime())
    site = sites(tmp_path / "site")
    with context() as opened:
        first = opened.new_page()
        visit(first, f"{site.url}/page/")
        site.asked.clear()
        page_folder(run, out, rung="prior", runtime=runtime())
        first.reload()
        first.wait_for_selector(READY)
        first.evaluate(UPDATED)
        assert "centroid-l2" in first.inner_text("#about")
        assert 10 == len(answer(first, png(0))[1])
        fetched = {name for name, status in site.asked if status == 200}
        first.close()
        for _ in range(10):
            time.sleep(0.5)  # until the browser has seen that no page uses the first version any more
            second = opened.new_page()
            visit(second, f"{site.url}/page/")
            if "prior" in second.inner_text("#about"):
                break
            second.close()
        assert "prior" in second.inner_text("#about")
        files = second.evaluate("caches.keys().then(([name]) => caches.open(name)).then((one) => one.keys())")
    assert {"sw.js", "model.json", "model.onnx", "manifest.webmanifest"} == fetched
    listed = json.loads((out / "sw.js").read_text().partition("\n")[0].removeprefix("const FILES = ").rstrip(";"))
    assert len(listed) == len(files)  # what belonged to the first version only is gone


def test_a_file_of_another_version_is_never_kept(run: Run, tmp_path: Path, sites: Callable[[Path], Site]) -> None:
    """Where the server holds half of an update, the page goes on with the version that it has whole."""
    out = tmp_path / "site" / "page"
    page_folder(run, out, rung="centroid-l2", runtime=runtime())
    site = sites(tmp_path / "site")
    with context() as opened:
        first = opened.new_page()
        visit(first, f"{site.url}/page/")
        page_folder(run, out, rung="prior", runtime=runtime())
        model = (out / "model.onnx").read_bytes()
        (out / "model.onnx").write_bytes(model[:-1] + bytes([model[-1] ^ 1]))
        state = first.evaluate(
            """async () => {
              const registration = await navigator.serviceWorker.getRegistration();
              await registration.update();
              const coming = registration.installing;
              while (coming.state === "installing") await new Promise((then) => (coming.onstatechange = then));
              return coming.state;
            }"""
        )
        assert "redundant" == state
        first.close()
        second = opened.new_page()
        visit(second, f"{site.url}/page/")
        assert "centroid-l2" in second.inner_text("#about")
        assert 10 == len(answer(second, png(0))[1])


def test_a_phone_can_install_it(site_folder: Path, sites: Callable[[Path], Site], tmp_path: Path) -> None:
    """Chromium finds no fault in the manifest, and nothing that speaks against installing the page."""
    site = sites(site_folder)
    with profile(tmp_path) as opened:
        page = opened.new_page()
        visit(page, f"{site.url}/some/where/")
        tools = opened.new_cdp_session(page)
        manifest = tools.send("Page.getAppManifest")
        faults = tools.send("Page.getInstallabilityErrors")["installabilityErrors"]
    assert [] == manifest["errors"] and manifest["url"].endswith("/some/where/manifest.webmanifest")
    assert [] == faults


def test_nothing_foreign_runs_in_it(site_folder: Path, sites: Callable[[Path], Site]) -> None:
    """The policy refuses code from text, inline scripts and other sites, and breaks nothing of the page."""
    site = sites(site_folder)
    errors: list[str] = []
    with context() as opened:
        page = opened.new_page()
        page.on("console", lambda said: said.type in ("error", "warning") and errors.append(said.text))
        visit(page, f"{site.url}/some/where/")
        answer(page, png(0))
        assert [] == errors
        page.evaluate(
            """() => {
              const script = document.createElement("script");
              script.textContent = "document.title = 'foreign'";
              document.head.append(script);
            }"""
        )
        foreign = page.evaluate("fetch('http://localhost:1/').then(() => 'sent', (error) => error.name)")
        assert "foreign" != page.title() and "TypeError" == foreign
        violated = [text for text in errors if "Content Security Policy" in text]
        assert 2 <= len(violated)


def test_what_is_no_image_is_reported_and_the_next_one_answered(
    site_folder: Path, sites: Callable[[Path], Site]
) -> None:
    """Text, a cut-off file and nothing at all each give a sentence; the engine then answers as before."""
    site = sites(site_folder)
    with context() as opened:
        page = opened.new_page()
        visit(page, f"{site.url}/some/where/")
        before = answer(page, png(0))
        told = """async (text) => {
          const engine = await import("./engine.js");
          const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
          return engine.predict(new Blob([bytes])).then(() => "answered", (error) => error.message);
        }"""
        for data in (b"<html></html>", png(0)[:40], b"", b"<svg xmlns='http://www.w3.org/2000/svg'/>"):
            assert "cannot read this file as an image" in page.evaluate(told, base64.b64encode(data).decode())
        assert before == answer(page, png(0))


@pytest.mark.parametrize("missing", ["model.onnx", "model.json", *FILES, "engine-worker.js"])
def test_a_folder_that_is_not_whole_says_so(
    site_folder: Path, tmp_path: Path, sites: Callable[[Path], Site], missing: str
) -> None:
    """Where a file was not copied along, the page does not wait for ever but says what to do."""
    shutil.copytree(site_folder / "some" / "where", tmp_path / "page")
    (tmp_path / "page" / missing).unlink()
    site = sites(tmp_path / "page")
    with context() as opened:
        page = opened.new_page()
        page.goto(f"{site.url}/")
        page.wait_for_selector("#problem:not([hidden])")
        assert "network" in page.inner_text("#problem")
