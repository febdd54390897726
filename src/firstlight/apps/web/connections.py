"""`BoundedProtocol`: HTTP connections that are bounded in number and in the time for which they may wait."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

CONNECTIONS = 1000  # at the same time, where the system allows as many open files
FILES = 64  # open files for everything else: the page, the model, the log, decoding
SECONDS = 10.0  # for the head of a request, and for taking `PROGRESS` of the response
QUEUE = 4096  # connections that wait to be accepted; the system may allow fewer
PROGRESS = 1 << 16  # bytes


def allowed() -> tuple[int, int]:
    """How many connections may be open at the same time, and how many are accepted at once.

    asyncio accepts all that wait, up to its backlog, before it hands over the first; and each that is closed is open
    for some more turns of the loop. Five backlogs are kept free for these. A connection has a second file open while
    one of the page is sent.

    Example:
        >>> connections, backlog = allowed()
        >>> connections <= 1000 and backlog <= 128
        True
    """
    try:
        import resource
    except ImportError:  # Windows, where sockets are no files
        return CONNECTIONS, 128
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if files == resource.RLIM_INFINITY:
        return CONNECTIONS, 128
    backlog = max(min(128, files // 16), 1)
    return max(min(CONNECTIONS, (files - FILES - 5 * backlog) // 2), 1), backlog


class Server(uvicorn.Server):
    """A server in whose queue many connections wait until they are accepted, few at once."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Lengthens the queue, which asyncio has made as short as what it accepts at once.

        A client that finds the queue full tries again after a second.
        """
        await super().startup(sockets)
        for one in sockets or []:
            one.listen(QUEUE)


class BoundedProtocol(H11Protocol):
    """A connection that gives way or is closed while its client keeps it waiting.

    A client has `SECONDS` for the head of a request, whatever it sends in between; for the body it has the time of
    the request (`firstlight.apps.web.limits.Limits`). Where the largest number of connections is reached, a new one
    takes the place of the oldest one that waits for its client; so those that send nothing cannot keep
    out those that do.
    """

    most = CONNECTIONS

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.since = time.monotonic()
        self._deadline: asyncio.TimerHandle | None = None
        self._unsent = 0  # bytes of responses, when the deadline was set

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Makes room for the connection, or closes it where all others are being answered."""
        super().connection_made(transport)
        if len(self.connections) > self.most:
            waiting = (one for one in self.connections if isinstance(one, BoundedProtocol) and one.is_waiting)
            oldest = min(waiting, key=lambda one: one.since)
            oldest.drop()
            self.logger.warning("There are more than %s connections; those that send nothing are closed.", self.most)
        self._await_client()

    @property
    def is_waiting(self) -> bool:
        """Whether the next move is the client's: to send a request, the rest of it, or to take the response."""
        cycle = self.cycle
        return cycle is None or cycle.response_complete or cycle.more_body or self.flow.write_paused

    def drop(self) -> None:
        """Closes the connection at once, without what was not yet sent."""
        self.connections.discard(self)
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Starts or ends the time for the head."""
        super().data_received(data)
        if self.cycle is None or self.cycle.response_complete:
            self._await_client()
        elif not self.flow.write_paused:
            self._go_on()

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends the time with the connection."""
        self._go_on()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Starts the time for taking the response."""
        super().pause_writing()
        self._await_client()

    def resume_writing(self) -> None:
        """Ends it."""
        super().resume_writing()
        self._go_on()

    def timeout_keep_alive_handler(self) -> None:
        """Closes an idle connection, and drops it where the client does not take what was sent."""
        super().timeout_keep_alive_handler()
        self._await_client()

    def _await_client(self) -> None:
        if self._deadline is None:
            self._unsent = self.transport.get_write_buffer_size()
            self._deadline = self.loop.call_later(SECONDS, self._expire)

    def _expire(self) -> None:
        self._deadline = None
        if self.flow.write_paused and self._unsent - self.transport.get_write_buffer_size() >= PROGRESS:
            self._await_client()  # a slow network
        else:
            self.drop()

    def _go_on(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
