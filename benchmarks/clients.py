"""Clients that ask one server: each on a connection of its own, its next request when the last one is answered.

A process of its own, so that it shares no lock with what it measures; it does as little as it can, since it shares the
machine: python clients.py PORT CLIENTS REQUESTS < request > seconds, one a line, and the whole time first.
"""

from __future__ import annotations

import asyncio
import sys
import time


async def asked(port: int, clients: int, requests: int, request: bytes) -> list[float]:
    """The whole time, and the seconds of each request."""
    connections = [await asyncio.open_connection("127.0.0.1", port) for _ in range(clients)]
    taken: list[float] = []
    left = iter(range(requests))

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in left:
            started = time.perf_counter()
            writer.write(request)
            start = await reader.readuntil(b"\r\n\r\n")
            if not start.startswith(b"HTTP/1.1 200 "):
                raise SystemExit(f"The server answered {start[:40]!r}.")
            length = start.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
            await reader.readexactly(int(length))
            taken.append(time.perf_counter() - started)

    started = time.perf_counter()
    await asyncio.gather(*(client(*connection) for connection in connections))
    whole = time.perf_counter() - started
    for _, writer in connections:
        writer.close()
    return [whole, *taken]


if __name__ == "__main__":
    numbers = [int(one) for one in sys.argv[1:]]
    print(*asyncio.run(asked(*numbers, sys.stdin.buffer.read())), sep="\n")
