"""What is seen of every request: its number, a line of JSON in the log, counts for Prometheus, and strict headers."""

from __future__ import annotations

import json
import logging
import time
import uuid
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

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


class Watching:
    """The counts of one service, and the middleware that takes them.

    Args:
        gate: whose requests under way are told.
    """

    media_type = CONTENT_TYPE_LATEST

    def __init__(self, gate: Gate) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter("firstlight_requests", "Requests.", ("path", "status"), registry=self.registry)
        self.images = Counter("firstlight_images", "Images that were answered.", registry=self.registry)
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
            scope["firstlight.request"] = request = uuid.uuid4().hex
            started, status = time.perf_counter(), 500

            async def answer(message: Message) -> None:
                nonlocal status
                if message["type"] == "http.response.start":
                    status = message["status"]
                    headers = MutableHeaders(scope=message)
                    headers["x-request-id"] = request
                    for name, value in HEADERS.items():
                        headers[name] = value
                await send(message)

            try:
                await app(scope, receive, answer)
            finally:
                self._note(scope, status, time.perf_counter() - started)

        return watched

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        path = getattr(scope.get("route"), "path", None) or "page"  # never what was asked for: it may say anything
        images = scope.get("firstlight.images", 0)
        self.requests.labels(path, status).inc()
        self.seconds.labels(path).observe(seconds)
        self.images.inc(images)
        line: dict[str, Any] = {"request": scope["firstlight.request"], "method": scope["method"], "path": path}
        LOG.info(json.dumps(line | {"status": status, "images": images, "seconds": round(seconds, 4)}))
