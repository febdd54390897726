"""Getting data: by name, address or archive at hand, whole or not at all, and once for several that ask."""

from __future__ import annotations

import errno
import io
import os
import re
import shutil
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from firstlight.data.fetching import catalog, download, transfer
from firstlight.data.fetching.catalog import DATASETS, Dataset, label_pets, write_digits
from firstlight.data.fetching.download import data_folder, get
from firstlight.data.sources import scan
from firstlight.errors import ArgumentError
from loopback import (  # noqa: F401 - fixtures
    ARCHIVE,
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


def test_several_at_once_fetch_once(site: Site, home: Path) -> None:
    """Of several that ask for the same at the same moment one fetches, and the others wait for it."""
    with ThreadPoolExecutor(4) as pool:
        folders = list(pool.map(get, [site.url] * 4))
    assert folders == [home / "photos"] * 4
    assert 1 == len(site.seen)
    assert {"photos", ".photos.source"} == {path.name for path in home.iterdir()}


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
    with pytest.raises(ArgumentError, match=r"digits, digits_sample, mnist_sample, .*, flowers"):
        get(name)


def test_a_folder_needs_no_getting(tmp_path: Path) -> None:
    """Whoever passes a folder is told that it can be scanned."""
    with pytest.raises(ArgumentError, match=re.escape(str(tmp_path))):
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


def test_real_images_arrive_whole(home: Path, tmp_path: Path) -> None:
    """An archive of the embedded digits gives the very files that were packed."""
    digits = write_digits(tmp_path / "digits", ("3", "7"))
    folder = get(shutil.make_archive(str(tmp_path / "packed"), "gztar", tmp_path, "digits"))
    packed = {path.relative_to(digits): path.read_bytes() for path in digits.rglob("*.png")}
    assert packed == {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.png")}
    assert 362 == len(packed)
