"""The HTTP service: answers as the session gives them, what it says of itself, and who may call it."""

from __future__ import annotations

import base64
import json
import logging
import re
from collections.abc import Iterator

import anyio
import httpx
import numpy as np
import pytest
import schemathesis

import firstlight as fl
import plain_http
from firstlight.apps.serving import configured
from firstlight.apps.web.server import application
from firstlight.apps.web.service import PAGE
from firstlight.data.decoding.decode import decode
from firstlight.models.exporting.session import Session
from serving import served
from tables import gray_folder, noise
from wire import encoded, raw

pytestmark = pytest.mark.slow

TOKEN = "a-token-of-this-test"  # noqa: S105


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> fl.Run:
    folder = tmp_path_factory.mktemp("serve")
    gray_folder(folder, count=40)
    return fl.climb(folder, rungs=["centroid-l2", "linear"], effort="quick", epochs=1)


@pytest.fixture(scope="module")
def session(run: fl.Run) -> Session:
    return Session.of(run, "centroid-l2")


@pytest.fixture(scope="module")
def here(session: Session) -> Iterator[str]:
    with served(session, hosts=["127.0.0.1", "localhost", "[::1]"]) as found:
        yield found


FILES = {
    "gray.png": encoded(noise(6, 6)),
    "other size.png": encoded(noise(31, 17, 3, seed=1)),
    "photo.jpg": encoded(noise(40, 30, 3, seed=2), "JPEG"),
    "tiny.gif": encoded(noise(1, 1, seed=3), "GIF"),
    "x.webp": encoded(noise(9, 9, 3, seed=4), "WEBP"),
}


@pytest.mark.parametrize("rung", ["centroid-l2", "linear"])
def test_answers_are_those_of_the_session(run: fl.Run, rung: str) -> None:
    """Many files in one request: every number as the session gives it for the decoded file, in their order."""
    session = Session.of(run, rung)
    with served(session) as there:
        sent = [("images", (name, data)) for name, data in FILES.items()]
        found = plain_http.post(f"{there}/api/predict?pixels", files=sent)
    assert 200 == found.status_code
    predictions = found.json()["predictions"]
    assert list(FILES) == [one["name"] for one in predictions]
    for one, data in zip(predictions, FILES.values(), strict=True):
        image = decode(data)
        assert isinstance(image, np.ndarray)
        expected = session.answer(image[None])
        label = int(expected.labels[0])
        assert session.classes[label] == one["label"]
        assert session.classes == tuple(one["probabilities"])
        np.testing.assert_array_equal(expected.probabilities[0], np.float32(list(one["probabilities"].values())))
        assert one["probabilities"][one["label"]] == one["probability"]
        if expected.distances is None:
            assert one["distances"] is None
        else:
            np.testing.assert_array_equal(expected.distances[0], np.float32(list(one["distances"].values())))
        seen = np.frombuffer(base64.b64decode(one["pixels"]["data"]), np.uint8).reshape(one["pixels"]["shape"])
        np.testing.assert_array_equal(expected.pixels[0], seen)
        assert one["problem"] is None


@pytest.mark.parametrize("kind", ["image/png", "image/jpeg", "application/octet-stream", "IMAGE/PNG; a=b"])
def test_a_bare_body_is_one_image_whatever_its_type_says(here: str, session: Session, kind: str) -> None:
    """The format is read from the bytes; the type only says that the body is an image."""
    found = plain_http.post(f"{here}/api/predict", content=FILES["gray.png"], headers={"content-type": kind})
    [one] = found.json()["predictions"]
    assert one["name"] is None
    assert one["pixels"] is None  # unless they are requested
    expected = session.answer(noise(6, 6)[None, :, :, None]).probabilities[0]
    np.testing.assert_array_equal(expected, np.float32(list(one["probabilities"].values())))


def test_what_is_far_from_the_validation_images_is_said_to_be_out_of_distribution(
    run: fl.Run, session: Session
) -> None:
    """By the bounds in the model's document, on either side of them."""
    answer = session.answer(noise(6, 6)[None, :, :, None])
    assert answer.distances is not None
    nearest, top = float(answer.distances.min()), float(answer.probabilities.max())
    cases = [
        ({"probability": top, "distance": nearest}, True),
        ({"probability": top, "distance": nearest * 0.999}, False),
        ({"probability": top * 1.001, "distance": nearest}, False),
        ({"probability": top, "distance": None}, True),
    ]
    for bounds, expected in cases:
        changed = Session.of(run, "centroid-l2")
        changed.about["in_distribution"] = {**bounds, "share": 0.01}
        with served(changed) as there:
            found = plain_http.post(f"{there}/api/predict", files={"images": FILES["gray.png"]})
        assert expected is found.json()["predictions"][0]["in_distribution"]


