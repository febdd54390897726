"""The documents that the server answers with; the OpenAPI document is made of them."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Picture(BaseModel):
    """An image as the model sees it."""

    shape: list[int] = Field(description="Height, width, channels.")
    data: str = Field(description="Base64 of its uint8 values in that order.")


class Prediction(BaseModel):
    """What an image is, or why it could not be read: then `problem` says so and the rest is null."""

    name: str | None = Field(description="The file name that was sent with it.")
    label: str | None = None
    probability: float | None = Field(default=None, description="Of the label.")
    probabilities: list[float] | None = Field(default=None, description="In the order of the model's classes.")
    distances: list[float] | None = Field(
        default=None, description="To each class's ideal image, where the model has any."
    )
    in_distribution: bool | None = Field(
        default=None, description="Whether it is like the images that the model was measured on."
    )
    pixels: Picture | None = None
    problem: str | None = None


class Predictions(BaseModel):
    """The answer to a request: one prediction for each image, in their order."""

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
    """Whether the server lives, or is ready."""

    status: str
