"""`get()`: a dataset by name, address or archive becomes a folder of images: fetch, resume, verify, unpack."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import shutil
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import unquote, urlsplit

from firstlight.atomic import new_file, new_folder, told
from firstlight.data.catalog import DATASETS, Dataset, write_digits
from firstlight.data.unpack import CHUNK, MOST_BYTES, Progress, unpack
from firstlight.errors import ArgumentError, DownloadError

if TYPE_CHECKING:
    from requests import Response

TIMEOUT = (10.0, 30.0)  # seconds to connect, and without a byte
ASKED = 4  # times that an address is asked before it counts as out of reach or out of order
PAUSE = 0.3  # seconds before the third asking, twice as long before each later one (urllib3 waits so)
BROKEN = (429, 500, 502, 503, 504)  # answers after which asking again may help
RESUMED = 5  # times that a transfer which breaks off is taken up again; pooch waits 1 s, 2 s, ... between

PATIENCE = 0.5  # seconds of silence before progress is shown
LINE_EVERY = 5.0  # seconds between two lines of progress where there is no terminal

ENDING = re.compile(r"\.(tgz|tbz2?|txz|zip|tar(\.\w+)?)$", re.IGNORECASE)
LOCAL_WAY = "firstlight get path/to/archive.tgz"


def get(
    name: str | os.PathLike[str],
    *,
    folder: str | os.PathLike[str] | None = None,
    sha256: str | None = None,
    quiet: bool = False,
) -> Path:
    """Fetches, verifies and unpacks a dataset; what is there already is returned at once.

    A download that breaks off is resumed, within the call and by the next one. The folder appears only when
    everything is in it, and after a refusal nothing is left behind.

    Args:
        name: a name known to the catalog such as ``"mnist_sample"`` or ``"digits"``, an http(s) address, or
            the path of an archive: .zip, .tar, .tgz, .tar.gz, .tar.bz2 or .tar.xz.
        folder: where the dataset's folder is put; None: below the environment variable ``FIRSTLIGHT_DATA``,
            else in the user's folder for data.
        sha256: what the archive must hash to; None: what is published, where anything is.
        quiet: no progress on standard error.

    Returns:
        The folder of the images: where the archive holds a single folder, its content.

    Raises:
        ArgumentError: where the name is none of these, or the SHA-256 has not 64 hexadecimal digits.
        DownloadError: where it cannot be fetched, verified or unpacked.
        MissingExtraError: where the digits are asked for and scikit-learn is not installed.

    Example:
        >>> import tempfile, zipfile
        >>> with tempfile.TemporaryDirectory() as home:
        ...     archive = Path(home, "photos.zip")
        ...     with zipfile.ZipFile(archive, "w") as file:
        ...         file.writestr("photos/cat/1.png", b"...")
        ...     path = get(archive, folder=home)
        ...     path.name, [found.name for found in path.glob("cat/*")]
        ('photos', ['1.png'])
    """
    local = _local(name)
    dataset = _dataset(os.fspath(name)) if local is None else _dataset_of(local)
    if sha256 is not None:
        if not re.fullmatch("[0-9a-fA-F]{64}", sha256):
            raise ArgumentError(f"{sha256!r} is no SHA-256; expected 64 hexadecimal digits.")
        dataset = replace(dataset, sha256=sha256.lower(), size=None, md5_of_start=None)
    home = Path(os.path.abspath(data_folder() if folder is None else folder))  # noqa: PTH100 - keeps links
    target = home / dataset.name
    if dataset.url is None:
        return target if target.is_dir() else write_digits(target)
    if _is_there(target, dataset, asked=sha256):
        return target / dataset.images
    with told(target, DownloadError):
        if local is not None:
            _verify(local, dataset)
            _install(local, target, dataset, quiet)
        else:
            archive = _fetched(dataset, home / ".downloads", quiet)
            try:
                _verify(archive, dataset)
                _install(archive, target, dataset, quiet)
            except (DownloadError, OSError):
                archive.unlink()  # whether it is not what it should be or the disk is full
                raise
            archive.unlink()
            with contextlib.suppress(OSError):
                archive.parent.rmdir()
    return target / dataset.images


def data_folder() -> Path:
    """Where datasets are kept: ``FIRSTLIGHT_DATA``, else the folder for data that the system gives a user.

    Example:
        >>> data_folder().is_absolute()
        True
    """
    import platformdirs

    named = os.environ.get("FIRSTLIGHT_DATA")
    return Path(named).absolute() if named else platformdirs.user_data_path("firstlight", appauthor=False)


def _local(name: str | os.PathLike[str]) -> Path | None:
    """The path, where an archive is named by one."""
    path = Path(name)
    if name in DATASETS or _is_address(str(name)):
        return None
    if path.is_dir():
        raise ArgumentError(f"{name} is a folder already, so there is nothing to get; scan it as it is.")
    return path if path.is_file() else None


def _is_address(name: str) -> bool:
    return name.lower().startswith(("http://", "https://"))


def _dataset(name: str) -> Dataset:
    if name in DATASETS:
        return DATASETS[name]
    if not _is_address(name):
        raise ArgumentError(
            f"{name!r} is no known dataset, http(s) address or archive; known are {', '.join(DATASETS)}."
        )
    address = urlsplit(name)
    stem = ENDING.sub("", unquote(address.path).rpartition("/")[2]) or address.hostname or ""
    return Dataset(re.sub(r"[^\w. -]", "_", stem).strip(". ") or "images", name)


def _dataset_of(path: Path) -> Dataset:
    """The known dataset whose archive this is, or one that is made up for it."""
    with told(path, DownloadError):
        about = path.stat()
        for dataset in DATASETS.values():
            if dataset.size == about.st_size and _difference(path, dataset) is None:
                return dataset
        stem = ENDING.sub("", path.name).strip(". ") or "images"
        return Dataset(stem, f"{path.resolve()} {about.st_size} {about.st_mtime_ns}")


def _is_there(target: Path, dataset: Dataset, asked: str | None) -> bool:
    """Whether the folder stands and came from the same source, which the file beside it says."""
    if not target.exists():
        return False
    try:
        url, sha256 = _origin(target).read_text("utf-8").splitlines()
    except (OSError, ValueError):
        url = sha256 = ""
    if url == dataset.url and asked in (None, sha256):
        return True
    raise DownloadError(
        f"{target} is there already and does not come from {_shown(dataset)}; remove it or choose another folder."
    )


def _origin(target: Path) -> Path:
    return target.parent / f".{target.name}.source"


def _shown(dataset: Dataset) -> str:
    return f"{dataset.name} with this SHA-256" if dataset.name in DATASETS else f"this {dataset.name}"


def _verify(archive: Path, dataset: Dataset) -> None:
    if difference := _difference(archive, dataset):
        raise DownloadError(
            f"{dataset.name} was refused, since its archive has {difference}; get it again, or from elsewhere."
        )


def _difference(archive: Path, dataset: Dataset) -> str | None:
    """What an archive has and should not have, or None."""
    import pooch

    size = archive.stat().st_size
    if dataset.size not in (None, size):
        return f"{size:,} bytes where {dataset.size:,} were expected"
    if dataset.sha256 is not None:
        found = pooch.file_hash(str(archive), alg="sha256")
        return None if found == dataset.sha256 else f"the SHA-256 {found} where {dataset.sha256} was expected"
    if dataset.md5_of_start is not None:
        with archive.open("rb") as file:
            found = hashlib.md5(file.read(2**20), usedforsecurity=False).hexdigest()
        if found != dataset.md5_of_start:
            return f"the MD5 {found} in its first MiB where {dataset.md5_of_start} was expected"
    return None


def _install(archive: Path, target: Path, dataset: Dataset, quiet: bool) -> None:
    """Unpacks beside the target, labels, writes down the source, and puts everything in place at once."""
    with new_folder(target, DownloadError) as part:
        unpacked = part / ".unpacked"
        unpacked.mkdir()
        with Meter(f"unpacking {dataset.name}", quiet) as meter:
            links = unpack(archive, unpacked, progress=meter)
        if links and not quiet:
            print(f"{links:,} links inside {archive.name} were left out.", file=sys.stderr)
        inner = _single_folder(unpacked)
        for path in inner.iterdir():
            path.rename(part / path.name)
        shutil.rmtree(unpacked)
        if dataset.finish is not None:
            try:
                dataset.finish(part)
            except (ValueError, FileNotFoundError) as error:
                raise DownloadError(
                    f"{archive.name} is not laid out as {dataset.name} is, so it has no labels ({error})."
                ) from error
        with new_file(_origin(target), DownloadError) as origin:
            origin.write_text(f"{dataset.url}\n{dataset.sha256 or ''}\n", "utf-8")


def _single_folder(unpacked: Path) -> Path:
    """The only folder in it, where there is nothing else but what macOS and others hide in archives."""
    seen = [path for path in unpacked.iterdir() if not path.name.startswith(".") and path.name != "__MACOSX"]
    return seen[0] if len(seen) == 1 and seen[0].is_dir() else unpacked


def _fetched(dataset: Dataset, downloads: Path, quiet: bool) -> Path:
    """The dataset's archive, from the folder of downloads or from the network."""
    import pooch
    import requests

    url = dataset.url or ""
    name = f"{hashlib.blake2b(url.encode(), digest_size=8).hexdigest()}-{dataset.name}"
    pooch.get_logger().setLevel("WARNING")
    registry = pooch.create(downloads, "", registry={name: None}, urls={name: url}, retry_if_failed=RESUMED)
    part = downloads / f"{name}.part"
    with Meter(f"fetching {dataset.name}", quiet) as meter:
        try:
            return Path(registry.fetch(name, downloader=Transfer(dataset, part, meter)))
        except requests.RequestException as error:
            raise DownloadError(
                f"The download of {dataset.name} broke off {RESUMED + 1} times; what has come is kept, and the same "
                "command goes on from there."
            ) from error
        except (DownloadError, OSError):
            part.unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                downloads.rmdir()
            raise


