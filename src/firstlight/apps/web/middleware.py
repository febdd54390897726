"""`RequestLog`: the middleware that numbers each request, logs it, counts it and sets the security headers."""

from __future__ import annotations

import json
import logging
import time
import traceback
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fastapi.responses import JSONResponse
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from firstlight.apps.web.metrics import Metrics
from firstlight.apps.web.schemas import Refusal
from firstlight.apps.web.security_headers import HEADERS

LOG = logging.getLogger("firstlight.serve")

DISCONNECTED = 499  # the client closed the connection before the response; nginx's number, only in log and metrics
STRANGER = "The request's host or origin is not one of this server's own; use the address that it printed."
FAULT = "Internal server error; look for this request's number in the server's log."


class RequestLog:
    """ASGI middleware around the whole application.

    Args:
        app: the application.
        metrics: counts the requests.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Runs the application on one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        response = _Response(scope, receive, send)
        started, error = time.perf_counter(), None
        try:
            await self.app(scope, receive, response.send)
        except ClientDisconnect:
            response.status = DISCONNECTED
        except Exception as fault:
            error = _place(fault)
            if response.status is not None:
                raise
            await response.refuse(500, FAULT)
        finally:
            self._record(scope, response.status or DISCONNECTED, time.perf_counter() - started, error)

    def _record(self, scope: Scope, status: int, seconds: float, error: str | None) -> None:
        path = getattr(scope.get("route"), "path", None) or "page"  # not the requested path, which may hold anything
        images = scope.get("firstlight.images", 0)
        self.metrics.count(path=path, status=status, images=images, seconds=seconds)
        line: dict[str, Any] = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "request": scope["firstlight.request"],
            "method": scope["method"][:10],
            "path": path,
            "status": status,
            "images": images,
            "seconds": round(seconds, 4),
        }
        LOG.log(logging.ERROR if error else logging.INFO, json.dumps(line | ({"error": error} if error else {})))


class _Response:
    """The response to one request, as it is sent."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.request = scope["firstlight.request"] = uuid.uuid4().hex
        self.status: int | None = None
        self._connection = scope, receive, send
        self._replaced = False

    async def send(self, message: Message) -> None:
        """Sends a message on, with the headers; replaces the framework's plain-text 400 with a JSON document."""
        if self._replaced:
            return
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            if message["status"] == 400 and headers.get("content-type", "").startswith("text/plain"):
                self._replaced = True
                await self.refuse(400, STRANGER)
                return
            self.status = message["status"]
            headers.update({"x-request-id": self.request, **HEADERS})
        _, _, send = self._connection
        await send(message)

    async def refuse(self, status: int, detail: str) -> None:
        """Sends a refusal instead of the application's response."""
        self.status = status
        headers = {"x-request-id": self.request, **HEADERS}
        await JSONResponse(Refusal(request=self.request, detail=detail).model_dump(), status, headers)(
            *self._connection
        )


def _place(error: Exception) -> str:
    """The class of an error and the line that raised it; not its message, which may hold what was sent."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {Path(last.filename).name}:{last.lineno}"
