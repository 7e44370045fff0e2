"""One arithmetic on every x86 processor, so that a sandbox has the same bytes wherever it is made.

OpenBLAS and NumPy choose their kernels by processor, and kernels add up in orders of their own: with AVX-512 the last
digits of a scene differ from those without. Both are told to use what every processor with AVX2 has.
"""

from __future__ import annotations

import os
import platform
from pathlib import Path

CPU_INFO = Path("/proc/cpuinfo")
PINNED = {"OPENBLAS_CORETYPE": "Haswell", "NPY_DISABLE_CPU_FEATURES": "X86_V4"}


def pin() -> bool:
    """Kernels of AVX2 from here on, where the processor has them; only before NumPy is imported. Whether it does."""
    if platform.machine() not in ("x86_64", "AMD64") or not CPU_INFO.is_file() or "avx2" not in CPU_INFO.read_text():
        return False
    os.environ.update(PINNED)
    return True
