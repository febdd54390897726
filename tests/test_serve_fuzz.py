"""The service under what nobody would send: by its own description, mutated files, odd bodies, and for a long time."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import firstlight as fl
import plain_http
from firstlight.apps.web.limits import Limits
from firstlight.data.decoding.decode import decode
from firstlight.models.exporting.session import Session
from serving import served
from tables import gray_folder, noise
from wire import encoded, head, raw

pytestmark = pytest.mark.slow

LIMITS = Limits(body=300_000, images=5, pixels=100_000, seconds=5)
KINDS = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM", "AVIF")
SEEDS = [encoded(noise(9, 7, 3, seed=number), kind) for number, kind in enumerate(KINDS)]
SEEDS += [encoded(noise(9, 7), kind) for kind in ("PNG", "JPEG", "TIFF")]
EXPECTED = {200, 408, 413, 415, 422}


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    folder = tmp_path_factory.mktemp("serve")
    gray_folder(folder, count=40)
    return Session.of(fl.climb(folder, rungs=["centroid-l2"]))


@pytest.fixture(scope="module")
def here(session: Session) -> Iterator[str]:
    with served(session, limits=LIMITS) as found:
        yield found


@st.composite
def files(draw: st.DrawFn) -> bytes:
    """An image with some bytes changed, cut out, doubled or put in; or only the start of one and anything."""
    data = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(0, 6))):
        at = draw(st.integers(0, len(data)))
        how = draw(st.sampled_from(["change", "large", "cut", "double", "put", "end"]))
        if how == "change":
            data[at : at + 1] = draw(st.binary(min_size=1, max_size=1))
        elif how == "large":
            data[at : at + 4] = draw(
                st.sampled_from([b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\0", b"\0\0\1\0"])
            )
        elif how == "cut":
            del data[at : at + draw(st.integers(1, 40))]
        elif how == "double":
            data[at:at] = data[at : at + draw(st.integers(1, 200))]
        elif how == "put":
            data[at:at] = draw(st.binary(max_size=30))
        else:
            del data[max(at, 4) :]
    return bytes(data)


@settings(deadline=None, max_examples=1500, suppress_health_check=list(HealthCheck))
@given(files())
def test_any_bytes_are_an_image_or_a_reason(data: bytes) -> None:
    """The decoder raises nothing and warns of nothing, whatever a file holds."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        image = decode(data)
    if isinstance(image, str):
        assert image
        assert "\n" not in image
    else:
        assert (np.uint8, 3) == (image.dtype, image.ndim)
        assert image.shape[2] in (1, 3)
        assert image.size


@settings(deadline=None, max_examples=150, suppress_health_check=list(HealthCheck))
@given(st.lists(files(), min_size=1, max_size=6))
def test_any_files_are_answered_or_refused(here: str, sent: list[bytes]) -> None:
    """Never a fault of the server; of those that are answered each has a class or a reason."""
    answer = plain_http.post(f"{here}/api/predict", files=[("images", data) for data in sent])
    assert answer.status_code in EXPECTED
    if answer.status_code == 200:
        predictions = answer.json()["predictions"]
        assert len(sent) == len(predictions)
        for one in predictions:
            assert (one["label"] is None) == (one["problem"] is not None)
    else:
        assert {"request", "detail"} == answer.json().keys()


PIECES = st.sampled_from(
    [
        *(b"--b", b"--b--", b"\r\n", b"\r\n\r\n", b"--", b"--b\r\n", b"\n", b"\0"),
        *(b"content-disposition: form-data", b'; name="images"', b'; filename="a"', b"; name=images", b'; filename="'),
        *(b"; filename*=utf-8''%ff", b"content-type: image/png", b"content-transfer-encoding: base64", b"\xff\xfe"),
        *SEEDS[:2],
    ]
)
TYPES = st.sampled_from(
    [
        *("multipart/form-data; boundary=b", 'multipart/form-data; boundary="b"', "multipart/form-data; boundary="),
        *("multipart/form-data; boundary=b; charset=utf-7", "multipart/form-data", "MULTIPART/FORM-DATA;boundary=b"),
        *("multipart/form-data; boundary*0=b; boundary=" + "b" * 300, "image/", "image/png;;", ";", "a/b/c"),
    ]
)


@settings(deadline=None, max_examples=200, suppress_health_check=list(HealthCheck))
@given(st.lists(PIECES, max_size=14), TYPES)
def test_any_parts_are_answered_or_refused(here: str, pieces: list[bytes], kind: str) -> None:
    """Boundaries, headers and bytes in any order, under any type."""
    answer = plain_http.post(f"{here}/api/predict", content=b"".join(pieces), headers={"content-type": kind})
    assert answer.status_code in EXPECTED, answer.text


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(st.binary(max_size=300), st.sampled_from([b"", b"GET ", b"POST /api/predict HTTP/1.1\r\n", head(50), head()]))
def test_any_bytes_on_the_wire_leave_it_alive(here: str, data: bytes, start: bytes) -> None:
    """What is no HTTP is refused or waited for; the next request is answered."""
    answer = raw(here, start + data, wait=0.02)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 ")
    assert 200 == plain_http.get(f"{here}/healthz").status_code


@pytest.mark.parametrize("token", [None, "a-token"])
def test_it_does_what_its_openapi_document_says(session: Session, tmp_path: Path, token: str | None) -> None:
    """Schemathesis finds no answer that the document does not describe, and no fault.

    One of its checks is left out: it takes any bytes for a valid body, as no schema can say what an image is.
    """
    with served(session, limits=LIMITS, token=token) as there:
        command = [str(Path(sys.executable).with_name("schemathesis")), "run", f"{there}/openapi.json"]
        command += ["--max-examples", "40", "--seed", "1", "--no-color", "--generation-database", "none"]
        command += ["--exclude-checks", "positive_data_acceptance"]
        if token:
            command += ["--header", f"Authorization: Bearer {token}"]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=300, check=False)
    assert 0 == done.returncode, done.stdout[-6000:] + done.stderr[-2000:]
