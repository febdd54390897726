"""Clients that try to keep a server from answering others: each in a way of its own, for as long as requested.

A process of its own, so that it shares no lock with what it measures: python attackers.py KIND PORT CLIENTS SECONDS
< file > attempts.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import Awaitable, Callable

SOCKETS = 110  # that each client holds open where it sends nothing; ten hold more than 1,024
HEAD = b"POST /api/predict HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: image/png\r\n"


async def files(port: int, file: bytes) -> None:
    """Sends a file, and waits for the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    with contextlib.closing(writer):
        writer.write(HEAD + b"connection: close\r\ncontent-length: %d\r\n\r\n" % len(file) + file)
        await reader.read()


async def half_open(port: int, start: bytes, drip: bytes = b"", sockets: int = SOCKETS) -> None:
    """Holds connections that send the start of a request, and now and then a byte more."""
    opened: list[asyncio.StreamWriter] = []
    try:
        for _ in range(sockets):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(start)
            opened.append(writer)
        while not all(writer.is_closing() for writer in opened):
            await asyncio.sleep(0.2)
            for writer in opened:
                if drip and not writer.is_closing():
                    writer.write(drip)
    finally:
        for writer in opened:
            writer.transport.abort()


KINDS: dict[str, Callable[[int, bytes], Awaitable[None]]] = {
    "file": files,
    "half-open": lambda port, _: half_open(port, b"G"),
    "slow head": lambda port, _: half_open(port, b"GET / HTTP/1.1\r\n", b"a: b\r\n"),
    "slow body": lambda port, _: half_open(port, HEAD + b"content-length: 1000000\r\n\r\n", b"x"),
    "stalled bodies": lambda port, _: half_open(
        port, HEAD + b"content-length: 30000000\r\n\r\n" + bytes(4_000_000), sockets=8
    ),
}


async def attack(kind: str, port: int, clients: int, seconds: float, file: bytes) -> int:
    """How often the clients tried."""
    until, attempts = time.monotonic() + seconds, 0

    async def client() -> None:
        nonlocal attempts
        while time.monotonic() < until:
            attempts += 1
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
                await asyncio.wait_for(KINDS[kind](port, file), until - time.monotonic())

    await asyncio.gather(*(client() for _ in range(clients)))
    return attempts


if __name__ == "__main__":
    kind, port, clients, seconds = sys.argv[1:]
    print(asyncio.run(attack(kind, int(port), int(clients), float(seconds), sys.stdin.buffer.read())))
