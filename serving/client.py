"""A client in a few lines: predictions at once, and jobs that outlive connections. Needs httpx, nothing else of ours.

Example: `Client("http://127.0.0.1:3000").predict("change", {"before": "b.tif", "after": "a.tif"}, to="change.tif")`
"""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

ENDS = frozenset({"done", "failed", "cancelled"})
BUSY = frozenset({429, 503})
Files = Mapping[str, str | Path | Sequence[str | Path]]  # several files: the dates of a time series


class Refused(Exception):
    """An answer that is no success: its status, and the sentence of the service."""

    def __init__(self, answer: httpx.Response) -> None:
        try:
            message = str(answer.json()["message"])
        except (ValueError, KeyError, TypeError):
            message = answer.text[:300]
        super().__init__(f"{answer.status_code}: {message}")
        self.status = answer.status_code


class Client:
    """One service. ``token`` is sent as bearer; a busy service is asked again ``tries`` times, as it says when."""

    def __init__(self, url: str, token: str = "", *, tries: int = 8, timeout_s: float = 600.0) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=httpx.Timeout(timeout_s, connect=10.0))
        self._tries = tries

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._http.close()

    def models(self) -> list[dict[str, Any]]:
        """Every run with its version and state."""
        models: list[dict[str, Any]] = self._asked("GET", "/models").json()["models"]
        return models

    def predict(self, task: str, files: Files, *, to: str | Path, **options: str) -> dict[str, str]:
        """Run and version that answered; the answer lies in ``to``, whole or not at all.

        A time series: `predict("change/series", {"series": [...]}, to=...)`, with the dates in the names of the files.

        Raises:
            Refused: with the sentence of the service.
        """
        answer = self._asked("POST", f"/{task}", files, options)
        _write_whole(Path(to), answer.content)
        return {"run": answer.headers["X-Swath-Run"], "version": answer.headers["X-Swath-Version"]}

    def submit(self, task: str, files: Files, *, key: str | None = None, **options: str) -> str:
        """The id of a new job; of the same one for the same ``key``. Sent again after a fault it is still one job.

        Inputs are files, or objects that the service may read: option ``<input>_uri``.

        Raises:
            Refused: with the sentence of the service.
        """
        headers = {"Idempotency-Key": key or uuid.uuid4().hex}
        answer = self._asked("POST", "/jobs", files, {"task": task, **options}, headers)
        return str(answer.json()["id"])

    def wait(
        self, job: str, *, progress: Callable[[dict[str, Any]], None] | None = None, every_s: float = 1.0
    ) -> dict[str, Any]:
        """The job once it has ended; ``progress`` is told its state meanwhile. A service that restarts is waited for.

        Raises:
            Refused: if there is no such job.
        """
        while True:
            state: dict[str, Any] = self._asked("GET", f"/jobs/{job}").json()
            if progress:
                progress(state)
            if state["state"] in ENDS:
                return state
            time.sleep(every_s)

    def download(self, job: str, *, to: str | Path) -> Path:
        """The result of a job; a download that broke off goes on where it ended, and the digest is checked.

        Raises:
            Refused: if there is no result.
            ValueError: if the bytes are not those that the service named.
        """
        result = self._asked("GET", f"/jobs/{job}").json()["result"] or {"bytes": 0, "digest": ""}
        path = Path(to)
        partial = path.with_name(f"{path.name}.part")
        for attempt in range(1, self._tries + 1):
            try:
                self._resume(job, partial)
                break
            except httpx.TransportError:
                if attempt == self._tries:
                    raise
                time.sleep(attempt)
        with partial.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != result["digest"]:
            partial.unlink()
            raise ValueError(f"{path}: downloaded bytes have digest {found}, expected {result['digest']}; try again")
        return partial.replace(path)

    def cancel(self, job: str) -> None:
        """The job cancelled, or removed where it has ended."""
        self._asked("DELETE", f"/jobs/{job}")

    def _resume(self, job: str, partial: Path) -> None:
        have = partial.stat().st_size if partial.exists() else 0
        headers = {"Range": f"bytes={have}-"} if have else {}
        with self._http.stream("GET", f"/jobs/{job}/result", headers=headers) as answer:
            if answer.status_code == 416:  # nothing is missing
                return
            if answer.is_error:
                answer.read()
                raise Refused(answer)
            with partial.open("ab" if answer.status_code == 206 else "wb") as file:
                for part in answer.iter_bytes():
                    file.write(part)

    def _asked(
        self,
        method: str,
        path: str,
        files: Files | None = None,
        fields: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """A successful answer; a busy service, or one that is being started again, is asked again."""
        for attempt in range(1, self._tries + 1):
            try:
                with ExitStack() as stack:
                    form: list[tuple[str, Any]] = [(name, (None, text)) for name, text in (fields or {}).items()]
                    form += [(name, stack.enter_context(path.open("rb"))) for name, path in _each(files or {})]
                    answer = self._http.request(method, path, files=form or None, headers=headers)
            except httpx.ConnectError:
                if attempt == self._tries:
                    raise
                time.sleep(attempt)
                continue
            if answer.is_success:
                return answer
            if answer.status_code not in BUSY or attempt == self._tries:
                raise Refused(answer)
            time.sleep(float(answer.headers.get("Retry-After", attempt)))
        raise ValueError(f"tries is {self._tries}; allow at least one")


def _each(files: Files) -> Iterator[tuple[str, Path]]:
    """Every file with the name of its field."""
    for name, given in files.items():
        for path in [given] if isinstance(given, str | Path) else given:
            yield name, Path(path)


def _write_whole(path: Path, content: bytes) -> None:
    partial = path.with_name(f"{path.name}.part")
    partial.write_bytes(content)
    partial.replace(path)
