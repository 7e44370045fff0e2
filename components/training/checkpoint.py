"""Everything a training needs to go on as if it had never stopped."""

from __future__ import annotations

import hashlib
import io
import logging
import pickle
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from components.raster.atomic import atomic

logger = logging.getLogger(__name__)
FILE = "checkpoint.pt"
SEAL_BYTES = 32  # SHA-256 in front of the content: torch reads torn files with errors of any kind


@dataclass
class Course:
    """How far a training has come; the loop advances it."""

    epoch: int = 0  # epochs completed
    step: int = 0  # steps completed in the running epoch
    sums: dict[str, Tensor] = field(default_factory=dict)  # losses of the running epoch, summed
    history: list[dict[str, Any]] = field(default_factory=list)
    best_epoch: int = 0  # epochs after which the kept weights were reached; 0: none yet
    best_score: float | None = None
    best: dict[str, Tensor] = field(default_factory=dict)

    def ended(self, epochs: int, patience: int) -> bool:
        """True after the last epoch, or where the score has not risen for ``patience`` epochs."""
        waited = self.epoch - self.best_epoch if self.best_score is not None else 0
        return self.step == 0 and (self.epoch >= epochs or waited >= patience)


def save_checkpoint(folder: Path, course: Course, parts: Mapping[str, Any]) -> None:
    """The course, the state of ``parts`` and all random generators, written whole or not at all."""
    content = io.BytesIO()
    torch.save({"course": vars(course), "parts": dict(parts), "random": _generators()}, content)
    with atomic(folder / FILE) as temporary:
        temporary.write_bytes(_sealed(content.getvalue()))


def load_checkpoint(folder: Path) -> tuple[Course, Mapping[str, Any]] | None:
    """The course and the states of a checkpoint, random generators set; None where there is none.

    An unreadable file is no reason to fail: training starts anew and says so. Only tensors and plain
    values are read, never a pickled object.
    """
    try:
        course, parts = _opened((folder / FILE).read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RuntimeError, pickle.UnpicklingError, KeyError, TypeError) as error:
        logger.warning("%s cannot be read (%s); training starts anew", folder / FILE, error)
        return None
    return course, parts


def seed_everything(seed: int) -> None:
    """All global generators from one seed."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # some libraries draw from the global generator
    torch.manual_seed(seed)


def _sealed(content: bytes) -> bytes:
    return hashlib.sha256(content).digest() + content


def _opened(sealed: bytes) -> tuple[Course, Mapping[str, Any]]:
    content = sealed[SEAL_BYTES:]
    if _sealed(content) != sealed:
        raise ValueError("the file is torn")
    saved = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    _set_generators(saved["random"])
    return Course(**saved["course"]), saved["parts"]


def _generators() -> dict[str, Any]:
    numpy = np.random.get_state(legacy=False)
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "numpy": numpy | {"state": {"key": numpy["state"]["key"].tolist(), "pos": int(numpy["state"]["pos"])}},
        "python": random.getstate(),
    }


def _set_generators(saved: Mapping[str, Any]) -> None:
    torch.set_rng_state(saved["torch"])
    if saved["cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(saved["cuda"])
    np.random.set_state(saved["numpy"])
    random.setstate(saved["python"])
