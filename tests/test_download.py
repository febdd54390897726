"""Getting data from a real server on loopback that cuts, lies, ignores and refuses; and from archives at hand."""

from __future__ import annotations

import errno
import hashlib
import http.server
import io
import os
import re
import socket
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from conftest import archives
from firstlight.data import catalog, download, transfer
from firstlight.data.catalog import DATASETS, Dataset, label_pets
from firstlight.data.download import data_folder, get
from firstlight.data.sources import scan
from firstlight.data.transfer import Meter
from firstlight.errors import ArgumentError, DownloadError


def zipped(**files: bytes) -> bytes:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as file:
        for name, data in files.items():
            file.writestr(f"photos/{name}/1.png", data)
    return whole.getvalue()


# Bytes that do not shrink and are not alike, so that a wrong splice shows.
CAT = np.random.default_rng(0).bytes(300_000)
ARCHIVE = zipped(cat=CAT, dog=b"dog")
FILES = {"cat/1.png": CAT, "dog/1.png": b"dog"}


@dataclass
class Answer:
    """What the server does with one request.

    Attributes:
        status: another status than 200 or 206.
        body: what it serves.
        cut: after how many bytes of what it sends it closes the connection.
        length: what it says instead of the true length; "" for nothing.
        ranges: whether it heeds Range.
        tag: its name for this version of the file; If-Range is heeded.
        shift: by how much its Content-Range is wrong.
        to: where it redirects.
    """

    status: int = 0
    body: bytes = ARCHIVE
    cut: int | None = None
    length: str | None = None
    ranges: bool = True
    tag: str = '"1"'
    shift: int = 0
    to: str = ""


