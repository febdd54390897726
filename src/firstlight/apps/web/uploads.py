"""The images in a request's body, read in memory; nothing is written to disk."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import HTTPException, Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from firstlight.apps.web.limits import Visit

FIELD = "images"
HOW = f"send an image as the body with its type, such as image/png, or several as multipart parts named {FIELD}"


@dataclass(frozen=True)
class Upload:
    """An uploaded image: its file name, if it has one, and its bytes."""

    name: str | None
    data: bytes


async def images_of(request: Request, visit: Visit) -> list[Upload]:
    """The images of a request.

    Raises:
        HTTPException: 413 where there are too many; 415 where the body has another content type; 422 where its
            parts are not image files.
        ClientDisconnect: where the client disconnects before everything is sent.
    """
    content_type = request.headers.get("content-type", "")
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        boundary = parse_options_header(content_type)[1].get(b"boundary")
        if not boundary:
            raise _unclear("The content type names no boundary between the parts")
        return await _parts(request, visit, boundary)
    if kind.startswith("image/") or kind == "application/octet-stream":
        return [Upload(None, b"".join([piece async for piece in visit.body(request)]))]
    raise HTTPException(415, f"The body's content type is {kind[:60] or 'missing'}; {HOW}.")


async def _parts(request: Request, visit: Visit, boundary: bytes) -> list[Upload]:
    try:
        parts = _Parts(boundary, visit.gate.limits.images)
        async for piece in visit.body(request):
            parts.parser.write(piece)
        parts.parser.finalize()
    except FormParserError as error:
        raise _unclear("The body cannot be read as multipart/form-data") from error
    if not parts.found:
        raise _unclear("No image was sent")
    if not parts.complete:
        raise _unclear("The last part is incomplete")
    return [Upload(part.name, b"".join(part.pieces)) for part in parts.found]


class _Part:
    def __init__(self) -> None:
        self.name: str | None = None
        self.pieces: list[bytes] = []


class _Parts:
    """The parts of a multipart body, in memory; Starlette's parser writes large parts to temporary files."""

    def __init__(self, boundary: bytes, most: int) -> None:
        self.most = most
        self.found: list[_Part] = []
        self.complete = False
        self._field = self._value = self._disposition = b""
        self.parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": self._add_to_field,
                "on_header_value": self._add_to_value,
                "on_header_end": self._end_header,
                "on_headers_finished": self._name,
                "on_part_data": lambda data, start, end: self.found[-1].pieces.append(data[start:end]),
                "on_end": self._end,
            },
        )

    def _begin(self) -> None:
        if len(self.found) == self.most:
            raise HTTPException(413, f"More than {self.most} parts were sent; send fewer at once.")
        self.found.append(_Part())
        self._disposition = b""

    def _add_to_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _add_to_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        if self._field.lower() == b"content-disposition":
            self._disposition = self._value
        self._field = self._value = b""

    def _name(self) -> None:
        options = parse_options_header(self._disposition)[1]
        if options.get(b"name") != FIELD.encode() or b"filename" not in options:
            raise _unclear(f"A part is not a file named {FIELD}")
        self.found[-1].name = options[b"filename"].decode("utf-8", "replace") or None

    def _end(self) -> None:
        self.complete = True


def _unclear(sentence: str) -> HTTPException:
    return HTTPException(422, f"{sentence}; {HOW}.")
