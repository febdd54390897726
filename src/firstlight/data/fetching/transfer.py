"""One file over HTTP: retried, resumed, checked against its size; and the progress in bytes of long work."""

from __future__ import annotations

import errno
import os
import re
import shutil
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlsplit

from firstlight.data.fetching.archives import CHUNK
from firstlight.data.fetching.catalog import Dataset
from firstlight.data.fetching.unpack import MOST_BYTES, Progress
from firstlight.errors import DownloadError

if TYPE_CHECKING:
    from requests import Response

TIMEOUT = (10.0, 30.0)  # seconds to connect, and without a byte
TRIES = 4  # tries before an address counts as out of reach or out of order
PAUSE = 0.3  # seconds; urllib3 asks again at once, then after twice this, then after four times this
BUSY = (429, 500, 502, 503, 504)  # answers after which asking again may help
RESUMED = 5  # times that a transfer which breaks off is taken up again; pooch waits 1 s, 2 s, ... between


def _shortened(text: str) -> str:
    """What a server or a library says, fit for a sentence."""
    return "".join(letter if letter.isprintable() else " " for letter in text[:200])


@dataclass(frozen=True)
class Version:
    """What a server says of the version of a file that it has (RFC 9110, 8.8 and 13.1.5).

    Attributes:
        tag: its ETag; ``""`` where it says none.
        modified: its Last-Modified, likewise.
        total: its bytes, likewise.
    """

    tag: str = ""
    modified: str = ""
    total: str = ""

    @classmethod
    def of(cls, response: Response, total: str) -> Version:
        """What an answer says."""
        headers = response.headers
        return cls(headers.get("ETag", ""), headers.get("Last-Modified", ""), total if total.isdigit() else "")

    @property
    def strong(self) -> str:
        """What names it to the byte, for If-Range; a weak tag does not do."""
        return self.tag if self.tag.startswith('"') else self.modified

    def differs(self, other: Version) -> bool:
        """Whether anything that both say is different."""
        pairs = zip(astuple(self), astuple(other), strict=True)
        return any(one != another for one, another in pairs if one and another)


