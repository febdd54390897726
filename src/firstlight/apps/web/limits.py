"""What a request may cost: bytes, images, pixels, seconds; and how many may be under way at once."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass

import anyio
from fastapi import HTTPException, Request

from firstlight.errors import ArgumentError

DRAINED = 1.0  # seconds; a body that was refused is read on so long, so that the client comes to read the answer


@dataclass(frozen=True)
class Limits:
    """What one request may cost, and all of them together.

    Attributes:
        body: bytes of a request's body.
        images: of a request.
        pixels: of an image, by its header, before it is decoded.
        seconds: from the first byte of the request to its answer; a slow body counts too.
        under_way: requests that send, wait or compute at the same time.
        held: bytes of all their bodies together.

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
    """Who is under way, and how many bytes they hold."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.under_way = 0
        self.held = 0

    @contextmanager
    def admitted(self) -> Iterator[Visit]:
        """Lets a request in, or says that it should come again.

        Raises:
            HTTPException: 429 where as many are under way as may be.
        """
        if self.under_way >= self.limits.under_way:
            raise _busy(f"{self.under_way} requests are under way, and no more are taken on")
        self.under_way += 1
        visit = Visit(self)
        try:
            yield visit
        finally:
            self.under_way -= 1
            self.held -= visit.size


class Visit:
    """One request that was let in."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.size = 0

    async def body(self, request: Request) -> AsyncGenerator[bytes]:
        """The body piece by piece, counted before anything looks at it.

        Raises:
            HTTPException: 413 where it is too large; 429 where all bodies together are.
        """
        limits, length = self.gate.limits, request.headers.get("content-length", "")
        sentence = f"The body has more than {limits.body:,} bytes; send fewer or smaller images."
        too_large = HTTPException(413, sentence, {"Connection": "close"})  # else the rest of it would be read
        async with aclosing(request.stream()) as pieces:
            if length.isdecimal() and int(length) > limits.body:
                if "expect" not in request.headers:  # else the client waits for a word before it sends
                    await _drain(pieces)
                raise too_large
            async for piece in pieces:
                self.size += len(piece)
                self.gate.held += len(piece)
                if self.size > limits.body:
                    await _drain(pieces)
                    raise too_large
                if self.gate.held > limits.held:
                    raise _busy("The requests under way hold as many bytes as they may")
                yield piece


def _busy(sentence: str) -> HTTPException:
    return HTTPException(429, f"{sentence}; try again in a second.", {"Retry-After": "1"})


async def _drain(pieces: AsyncGenerator[bytes]) -> None:
    with anyio.move_on_after(DRAINED, shield=True):  # the time of the request may end before
        async for _ in pieces:
            pass
