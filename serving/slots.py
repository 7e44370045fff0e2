"""Model slots: one a run, each holding the version in service; a thread watches the pointers and swaps."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from components.deployment.loading import LoadedVersion, load_version, read_card, require_golden
from components.deployment.registry import Registry
from components.errors import ServiceUnavailable, StoreUnavailable, SwathError, VersionNotFound

logger = logging.getLogger(__name__)
State = Literal["loading", "ready", "refused", "failed", "withdrawn"]


class OtherCode(SwathError):
    """A version that other code made: only a Bento of that code may serve it."""


@dataclass(frozen=True)
class Slot:
    """One run: the version that answers requests, and what became of the one that was promoted last."""

    run: str
    wanted: str | None = None
    state: State = "loading"
    reason: str = ""
    serving: LoadedVersion | None = None

    def as_json(self) -> dict[str, Any]:
        """The slot as `/models` shows it."""
        return {
            "run": self.run,
            "task": self.serving.task_name if self.serving else None,
            "version": self.serving.id if self.serving else None,
            "promoted": self.wanted,
            "state": self.state,
            "reason": self.reason,
            "code_digest": self.serving.code_digest if self.serving else None,
        }


class Slots:
    """All runs of this process.

    A new version is loaded beside the old one and must answer its golden request; then one assignment puts it in
    the old one's place. Requests keep the version that they started with. A version that is refused or fails leaves
    the old one serving; a store that cannot be reached leaves everything as it is.
    """

    def __init__(
        self,
        registry: Registry,
        cache: Path,
        code_digest: Callable[[str], str],
        *,
        only: Collection[str] = (),
        tasks: Collection[str] = (),
        poll_s: float = 1.0,
    ) -> None:
        self.registry, self.cache, self.poll_s = registry, cache, poll_s
        self._code_digest, self._only = code_digest, frozenset(only)
        self._tasks = tuple(sorted(tasks))
        self._slots: dict[str, Slot] = {}
        self._seen: dict[str, str] = {}  # pointer tags that were acted upon
        self._store_problem = "not asked yet"
        self._looked, self._stop = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._watch, name="slots", daemon=True)

    def start(self) -> None:
        """The watching begun, in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """The watching ended; a load under way is finished first."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    @property
    def ready(self) -> bool:
        """True once every promoted run has passed its golden request or is listed with its reason."""
        return self._looked.is_set()

    def current(self, run: str) -> LoadedVersion:
        """The version of a run that answers requests now.

        Raises:
            VersionNotFound: if none was promoted.
            ServiceUnavailable: if the promoted one could not be loaded; says why.
        """
        slot = self._slots.get(run)
        if slot and slot.serving:
            return slot.serving
        if slot and slot.state != "withdrawn":
            raise ServiceUnavailable(f"{run} {slot.wanted} is {slot.state}: {slot.reason or 'try again soon'}")
        raise VersionNotFound(f"no version of {run} is in service; promote one: swath promote {run} <version>")

    def loaded(self) -> tuple[LoadedVersion, ...]:
        """Every version that answers requests now, by run."""
        return tuple(slot.serving for _, slot in sorted(self._slots.items()) if slot.serving)

    def as_json(self) -> dict[str, Any]:
        """All slots and the state of the store, as `/models` shows them."""
        models = [slot.as_json() for _, slot in sorted(self._slots.items())]
        code = {task: self._code_digest(task) for task in self._tasks}
        return {"ready": self.ready, "store": self._store_problem or "reachable", "code": code, "models": models}

    def look(self) -> None:
        """One look at the pointers: whatever was promoted since the last one is loaded, checked and swapped in."""
        try:
            pointers = self._pointers()
        except StoreUnavailable as error:
            if not self._store_problem:
                logger.warning("going on with the versions at hand: %s", error)
            self._store_problem = str(error)
            return
        self._store_problem = ""
        for run, tag in pointers.items():
            if self._seen.get(run) != tag and self._follow(run):
                self._seen[run] = tag
        self._looked.set()

    def _watch(self) -> None:
        with ThreadPoolExecutor(1, "slots-look") as pool:
            while not self._stop.is_set():
                # The watch must outlive every error of a look, foreseen or not.
                error = pool.submit(self.look).exception()
                if error:
                    logger.error("looking at the promotion pointers failed", exc_info=error)
                self._stop.wait(self.poll_s)

    def _pointers(self) -> Mapping[str, str]:
        found = self.registry.pointers()
        return {run: tag for run, tag in sorted(found.items()) if not self._only or run in self._only}

    def _follow(self, run: str) -> bool:
        """True where the run's slot says what became of the promoted version, False to try again."""
        old = self._slots.get(run, Slot(run))
        try:
            promotion = self.registry.promoted(run)
        except StoreUnavailable:
            return False
        if promotion is None or promotion.version is None:
            self._slots[run] = Slot(run, state="withdrawn")
            return True
        self._slots[run] = replace(old, wanted=promotion.version, state="loading", reason="")
        with ThreadPoolExecutor(1, f"load-{run}") as pool:
            loading = pool.submit(self._load, run, promotion.version)
        error = loading.exception()  # a version may fail in any way; none of them may end the watch
        if error is None:
            self._slots[run] = Slot(run, promotion.version, "ready", serving=loading.result())
            logger.info("%s %s is in service", run, promotion.version)
            return True
        self._slots[run] = _spoilt(old, promotion.version, error)
        return not isinstance(error, StoreUnavailable)

    def _load(self, run: str, version_id: str) -> LoadedVersion:
        folder = self.registry.fetch(run, version_id, self.cache)
        task, made_by = read_card(folder)
        own = self._code_digest(task)
        if made_by != own:
            codes = f"made by code {made_by[:12]}, this service runs {own[:12]}"
            raise OtherCode(f"{codes}; build and start a new Bento: swath deploy {run}")
        version = load_version(folder)
        require_golden(version)
        return version


def _spoilt(old: Slot, wanted: str, error: BaseException) -> Slot:
    """The slot after a load that failed: the old version goes on serving."""
    state: State = "refused" if isinstance(error, OtherCode) else "failed"
    foreseen = isinstance(error, SwathError)
    reason = str(error) if foreseen else f"{type(error).__name__}: {error}"
    logger.error("%s %s is %s: %s", old.run, wanted, state, reason, exc_info=None if foreseen else error)
    return replace(old, wanted=wanted, state=state, reason=reason)