@dataclass(frozen=True)
class Transfer:
    """A downloader for pooch that goes on where an earlier transfer broke off.

    Attributes:
        dataset: what is fetched; its size is held against what the server says and sends.
        part: what has come so far; it survives a transfer that breaks off. Next to it is the `Version` of the
            first answer, so that two versions are never put together.
        progress: called with (bytes so far, bytes in all or 0) for every chunk.
    """

    dataset: Dataset
    part: Path
    progress: Progress

    def fetch(self) -> Path:
        """Brings the file, unless it is there whole.

        Returns:
            Its path: the part's, without ``.part``.

        Raises:
            DownloadError: where the server is out of reach, refuses, breaks off again and again, or has
                another size than the dataset.
            OSError: where the disk is full or the folder cannot be written.
        """
        import pooch
        import requests

        self.part.parent.mkdir(parents=True, exist_ok=True)  # before pooch, whose words for a failure are its own
        pooch.get_logger().setLevel("WARNING")
        registry = pooch.create(
            self.part.parent,
            "",
            registry={self.part.stem: None},
            urls={self.part.stem: self.dataset.url or ""},
            retry_if_failed=RESUMED,
        )
        try:
            return Path(registry.fetch(self.part.stem, downloader=self))
        except requests.RequestException as error:
            raise DownloadError(
                f"The download of {self.dataset.name} broke off {RESUMED + 1} times ({_shortened(str(error))}); the "
                "part is saved, and the same command goes on from there where the server allows it."
            ) from error
        except OSError:
            self._forget()
            raise

    def __call__(self, url: str, output_file: Any, pooch: Any) -> None:
        """One try, as pooch asks for it."""
        import requests
        import urllib3

        have, version = self.part.stat().st_size if self.part.exists() else 0, self._version
        if not (version.strong or self.dataset.sha256):
            have = 0  # nothing would show that what follows is of the same version
        # A connection of its own for each try: one that the server is about to close cannot be used again.
        headers = {"Accept-Encoding": "identity", "Connection": "close"}
        if have:
            headers["Range"] = f"bytes={have}-"
            if version.strong:
                headers["If-Range"] = version.strong
        again = urllib3.Retry(
            TRIES - 1,
            backoff_factor=PAUSE,
            status_forcelist=BUSY,
            raise_on_status=False,
            respect_retry_after_header=False,  # it may name an hour
        )
        with requests.Session() as session:
            for scheme in ("http://", "https://"):
                session.mount(scheme, requests.adapters.HTTPAdapter(max_retries=again))
            try:
                response = session.get(url, headers=headers, stream=True, timeout=TIMEOUT)
            except (requests.RequestException, ValueError) as error:  # urllib3 leaves http://[::1/x a ValueError
                raise DownloadError(self._out_of_reach(url, error)) from error
            with response:
                have, total = self._place(response, have)
                if response.status_code != 416:
                    self._receive(response, have, total)
        self._version_file.unlink(missing_ok=True)
        self.part.replace(output_file)

    @property
    def _version_file(self) -> Path:
        return self.part.with_name(f"{self.part.name}.version")

    @property
    def _version(self) -> Version:
        """Of the first answer; nothing is known where the file is not there or not whole."""
        try:
            tag, modified, total = self._version_file.read_text("latin-1").split("\n")
        except (OSError, ValueError):
            return Version()
        return Version(tag, modified, total)

    def _place(self, response: Response, have: int) -> tuple[int, int | None]:
        """How many bytes are there already, and how many there will be."""
        status, headers = response.status_code, response.headers
        if status in (206, 416):
            # What is missing follows, or, where the part is whole already, there is nothing to follow.
            goes_on = rf"bytes {have}-\d+/(\d+|\*)" if status == 206 else rf"bytes \*/({have})"
            span = re.fullmatch(goes_on, headers.get("Content-Range", ""))
            if not span or not have:
                self._start_over("the server does not go on where the part ends")
            length = span[1]
            first, now = self._version, Version.of(response, length)
            same = first.strong in (now.tag, now.modified) or (status == 416 and first.total == length)
            if first.differs(now) or not (same or self.dataset.sha256):
                self._start_over("the server may have another version of the file now")
        elif status == 200:
            have, length = 0, headers.get("Content-Length", "")
            self._forget()
            self._version_file.write_text("\n".join(astuple(Version.of(response, length))), "latin-1", "replace")
        else:
            advice = "try again later" if status in BUSY else "check the address"
            answer = f"{status} {_shortened(response.reason or '')}".rstrip()
            raise DownloadError(f"{_shortened(response.url)} answers {answer}; {advice}.")
        total = int(length) if length.isdigit() else None
        if total is not None:
            self._check_size(total, have)
        return have, total

    def _check_size(self, total: int, have: int) -> None:
        if self.dataset.size not in (None, total):
            self._refuse(f"the server has {total:,} bytes of it where {self.dataset.size:,} were expected")
        if total > MOST_BYTES:
            self._refuse(f"it has {total:,} bytes, more than {MOST_BYTES:,}")
        if total - have > shutil.disk_usage(self.part.parent).free:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _receive(self, response: Response, have: int, total: int | None) -> None:
        import requests
        import urllib3

        most = total or self.dataset.size or MOST_BYTES
        with self.part.open("ab" if have else "wb") as file:
            try:
                for chunk in response.raw.stream(CHUNK, decode_content=False):
                    have += len(chunk)
                    if have > most:
                        break
                    file.write(chunk)
                    self.progress(have, total or self.dataset.size or 0)
            except urllib3.exceptions.HTTPError as error:
                raise requests.ConnectionError(f"the last time after {have:,} bytes") from error
        if have > most:
            self._refuse(f"more than {most:,} bytes came")
        if self.part.stat().st_size != have:
            self._start_over("another process wrote to the same part")

    def _refuse(self, why: str) -> NoReturn:
        self._forget()
        raise DownloadError(f"{self.dataset.name} was refused, since {why}; get it again, or from elsewhere.")

    def _start_over(self, why: str) -> NoReturn:
        import requests

        self._forget()
        raise requests.ConnectionError(why)  # upon which pooch tries again

    def _forget(self) -> None:
        self.part.unlink(missing_ok=True)
        self._version_file.unlink(missing_ok=True)

    def _out_of_reach(self, url: str, error: Exception) -> str:
        import requests

        if isinstance(error, requests.TooManyRedirects):
            return f"{url} leads from one address to the next without end; check the address."
        if isinstance(error, ValueError):  # requests' words for an address that it does not take, and others'
            return (
                f"{url} is, or leads to, an address that cannot be fetched ({_shortened(str(error))}); pass one that "
                "begins with http:// or https:// and a name."
            )
        if isinstance(error, requests.exceptions.SSLError):
            return (
                f"The certificate of {urlsplit(url).hostname} is not accepted ({_shortened(str(error))}); bring {url} "
                "here by another way and pass the file: firstlight get path/to/archive.tgz"
            )
        reason = getattr(error.args[0] if error.args else None, "reason", None) or error
        return (
            f"{self.dataset.name} is not on this machine and {urlsplit(url).hostname} cannot be reached "
            f"({type(reason).__name__}); go online and try again, or bring {url} here by another way and pass "
            "the file: firstlight get path/to/archive.tgz"
        )
