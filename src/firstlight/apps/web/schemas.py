"""The JSON documents of the API, from which the OpenAPI document is made."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Picture(BaseModel):
    """An image as the model sees it."""

    shape: list[int] = Field(description="Height, width, channels.")
    data: str = Field(description="Base64 of its uint8 values in that order.")


class Prediction(BaseModel):
    """The prediction for one image. If the image cannot be read, `problem` says why and the rest is null."""

    name: str | None = Field(description="The image's file name, as it was sent.")
    label: str | None = None
    probability: float | None = Field(default=None, description="The label's probability.")
    probabilities: dict[str, float] | None = Field(default=None, description="Of each class, by its name.")
    distances: dict[str, float] | None = Field(
        default=None, description="To each class's nearest centre, by the class's name, for models that have centres."
    )
    in_distribution: bool | None = Field(
        default=None, description="Whether the image is like those that the model was evaluated on."
    )
    pixels: Picture | None = Field(default=None, description="Only where the address ends in ?pixels.")
    problem: str | None = None


class Predictions(BaseModel):
    """One prediction for each image, in the order of the request."""

    request: str
    predictions: list[Prediction]


class Refusal(BaseModel):
    """Why a request was refused."""

    request: str
    detail: str


class InDistribution(BaseModel):
    """The limits beyond which an image is out-of-distribution."""

    probability: float
    distance: float | None
    share: float


class About(BaseModel):
    """The model's document."""

    model_config = ConfigDict(extra="allow")

    format: int
    name: str
    classes: list[str]
    shape: list[int]
    preprocessing: dict[str, Any]
    in_distribution: InDistribution


class Ideals(BaseModel):
    """Each class's ideal image."""

    shape: list[int] = Field(description="Classes, height, width, channels.")
    data: str = Field(description="Base64 of their float32 values, little-endian, 0 to 255.")


class State(BaseModel):
    """The state of the server."""

    status: str
