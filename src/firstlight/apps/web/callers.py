"""Whose pages may send requests: this server's own, and those of the sites that were named."""

from __future__ import annotations

import re
from collections.abc import Collection
from urllib.parse import urlsplit

from fastapi import HTTPException
from starlette.datastructures import Headers

DEFAULT_PORTS = {"http": 80, "https": 443}
OWN = ("same-origin", "none")  # none: typed into the address bar, or opened from a bookmark
FOREIGN = (
    "A page of another site sent this request; open the address that the server printed, or name the site with "
    "--origins."
)


def refuse_foreign_page(headers: Headers, origins: Collection[str]) -> None:
    """Refuses what a page of another site sends.

    A browser lets any page post a form to this computer. It says so in headers that no page can change:
    Sec-Fetch-Site (sent to https and to the computer itself) and Origin; an old one in Referer only. Programs such as
    curl send none of them.

    Args:
        headers: the request's.
        origins: other sites whose pages may send requests.

    Raises:
        HTTPException: 403.

    Example:
        >>> refuse_foreign_page(Headers({"host": "127.0.0.1:8000", "origin": "http://127.0.0.1:8000"}), ())
    """
    named = headers.getlist("origin") or list(map(_origin_of, headers.getlist("referer")))
    if named and all(origin in origins for origin in named):
        return
    own = all(_is_own(origin, headers.get("host", "")) for origin in named)
    if not own or any(site not in OWN for site in headers.getlist("sec-fetch-site")):
        raise HTTPException(403, FOREIGN)


def _origin_of(page: str) -> str:
    """The origin of a page's address.

    Example:
        >>> _origin_of("https://a.example/b?c")
        'https://a.example'
    """
    scheme, separator, rest = page.partition("://")
    return scheme + separator + re.split(r"[/?#]", rest, maxsplit=1)[0]


def _is_own(origin: str, host: str) -> bool:
    """Whether an origin has the host and the port of the Host header; ``null`` has none.

    Example:
        >>> [_is_own(one, "localhost:80") for one in ("http://localhost", "http://localhost:81", "null")]
        [True, False, False]
    """
    try:
        there = urlsplit(origin)
        here, default = urlsplit(f"{there.scheme}://{host}"), DEFAULT_PORTS[there.scheme]
        return (there.hostname, there.port or default) == (here.hostname, here.port or default)
    except (ValueError, KeyError):
        return False
