"""`Service`: one model behind HTTP: its state, and a method for each address."""

from __future__ import annotations

import base64
import secrets
import time
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import anyio
import anyio.to_thread
import numpy as np
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import FileResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from firstlight.apps.web.callers import refuse_foreign_page
from firstlight.apps.web.limits import FULL, Gate, Limits, busy
from firstlight.apps.web.metrics import Metrics
from firstlight.apps.web.openapi import BODY, METRICS, NOT_READY, PIXELS, refusals
from firstlight.apps.web.predictions import is_light, predictions, sizes_of
from firstlight.apps.web.schemas import About, Ideals, Prediction, Predictions, State
from firstlight.apps.web.uploads import images_of
from firstlight.data.decoding.threads import cores
from firstlight.models.exporting.session import Session

PAGE = Path(__file__).parent / "page"
WORKERS = 2  # requests of small images that are computed at the same time; each may use more threads
LARGE_WORKERS = max(cores() // 2, 1)  # requests of large images; so these never keep all cores from the small ones
BEARER = HTTPBearer(auto_error=False)


class Service:
    """The service of one model.

    Args:
        session: the model.
        limits: what a request may cost.
        token: what ``Authorization: Bearer`` has to hold; None: nothing.
        origins: other sites whose pages may send requests.
    """

    def __init__(self, session: Session, limits: Limits, token: str | None, origins: Collection[str] = ()) -> None:
        self.session = session
        self.limits = limits
        self.token = token
        self.origins = frozenset(origins)
        self.gate = Gate(limits)
        self.counts = Metrics(self.gate)
        self.is_ready = False
        self._lookers, self._workers, self._large = map(anyio.CapacityLimiter, (WORKERS, WORKERS, LARGE_WORKERS))

    @asynccontextmanager
    async def lifespan(self, _: FastAPI) -> AsyncIterator[None]:
        """Prepares the model before the first request."""
        self.session.answer(np.zeros((1, *self.session.shape), np.uint8))  # the first answer is slower than the others
        self.is_ready = True
        yield
        self.is_ready = False

    def routes(self) -> APIRouter:
        """The addresses and their methods."""
        guarded = [Depends(self.check_page)] + ([] if self.token is None else [Depends(self.authorize)])
        unauthorized = () if self.token is None else (401,)

        def refused(*statuses: int) -> dict[int | str, dict[str, Any]]:
            return refusals(*unauthorized, 403, *statuses)

        router = APIRouter()
        router.post(
            "/api/predict",
            dependencies=guarded,
            openapi_extra={"requestBody": BODY, "parameters": [PIXELS]},
            responses=refused(408, 413, 415, 422, 429, 503),
        )(self.predict)
        router.get("/api/model", dependencies=guarded, responses=refused())(self.model)
        router.get("/api/ideal", dependencies=guarded, responses=refused(404))(self.ideal)
        router.get("/healthz", responses=refusals())(self.healthz)
        router.get("/readyz", responses={**refusals(), 503: NOT_READY})(self.readyz)
        router.get("/metrics", dependencies=guarded, response_class=Response, responses={**refused(), 200: METRICS})(
            self.metrics
        )
        router.get("/engine.js", include_in_schema=False)(self.engine)
        return router

    async def check_page(self, request: Request) -> None:
        """Refuses a page of another site."""
        refuse_foreign_page(request.headers, self.origins)

    async def authorize(self, sent: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)]) -> None:
        """Refuses a request without the token."""
        expected = (self.token or "").encode()
        if sent is None or not secrets.compare_digest(sent.credentials.encode(), expected):
            sentence = "The token is missing or wrong; open the link that was printed at the start."
            raise HTTPException(401, sentence, {"WWW-Authenticate": "Bearer"})

    async def predict(self, request: Request) -> Predictions:
        """Classifies each image."""
        seconds = self.limits.seconds
        with self.gate.visited() as visit:
            until = time.monotonic() + seconds
            sent, found = None, list[Prediction]()
            with anyio.move_on_after(seconds) as timeout:
                visit.scope = timeout
                sent = await images_of(request, visit)
                with visit.turn():
                    sizes = await anyio.to_thread.run_sync(sizes_of, sent, limiter=self._lookers)
                    limiter = self._workers if is_light(sizes, self.limits.pixels) else self._large
                    work = partial(predictions, self.session, sent, sizes, pixels=self.limits.pixels, until=until)
                    found = await anyio.to_thread.run_sync(work, limiter=limiter)
            if visit.gives_way:
                raise busy(FULL)
            if timeout.cancelled_caught and sent is None:
                sentence = f"The body was incomplete after {seconds:g} s; send fewer or smaller images."
                raise HTTPException(408, sentence, {"Connection": "close"})
            if timeout.cancelled_caught:
                sentence = f"The server was busy with other requests for {seconds:g} s; try again in a second."
                raise HTTPException(503, sentence, {"Retry-After": "1"})
        request.scope["firstlight.images"] = len(found)
        if PIXELS["name"] not in request.query_params:
            for one in found:
                one.pixels = None
        return Predictions(request=request.scope["firstlight.request"], predictions=found)

    async def model(self) -> About:
        """Describes the model."""
        return About(**self.session.about)

    async def ideal(self) -> Ideals:
        """Each class's ideal image."""
        ideal = self.session.ideal
        if ideal is None:
            raise HTTPException(404, f"{self.session.about['name']} has no ideal images; a centroid has.")
        data = base64.b64encode(ideal.astype("<f4").tobytes()).decode()
        return Ideals(shape=list(ideal.shape), data=data)

    async def healthz(self) -> State:
        """Whether the server runs."""
        return State(status="ok")

    async def readyz(self, response: Response) -> State:
        """Whether the model is ready."""
        response.status_code = 200 if self.is_ready else 503
        return State(status="ready" if self.is_ready else "not ready")

    async def metrics(self) -> Response:
        """Counts and durations."""
        return Response(self.counts.text(), media_type=self.counts.media_type)

    async def engine(self) -> FileResponse:
        """The page's script that asks this server for predictions."""
        return FileResponse(PAGE / "engine-server.js", media_type="text/javascript")
