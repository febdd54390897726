"""What the OpenAPI document says beside the types: the body of a prediction, and every refusal."""

from __future__ import annotations

from typing import Any

from firstlight.apps.web.answers import Refusal
from firstlight.apps.web.reading import FIELD

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
    400: "The host, or the origin, by which it was called is not one of its own.",
    401: "The token is missing or wrong.",
    404: "There is none.",
    408: "The body took too long to come.",
    413: "Too many bytes, images or pixels.",
    415: "Of another type than images are.",
    422: "No image, or a damaged one.",
    429: "Too many requests are under way.",
    500: "A fault of the server; its log says which, under the request's number.",
    503: "The images took too long to compute, or to come to their turn.",
}
AGAIN = {"Retry-After": {"description": "Seconds after which to come again.", "schema": {"type": "string"}}}
SCHEME = {"WWW-Authenticate": {"description": "How to bring the token.", "schema": {"type": "string"}}}
HEADERS = {401: SCHEME, 429: AGAIN, 503: AGAIN}


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The descriptions of refusals, by status; every path may give 400 and 500 as well."""
    return {
        status: {"model": Refusal, "description": REASONS[status]}
        | ({"headers": HEADERS[status]} if status in HEADERS else {})
        for status in sorted({400, 500, *statuses})
    }
