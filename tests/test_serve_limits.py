"""What the service refuses: too much, too slow, too many, no images; in one sentence, alive and with memory bounded."""

from __future__ import annotations

import gzip
import json
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

import firstlight as fl
import plain_http
from bombs import bomb, header_only
from firstlight.apps.web.limits import Limits
from firstlight.models.exporting.session import Session
from serving import served
from tables import gray_folder, noise
from wire import Slow, encoded, head, raw

pytestmark = pytest.mark.slow

IMAGE = encoded(noise(6, 6))
SMALL = Limits(body=200_000, images=4, pixels=10_000, seconds=0.6, under_way=3)


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    folder = tmp_path_factory.mktemp("serve")
    gray_folder(folder, count=40)
    return Session.of(fl.climb(folder, rungs=["centroid-l2"]))


@pytest.fixture(scope="module")
def here(session: Session) -> Iterator[str]:
    with served(session, limits=SMALL) as found:
        yield found


@pytest.fixture(autouse=True)
def still_alive(here: str) -> Iterator[None]:
    """Whatever a test sends, the server answers afterwards, and no request is left under way."""
    yield
    assert 200 == plain_http.post(f"{here}/api/predict", files={"images": IMAGE}).status_code
    assert "firstlight_requests_under_way 0.0" in plain_http.get(f"{here}/metrics").text


def refusal(answer: httpx.Response) -> tuple[int, str]:
    """Status and sentence; the sentence is one, and the document has nothing else but the request's number."""
    document = answer.json()
    assert {"request", "detail"} == document.keys()
    assert answer.headers["x-request-id"] == document["request"]
    assert document["detail"].endswith(".")
    assert "\n" not in document["detail"]
    return answer.status_code, document["detail"]


def refused(answer: bytes) -> tuple[int, str]:
    """The same of bare bytes."""
    start, _, body = answer.partition(b"\r\n\r\n")
    return int(start.split()[1]), json.loads(body)["detail"]


TOO_LARGE = (413, "The body has more than 200,000 bytes; send fewer or smaller images.")


def test_a_body_over_the_limit_is_refused(here: str) -> None:
    """As a whole, as parts, and in chunks without a length."""
    large = bytes(200_001)
    plain = {"content-type": "image/png"}
    assert TOO_LARGE == refusal(plain_http.post(f"{here}/api/predict", content=large, headers=plain))
    assert TOO_LARGE == refusal(plain_http.post(f"{here}/api/predict", files={"images": large}))
    chunks = (bytes(1000) for _ in range(300))
    assert TOO_LARGE == refusal(plain_http.post(f"{here}/api/predict", content=chunks, headers=plain))


def test_a_body_said_to_be_a_gibibyte_is_refused_before_it_is_sent(here: str) -> None:
    """By its length: at once where the client waits for a word, else after a moment; and the connection is closed."""
    waiting = head(2**30).replace(b"\r\n\r\n", b"\r\nexpect: 100-continue\r\n\r\n")
    started = time.perf_counter()
    answer = raw(here, waiting)
    assert TOO_LARGE == refused(answer)
    assert time.perf_counter() - started < 0.9  # `limits.DRAINED` is one second
    assert b"connection: close" in answer.partition(b"\r\n\r\n")[0].lower()
    assert b" 100 " not in answer
    assert TOO_LARGE == refused(raw(here, head(2**30), b"x"))


def test_an_endless_body_is_read_no_further_than_a_moment(here: str) -> None:
    """A client that sends without a pause is cut off a second after the limit."""
    chunk = b"10000\r\n" + bytes(65536) + b"\r\n"
    started = time.perf_counter()
    answer = raw(here, head(), *[chunk] * 40_000)  # 2.4 GiB
    assert time.perf_counter() - started < 8
    assert answer == b"" or TOO_LARGE == refused(answer)


