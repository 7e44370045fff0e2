"""One decoder process, seen from its parent: started, asked, and ended when it takes too long or says nonsense."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO

import numpy as np
from rasterio.errors import RasterioError

from components.errors import BadScene, ServiceUnavailable, SwathError
from components.raster import decoder
from components.raster.acceptance import TYPES
from components.raster.decoder import plan, plan_of_mask, sent_dtype
from components.raster.header import SceneInfo
from components.raster.limits import ChildLimits, OpenLimits
from components.raster.parts import Part
from components.raster.portable import info_from_json
from components.raster.scene import Array
from components.raster.wire import Closed, Message, Wire

ROOT = Path(__file__).resolve().parents[2]  # the child runs the code of its parent
# The rest of the environment stays here: it may hold secrets.
_PASSED = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "LANG", "TMPDIR", "PROJ_DATA", "PROJ_LIB", "GDAL_DATA")
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "PROJ_NETWORK": "OFF"}


class Child:
    """A process that decodes one file at a time.

    It must be started by a thread that lives as long as the process shall: the kernel ends it with that thread.
    ``served`` counts the files, ``network`` is True where the kernel could not take the network away.
    """

    def __init__(self, limits: OpenLimits, child: ChildLimits) -> None:
        ours, theirs = socket.socketpair()
        self._wire = Wire(ours)
        try:
            self._process = _started(theirs)
        except OSError:
            self._wire.close()
            raise
        self._limits, self._child = limits, child
        self.served, self.network = 0, True
        with suppress(BrokenPipeError):  # `await_ready` says more about a process that ended at once
            self._wire.send(
                {
                    "limits": asdict(limits),
                    "memory_bytes": child.memory_bytes, "open_files": child.open_files, "cpu_s": child.cpu_s,
                    "parent": os.getpid(),
                }
            )  # fmt: skip

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """False once the process has ended."""
        return self._process.poll() is None

    def await_ready(self) -> None:
        """Returns when the process has started.

        Raises:
            ServiceUnavailable: if it does not start.
        """
        try:
            self.network = bool(self._wire.receive(time.monotonic() + self._child.start_s)["network"])
        except (OSError, ValueError, KeyError) as error:
            self.end()
            code = self._process.returncode
            reason = f"a decoder process did not start within {self._child.start_s:g} s (exit code {code})"
            raise ServiceUnavailable(f"{reason}; run `python -m {decoder.__name__} < /dev/null` to see why") from error

    def kill(self) -> None:
        """The process is gone when this returns; who reads from it meets an end of file."""
        self._process.kill()
        self._process.wait()

    def end(self) -> None:
        """The process is gone when this returns, and the connection too: for the thread that uses it."""
        self.kill()
        self._wire.close()

    @contextmanager
    def reading(self, file: BinaryIO, name: str, *, pixels: bool, decode: bool) -> Iterator[Reading]:
        """The checked header of a file and, with ``pixels``, its parts, which have to be taken to their end.

        The process is ended where anything goes wrong but a refusal.

        Raises:
            BadScene: if the file is refused, or its decoder was ended by it.
            BrokenPipeError: if the process was gone before it had got the file.
        """
        request = {"name": name, "pixels": pixels, "decode": decode}
        self.served += 1
        try:
            self._wire.send(request, file.fileno())
            yield Reading(self, self._answer(self._ends()), decode)
        except BrokenPipeError:
            self.end()
            raise
        except TimeoutError as error:
            self.end()
            limit = f"{self._child.wall_s:g} s{self._child.raised_by('wall_s')}"
            raise BadScene(name, f"takes more than {limit} to open", "send a smaller window") from error
        except (Closed, ConnectionResetError) as error:
            raise BadScene(name, *self._death()) from error
        except _Refused as error:
            raise BadScene(name, error.reason, error.remedy) from None
        except _Nonsense as error:
            self.end()
            raise BadScene(name, "its decoder answered with nonsense", "convert it with gdal_translate") from error
        except BaseException:  # whatever it is, the rest of the answer would be taken for the next one's
            self.end()
            raise

    def _answer(self, ends: float) -> Message:
        try:
            answer = self._wire.receive(ends)
            refusal = [str(text) for text in answer.get("refused", ())]
        except (ValueError, TypeError, RecursionError) as error:
            raise _Nonsense from error
        if "memory" in answer:
            limit = f"{self._child.memory_bytes} bytes{self._child.raised_by('memory_bytes')}"
            refusal = [f"takes more memory to open than {limit}", "send a smaller window"]
        if len(refusal) not in (0, 2):
            raise _Nonsense
        if refusal:
            raise _Refused(*refusal)
        return answer

    def _ends(self) -> float:
        return time.monotonic() + self._child.wall_s

    def _death(self) -> tuple[str, str]:
        """Why the process ended by itself, and the remedy."""
        self.end()
        code = self._process.returncode
        if code == -signal.SIGXCPU:
            limit = f"{self._child.cpu_s} s{self._child.raised_by('cpu_s')}"
            return f"takes more than {limit} of processor time to open", "send a smaller window"
        return f"its decoder ended (exit code {code})", "convert it with gdal_translate"


class _Refused(SwathError):
    """What the child said against a file."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.reason, self.remedy = reason, remedy


