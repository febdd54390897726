"""What is seen of every request: its number, a line of JSON in the log, counts for Prometheus, and strict headers."""

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
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from firstlight.apps.web.answers import Refusal
from firstlight.apps.web.limits import Gate

LOG = logging.getLogger("firstlight.serve")

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "connect-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "permissions-policy": "camera=(self), microphone=(), geolocation=()",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
GONE = 499  # the client went before the answer; nginx's number, for the log and the counts only
STRANGER = "The host or the origin of the request is not one of the server's own; use the address that it printed."
FAULT = "The server made a mistake; its log says which, under the number of this request."


class Watching:
    """The counts of one service, and the middleware that takes them.

    Args:
        gate: whose requests under way are told.
    """

    media_type = CONTENT_TYPE_LATEST

    def __init__(self, gate: Gate) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter("firstlight_requests", "Requests.", ("path", "status"), registry=self.registry)
        self.images = Counter("firstlight_images", "Images that were looked at.", registry=self.registry)
        self.seconds = Histogram(
            "firstlight_request_seconds", "From request to answer.", ("path",), registry=self.registry
        )
        under_way = Gauge("firstlight_requests_under_way", "Predictions under way.", registry=self.registry)
        under_way.set_function(lambda: gate.under_way)

    def text(self) -> bytes:
        """The counts as Prometheus reads them."""
        return generate_latest(self.registry)

    def middleware(self, app: ASGIApp) -> ASGIApp:
        """The application with a number for each request, its line in the log and its headers."""

        async def watched(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            seen = _Seen(scope, receive, send)
            started, error = time.perf_counter(), None
            try:
                await app(scope, receive, seen.send)
            except ClientDisconnect:
                seen.status = GONE
            except Exception as fault:
                error = _place(fault)
                if seen.status is not None:
                    raise
                await seen.refuse(500, FAULT)
            finally:
                self._note(scope, seen.status or GONE, time.perf_counter() - started, error)

        return watched

    def _note(self, scope: Scope, status: int, seconds: float, error: str | None) -> None:
        path = getattr(scope.get("route"), "path", None) or "page"  # never what was asked for: it may say anything
        images = scope.get("firstlight.images", 0)
        self.requests.labels(path, status).inc()
        self.seconds.labels(path).observe(seconds)
        self.images.inc(images)
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


class _Seen:
    """One request's answer on its way out."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.request = scope["firstlight.request"] = uuid.uuid4().hex
        self.status: int | None = None
        self._to = scope, receive, send
        self._replaced = False

    async def send(self, message: Message) -> None:
        """Sends on, with the headers; what the framework refuses in two words of plain text, as a document."""
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
        await self._to[2](message)

    async def refuse(self, status: int, detail: str) -> None:
        """Answers with a refusal instead."""
        self.status = status
        headers = {"x-request-id": self.request, **HEADERS}
        await JSONResponse(Refusal(request=self.request, detail=detail).model_dump(), status, headers)(*self._to)


def _place(error: Exception) -> str:
    """Kind and place of a fault; not its words, which may tell what was sent."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {Path(last.filename).name}:{last.lineno}"