def test_too_many_images_are_refused(here: str) -> None:
    """One more than the limit; the limit itself is answered."""
    parts = [("images", IMAGE)] * 4
    assert 200 == plain_http.post(f"{here}/api/predict", files=parts).status_code
    answer = plain_http.post(f"{here}/api/predict", files=[*parts, ("images", IMAGE)])
    assert (413, "More than 4 parts were sent; send fewer at once.") == refusal(answer)


def test_a_decompression_bomb_is_refused_by_its_header(here: str) -> None:
    """Formats that say how many pixels they have: refused before any is decoded."""
    for data in [bomb(20_000), *header_only(30_000)]:
        answer = plain_http.post(f"{here}/api/predict", files={"images": data})
        status, sentence = refusal(answer)
        assert 413 == status, data[:20]
        assert "pixels, and at most 10,000 are decoded." in sentence


def test_pixels_up_to_the_limit_are_decoded(here: str) -> None:
    """100 x 100 is answered, 100 wide and 101 high is not; it does not spoil the other."""
    for kind in ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF"):
        sent = [encoded(noise(side, 100), kind) for side in (100, 101)]
        answer = plain_http.post(f"{here}/api/predict", files=[("images", one) for one in sent])
        first, second = answer.json()["predictions"]
        assert first["problem"] is None
        assert "The image cannot be read: it has 100 x 101 pixels, and at most 10,000 are decoded." == second["problem"]


def test_a_jpeg_of_a_thousand_scans_is_refused(here: str) -> None:
    """30 kB that would keep a core busy for seconds."""
    data = encoded(noise(90, 90, 3), "JPEG")
    start = data.index(b"\xff\xda")
    scan = data[start : start + 14] + b"\x00"
    answer = plain_http.post(f"{here}/api/predict", files={"images": data[:-2] + scan * 1000 + b"\xff\xd9"})
    assert (422, "The image cannot be read: more than 100 scans.") == refusal(answer)


NO_IMAGES = {
    b"<svg xmlns='http://www.w3.org/2000/svg'/>": "not an image (text)",
    b"%PDF-1.7": "not an image (a PDF)",
    b"PK\x03\x04": "not an image (a zip archive)",
    gzip.compress(IMAGE): "not an image (a gzip archive)",
    b"8BPS\0\1": "a format that is not read (Photoshop)",
    b"%!PS-Adobe": "a format that is not read (PostScript)",
    b"\x00\x00\x00\x0cjP  \r\n\x87\n": "a format that is not read (JPEG 2000)",
    b"\x7fELF\x02\x01": "not an image (unknown content)",
}


@pytest.mark.parametrize("data", NO_IMAGES, ids=list(NO_IMAGES.values()))
def test_what_is_no_image_is_refused_by_its_content(here: str, data: bytes) -> None:
    """Whatever its name and type say."""
    answer = plain_http.post(f"{here}/api/predict", files={"images": ("photo.png", data, "image/png")})
    assert (415, f"The image cannot be read: {NO_IMAGES[data]}.") == refusal(answer)


@pytest.mark.parametrize("data", [b"", IMAGE[:40], IMAGE[:-30], encoded(noise(9, 9, 3), "JPEG")[:100]])
def test_a_damaged_image_is_refused(here: str, data: bytes) -> None:
    """Empty or cut off."""
    status, sentence = refusal(plain_http.post(f"{here}/api/predict", files={"images": ("a", data)}))
    assert 422 == status
    assert sentence.startswith("The image cannot be read: ")


def multipart(*lines: str, charset: str = "") -> dict[str, Any]:
    """A body of parts, line by line."""
    kind = f"multipart/form-data; boundary=b{charset}"
    return {"content": "\r\n".join([*lines, ""]).encode(), "headers": {"content-type": kind}}


