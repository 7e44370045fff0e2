"""Equal pixels found by their digest."""

from __future__ import annotations

import hashlib

import numpy as np

from components.raster.scene import Scene


def digest_of(*scenes: Scene) -> str:
    """SHA-256 over type, shape and pixels of the scenes."""
    digest = hashlib.sha256()
    for scene in scenes:
        digest.update(f"{scene.array.dtype}{scene.array.shape}".encode())
        digest.update(np.ascontiguousarray(scene.array).data)
    return digest.hexdigest()
