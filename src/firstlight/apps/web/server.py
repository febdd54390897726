"""The HTTP service: a page, and `POST /api/predict`; every limit a clear answer, and nothing that was sent is kept."""

from __future__ import annotations

import base64
import secrets
import time
from collections.abc import AsyncIterator, Callable, Sequence
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

from firstlight.apps.web.answers import About, Ideals, Prediction, Predictions, Refusal, State
from firstlight.apps.web.describing import BODY, refusals
from firstlight.apps.web.limits import Gate, Limits
from firstlight.apps.web.predicting import predictions
from firstlight.apps.web.reading import images_of
from firstlight.apps.web.watching import Watching
from firstlight.models.exporting.session import Session

PAGE = Path(__file__).parent / "page"
WORKERS = 2  # images that are computed at the same time; each may use more threads
BEARER = HTTPBearer(auto_error=False)


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
    gate, ready = Gate(limits), False
    watching = Watching(gate)

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
        redirect_slashes=False,  # a redirect would say what host it was asked for
    )
    known = [Depends(_bringing(token))] if token is not None else []
    unknown = (401,) if token is not None else ()
    predict = _predicting(session, limits, gate)
    wrong = refusals(*unknown, 408, 413, 415, 422, 429, 503)
    app.post("/api/predict", dependencies=known, openapi_extra={"requestBody": BODY}, responses=wrong)(predict)

    @app.get("/api/model", dependencies=known, responses=refusals(*unknown))
    async def model() -> About:
        """What is known of the model."""
        return About(**session.about)

    @app.get("/api/ideal", dependencies=known, responses=refusals(*unknown, 404))
    async def ideal() -> Ideals:
        """Each class's ideal image."""
        if session.ideal is None:
            raise HTTPException(404, f"{session.about['name']} has no ideal images; a centroid has.")
        data = base64.b64encode(session.ideal.astype("<f4").tobytes()).decode()
        return Ideals(shape=list(session.ideal.shape), data=data)

    @app.get("/healthz", responses=refusals())
    async def healthz() -> State:
        """Whether it lives."""
        return State(status="ok")

    @app.get("/readyz", responses={**refusals(), 503: {"model": State, "description": "Not yet, or no more."}})
    async def readyz(response: Response) -> State:
        """Whether it answers."""
        response.status_code = 200 if ready else 503
        return State(status="ready" if ready else "not ready")

    counts: dict[int | str, dict[str, Any]] = {
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "As Prometheus reads them."}
    }

    @app.get("/metrics", dependencies=known, response_class=Response, responses={**refusals(*unknown), **counts})
    async def metrics() -> Response:
        """Counts and times."""
        return Response(watching.text(), media_type=watching.media_type)

    @app.get("/engine.js", include_in_schema=False)
    async def engine() -> FileResponse:
        return FileResponse(PAGE / "engine-server.js", media_type="text/javascript")

    app.router.default = StaticFiles(directory=PAGE, html=True)  # no mount, which would hide a wrong method's 405
    app.add_exception_handler(AnyHTTPException, _refused)
    if origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(origins),
            allow_methods=["GET", "POST"],
            allow_headers=["authorization", "content-type"],
            expose_headers=["x-request-id", "retry-after"],
        )
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(hosts), www_redirect=False)
    app.add_middleware(watching.middleware)
    return app


def _predicting(session: Session, limits: Limits, gate: Gate) -> Callable[..., Any]:
    turns = anyio.CapacityLimiter(WORKERS)

    async def predict(request: Request) -> Predictions:
        """What each image is."""
        with gate.admitted() as visit:
            until = time.monotonic() + limits.seconds
            sent, found = None, list[Prediction]()
            with anyio.move_on_after(limits.seconds) as patience:
                sent = await images_of(request, visit)
                work = partial(predictions, session, sent, pixels=limits.pixels, until=until)
                found = await anyio.to_thread.run_sync(work, limiter=turns)
            if patience.cancelled_caught and sent is None:
                sentence = f"The body was not whole after {limits.seconds:g} s; send fewer or smaller images."
                raise HTTPException(408, sentence, {"Connection": "close"})
            if patience.cancelled_caught:
                sentence = f"Its turn had not come after {limits.seconds:g} s; try again in a second."
                raise HTTPException(503, sentence, {"Retry-After": "1"})
        request.scope["firstlight.images"] = len(found)
        return Predictions(request=request.scope["firstlight.request"], predictions=found)

    return predict


def _bringing(token: str) -> Callable[..., Any]:
    async def allowed(sent: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)]) -> None:
        if sent is None or not secrets.compare_digest(sent.credentials.encode(), token.encode()):
            sentence = "The token is missing or wrong; open the link that was printed at the start."
            raise HTTPException(401, sentence, {"WWW-Authenticate": "Bearer"})

    return allowed


async def _refused(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, AnyHTTPException)
    sentence = {
        404: "There is nothing at this address; the page is at / and the predictions at api/predict.",
        405: f"{request.method[:10]} is no method of this address; Allow says which are.",
    }
    plain = isinstance(error, HTTPException)  # of ours, with a sentence; Starlette's have two words
    detail = str(error.detail) if plain else sentence.get(error.status_code, f"{error.detail}.")
    refusal = Refusal(request=request.scope["firstlight.request"], detail=detail)
    return JSONResponse(refusal.model_dump(), error.status_code, error.headers)
