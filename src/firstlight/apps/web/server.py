"""The HTTP service: a page, and `POST /api/predict`; every limit a clear answer, and nothing that was sent is kept."""

from __future__ import annotations

import base64
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import anyio
import anyio.to_thread
import numpy as np
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import FileResponse, JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.exceptions import HTTPException as AnyHTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.staticfiles import StaticFiles

from firstlight.apps.web.answers import About, Ideals, Predictions, Refusal, State
from firstlight.apps.web.limits import Gate, Limits
from firstlight.apps.web.predicting import predictions
from firstlight.apps.web.reading import FIELD, images_of
from firstlight.apps.web.watching import Watching
from firstlight.models.session import Session

PAGE = Path(__file__).parent / "page"
WORKERS = 2  # images that are computed at the same time; each may use more threads

BODY = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "properties": {
                    FIELD: {"type": "array", "minItems": 1, "items": {"type": "string", "format": "binary"}}
                },
                "required": [FIELD],
            }
        },
        "image/*": {"schema": {"type": "string", "format": "binary"}},
        "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
    },
}


def _refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    sentences = {
        400: "The request is none of HTTP, or its host is another one.",
        401: "The token is missing or wrong.",
        404: "There is none.",
        408: "It took too long to come, or to compute.",
        413: "Too many bytes, images or pixels.",
        415: "Of another type than images are.",
        422: "No image, or a damaged one.",
        429: "Too many requests are under way; Retry-After says when to come again.",
    }
    return {status: {"model": Refusal, "description": sentences[status]} for status in statuses}


def application(
    session: Session,
    *,
    limits: Limits | None = None,
    token: str | None = None,
    origins: Sequence[str] = (),
    hosts: Sequence[str] = ("*",),
) -> FastAPI:
    """The service of one model.

    Args:
        session: what answers.
        limits: what a request may cost; the defaults where left out.
        token: what ``Authorization: Bearer`` has to say before anything but the page and the states is answered.
        origins: of other sites whose pages may call it; none where left out.
        hosts: names under which it may be called, so that another site's name that points here is refused.

    Returns:
        An ASGI application.
    """
    limits = limits or Limits()
    gate, turns = Gate(limits), anyio.CapacityLimiter(WORKERS)
    ready = False

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        nonlocal ready
        session.answer(np.zeros((1, *session.shape), np.uint8))  # the first answer is slower than the others
        ready = True
        yield
        ready = False

    app = FastAPI(
        title=f"Firstlight: {session.about['name']}",
        version=str(session.about.get("versions", {}).get("firstlight", "")),
        lifespan=lifespan,
        docs_url=None,  # their pages load scripts from elsewhere
        redoc_url=None,
    )
    bearer = HTTPBearer(auto_error=False)

    def allowed(sent: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]) -> None:
        if token is not None and (
            sent is None or not secrets.compare_digest(sent.credentials.encode(), token.encode())
        ):
            raise HTTPException(401, "The token is missing or wrong; open the link that was printed at the start.")

    known = [Depends(allowed)] if token is not None else []
    guarded = (400, 401) if token is not None else (400,)

    @app.post(
        "/api/predict",
        dependencies=known,
        openapi_extra={"requestBody": BODY},
        responses=_refusals(*guarded, 408, 413, 415, 422, 429),
    )
    async def predict(request: Request) -> Predictions:
        """What each image is."""
        with gate.admitted() as visit:
            until = time.monotonic() + limits.seconds
            with anyio.move_on_after(limits.seconds) as patience:
                sent = await images_of(request, visit)
            if patience.cancelled_caught:
                raise HTTPException(408, f"The body was not whole after {limits.seconds:g} s; send it again.")
            work = partial(predictions, session, sent, pixels=limits.pixels, until=until)
            found = await anyio.to_thread.run_sync(work, limiter=turns)
        request.scope["firstlight.images"] = len(found)
        return Predictions(request=request.scope["firstlight.request"], predictions=found)

    @app.get("/api/model", dependencies=known, responses=_refusals(*guarded))
    async def model() -> About:
        """What is known of the model."""
        return About(**session.about)

    @app.get("/api/ideal", dependencies=known, responses=_refusals(*guarded, 404))
    async def ideal() -> Ideals:
        """Each class's ideal image."""
        if session.ideal is None:
            raise HTTPException(404, f"{session.about['name']} has no ideal images; a centroid has.")
        data = base64.b64encode(session.ideal.astype("<f4").tobytes()).decode()
        return Ideals(shape=list(session.ideal.shape), data=data)

    @app.get("/healthz", responses=_refusals(400))
    async def healthz() -> State:
        """Whether it lives."""
        return State(status="ok")

    @app.get("/readyz", responses={**_refusals(400), 503: {"model": State, "description": "Not yet, or no more."}})
    async def readyz(response: Response) -> State:
        """Whether it answers."""
        response.status_code = 200 if ready else 503
        return State(status="ready" if ready else "not ready")

    watching = Watching(gate)

    @app.get("/metrics", dependencies=known, response_class=Response, responses=_refusals(*guarded))
    async def metrics() -> Response:
        """Counts and times, as Prometheus reads them."""
        return Response(watching.text(), media_type=watching.media_type)

    @app.get("/engine.js", include_in_schema=False)
    async def engine() -> FileResponse:
        return FileResponse(PAGE / "engine-server.js", media_type="text/javascript")

    app.mount("/", StaticFiles(directory=PAGE, html=True, check_dir=False))
    app.add_exception_handler(AnyHTTPException, _refused)
    if origins:
        app.add_middleware(CORSMiddleware, allow_origins=list(origins), allow_headers=["authorization", "content-type"])
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(hosts), www_redirect=False)
    app.add_middleware(watching.middleware)
    return app


async def _refused(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, AnyHTTPException)
    refusal = Refusal(request=request.scope["firstlight.request"], detail=str(error.detail))
    return JSONResponse(refusal.model_dump(), error.status_code, error.headers)
