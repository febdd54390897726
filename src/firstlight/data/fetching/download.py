"""`get()`: a dataset by name, address or archive becomes a folder of images: fetched, verified, unpacked."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

from firstlight.atomic import new_file, new_folder, remove_abandoned, remove_tree, writing
from firstlight.data.fetching.catalog import DATASETS, Dataset, write_digits
from firstlight.data.fetching.transfer import Transfer
from firstlight.data.fetching.unpack import unpack
from firstlight.errors import ArgumentError, DownloadError
from firstlight.locks import alone
from firstlight.progress import Progress, Report, Step, counted, reported
from firstlight.wording import choose, plural

ENDING = re.compile(r"\.(tgz|tbz2?|txz|zip|tar(\.\w+)?)$", re.IGNORECASE)
UNSAFE = re.compile(r"[^\w. -]")  # what some system does not take in a file name, and more


def get(
    name: str | os.PathLike[str],
    *,
    folder: str | os.PathLike[str] | None = None,
    sha256: str | None = None,
    progress: Progress = True,
) -> Path:
    """Fetches, verifies and unpacks a dataset; what is there already is returned at once.

    A download that breaks off is resumed, within the call and by the next one. The folder appears only when
    everything is in it, and a refusal leaves nothing behind.

    Args:
        name: a name known to the catalog such as ``"mnist_sample"`` or ``"digits"``, an http(s) address, or
            the path of an archive: .zip, .tar, .tgz, .tar.gz, .tar.bz2 or .tar.xz.
        folder: where the dataset's folder is put; None: below the environment variable ``FIRSTLIGHT_DATA``,
            else in the user's folder for data.
        sha256: what the archive must hash to; None: what is published, where anything is.
        progress: called with a `Step` as bytes arrive and are unpacked; True shows meters, False nothing.

    Returns:
        The folder of the images: where the archive holds a single folder, its content.

    Raises:
        ArgumentError: where the name is none of these, or the SHA-256 has not 64 hexadecimal digits.
        DownloadError: where it cannot be fetched, verified or unpacked.
        MissingExtraError: where the digits are requested and scikit-learn is not installed.

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
    if not isinstance(name, str | os.PathLike):
        raise ArgumentError(f"{type(name).__name__} names no dataset; pass a name, an address or an archive.")
    local = _local(name)
    dataset = _dataset(os.fspath(name)) if local is None else _dataset_of(local)
    if sha256 is not None:
        if not re.fullmatch("[0-9a-fA-F]{64}", sha256):
            raise ArgumentError(f"{sha256!r} is not a SHA-256; expected 64 hexadecimal digits.")
        sha256 = sha256.lower()
        dataset = replace(dataset, sha256=sha256, size=None, md5_of_start=None)
    home = Path(os.path.abspath(data_folder() if folder is None else folder))  # noqa: PTH100 - keeps links
    target = home / dataset.name
    remove_abandoned(home)
    if not _is_there(target, dataset, sha256):
        with writing(target, DownloadError):
            home.mkdir(parents=True, exist_ok=True)
        with (
            writing(target, DownloadError),
            alone(target.with_name(f".{target.name}.lock")),
            reported(progress) as report,
        ):
            if _is_there(target, dataset, sha256):  # another process was there first
                pass
            elif dataset.url is None:
                write_digits(target, dataset.digits)
            elif local is not None:
                _verify(local, dataset, "look where it came from")
                _install(local, target, dataset, report)
            else:
                _fetch_and_install(target, dataset, report)
    return target / dataset.images


def data_folder() -> Path:
    """The folder of the datasets: ``FIRSTLIGHT_DATA``, else the folder for data that the system gives a user.

    Example:
        >>> data_folder().is_absolute()
        True
    """
    import platformdirs

    named = os.environ.get("FIRSTLIGHT_DATA")
    return Path(named).absolute() if named else platformdirs.user_data_path("firstlight", appauthor=False)


def _local(name: str | os.PathLike[str]) -> Path | None:
    """The archive, where the name is the path of one that can be read."""
    path = Path(name)
    if name in DATASETS or _is_address(os.fspath(name)) or not path.exists():
        return None
    if path.is_dir():
        raise ArgumentError(f"{name} is a folder already, so there is nothing to get; scan it as it is.")
    try:
        path.open("rb").close()
    except OSError as error:
        raise DownloadError(f"{name} cannot be read ({error.strerror}); pass an archive that can.") from error
    return path


def _is_address(name: str) -> bool:
    return name.lower().startswith(("http://", "https://"))


