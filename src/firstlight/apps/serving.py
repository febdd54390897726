"""`firstlight serve`: a model as an HTTP page, for this computer alone or, with a token, for the local network."""

from __future__ import annotations

import ipaddress
import json
import logging
import math
import re
import secrets
import socket
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from firstlight.apps.screen import guessing_lines
from firstlight.apps.terminal import colored, remark
from firstlight.errors import ArgumentError, FirstlightError, require

if TYPE_CHECKING:
    import uvicorn
    from fastapi import FastAPI

TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")  # RFC 6750, section 2.1
LEAST = 16  # characters of a token that other computers could try to guess
DIFFERENT = 6  # of them at least
MINUTE = 60  # seconds
GRACE = 30  # seconds; as long as a request may take


@dataclass(frozen=True)
class Place:
    """Where the service listens, and who may send requests.

    Attributes:
        host: the address to bind to.
        port: 0 for any that is free.
        token: that every request must send; required if other computers can connect.
        phone: bind to the local network's address, create a token, and print the link as a QR code.
        origins: other sites whose pages may send requests.
        prefix: the path prefix that a proxy adds.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = None
    phone: bool = False
    origins: tuple[str, ...] = ()
    prefix: str = ""

    def __post_init__(self) -> None:
        if self.phone and self.host != Place.host:
            raise ArgumentError(f"--phone serves at the address of the local network; omit --host {self.host}.")
        if self.token and not TOKEN.fullmatch(self.token):
            raise ArgumentError("A --token may only have letters, digits and ._~+/-, since a header contains it.")
        if self.token and (self.phone or not _is_loopback(self.host)) and not _is_strong(self.token):
            raise ArgumentError(
                f"Other computers can connect, and this --token is easy to guess; pass one of at least {LEAST} "
                f"characters, {DIFFERENT} of them different, such as {_new_token()}."
            )
        if self.prefix and not (self.prefix.startswith("/") and not self.prefix.endswith("/")):
            raise ArgumentError(f"--prefix {self.prefix} must start with a slash and not end with one; pass /name.")


def serve(source: Path, place: Place | None = None, *, rung: str | None = None, quiet: bool = False) -> None:
    """Serves a rung of a run, or an exported model, until it is stopped.

    Args:
        source: a run folder, or an ``.onnx`` file.
        place: the address, and who may send requests.
        rung: its name; by default the advised one.
        quiet: no line per request.

    Raises:
        ArgumentError: where other computers could connect and there is no token, or the run has no such rung.
        FirstlightError: where the address is in use.
        MissingExtraError: where FastAPI or uvicorn is not installed.
    """
    place = place or Place()
    with require("serve", purpose="Services of models"):
        from firstlight.apps.web.connections import Server
        from firstlight.apps.web.server import application
    from firstlight.models.exporting.session import Session

    host = _own_address() if place.phone else place.host
    token = place.token or (_new_token() if place.phone else None)
    if token is None and not _is_loopback(host):
        raise ArgumentError(
            f"Other computers can connect to {host}; pass a --token that every request must send, or --phone."
        )
    session = Session.of(source, rung)
    remark(*guessing_lines(session.about["name"], rung))
    with _bound(host, place.port) as bound:
        address = f"http://{f'[{host}]' if ':' in host else host}:{bound.getsockname()[1]}/"
        hosts = ["127.0.0.1", "localhost", "[::1]", host] if _is_loopback(host) else ["*"]
        app = application(session, token=token, origins=place.origins, hosts=hosts)
        _log(quiet)
        _announce(session.about["name"], address, token, place.phone)
        with suppress(KeyboardInterrupt):  # which uvicorn raises again when all is closed
            Server(configured(app, place.prefix)).run(sockets=[bound])


def configured(app: FastAPI, prefix: str = "") -> uvicorn.Config:
    """How uvicorn shows an application: without its own log, under the path that a proxy takes away."""
    import uvicorn

    from firstlight.apps.web.connections import BoundedProtocol, allowed

    connections, backlog = allowed()

    class Connections(BoundedProtocol):
        most = connections

    return uvicorn.Config(
        app,
        http=Connections,
        backlog=backlog,
        log_config=None,
        access_log=False,
        server_header=False,
        ws="none",
        root_path=prefix,
        timeout_graceful_shutdown=GRACE,
    )


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio spares the answers Nagle's wait of 40 ms only where the protocol is said to be TCP.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        bound.listen()  # before the address is printed, so that a request can follow at once
    except (OSError, UnicodeError) as error:
        bound.close()
        reason = getattr(error, "strerror", None) or error
        raise FirstlightError(
            f"{host}:{port} cannot be used ({reason}); choose another --port, or 0 for any free one."
        ) from error
    return bound


def _new_token() -> str:
    return secrets.token_urlsafe(16)  # 128 bits


def _is_strong(token: str) -> bool:
    return len(token) >= LEAST and len(set(token)) >= DIFFERENT


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _own_address() -> str:
    """Of this computer on the local network; nothing is sent to find out."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # an address for documentation (RFC 5737)
        except OSError as error:
            raise FirstlightError("This computer has no network connection; connect it, or omit --phone.") from error
        return str(probe.getsockname()[0])


def _announce(name: str, address: str, token: str | None, phone: bool) -> None:
    link = address + (f"#token={quote(token, safe='')}" if token else "")
    remark(f"{name} is served at {link}", "Stop with Ctrl-C.")
    if phone:
        import segno

        remark("Point the camera of a phone in the same network here:")
        segno.make(link, error="l").terminal(out=colored(sys.stderr), compact=True)


class OncePerMinute(logging.Filter):
    """Passes the first of equal warnings, and after a minute the next with the number of those in between.

    What strangers send can cause any number of warnings. The lines of requests pass; each has its own number.
    """

    def __init__(self) -> None:
        super().__init__()
        self._passed: dict[str, tuple[float, int]] = {}  # by message: when the last one passed, how many since

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is logged."""
        if record.name == "firstlight.serve":
            return True
        message = str(record.msg).partition("\n")[0][:80]
        passed, since = self._passed.get(message, (-math.inf, 0))
        if record.created - passed < MINUTE:
            self._passed[message] = passed, since + 1
            return False
        self._passed[message] = record.created, 0
        if since:
            record.msg = f"{record.getMessage()} ({since} more since the last such line)"
            record.args = None
        return True


class _Lines(logging.Formatter):
    """One JSON document per line: our own records are JSON already, uvicorn's are converted."""

    def format(self, record: logging.LogRecord) -> str:
        said = record.getMessage()
        return said if record.name == "firstlight.serve" else json.dumps({"level": record.levelname, "said": said})


def _log(quiet: bool) -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(_Lines())
    handler.addFilter(OncePerMinute())
    own = logging.WARNING if quiet else logging.INFO
    for name, level in (("firstlight.serve", own), ("uvicorn", logging.WARNING), ("asyncio", logging.WARNING)):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(level)
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)  # it logs bytes of the request
