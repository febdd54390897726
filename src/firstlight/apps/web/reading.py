"""A request's body -> the images that were sent; nothing of it is written to a disk."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import HTTPException, Request
from python_multipart.multipart import parse_options_header
from starlette.datastructures import UploadFile as Part
from starlette.formparsers import MultiPartException, MultiPartParser

from firstlight.apps.web.limits import Visit

FIELD = "images"
HOW = f"send an image as the body with its type, such as image/png, or several as multipart parts named {FIELD}"


@dataclass(frozen=True)
class Sent:
    """An image as it was sent: its file name, where it has one, and its bytes."""

    name: str | None
    data: bytes


async def images_of(request: Request, visit: Visit) -> list[Sent]:
    """The images of a request, whose body is counted as it comes.

    Raises:
        HTTPException: 413 where there are too many; 415 where the body is of another type; 422 where its parts are
            no images.
        ClientDisconnect: where the client goes before all is sent.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        return await _parts(request, visit)
    if kind.startswith("image/") or kind == "application/octet-stream":
        return [Sent(None, b"".join([piece async for piece in visit.body(request)]))]
    raise HTTPException(415, f"The body is of the type {kind[:60] or 'that was not said'}; {HOW}.")


async def _parts(request: Request, visit: Visit) -> list[Sent]:
    limits = visit.gate.limits
    _, options = parse_options_header(request.headers["content-type"])
    if options.get(b"charset", b"utf-8").lower() != b"utf-8":  # Python has odd ones: slow, or with other errors
        raise HTTPException(415, f"The parts are named in another charset than UTF-8; {HOW}.")
    most = {"max_files": limits.images, "max_fields": limits.images}
    parser = MultiPartParser(request.headers, visit.body(request), **most)
    parser.spool_max_size = limits.body + 1  # so that no part ever goes to a file
    try:
        form = await parser.parse()
    except MultiPartException as error:
        if error.message.startswith("Too many"):
            raise HTTPException(413, f"More than {limits.images} parts were sent; send fewer at once.") from error
        raise HTTPException(422, f"The body cannot be read as multipart/form-data; {HOW}.") from error
    try:
        found = []
        for name, part in form.multi_items():
            if name != FIELD or not isinstance(part, Part):
                raise HTTPException(422, f"There is a part that is no file named {FIELD}; {HOW}.")
            found.append(Sent(part.filename or None, await part.read()))
    finally:
        await form.close()
    if not found:
        raise HTTPException(422, f"No image was sent; {HOW}.")
    return found
