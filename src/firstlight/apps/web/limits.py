"""The limits of requests: bytes, images, pixels and seconds of each, and how many are handled at once."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass

import anyio
from fastapi import HTTPException, Request

from firstlight.errors import ArgumentError

FULL = "The bodies of the requests in progress fill the memory that they may use"
DRAINED = 1.0  # seconds for which a refused body is still read, so that the client gets to read the response


@dataclass(frozen=True)
class Limits:
    """What one request may cost, and all requests together.

    Attributes:
        body: bytes of one request's body.
        images: in one request.
        pixels: of one image, by its header, before it is decoded.
        seconds: from the first byte of a request to its response; a slow body counts too.
        under_way: requests whose images are classified, or wait for their turn, at the same time.
        held: bytes of the bodies of all requests, those that are still arriving included.

    Example:
        >>> Limits(images=1).images
        1
        >>> Limits(seconds=0)
        Traceback (most recent call last):
        firstlight.errors.ArgumentError: The limit of seconds is 0; pass a number above 0.
    """

    body: int = 32 * 2**20  # some photos of a phone
    images: int = 64
    pixels: int = 50_000_000  # what the larger phones take; 150 MB as RGB
    seconds: float = 30.0
    under_way: int = 64
    held: int = 256 * 2**20

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value <= 0:
                raise ArgumentError(f"The limit of {name} is {value}; pass a number above 0.")


class Gate:
    """Counts the requests in progress and the bytes of their bodies.

    A body that is still arriving takes no place among the requests in progress, so that slow clients cannot fill
    these; and where all bodies together reach the limit, the one that has been arriving longest gives way.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.under_way = 0
        self.held = 0
        self.arriving: dict[Visit, None] = {}  # the oldest first

    @contextmanager
    def visited(self) -> Iterator[Visit]:
        """Lets a request send its body.

        Raises:
            HTTPException: 429 where the limit of requests in progress is reached.
        """
        self.check_room()
        visit = Visit(self)
        self.arriving[visit] = None
        try:
            yield visit
        finally:
            visit.leave()

    def check_room(self) -> None:
        """Refuses a request where the limit of requests in progress is reached."""
        if self.under_way >= self.limits.under_way:
            raise busy(f"{self.under_way} requests are in progress, which is the limit")

    def make_room(self, newcomer: Visit) -> None:
        """Ends the bodies that have been arriving longest until all are within the limit.

        Raises:
            HTTPException: 429 where the newcomer itself is next.
        """
        while self.held > self.limits.held:
            oldest = next(iter(self.arriving))
            if oldest is newcomer:
                raise busy(FULL)
            oldest.gives_way = True
            oldest.scope.cancel()
            oldest.leave()


class Visit:
    """One request.

    Attributes:
        size: bytes of its body that are held.
        scope: what is cancelled where it has to give way to another one.
        gives_way: whether it has.
    """

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.size = 0
        self.scope = anyio.CancelScope()
        self.gives_way = False

    def leave(self) -> None:
        """Its body is held no longer."""
        self.gate.arriving.pop(self, None)
        self.gate.held -= self.size
        self.size = 0

    @contextmanager
    def turn(self) -> Iterator[None]:
        """The body has arrived; the request is in progress.

        Raises:
            HTTPException: 429 where the limit of requests in progress is reached.
        """
        self.gate.check_room()
        self.gate.arriving.pop(self, None)
        self.gate.under_way += 1
        try:
            yield
        finally:
            self.gate.under_way -= 1

    async def body(self, request: Request) -> AsyncGenerator[bytes]:
        """The body in chunks, each counted before it is used.

        Raises:
            HTTPException: 413 where the body is too large; 429 where all bodies together are.
        """
        limits, length = self.gate.limits, request.headers.get("content-length", "")
        sentence = f"The body has more than {limits.body:,} bytes; send fewer or smaller images."
        too_large = HTTPException(413, sentence, {"Connection": "close"})  # else the rest would be read
        async with aclosing(request.stream()) as chunks:
            if length.isdecimal() and int(length) > limits.body:
                if "expect" not in request.headers:  # with Expect, the client sends nothing before it is answered
                    await _drain(chunks)
                raise too_large
            async for chunk in chunks:
                self.size += len(chunk)
                self.gate.held += len(chunk)
                if self.size > limits.body:
                    await _drain(chunks)
                    raise too_large
                self.gate.make_room(self)
                yield chunk


def busy(sentence: str) -> HTTPException:
    """The refusal of a request that may be sent again a second later."""
    return HTTPException(429, f"{sentence}; try again in a second.", {"Retry-After": "1"})


async def _drain(chunks: AsyncGenerator[bytes]) -> None:
    with anyio.move_on_after(DRAINED, shield=True):  # the request's time may end before
        async for _ in chunks:
            pass