NAMED = 'content-disposition: form-data; name="images"; filename="a"'
BODIES: dict[str, tuple[int, dict[str, Any]]] = {
    "no type": (415, {"content": IMAGE}),
    "text": (415, {"content": IMAGE, "headers": {"content-type": "text/plain"}}),
    "json": (415, {"json": {"images": []}}),
    "form": (415, {"data": {"images": "a"}}),
    "no boundary": (422, {"content": b"x", "headers": {"content-type": "multipart/form-data"}}),
    "no parts": (422, multipart("--b--")),
    "nothing": (422, multipart()),
    "cut off": (422, multipart("--b", NAMED, "", "x")),
    "no name": (422, multipart("--b", "content-disposition: form-data", "", "x", "--b--")),
    "another name": (422, {"files": {"file": IMAGE}}),
    "no file": (422, {"data": {"images": "a"}, "files": {"images": ("a", IMAGE)}}),
    "long header": (422, multipart("--b", "a: " + "a" * 9000, NAMED, "", "x", "--b--")),
    "many headers": (422, multipart("--b", *["a: b"] * 500, NAMED, "", "x", "--b--")),
    "last part cut off": (422, multipart("--b", NAMED, "", "x", "--b", NAMED, "", "x")),
    "odd charset": (422, multipart("--b", NAMED.replace("images", "x"), "", "--b--", charset="; charset=punycode")),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_body_that_holds_no_image_is_refused_with_how_to_send_one(here: str, name: str) -> None:
    """Of another type, cut off, of other parts: the sentence says what to send instead."""
    expected, body = BODIES[name]
    status, sentence = refusal(plain_http.post(f"{here}/api/predict", **body))
    assert expected == status, sentence
    assert "send an image as the body with its type, such as image/png, or several as multipart parts" in sentence


def test_a_file_name_in_no_charset_is_answered_all_the_same(here: str) -> None:
    """Bytes that are not UTF-8, quotes, line ends encoded: an answer that can be read as JSON."""
    for name in (b"\xff\xfe", b'a\\"b', b"..%2f%0d%0a", "ü日".encode(), b""):
        part = b'--b\r\ncontent-disposition: form-data; name="images"; filename="' + name + b'"\r\n\r\n'
        body = part + IMAGE + b"\r\n--b--\r\n"
        kind = {"content-type": "multipart/form-data; boundary=b"}
        answer = plain_http.post(f"{here}/api/predict", content=body, headers=kind)
        assert 200 == answer.status_code
        assert answer.json()["predictions"][0]["label"] in ("a", "b")


SLOW = (408, "The body was incomplete after 0.6 s; send fewer or smaller images.")


def test_a_slow_body_is_refused(here: str) -> None:
    """A byte now and then, with a length or in chunks, a bare image or parts; then the connection is closed."""
    boundary = 'multipart/form-data; boundary="b"'
    for kind in ("image/png", boundary):
        started = time.perf_counter()
        assert SLOW == refused(raw(here, head(1000, kind), b"--b\r\n"))
        drops = [b"1\r\nx\r\n"] * 7
        assert SLOW == refused(raw(here, head(None, kind), b"5\r\n--b\r\n\r\n", *drops, pause=0.1))
        assert time.perf_counter() - started < 5


def test_a_client_that_goes_in_the_middle_leaves_nothing_behind(here: str) -> None:
    """Its request ends; `still_alive` sees that none is under way, and the time for it is not waited for."""
    for _ in range(5):
        assert b"" == raw(here, head(1000), b"x", wait=0.02)
    time.sleep(0.1)
    assert "firstlight_requests_under_way 0.0" in plain_http.get(f"{here}/metrics").text


def test_more_requests_than_may_be_under_way_are_reported_when_to_come_again(session: Session) -> None:
    """429 with Retry-After for those beyond; those that were let in are answered."""
    slow = Slow(session)
    limits = Limits(under_way=3)
    with served(slow, limits=limits) as there, ThreadPoolExecutor(3) as pool:

        def ask() -> httpx.Response:
            return plain_http.post(f"{there}/api/predict", files={"images": IMAGE}, timeout=20)

        under_way = [pool.submit(ask) for _ in range(3)]
        for _ in range(2):  # `WORKERS` compute, the third waits for its turn
            assert slow.at_work.acquire(timeout=10)
        until = time.monotonic() + 10
        while "firstlight_requests_under_way 3.0" not in plain_http.get(f"{there}/metrics").text:
            assert time.monotonic() < until
        beyond = ask()
        status, sentence = refusal(beyond)
        assert 429 == status and sentence.startswith("3 requests are in progress")
        assert "1" == beyond.headers["retry-after"]
        assert 200 == plain_http.get(f"{there}/healthz").status_code
        slow.let_go.set()
        assert [200] * 3 == [one.result().status_code for one in under_way]
        assert 200 == ask().status_code


def test_all_bodies_together_are_bounded(session: Session) -> None:
    """Two that wait hold as much as may be held; the older one gives way to a third, which is answered."""
    limits = Limits(held=100_000, seconds=2)
    with served(session, limits=limits) as there, ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(raw, there, head(60_000), bytes(45_000)) for _ in range(2)]
        time.sleep(0.4)
        beyond = plain_http.post(
            f"{there}/api/predict", content=IMAGE + bytes(20_000), headers={"content-type": "image/png"}
        )
        assert 200 == beyond.status_code
        assert [408, 429] == sorted(refused(one.result())[0] for one in waiting)
        assert 200 == plain_http.post(f"{there}/api/predict", files={"images": IMAGE}).status_code


