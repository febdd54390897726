"""Fetching from a server that cuts, lies, ignores and refuses: what is whole arrives, and nothing else stays."""

from __future__ import annotations

import hashlib
import io
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from firstlight import progress
from firstlight.data.fetching import transfer
from firstlight.data.fetching.catalog import DATASETS, Dataset
from firstlight.data.fetching.download import get
from firstlight.errors import ArgumentError
from firstlight.progress import Meter
from loopback import (  # noqa: F401 - fixtures
    ARCHIVE,
    CAT,
    FILES,
    Answer,
    Site,
    files,
    home_fixture,
    nothing_in,
    refusal,
    site_fixture,
    tiny_fixture,
    zipped,
)


def test_a_broken_connection_is_resumed(site: Site, home: Path) -> None:
    """Only what is missing is asked for, of the same version of the file."""
    site.answers = [Answer(cut=100_000), Answer(cut=50_000)]
    assert files(get(site.url)) == FILES
    assert [None, "bytes=100000-", "bytes=150000-"] == site.ranges()
    assert [None, '"1"', '"1"'] == [headers.get("if-range") for headers in site.seen]


def test_the_next_call_resumes(site: Site, home: Path) -> None:
    """When the connection breaks too often, what has come is saved, and the sentence says so."""
    tries = transfer.RESUMED + 1
    site.answers = [Answer(cut=1000) for _ in range(tries)]
    assert f"broke off {tries} times" in (said := refusal(site.url)) and "is saved" in said
    assert not (home / "photos").exists()
    assert files(get(site.url)) == FILES
    assert f"bytes={1000 * tries}-" == site.ranges()[-1]
    assert {"photos", ".photos.source"} == {path.name for path in home.iterdir()}


def test_a_part_outlives_a_server_out_of_order(site: Site, home: Path) -> None:
    """A 503 in between does not cost what has come."""
    site.answers = [Answer(cut=100_000), *[Answer(503)] * transfer.TRIES]
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
    part = home / "photos.zip.part"
    home.mkdir()
    part.write_bytes(ARCHIVE)
    part.with_name("photos.zip.part.version").write_text(f'"1"\n\n{len(ARCHIVE)}')
    whole = transfer.Transfer(Dataset("photos", site.url), part, lambda *_: None).fetch()
    assert whole.read_bytes() == ARCHIVE
    assert [f"bytes={len(ARCHIVE)}-"] == site.ranges()


def test_a_part_of_a_longer_file_is_not_taken_for_whole(site: Site, home: Path) -> None:
    """A file that had more bytes at first is another one now, so it is fetched anew."""
    site.answers = [Answer(cut=len(ARCHIVE), length=str(len(ARCHIVE) + 10))]
    assert files(get(site.url)) == FILES
    assert [None, f"bytes={len(ARCHIVE)}-", None] == site.ranges()


NEW = zipped(cat=CAT[::-1], dog=b"new")  # of the same length as ARCHIVE


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ({"tag": '"1"'}, {"tag": '"2"'}),
        ({"tag": 'W/"1"', "modified": "Mon, 01 Jan 2024 00:00:00 GMT"}, {"tag": 'W/"2"'}),
        ({"tag": "", "modified": "Mon, 01 Jan 2024 00:00:00 GMT"}, {"modified": "Tue, 02 Jan 2024 00:00:00 GMT"}),
        ({"tag": '"1"'}, {"tag": ""}),
        ({"tag": ""}, {"tag": ""}),
        ({"tag": '"1"'}, {"tag": '"1"', "body": NEW + bytes(7)}),
    ],
)
def test_another_version_from_a_server_that_ignores_if_range_starts_over(
    first: dict[str, str], then: dict[str, Any], site: Site, home: Path
) -> None:
    """Whatever the server tells of its version, two versions are never put together."""
    new = Answer(**{"body": NEW, "heeds": False, **then})
    site.answers = [Answer(cut=100_000, heeds=False, **first), new, new]
    assert files(get(site.url)) == {"cat/1.png": CAT[::-1], "dog/1.png": b"new"}


