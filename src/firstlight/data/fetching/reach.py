"""A dataset that is here already, or that a server gives now: for what runs better with it, and runs without it too."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path

from firstlight.data.fetching.catalog import DATASETS
from firstlight.data.fetching.download import data_folder, get
from firstlight.errors import DownloadError
from firstlight.progress import Progress


def at_hand(name: str) -> Path | None:
    """The images of a dataset that was fetched before, from wherever.

    Args:
        name: of the catalog.

    Returns:
        Their folder; None where the dataset is not there.
    """
    folder = data_folder() / name
    return folder / DATASETS[name].images if folder.is_dir() else None


def within_reach(name: str, *, seconds: float = 5.0, progress: Progress = True) -> Path | None:
    """The images of a dataset that was fetched before, or that its server gives now.

    Args:
        name: of the catalog.
        seconds: the server has to answer in this time, and nothing is said where it does not.
        progress: as for `get`.

    Returns:
        What `get` returns; None where the dataset is neither here nor to be had.
    """
    found = at_hand(name)
    url = DATASETS[name].url
    if found is not None or url is None or not answers(url, seconds):
        return found
    try:
        return get(name, progress=progress)
    except DownloadError:
        return None


def answers(url: str, seconds: float) -> bool:
    """Whether an address answers in time; looking up its name counts too, which no timeout of a socket bounds."""
    found: list[bool] = []

    def ask() -> None:
        import requests

        with (
            contextlib.suppress(requests.RequestException, ValueError),  # ValueError: a redirect to no address
            requests.get(url, stream=True, timeout=seconds) as response,  # nothing but the head is read
        ):
            found.append(response.ok)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(seconds)
    return found == [True]