def test_an_unreadable_file_among_others_is_a_row_with_its_reason(here: str) -> None:
    """The others are answered all the same."""
    sent = [("images", ("a.png", b"no image")), ("images", ("b.png", FILES["gray.png"]))]
    found = plain_http.post(f"{here}/api/predict", files=sent)
    first, second = found.json()["predictions"]
    assert "The image cannot be read: not an image (text)." == first["problem"]
    assert {None} == {first[name] for name in ("label", "probability", "probabilities", "pixels", "in_distribution")}
    assert second["problem"] is None
    assert second["label"] in ("a", "b")


def test_the_model_and_its_ideal_images_are_reported(here: str, session: Session, run: fl.Run) -> None:
    """The document as the session has it; float32 in order; a rung without ideal images says so."""
    assert json.loads(json.dumps(session.about)) == plain_http.get(f"{here}/api/model").json()
    found = plain_http.get(f"{here}/api/ideal").json()
    ideal = np.frombuffer(base64.b64decode(found["data"]), "<f4").reshape(found["shape"])
    assert session.ideal is not None
    np.testing.assert_array_equal(session.ideal, ideal)
    with served(Session.of(run, "linear")) as there:
        refused = plain_http.get(f"{there}/api/ideal")
    assert (404, "linear has no ideal images; a centroid has.") == (refused.status_code, refused.json()["detail"])


def test_answers_are_what_the_openapi_document_says(here: str) -> None:
    """Predictions, refusals, the model and its ideal images fit the schemas of their status."""
    document = schemathesis.openapi.from_url(f"{here}/openapi.json")
    asked = [
        ("/api/predict", "POST", {"files": [("images", FILES["gray.png"]), ("images", b"no image")]}, 200),
        ("/api/predict", "POST", {"files": [("images", b"no image")]}, 415),
        ("/api/predict", "POST", {"files": [("images", FILES["gray.png"][:50])]}, 422),
        *((path, "GET", {}, 200) for path in ("/api/model", "/api/ideal", "/healthz", "/readyz", "/metrics")),
    ]
    with plain_http.Client() as client:
        for path, method, sent, expected in asked:
            request = client.build_request(method, here + path, **sent)
            request.read()
            answer = client.send(request)
            assert expected == answer.status_code
            document[path][method].validate_response(answer)


def test_states_and_counts(session: Session) -> None:
    """It lives, it is ready, and it counts requests by path and status, images and seconds, for itself alone."""
    with served(session) as there:
        assert {"status": "ok"} == plain_http.get(f"{there}/healthz").json()
        assert {"status": "ready"} == plain_http.get(f"{there}/readyz").json()
        plain_http.post(f"{there}/api/predict", files=[("images", FILES["gray.png"])] * 3)
        plain_http.get(f"{there}/no/such/{'x' * 50}")
        counts = plain_http.get(f"{there}/metrics").text
    assert 'firstlight_requests_total{path="/api/predict",status="200"} 1.0' in counts
    assert 'firstlight_requests_total{path="page",status="404"} 1.0' in counts
    assert "firstlight_images_total 3.0" in counts
    assert 'firstlight_request_seconds_count{path="/healthz"} 1.0' in counts
    assert "firstlight_requests_under_way 0.0" in counts
    assert "xxx" not in counts


def test_the_page_comes_with_the_engine_that_asks_the_server(here: str) -> None:
    """index.html at /, engine-server.js under the name engine.js, each with its type."""
    page = plain_http.get(f"{here}/")
    assert (PAGE / "index.html").read_text("utf-8") == page.text
    assert page.headers["content-type"].startswith("text/html")
    engine = plain_http.get(f"{here}/engine.js")
    assert (PAGE / "engine-server.js").read_bytes() == engine.content
    assert engine.headers["content-type"].startswith("text/javascript")
    assert 200 == plain_http.get(f"{here}/style.css").status_code


@pytest.mark.parametrize("path", ["/", "/style.css", "/engine.js", "/api/model", "/healthz"])
def test_it_works_behind_a_path_prefix(session: Session, path: str) -> None:
    """A proxy that takes the prefix away: page, files and answers are found, the document names the prefix."""
    app = configured(application(session), "/digits")
    app.load()

    async def asked(path: str) -> httpx.Response:
        transport = httpx.ASGITransport(app.loaded_app, root_path=app.root_path)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.get(f"/digits{path}")

    assert 200 == anyio.run(asked, path).status_code
    assert [{"url": "/digits"}] == anyio.run(asked, "/openapi.json").json()["servers"]