def test_the_same_date_resumes(site: Site, home: Path) -> None:
    """A server without tags is believed by its Last-Modified."""
    dated = {"tag": "", "modified": "Mon, 01 Jan 2024 00:00:00 GMT"}
    site.answers = [Answer(cut=100_000, **dated), Answer(heeds=False, **dated)]
    assert files(get(site.url)) == FILES
    assert [None, "bytes=100000-"] == site.ranges()


def test_a_part_that_is_too_long_starts_over(site: Site, home: Path) -> None:
    """A file that has become shorter since is fetched anew."""
    long = Answer(body=ARCHIVE + bytes(100), cut=len(ARCHIVE) + 50, tag="")
    site.answers = [long, Answer(tag=""), Answer(tag="")]
    assert files(get(site.url)) == FILES
    assert [None, None] == site.ranges()


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_is_asked_again(status: int, site: Site, home: Path) -> None:
    """Two refusals of the kind that passes are passed over."""
    site.answers = [Answer(status), Answer(status)]
    assert files(get(site.url)) == FILES


def test_a_server_out_of_order_is_said_to_be(site: Site, home: Path) -> None:
    """The tries are bounded, and nothing is left."""
    site.answers = [Answer(503) for _ in range(20)]
    assert "answers 503 Service Unavailable; try again later." in refusal(site.url)
    assert transfer.TRIES == len(site.seen)
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


@pytest.mark.parametrize("to", ["file:///etc/passwd", "ftp://127.0.0.1/x", "http://[::1/x", "http://a:b/"])
def test_a_redirect_to_what_is_no_address_is_refused(to: str, site: Site, home: Path) -> None:
    """No server makes this machine read its own files, and going online is not what helps."""
    site.answers = [Answer(to=to)]
    said = refusal(site.url)
    assert "an address that cannot be fetched" in said and "go online" not in said
    assert nothing_in(home)


@pytest.mark.parametrize("url", ["http://[::1/photos.zip", "http://a:b/photos.zip", "https://", "http:///x.zip"])
def test_what_is_no_address_is_refused(url: str, home: Path) -> None:
    """An address without a name, or with a port that is no number, is refused before anything is made."""
    with pytest.raises(ArgumentError, match="is not an address"):
        get(url)
    assert nothing_in(home)


def test_the_words_of_a_server_are_bounded(site: Site, home: Path) -> None:
    """A reason phrase may be long and may hold control characters; neither reaches the sentence."""
    site.answers = [Answer(404, reason="\x1b[31m" + "no" * 5000)]
    said = refusal(site.url)
    assert said.isprintable() and len(said) < 400


def test_a_circle_of_redirects_ends(site: Site, home: Path) -> None:
    """It ends in a sentence."""
    site.answers = [Answer(to=site.url) for _ in range(100)]
    said = refusal(site.url)
    assert "without end" in said and "go online" not in said


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
    monkeypatch.setattr(transfer, "TRIES", 1)
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
    with pytest.raises(ArgumentError, match="SHA-256"):
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


# Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    monkeypatch.setattr(progress, "PATIENCE", 0.0)
    monkeypatch.setattr(progress, "FIRST_LINE", 0.0)
    monkeypatch.setattr(progress, "LINE_EVERY", 0.0)
    return monkeypatch.setattr


def test_progress_is_lines_without_a_terminal(
    impatient: Callable[..., None], site: Site, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Plain lines go to standard error and none to standard output."""
    get(site.url)
    out, lines = capsys.readouterr()
    assert "" == out
    assert "fetching photos: 0.3 of 0.3 MB" in lines.splitlines()
    assert "unpacking photos: 0.3 of 0.3 MB" in lines


def test_quiet_is_quiet(
    impatient: Callable[..., None], site: Site, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is printed at all."""
    site.answers = [Answer(cut=1000)]
    get(site.url, progress=False)
    assert ("", "") == capsys.readouterr()


def test_what_is_quick_is_quiet(site: Site, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is printed within the first half second."""
    get(site.url)
    assert ("", "") == capsys.readouterr()


def test_progress_is_a_bar_on_a_terminal(impatient: Callable[..., None]) -> None:
    """The bar says what is done, and goes when it is done."""
    screen = Terminal()
    impatient("sys.stderr", screen)
    with Meter("fetching photos", quiet=False, unit="bytes") as meter:
        meter(500_000, 1_000_000)
        meter(1_000_000, 0)  # a server that says no length
    assert "fetching photos" in screen.getvalue()