@dataclass
class Site:
    url: str = ""
    answers: list[Answer] = field(default_factory=list)  # one for each request; afterwards the plain one
    seen: list[dict[str, str]] = field(default_factory=list)  # the headers of each request

    def ranges(self) -> list[str | None]:
        return [headers.get("range") for headers in self.seen]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    site: Site

    def do_GET(self) -> None:
        site = self.site
        site.seen.append({name.lower(): value for name, value in self.headers.items()})
        answer = site.answers.pop(0) if site.answers else Answer()
        self.close_connection = True
        headers = {"ETag": answer.tag} if answer.tag else {}
        status, body = answer.status or 200, answer.body
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if asked and answer.ranges and self.headers.get("If-Range", answer.tag) == answer.tag and not answer.status:
            start = int(asked[1])
            status, span = (206, f"{start + answer.shift}-{len(body) - 1}") if start < len(body) else (416, "*")
            headers["Content-Range"] = f"bytes {span}/{len(body)}"
            body = body[start:]
        if answer.to:
            status, body, headers["Location"] = 302, b"", answer.to
        length = str(len(body)) if answer.length is None else answer.length
        self.send_response(status)
        for name, value in (headers | ({"Content-Length": length} if length else {})).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[: answer.cut])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A server that is asked without waiting between two tries, past whatever proxy is set."""
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setattr("pooch.core.time", SimpleNamespace(sleep=lambda _: None))
    monkeypatch.setattr(transfer, "PAUSE", 0)
    found = Site()
    handler = type("OwnHandler", (Handler,), {"site": found})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        found.url = f"http://127.0.0.1:{server.server_port}/photos.zip"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield found
        server.shutdown()
        thread.join()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for data, by the environment variable."""
    monkeypatch.setenv("FIRSTLIGHT_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture
def tiny(site: Site, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    """A dataset known by name, whose archive the server has, with its size and SHA-256 published."""
    known = Dataset("tiny", site.url, size=len(ARCHIVE), sha256=hashlib.sha256(ARCHIVE).hexdigest())
    monkeypatch.setitem(DATASETS, "tiny", known)
    return known


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refusal(name: object, **options: Any) -> str:
    with pytest.raises(DownloadError) as raised:
        get(name, **options)  # type: ignore[arg-type]
    said = str(raised.value)
    assert "\n" not in said
    return said


def nothing_in(home: Path) -> bool:
    return not home.exists() or [] == list(home.iterdir())


def fill_the_disk(monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    """Files that are opened in this mode cannot be written any more."""
    plain = Path.open

    class Full(io.BytesIO):
        def write(self, _: object) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def opened(path: Path, *how: Any, **options: Any) -> Any:
        if how == (mode,):
            plain(path, mode).close()
            return Full()
        return plain(path, *how, **options)

    monkeypatch.setattr(Path, "open", opened)


# Fetching


def test_an_address_becomes_a_folder(site: Site, home: Path) -> None:
    """The archive's only folder is the one that is returned, under the archive's name."""
    folder = get(site.url)
    assert folder == home / "photos"
    assert files(folder) == FILES
    assert {"photos", ".photos.source"} == {path.name for path in home.iterdir()}


def test_a_second_call_asks_nobody(site: Site, home: Path) -> None:
    """What is there is returned at once."""
    assert get(site.url) == get(site.url) == home / "photos"
    assert 1 == len(site.seen)


def test_the_folder_can_be_chosen(site: Site, home: Path, tmp_path: Path) -> None:
    """An own folder goes before the environment's, and may be missing."""
    assert tmp_path / "a" / "b" / "photos" == get(site.url, folder=tmp_path / "a" / "b")
    assert nothing_in(home)


def test_the_environment_is_read_at_the_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable counts as it is then; without it the system's folder does."""
    monkeypatch.setenv("FIRSTLIGHT_DATA", str(tmp_path))
    assert tmp_path == data_folder()
    monkeypatch.delenv("FIRSTLIGHT_DATA")
    assert "firstlight" in data_folder().parts


def test_a_broken_connection_is_resumed(site: Site, home: Path) -> None:
    """Only what is missing is asked for, of the same version of the file."""
    site.answers = [Answer(cut=100_000), Answer(cut=50_000)]
    assert files(get(site.url)) == FILES
    assert [None, "bytes=100000-", "bytes=150000-"] == site.ranges()
    assert [None, '"1"', '"1"'] == [headers.get("if-range") for headers in site.seen]


def test_the_next_call_resumes(site: Site, home: Path) -> None:
    """When the connection breaks too often, what has come is kept and said to be kept."""
    tries = transfer.RESUMED + 1
    site.answers = [Answer(cut=1000) for _ in range(tries)]
    assert f"broke off {tries} times" in (said := refusal(site.url)) and "is kept" in said
    assert not (home / "photos").exists()
    assert files(get(site.url)) == FILES
    assert f"bytes={1000 * tries}-" == site.ranges()[-1]
    assert {"photos", ".photos.source"} == {path.name for path in home.iterdir()}


def test_a_part_outlives_a_server_out_of_order(site: Site, home: Path) -> None:
    """A 503 in between does not cost what has come."""
    site.answers = [Answer(cut=100_000), *[Answer(503)] * transfer.ASKED]
    assert "503" in refusal(site.url)
    assert files(get(site.url)) == FILES
    assert "bytes=100000-" == site.ranges()[-1]


def test_a_server_that_ignores_ranges_starts_over(site: Site, home: Path) -> None:
    """The whole that comes again is not put behind the part."""
    site.answers = [Answer(cut=100_000), Answer(ranges=False)]
    assert files(get(site.url)) == FILES
    assert 2 == len(site.seen)


def test_another_version_starts_over(site: Site, home: Path) -> None:
    """Parts of two versions of a file are never put together."""
    new = zipped(cat=CAT[::-1], dog=b"new")
    site.answers = [Answer(cut=100_000), Answer(body=new, tag='"2"')]
    assert files(get(site.url)) == {"cat/1.png": CAT[::-1], "dog/1.png": b"new"}


def test_a_wrong_range_starts_over(site: Site, home: Path) -> None:
    """An answer that begins elsewhere than it was asked to is thrown away, with the part."""
    site.answers = [Answer(cut=100_000), Answer(shift=7)]
    assert files(get(site.url)) == FILES
    assert [None, "bytes=100000-", None] == site.ranges()


def test_a_part_that_is_whole_is_taken(site: Site, home: Path) -> None:
    """Where nothing is missing, the server says so (416), and the part is the archive."""
    site.answers = [Answer(cut=len(ARCHIVE), length=str(len(ARCHIVE) + 10))]
    assert files(get(site.url)) == FILES
    assert [None, f"bytes={len(ARCHIVE)}-"] == site.ranges()


def test_a_part_that_is_too_long_starts_over(site: Site, home: Path) -> None:
    """A file that has become shorter since is fetched anew."""
    long = Answer(body=ARCHIVE + bytes(100), cut=len(ARCHIVE) + 50, tag="")
    site.answers = [long, Answer(tag=""), Answer(tag="")]
    assert files(get(site.url)) == FILES
    assert [None, f"bytes={len(ARCHIVE) + 50}-", None] == site.ranges()


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_is_asked_again(status: int, site: Site, home: Path) -> None:
    """Two refusals of the kind that passes are passed over."""
    site.answers = [Answer(status), Answer(status)]
    assert files(get(site.url)) == FILES


def test_a_server_out_of_order_is_said_to_be(site: Site, home: Path) -> None:
    """The tries are bounded, and nothing is left."""
    site.answers = [Answer(503) for _ in range(20)]
    assert "answers 503 Service Unavailable; try again later." in refusal(site.url)
    assert transfer.ASKED == len(site.seen)
    assert nothing_in(home)


def test_a_missing_file_is_asked_for_once(site: Site, home: Path) -> None:
    """A 404 does not pass."""
    site.answers = [Answer(404)]
    assert f"{site.url} answers 404 Not Found; check the address." == refusal(site.url)
    assert 1 == len(site.seen)
    assert nothing_in(home)


def test_redirects_are_followed(site: Site, home: Path) -> None:
    """The folder keeps the name of the address that was asked for."""
    site.answers = [Answer(to=site.url.replace("photos", "elsewhere"))]
    assert home / "photos" == get(site.url)


@pytest.mark.parametrize("to", ["file:///etc/passwd", "ftp://127.0.0.1/x"])
def test_a_redirect_to_another_scheme_is_refused(to: str, site: Site, home: Path) -> None:
    """No server makes this machine read its own files."""
    site.answers = [Answer(to=to)]
    assert "InvalidSchema" in refusal(site.url)
    assert nothing_in(home)


def test_a_circle_of_redirects_ends(site: Site, home: Path) -> None:
    """It ends in a sentence."""
    site.answers = [Answer(to=site.url) for _ in range(100)]
    assert "TooManyRedirects" in refusal(site.url)


def test_offline_the_local_way_is_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing answers, the sentence names the file to bring and how to pass it."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(transfer, "PAUSE", 0)
    with socket.socket() as taken:  # bound, but nobody listens
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/tiny.tgz"
        monkeypatch.setitem(DATASETS, "tiny", Dataset("tiny", url))
        said = refusal("tiny")
    assert "tiny is not on this machine and 127.0.0.1 cannot be reached (NewConnectionError)" in said
    assert said.endswith(f"bring {url} here by another way and pass the file: firstlight get path/to/archive.tgz")
    assert nothing_in(home)


def test_a_server_that_falls_silent_is_given_up(
    site: Site, home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A server that accepts and says nothing costs the time-out and no more."""
    monkeypatch.setattr(transfer, "TIMEOUT", (0.05, 0.05))
    monkeypatch.setattr(transfer, "ASKED", 1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        said = refusal(f"http://127.0.0.1:{silent.getsockname()[1]}/photos.zip")
    assert "cannot be reached (ReadTimeout" in said


# What comes is held against what was promised


def test_a_known_dataset_is_verified(tiny: Dataset, home: Path) -> None:
    """With the published size and SHA-256 it is unpacked under its name."""
    assert home / "tiny" == get("tiny")
    assert files(home / "tiny") == FILES


def test_a_wrong_checksum_is_refused(tiny: Dataset, site: Site, home: Path) -> None:
    """The sentence says both sums, and the next call finds nothing of it."""
    other = ARCHIVE[:-1] + b"!"
    site.answers = [Answer(body=other)]
    said = refusal("tiny")
    assert f"the SHA-256 {hashlib.sha256(other).hexdigest()} where {tiny.sha256} was expected; it was deleted" in said
    assert nothing_in(home)
    assert files(get("tiny")) == FILES


def test_the_callers_checksum_goes_before_the_published(tiny: Dataset, site: Site, home: Path) -> None:
    """Whoever names a SHA-256 gets that archive, whatever the catalog expects, and in any letter case."""
    other = zipped(cat=b"other")
    site.answers = [Answer(body=other)]
    wanted = hashlib.sha256(other).hexdigest().upper()
    assert files(get("tiny", sha256=wanted)) == {"cat/1.png": b"other"}
    assert home / "tiny" == get("tiny", sha256=wanted)
    assert "from another version" in refusal("tiny", sha256="0" * 64)


@pytest.mark.parametrize("text", ["", "abc", "g" * 64, "0" * 65])
def test_what_is_no_checksum_is_refused(text: str, site: Site) -> None:
    """A slip in copying is told before anything is fetched."""
    with pytest.raises(ArgumentError, match="is no SHA-256; expected 64 hexadecimal digits"):
        get(site.url, sha256=text)
    assert [] == site.seen


def test_another_size_than_published_is_refused_at_once(tiny: Dataset, site: Site, home: Path) -> None:
    """Nothing is fetched of a file whose length is not the published one."""
    site.answers = [Answer(body=ARCHIVE * 2, cut=0)]
    said = refusal("tiny")
    assert f"the server has {2 * len(ARCHIVE):,} bytes of it where {len(ARCHIVE):,} were expected" in said
    assert nothing_in(home)


def test_more_than_published_is_cut_short(tiny: Dataset, site: Site, home: Path) -> None:
    """A server that says no length cannot send without end."""
    site.answers = [Answer(body=ARCHIVE * 2, length="")]
    assert f"more than {len(ARCHIVE):,} bytes came" in refusal("tiny")
    assert nothing_in(home)


def test_less_than_published_is_refused(tiny: Dataset, site: Site, home: Path) -> None:
    """A server that says no length and breaks off does not pass for the end."""
    site.answers = [Answer(length="", cut=1000)]
    assert f"1,000 bytes where {len(ARCHIVE):,} were expected" in refusal("tiny")
    assert nothing_in(home)


def test_a_start_with_another_checksum_is_refused(site: Site, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where only the first MiB has a published checksum, that one is held against it."""
    monkeypatch.setitem(DATASETS, "tiny", Dataset("tiny", site.url, size=len(ARCHIVE), md5_of_start="0" * 32))
    right = hashlib.md5(ARCHIVE[: 2**20], usedforsecurity=False).hexdigest()
    assert f"the MD5 {right} of its first MiB where {'0' * 32} was expected" in refusal("tiny")
    assert nothing_in(home)
    monkeypatch.setitem(DATASETS, "tiny", Dataset("tiny", site.url, size=len(ARCHIVE), md5_of_start=right))
    assert files(get("tiny")) == FILES


def test_a_length_that_is_too_short_leaves_nothing(site: Site, home: Path) -> None:
    """Where nothing is published, the archive itself shows that its end is missing."""
    site.answers = [Answer(length="200000")]
    assert "damaged or was cut off" in refusal(site.url)
    assert nothing_in(home)


def test_a_length_beyond_all_bounds_is_refused(site: Site, home: Path) -> None:
    """A server that announces a petabyte is not listened to."""
    site.answers = [Answer(length=str(10**15))]
    assert "1,000,000,000,000,000 bytes, more than" in refusal(site.url)
    assert nothing_in(home)


def test_a_length_that_is_no_number_is_passed_over(site: Site, home: Path) -> None:
    """What is no number says nothing."""
    site.answers = [Answer(length="many")]
    assert files(get(site.url)) == FILES


def test_a_web_page_in_the_archives_place_is_refused(site: Site, home: Path) -> None:
    """A page that asks to log in is no archive."""
    site.answers = [Answer(body=b"<html>log in</html>")]
    assert "but a web page" in refusal(site.url)
    assert nothing_in(home)


def test_a_refused_archive_leaves_nothing(site: Site, home: Path) -> None:
    """What would lead outside is neither unpacked nor kept."""
    site.answers = [Answer(body=zipped(**{"../../../x": b"x"}))]
    assert "leads outside" in refusal(site.url)
    assert nothing_in(home)
    assert not list(home.parent.rglob("x"))


# The disk


@pytest.mark.parametrize("mode", ["wb", "xb"])
def test_a_full_disk_leaves_nothing(mode: str, site: Site, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether it fills up in fetching (wb) or in unpacking (xb), the sentence is the same and nothing stays."""
    with monkeypatch.context() as patch:
        fill_the_disk(patch, mode)
        assert f"{home / 'photos'} could not be written: the disk is full; make room" in refusal(site.url)
    assert nothing_in(home)
    assert files(get(site.url)) == FILES


def test_a_download_that_cannot_fit_does_not_begin(site: Site, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is free is looked at first."""
    monkeypatch.setattr(transfer.shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    assert "the disk is full" in refusal(site.url)
    assert nothing_in(home)


def test_a_folder_without_permission_is_named(site: Site, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence names the folder and the permission."""

    def forbidden(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "mkdir", forbidden)
    assert f"{home / 'photos'} could not be written: there is no permission to write there" in refusal(site.url)
    assert not home.exists()


def test_a_file_in_the_folders_place_is_named(site: Site, tmp_path: Path) -> None:
    """Where the folder for data is a file, nothing is fetched into it."""
    (tmp_path / "data").write_text("mine")
    assert "data" in refusal(site.url, folder=tmp_path / "data")
    assert "mine" == (tmp_path / "data").read_text()


def test_an_interruption_keeps_the_archive(site: Site, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while unpacking costs no second download."""

    def interrupted(*_: object, **__: object) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(download, "unpack", interrupted)
        get(site.url)
    assert not (home / "photos").exists()
    assert files(get(site.url)) == FILES
    assert 1 == len(site.seen)


def test_equal_names_of_two_addresses_are_not_mixed_up(site: Site, home: Path) -> None:
    """Another address with the same last name is refused, instead of passing the first one's images for it."""
    folder = get(site.url)
    assert f"{folder} is there already and came from elsewhere" in refusal(
        site.url.replace("photos.zip", "b/photos.zip")
    )


def test_a_folder_of_ones_own_is_left_alone(tiny: Dataset, home: Path) -> None:
    """A folder that get did not write is neither returned nor changed."""
    (home / "tiny").mkdir(parents=True)
    assert "came from elsewhere" in refusal("tiny")
    assert nothing_in(home / "tiny")


# Archives at hand, names, layouts


def test_an_archive_at_hand_needs_no_network(tmp_path: Path, home: Path) -> None:
    """It stays where it is; the second call returns at once, and a changed archive is not passed over."""
    archive = tmp_path / "my photos.zip"
    archive.write_bytes(ARCHIVE)
    assert home / "my photos" == get(archive) == get(str(archive))
    assert (files(home / "my photos"), archive.read_bytes()) == (FILES, ARCHIVE)
    archive.write_bytes(zipped(cat=b"new"))
    assert "from another version of the archive" in refusal(archive)


def test_a_wrong_checksum_leaves_the_archive_at_hand(tmp_path: Path, home: Path) -> None:
    """Only what was fetched is thrown away."""
    (tmp_path / "photos.zip").write_bytes(ARCHIVE)
    assert "was expected" in refusal(tmp_path / "photos.zip", sha256="0" * 64)
    assert nothing_in(home)
    assert ARCHIVE == (tmp_path / "photos.zip").read_bytes()


def test_a_known_archive_that_was_brought_is_recognised(tiny: Dataset, site: Site, tmp_path: Path, home: Path) -> None:
    """The archive of a known dataset, fetched by another way, is that dataset from then on, also offline."""
    (tmp_path / "archive.tgz").write_bytes(ARCHIVE)
    assert home / "tiny" == get(tmp_path / "archive.tgz") == get("tiny")
    assert [] == site.seen


def test_an_archive_of_several_folders_is_its_own_folder(tmp_path: Path, home: Path) -> None:
    """Two class folders at the top stay two; what macOS adds does not count as one."""
    for name, tops in (("two", ("cat", "dog")), ("one", ("photos", "__MACOSX", ".hidden"))):
        with zipfile.ZipFile(tmp_path / f"{name}.zip", "w") as file:
            for top in tops:
                file.writestr(f"{top}/1.png", b"x")
    assert {"cat/1.png", "dog/1.png"} == set(files(get(tmp_path / "two.zip")))
    assert {"1.png"} == set(files(get(tmp_path / "one.zip")))


def test_labels_are_written_before_the_folder_appears(site: Site, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dataset whose labels are in file names comes with a list of them, and get returns its images."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as file:
        for name in ("images/big_cat_1.jpg", "images/dog_2.jpg", "annotations/trimaps/dog_2.png"):
            file.writestr(f"oxford-iiit-pet/{name}", b"x")
    monkeypatch.setitem(DATASETS, "tiny", Dataset("tiny", site.url, images="images", finish=label_pets))
    site.answers = [Answer(body=whole.getvalue())]
    folder = get("tiny")
    assert folder == get("tiny") == home / "tiny" / "images"
    assert ("big_cat", "dog") == scan(folder).classes


def test_a_dataset_in_another_layout_is_refused(site: Site, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the labels are not found, the dataset does not appear without them."""
    monkeypatch.setitem(DATASETS, "tiny", Dataset("tiny", site.url, finish=label_pets))
    assert "is not laid out as expected" in refusal("tiny")
    assert nothing_in(home)


def test_digits_need_no_network(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name is one among the others."""
    monkeypatch.setattr(catalog, "DIGITS", ("3",))  # the others only take their time
    assert get("digits") == get("digits") == home / "digits"
    assert 183 == len(files(home / "digits"))


@pytest.mark.parametrize("name", ["mnist", "ftp://somewhere/photos.zip", "not/there.zip"])
def test_an_unknown_name_is_answered_with_the_known(name: str, home: Path) -> None:
    """The sentence lists what can be got."""
    with pytest.raises(ArgumentError, match=r"known are digits, mnist_sample, .*, flowers"):
        get(name)


def test_a_folder_needs_no_getting(tmp_path: Path) -> None:
    """Whoever passes a folder is told that it can be scanned."""
    with pytest.raises(ArgumentError, match="is a folder already"):
        get(tmp_path)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://x.org/a/photos.tar.gz?download=1", "photos"),
        ("https://x.org/My%20Photos.TGZ", "My Photos"),
        ("https://x.org/..%2F..%2Fetc.zip", "etc"),
        ("https://x.org/a%3Ab%5Cc.zip", "a_b_c"),
        ("https://x.org/v1.2", "v1.2"),
        ("https://x.org/", "images"),
        ("https://x.org/...zip", "images"),
    ],
)
def test_an_address_names_its_folder(url: str, name: str) -> None:
    """The folder has the archive's name, in letters that every system takes, and never leads elsewhere."""
    assert name == download._dataset(url).name


@pytest.mark.slow
def test_the_real_mnist_sample_arrives_whole(home: Path, mnist_sample: Path) -> None:
    """The real archive gives the images that another way of unpacking gives."""
    folder = get((archives() or Path()) / "mnist_sample.tgz")
    for name in ("train/3", "train/7", "valid/3", "valid/7"):
        there = {path.name: path.stat().st_size for path in (mnist_sample / name).iterdir()}
        assert there == {path.name: path.stat().st_size for path in (folder / name).iterdir()}
    key = "train/3/10000.png"
    with Image.open(folder / key) as ours, Image.open(mnist_sample / key) as theirs:
        assert np.array_equal(np.array(ours), np.array(theirs))


# Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    monkeypatch.setattr(transfer, "PATIENCE", 0.0)
    monkeypatch.setattr(transfer, "LINE_EVERY", 0.0)
    return monkeypatch.setattr


def test_progress_is_lines_without_a_terminal(
    impatient: Callable[..., None], site: Site, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Plain lines go to standard error and none to standard output."""
    get(site.url)
    out, lines = capsys.readouterr()
    assert "" == out
    assert "fetching photos: 0.3 of 0.3 MB" in lines.splitlines()
    assert "unpacking photos: 0.3 of 0.3 MB" in lines.splitlines()


def test_quiet_is_quiet(
    impatient: Callable[..., None], site: Site, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is printed at all."""
    site.answers = [Answer(cut=1000)]
    get(site.url, quiet=True)
    assert ("", "") == capsys.readouterr()


def test_what_is_quick_is_quiet(site: Site, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is printed within the first half second."""
    get(site.url)
    assert ("", "") == capsys.readouterr()


def test_progress_is_a_bar_on_a_terminal(impatient: Callable[..., None]) -> None:
    """The bar says what is done, and goes when it is done."""
    screen = Terminal()
    impatient("sys.stderr", screen)
    with Meter("fetching photos", quiet=False) as meter:
        meter(500_000, 1_000_000)
        meter(1_000_000, 0)  # a server that says no length
    assert "fetching photos" in screen.getvalue()
