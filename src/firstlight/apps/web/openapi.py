"""The parts of the OpenAPI document that do not follow from types: the request body and the refusals."""

from __future__ import annotations

from typing import Any

from firstlight.apps.web.schemas import Refusal, State
from firstlight.apps.web.uploads import FIELD

FILE = {"type": "string", "format": "binary"}
PARTS = {
    "type": "object",
    "properties": {FIELD: {"type": "array", "minItems": 1, "items": FILE}},
    "required": [FIELD],
}
BODY = {
    "required": True,
    "content": {
        "multipart/form-data": {"schema": PARTS},
        "image/*": {"schema": FILE},
        "application/octet-stream": {"schema": FILE},
    },
}

REASONS = {
    400: "The host or the origin of the request is not one of the server's own.",
    401: "The token is missing or wrong.",
    403: "A page of another site sent the request.",
    404: "Not found.",
    408: "The body took too long to arrive.",
    413: "Too many bytes, images or pixels.",
    415: "Not an image, or a format that is not supported.",
    422: "No image was sent, or it is damaged.",
    429: "Too many requests are in progress.",
    500: "Internal server error; the log has the details under the request's number.",
    503: "The images took too long to compute, or the server was busy.",
}
RETRY_AFTER = {"Retry-After": {"description": "Seconds after which to try again.", "schema": {"type": "string"}}}
SCHEME = {"WWW-Authenticate": {"description": "How to send the token.", "schema": {"type": "string"}}}
PIXELS = {
    "name": "pixels",
    "in": "query",
    "description": "If it is there, each prediction has the pixels that the model saw.",
    "schema": {"type": "string"},
}
METRICS = {
    "content": {"text/plain": {"schema": {"type": "string"}}},
    "description": "Metrics in Prometheus's format.",
}
NOT_READY = {"model": State, "description": "Not ready, or shutting down."}
HEADERS = {401: SCHEME, 429: RETRY_AFTER, 503: RETRY_AFTER}


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The descriptions of refusals by status; 400 and 500, which every address may return, are added."""
    return {
        status: {"model": Refusal, "description": REASONS[status]}
        | ({"headers": HEADERS[status]} if status in HEADERS else {})
        for status in sorted({400, 500, *statuses})
    }