def _dataset(name: str) -> Dataset:
    if name in DATASETS:
        return DATASETS[name]
    if not _is_address(name):
        raise ArgumentError(
            f"{name!r} is not a known dataset, an http(s) address or an archive; {choose(name, DATASETS)}."
        )
    try:
        found = urlsplit(name)
        named = bool(found.hostname) and found.port is not False
    except ValueError:  # such as http://[::1/x or a port that is no number
        named = False
    if not named:
        raise ArgumentError(f"{name!r} is not an address; pass one such as https://example.org/photos.zip.")
    return Dataset(_stem(unquote(found.path).rpartition("/")[2]), name)


def _dataset_of(archive: Path) -> Dataset:
    """The known dataset whose archive this is, fetched by another way; else one of its own."""
    about = archive.stat()
    for dataset in DATASETS.values():
        if dataset.size == about.st_size and _difference(archive, dataset) is None:
            return dataset
    return Dataset(_stem(archive.name), f"{archive.resolve()} {about.st_size} {about.st_mtime_ns}")


def _stem(name: str) -> str:
    return UNSAFE.sub("_", ENDING.sub("", name)).strip(". ") or "images"


def _origin(target: Path) -> Path:
    """The file next to a dataset's folder that says where it came from."""
    return target.with_name(f".{target.name}.source")


def _is_there(target: Path, dataset: Dataset, sha256: str | None) -> bool:
    """Whether the folder is there, from the same address and, where one was requested, with the same SHA-256."""
    if not target.exists():
        return False
    if dataset.url is None:
        return target.is_dir()
    try:
        url, verified = _origin(target).read_text("utf-8").splitlines()
    except (OSError, ValueError):
        url = verified = ""
    if url != dataset.url or sha256 not in (None, verified):
        raise DownloadError(
            f"{target} is there already and came from elsewhere or from another version of the archive; remove it "
            "or choose another folder."
        )
    return True


def _fetch_and_install(target: Path, dataset: Dataset, report: Report) -> None:
    # A folder for each address, since two addresses may end in the same name.
    address = hashlib.blake2b((dataset.url or "").encode(), digest_size=8).hexdigest()
    part = target.with_name(".downloads") / address / f"{dataset.name}.part"
    goes_on = False
    try:
        archive = Transfer(dataset, part, counted(report, f"fetching {dataset.name}", "bytes")).fetch()
        _verify(archive, dataset, "it was deleted; get it again, or from elsewhere")
        _install(archive, target, dataset, report)
    except KeyboardInterrupt:
        goes_on = True
        raise
    finally:
        if not (goes_on or part.exists()):  # a part is there only where the connection broke off
            remove_tree(part.parent)
        with contextlib.suppress(OSError):
            part.parent.parent.rmdir()


def _install(archive: Path, target: Path, dataset: Dataset, report: Report) -> None:
    """Unpacks next to the target, labels, notes the source, and puts everything in place at once."""
    with new_folder(target, DownloadError) as part:
        unpacked = part / ".unpacked"
        unpacked.mkdir()
        work, size = f"unpacking {dataset.name}", archive.stat().st_size
        links = unpack(archive, unpacked, progress=counted(report, work, "bytes"))
        if links:
            left_out = f"{dataset.name}: {plural(links, 'link')} inside the archive left out"
            report(Step(work, size, size, "bytes", left_out))
        for path in _single_folder(unpacked).iterdir():
            path.rename(part / path.name)
        remove_tree(unpacked)
        if dataset.finish is not None:
            try:
                dataset.finish(part)
            except (ValueError, FileNotFoundError) as error:
                raise DownloadError(
                    f"{dataset.name} was refused, since its archive is not laid out as expected ({error}); get it "
                    "from elsewhere."
                ) from error
        with new_file(_origin(target), DownloadError) as origin:
            origin.write_text(f"{dataset.url}\n{dataset.sha256 or ''}\n", "utf-8")


def _verify(archive: Path, dataset: Dataset, advice: str) -> None:
    if difference := _difference(archive, dataset):
        raise DownloadError(f"{dataset.name} was refused, since its archive has {difference}; {advice}.")


def _difference(archive: Path, dataset: Dataset) -> str | None:
    """What an archive has where something else was expected, or None."""
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
            return f"the MD5 {found} of its first MiB where {dataset.md5_of_start} was expected"
    return None


def _single_folder(unpacked: Path) -> Path:
    """The only folder in it, besides what macOS and others hide in archives; else itself."""
    seen = [path for path in unpacked.iterdir() if not path.name.startswith(".") and path.name != "__MACOSX"]
    return seen[0] if len(seen) == 1 and seen[0].is_dir() else unpacked
