"""The section `noise` of `expectations.yaml`: how the noise of labels is estimated."""

from __future__ import annotations

from pydantic import Field

from components.tasks.params import Params


class NoiseParams(Params):
    """Two images are two dates with a label of change; one image carries a label of classes."""

    images: tuple[str, ...] = Field(("before", "after"), min_length=1, max_length=2, description="roles of the images")
    label: str = Field("mask", description="role of the label")
    unchanged: int = Field(0, description="class code that means no change; of two images only")
    folds: int = Field(4, ge=2, description="models, each of which judges places that it did not learn from")
    block_px: int = Field(64, ge=16, description="edge of bootstrap blocks, and of folds where places are few")
    guard_px: int = Field(16, ge=0, description="least distance between what a model learns from and what it judges")
    pixels: int = Field(1500, ge=100, description="most pixels of a class and scene that a model learns from")
    iterations: int = Field(60, ge=10, description="trees of a model")
    seed: int = 0
