"""The metrics of the service, in Prometheus's format: requests, images and durations."""

from __future__ import annotations

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from firstlight.apps.web.limits import Gate


class Metrics:
    """The metrics of one service.

    Args:
        gate: counts the requests in progress.
    """

    media_type = CONTENT_TYPE_LATEST

    def __init__(self, gate: Gate) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter("firstlight_requests", "Requests.", ("path", "status"), registry=self.registry)
        self._images = Counter("firstlight_images", "Images classified.", registry=self.registry)
        self._seconds = Histogram(
            "firstlight_request_seconds", "Time from request to response.", ("path",), registry=self.registry
        )
        under_way = Gauge("firstlight_requests_under_way", "Predictions in progress.", registry=self.registry)
        under_way.set_function(lambda: gate.under_way)

    def count(self, *, path: str, status: int, images: int, seconds: float) -> None:
        """Counts one request."""
        self._requests.labels(path, status).inc()
        self._seconds.labels(path).observe(seconds)
        self._images.inc(images)

    def text(self) -> bytes:
        """The metrics as Prometheus reads them."""
        return generate_latest(self.registry)