@dataclass(frozen=True)
class Transfer:
    """A downloader for pooch that goes on where an earlier transfer broke off.

    Attributes:
        dataset: what is fetched; its size is held against what the server says and sends.
        part: what has come so far; it outlives a broken transfer. Beside it stands the server's name for
            this version of the file (RFC 9110, 13.1.5), so that two versions are never put together.
        meter: is told of every chunk.
    """

    dataset: Dataset
    part: Path
    meter: Progress

    def __call__(self, url: str, output_file: Any, pooch: Any) -> None:
        import requests
        import urllib3

        have = self.part.stat().st_size if self.part.exists() else 0
        headers = {"Accept-Encoding": "identity"}
        if have:
            headers["Range"] = f"bytes={have}-"
            if self._version.exists():
                headers["If-Range"] = self._version.read_text("latin-1")
        again = urllib3.Retry(
            ASKED - 1, backoff_factor=PAUSE, status_forcelist=BROKEN, raise_on_status=False,
            respect_retry_after_header=False,
        )  # fmt: skip
        with requests.Session() as session:
            for scheme in ("http://", "https://"):
                session.mount(scheme, requests.adapters.HTTPAdapter(max_retries=again))
            try:
                response = session.get(url, headers=headers, stream=True, timeout=TIMEOUT)
            except requests.RequestException as error:
                raise DownloadError(self._out_of_reach(url, error)) from error
            with response:
                have, total = self._place(response, have)
                if have != total:
                    self._receive(response, have, total)
        self._version.unlink(missing_ok=True)
        self.part.replace(output_file)

    @property
    def _version(self) -> Path:
        return self.part.with_name(f"{self.part.name}.version")

    def _place(self, response: Response, have: int) -> tuple[int, int | None]:
        """Where the answer goes on, and how many bytes the whole has."""
        status, headers = response.status_code, response.headers
        span = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)", headers.get("Content-Range", ""))
        total = int(span[2]) if span and span[2].isdigit() else None
        if status == 200:
            have = 0
            length = headers.get("Content-Length", "")
            total = int(length) if length.isdigit() else None
            tag = headers.get("ETag", "")
            version = tag if tag.startswith('"') else headers.get("Last-Modified", "")  # weak tags do not count
            self._version.unlink(missing_ok=True)
            if version:
                self._version.write_text(version, "latin-1")
        elif status in (206, 416) and not (span and (span[1] == str(have) if status == 206 else total == have)):
            self._start_over("the server cannot go on from there")
        elif status not in (206, 416):
            raise DownloadError(
                f"{response.url} answers {status} {response.reason}; check the address"
                + (", or try again later." if status in BROKEN else ".")
            )
        if total is not None:
            self._check_size(total, have)
        return have, total

    def _check_size(self, total: int, have: int) -> None:
        name = self.dataset.name
        if self.dataset.size not in (None, total):
            raise DownloadError(
                f"{name} was refused, since the server has {total:,} bytes where {self.dataset.size:,} were "
                "expected; get it again, or from elsewhere."
            )
        if total > MOST_BYTES:
            raise DownloadError(f"{name} was refused, since its {total:,} bytes are more than {MOST_BYTES:,}.")
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
                        raise DownloadError(
                            f"{self.dataset.name} was refused, since more than {most:,} bytes came; get it again, "
                            "or from elsewhere."
                        )
                    file.write(chunk)
                    self.meter(have, total or self.dataset.size or 0)
            except urllib3.exceptions.HTTPError as error:
                raise requests.ConnectionError(f"broke off after {have:,} bytes") from error
        if self.part.stat().st_size != (total or have):  # another process wrote into it at the same time
            self._start_over("the part has another size than what came")

    def _start_over(self, why: str) -> NoReturn:
        import requests

        self.part.unlink(missing_ok=True)
        raise requests.ConnectionError(why)  # which makes pooch ask again

    def _out_of_reach(self, url: str, error: Exception) -> str:
        reason = getattr(error.args[0] if error.args else None, "reason", None) or error
        host = urlsplit(url).hostname
        return (
            f"{self.dataset.name} is not on this machine, and {host} cannot be reached "
            f"({type(reason).__name__}); go online and try again, or bring the archive of {url} by another way "
            f"and unpack it: {LOCAL_WAY}"
        )


class Meter:
    """Progress in bytes on standard error: a bar on a terminal, a line now and then elsewhere, nothing if quick."""

    def __init__(self, what: str, quiet: bool) -> None:
        self.what, self.quiet = what, quiet
        self.started = self.said = time.monotonic()
        self.bar: Any = None

    def __enter__(self) -> Meter:
        return self

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if self.quiet or now - self.started < PATIENCE:
            return
        if sys.stderr.isatty():
            self._draw(done, total)
        elif now - self.said >= LINE_EVERY:
            self.said = now
            of = f" of {total / 1e6:,.1f}" if total else ""
            print(f"{self.what}: {done / 1e6:,.1f}{of} MB", file=sys.stderr, flush=True)

    def _draw(self, done: int, total: int) -> None:
        if self.bar is None:
            from rich.console import Console
            from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

            columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
            self.bar = Progress(*columns, console=Console(stderr=True), transient=True)
            self.bar.add_task(self.what, total=total or None)
            self.bar.start()
        self.bar.update(self.bar.task_ids[0], completed=done, total=total or None)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self.bar is not None:
            self.bar.stop()