def test_a_request_whose_turn_does_not_come_is_refused(session: Session) -> None:
    """Two are computed without an end; a third is told so after its time, with Retry-After."""
    slow = Slow(session)
    with served(slow, limits=Limits(seconds=0.5)) as there, ThreadPoolExecutor(2) as pool:

        def ask() -> httpx.Response:
            return plain_http.post(f"{there}/api/predict", files={"images": IMAGE}, timeout=20)

        first = [pool.submit(ask) for _ in range(2)]
        for _ in first:
            assert slow.at_work.acquire(timeout=10)
        third = ask()
        status, sentence = refusal(third)
        assert 503 == status and "0.5 s" in sentence
        assert "1" == third.headers["retry-after"]
        slow.let_go.set()
        assert [200, 200] == [one.result().status_code for one in first]


def test_large_images_do_not_keep_small_ones_waiting(session: Session) -> None:
    """They have places of their own: more of them than there are places leave the small one's answer as it was."""
    slow = Slow(session)
    large = encoded(noise(2100, 2100))
    with served(slow) as there, ThreadPoolExecutor(4) as pool:

        def ask(image: bytes) -> int:
            return plain_http.post(f"{there}/api/predict", files={"images": image}, timeout=30).status_code

        waiting = [pool.submit(ask, large) for _ in range(3)]
        assert slow.at_work.acquire(timeout=20)
        small = pool.submit(ask, IMAGE)
        assert slow.at_work.acquire(timeout=5)
        slow.let_go.set()
        assert [200] * 4 == [one.result() for one in (*waiting, small)]


def test_no_image_is_written_to_a_disk(here: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even a part of more bytes than the parser keeps in memory by itself makes no temporary file."""
    made: list[str] = []

    def watched(*arguments: Any, **options: Any) -> Any:
        made.append("a file")
        raise AssertionError

    monkeypatch.setattr(tempfile, "TemporaryFile", watched)
    monkeypatch.setattr(tempfile.SpooledTemporaryFile, "rollover", watched)
    answer = plain_http.post(f"{here}/api/predict", files=[("images", IMAGE + bytes(40_000))] * 4)
    assert 200 == answer.status_code
    assert [] == made


def test_a_part_of_many_megabytes_stays_in_memory(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """The parser's own bound of 1 MiB, beyond which it would make a file, is lifted to the body's."""
    rolled: list[int] = []
    monkeypatch.setattr(tempfile.SpooledTemporaryFile, "rollover", lambda _: rolled.append(1))
    with served(session) as there:
        answer = plain_http.post(f"{there}/api/predict", files={"images": IMAGE + bytes(5_000_000)})
    assert 200 == answer.status_code
    assert [] == rolled
