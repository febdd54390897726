"""The floor of `firstlight serve`: FastAPI on uvicorn with one handler that decodes an image and does nothing else."""

from __future__ import annotations

import sys

import uvicorn
from fastapi import FastAPI, Request

from firstlight.data.decoding.decode import decode

app = FastAPI()


@app.post("/api/predict")
async def shape(request: Request) -> list[int]:
    """The size of the decoded image."""
    return list(decode(await request.body()).shape)


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), log_level="warning")