TRICKS = (
    "/../server.py", "/..%2fserver.py", "/%2e%2e/server.py", "/%2e%2e%2fserver.py", "/..%5cserver.py",
    "/....//server.py", "//etc/passwd", "/%2fetc%2fpasswd", "/./../../../../../../../../etc/passwd",
    "/style.css%00.png", "/%00", "/index.html/../../server.py", "/" + "a" * 5000, "/%ff%fe", "/%252e%252e/server.py",
)  # fmt: skip


@pytest.mark.parametrize("path", TRICKS)
def test_no_path_leads_out_of_the_page(here: str, path: str) -> None:
    """Dots, encoded dots, slashes and backslashes, null bytes: there is nothing."""
    answer = raw(here, f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n".encode())
    start, _, body = answer.partition(b"\r\n\r\n")
    assert start.startswith(b"HTTP/1.1 404 ")
    assert {"request", "detail"} == json.loads(body).keys()


HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "permissions-policy": "camera=(self), microphone=(), geolocation=()",
    "cache-control": "no-store",
    "cross-origin-resource-policy": "same-origin",
}


@pytest.mark.parametrize("path", ["/", "/style.css", "/api/model", "/api/predict", "/no/such", "/healthz"])
def test_every_answer_has_the_strict_headers_and_a_number(here: str, path: str) -> None:
    """Refusals too; no script or style of the page's text, no frame, no other site."""
    first, second = plain_http.get(here + path), plain_http.get(here + path)
    assert HEADERS.items() <= dict(first.headers).items()
    policy = first.headers["content-security-policy"]
    for part in ("default-src 'none'", "script-src 'self';", "style-src 'self';", "frame-ancestors 'none'"):
        assert part in policy + ";"
    assert "unsafe" not in policy
    assert re.fullmatch("[0-9a-f]{32}", first.headers["x-request-id"])
    assert first.headers["x-request-id"] != second.headers["x-request-id"]
    assert "server" not in first.headers


def test_a_refusal_has_the_same_number_in_header_text_and_log(
    session: Session, caplog: pytest.LogCaptureFixture
) -> None:
    """One line of JSON for each request, with its number, and neither file names nor what else was sent."""
    with caplog.at_level(logging.INFO, "firstlight.serve"), served(session) as there:
        sent = [("images", ("a-private-name.png", b"private content"))]
        found = plain_http.post(f"{there}/api/predict?private=1", files=sent, headers={"user-agent": "private"})
        plain_http.get(f"{there}/private/path")
    lines = [json.loads(record.message) for record in caplog.records if record.name == "firstlight.serve"]
    assert found.headers["x-request-id"] == found.json()["request"] == lines[0]["request"]
    assert {"method": "POST", "path": "/api/predict", "status": 415}.items() <= lines[0].items()
    assert {"method": "GET", "path": "page", "status": 404}.items() <= lines[1].items()
    assert {"time", "request", "method", "path", "status", "images", "seconds"} == lines[0].keys()
    assert "private" not in caplog.text


