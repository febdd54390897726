"""`application()`: the FastAPI application of one model: the page, the API, and one JSON document for each refusal."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException as AnyHTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.staticfiles import StaticFiles

from firstlight.apps.web.limits import Limits
from firstlight.apps.web.middleware import RequestLog
from firstlight.apps.web.schemas import Refusal
from firstlight.apps.web.service import PAGE, Service
from firstlight.models.exporting.session import Session


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
        session: the model.
        limits: what a request may cost; if None, the defaults.
        token: what ``Authorization: Bearer`` has to hold; the page and the health checks need none.
        origins: other sites whose pages may call the API.
        hosts: host names that requests may use; others are refused, which prevents DNS rebinding.

    Returns:
        An ASGI application.
    """
    service = Service(session, limits or Limits(), token, origins)
    app = FastAPI(
        title=f"Firstlight: {session.about['name']}",
        version=str(session.about.get("versions", {}).get("firstlight", "")),
        lifespan=service.lifespan,
        docs_url=None,  # their pages load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,  # a redirect would repeat the host of the request
    )
    app.include_router(service.routes())
    app.router.default = StaticFiles(directory=PAGE, html=True)  # no mount, which would hide a wrong method's 405
    app.add_exception_handler(AnyHTTPException, refusal)  # type: ignore[arg-type]  # called for this class only
    if origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(origins),
            allow_methods=["GET", "POST"],
            allow_headers=["authorization", "content-type"],
            expose_headers=["x-request-id", "retry-after"],
        )
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(hosts), www_redirect=False)
    app.add_middleware(RequestLog, metrics=service.counts)
    return app


async def refusal(request: Request, error: AnyHTTPException) -> JSONResponse:
    """The JSON document of an HTTP error."""
    sentences = {
        404: "There is nothing at this address; the page is at / and the predictions are at api/predict.",
        405: f"This address does not take {request.method[:10]}; the Allow header lists what it takes.",
    }
    own = isinstance(error, HTTPException)  # with a sentence; Starlette's have two words
    detail = str(error.detail) if own else sentences.get(error.status_code, f"{error.detail}.")
    document = Refusal(request=request.scope["firstlight.request"], detail=detail)
    return JSONResponse(document.model_dump(), error.status_code, error.headers)