class _Nonsense(SwathError):
    """What no decoder of ours says: it was taken over."""


class Reading:
    """The answer to one file: ``info``, then the parts of its pixels."""

    def __init__(self, child: Child, answer: Message, decode: bool) -> None:
        self._child, self._decode = child, decode
        self._ends = child._ends()
        try:
            self.info: SceneInfo = info_from_json(answer["info"])
            self._together = bool(answer["together"])
            _require_acceptable(self.info, child._limits)
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, SwathError, RasterioError) as error:
            raise _Nonsense from error

    def parts(self) -> Iterator[tuple[Part, Array]]:
        """The parts of the pixels; an array is only valid until the next one is asked for."""
        dtype = sent_dtype(self.info, self._decode)
        for part in plan(self.info, self._together, self._decode):
            yield part, self._array(part, dtype)

    def mask(self) -> Iterator[tuple[Part, Array]]:
        """The parts of the mask that follow those of stored numbers, where ``info.masked``."""
        for part in plan_of_mask(self.info):
            yield part, self._array(part, "uint8")

    def _array(self, part: Part, dtype: str) -> Array:
        if not self._decode:  # the limit is for a part
            self._ends = self._child._ends()
        array: Array = np.empty(part.shape, dtype)
        self._child._answer(self._ends)
        self._child._wire.receive_pixels(array, self._ends)
        return array


def _require_acceptable(info: SceneInfo, limits: OpenLimits) -> None:
    """What the child has checked already, again: it may have been taken over."""
    rows, cols = info.grid.shape
    count, item = len(info.bands), np.dtype(info.dtype).itemsize if info.dtype in TYPES else 16
    fits = rows * cols * count * max(item, 4) <= limits.decoded_bytes and rows * cols <= limits.pixels
    block = info.block_shape[0] * info.block_shape[1] * item <= limits.block_bytes
    if not (fits and block and info.dtype in TYPES and len(info.scales) == len(info.offsets) == count):
        raise ValueError("a header beyond the limits")


def _started(end: socket.socket) -> subprocess.Popen[bytes]:
    with end:
        return subprocess.Popen(
            [sys.executable, "-m", decoder.__name__],
            stdin=end.fileno(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            cwd=ROOT, env=_environment(), start_new_session=True,  # Ctrl-C in a terminal is not for it
        )  # fmt: skip


def _environment() -> Mapping[str, str]:
    kept = {name: os.environ[name] for name in _PASSED if name in os.environ}
    paths = [str(ROOT), *filter(None, [kept.get("PYTHONPATH")])]
    return {**kept, **_ONE_THREAD, "PYTHONPATH": os.pathsep.join(paths)}