def test_a_fault_of_the_server_is_reported_by_its_number_alone(
    session: Session, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer and the log name the request, the log the place of the fault; neither says what was sent."""
    with caplog.at_level(logging.INFO, "firstlight.serve"), served(session) as there:

        def broken(_: np.ndarray) -> None:
            raise ValueError("a private word")

        monkeypatch.setattr(session, "answer", broken)
        found = plain_http.post(f"{there}/api/predict", files={"images": FILES["gray.png"]})
    assert 500 == found.status_code
    assert "private" not in found.text + caplog.text
    [line] = [json.loads(record.message) for record in caplog.records if record.name == "firstlight.serve"]
    assert found.json()["request"] == line["request"]
    assert line["error"].startswith("ValueError at test_serve.py:")
    assert "nosniff" == found.headers["x-content-type-options"]


GUARDED = (("POST", "/api/predict"), ("GET", "/api/model"), ("GET", "/api/ideal"), ("GET", "/metrics"))
WRONG = (None, "Bearer", "Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", "ü")


def test_without_the_token_nothing_of_the_model_is_reported(session: Session) -> None:
    """Missing, wrong, cut off, of another scheme: 401; the page and the states need none."""
    with served(session, token=TOKEN) as there, plain_http.Client(base_url=there) as client:
        for method, path in GUARDED:
            for said in WRONG:
                headers = {} if said is None else {"authorization": said.encode()}
                refused = client.request(method, path, headers=headers, content=b"")
                assert (401, "Bearer") == (refused.status_code, refused.headers["www-authenticate"])
                assert (
                    "The token is missing or wrong; open the link that was printed at the start."
                    == (refused.json()["detail"])
                )
            right = client.request(method, path, headers={"authorization": f"Bearer {TOKEN}"}, content=b"")
            assert (415 if method == "POST" else 200) == right.status_code
        assert [200] * 4 == [client.get(path).status_code for path in ("/", "/engine.js", "/healthz", "/readyz")]


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "127.0.0.1@evil.example", "", "[::2]"])
def test_another_name_that_points_here_is_refused(here: str, host: str) -> None:
    """A site whose name is made to point to this computer reaches nothing (DNS rebinding)."""
    answer = raw(here, f"GET /api/model HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n".encode())
    start, _, body = answer.partition(b"\r\n\r\n")
    assert start.startswith(b"HTTP/1.1 400 ")
    assert "use the address that it printed" in json.loads(body)["detail"]
    assert b"x-request-id" in start


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST:80", "[::1]:8000"])
def test_its_own_names_are_known(here: str, host: str) -> None:
    """With and without a port."""
    assert 200 == plain_http.get(f"{here}/healthz", headers={"host": host}).status_code


SENT_BY_A_BROWSER = {  # the headers that a browser adds: whether the request is answered
    "a program": ({}, True),
    "the page": ({"sec-fetch-site": "same-origin", "origin": "{here}"}, True),
    "the page, without https": ({"origin": "{here}"}, True),
    "the address bar": ({"sec-fetch-site": "none"}, True),
    "another site": ({"sec-fetch-site": "cross-site", "origin": "https://evil.example"}, False),
    "another site without Sec-Fetch-Site": ({"origin": "https://evil.example"}, False),
    "another site without Origin": ({"sec-fetch-site": "cross-site"}, False),
    "another port": ({"origin": "http://127.0.0.1:1"}, False),
    "another port of the same site": ({"sec-fetch-site": "same-site", "origin": "http://127.0.0.1:1"}, False),
    "a sandboxed frame or a file": ({"origin": "null"}, False),
    "another name of this computer": ({"origin": "http://localhost:80"}, False),
    "a malformed origin": ({"origin": "http://[::1"}, False),
    "an old browser on the page": ({"referer": "{here}/?a=http://evil.example"}, True),
    "an old browser on another site": ({"referer": "http://evil.example/{here}"}, False),
    "an old browser on a site with a user": ({"referer": "{here}@evil.example/"}, False),
    "an old browser on a site of a similar name": ({"referer": "{here}.evil.example/"}, False),
}


@pytest.mark.parametrize("sender", SENT_BY_A_BROWSER)
def test_a_page_of_another_site_is_refused(here: str, sender: str) -> None:
    """Neither its predictions nor the model are given; health checks are, and a link to the page opens it."""
    headers, answered = SENT_BY_A_BROWSER[sender]
    headers = {name: value.format(here=here) for name, value in headers.items()}
    sent = [
        plain_http.post(f"{here}/api/predict", files={"images": FILES["gray.png"]}, headers=headers),
        *(plain_http.get(here + path, headers=headers) for path in ("/api/model", "/api/ideal", "/metrics")),
    ]
    assert [200 if answered else 403] * 4 == [one.status_code for one in sent]
    assert "--origins" in sent[0].text or answered
    assert [200, 200] == [plain_http.get(here + path, headers=headers).status_code for path in ("/", "/healthz")]


@pytest.mark.parametrize("name", ["origin", "sec-fetch-site"])
def test_a_header_that_is_sent_twice_is_read_twice(here: str, name: str) -> None:
    """The page's own value does not hide another."""
    values = {"origin": (here, "https://evil.example"), "sec-fetch-site": ("same-origin", "cross-site")}[name]
    for first, second in (values, values[::-1]):
        assert 403 == plain_http.get(f"{here}/api/model", headers=[(name, first), (name, second)]).status_code


def test_other_sites_may_call_only_where_they_were_named(session: Session) -> None:
    """CORS for the named origin alone, the Authorization header included; without a name there is none."""
    asked = {"origin": "https://a.example", "access-control-request-method": "POST"}
    asked["access-control-request-headers"] = "authorization,content-type"
    with served(session, origins=["https://a.example"]) as there:
        granted = plain_http.options(f"{there}/api/predict", headers=asked)
        assert (200, "https://a.example") == (granted.status_code, granted.headers["access-control-allow-origin"])
        refused = plain_http.options(f"{there}/api/predict", headers=asked | {"origin": "https://b.example"})
        assert 400 == refused.status_code
        assert "access-control-allow-origin" not in refused.headers
        simple = plain_http.get(
            f"{there}/api/model", headers={"origin": "https://a.example", "sec-fetch-site": "cross-site"}
        )
        assert 200 == simple.status_code
        assert "https://a.example" == simple.headers["access-control-allow-origin"]
    with served(session) as there:
        none = plain_http.get(f"{there}/api/model", headers={"origin": "https://a.example"})
        assert "access-control-allow-origin" not in none.headers
