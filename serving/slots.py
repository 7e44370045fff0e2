"""Model slots: one a run, each holding the version in service; a thread watches the pointers and swaps."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from components.deployment.loading import LoadedVersion, load_version, read_card, require_golden
from components.deployment.promotion import Promotion
from components.deployment.registry import Registry
from components.errors import ServiceUnavailable, StoreUnavailable, VersionNotFound
from serving.holdings import Holdings, OverBudget
from serving.slot import OtherCode, Slot, spoilt, tried

logger = logging.getLogger(__name__)
LIST_EVERY_S = 5.0  # a run promoted for the first time is found by listing, every later move by its pointer


class Slots:
    """All runs of this process.

    A new version is loaded beside the old one and must answer its golden request; then one assignment puts it in
    the old one's place. Requests keep the version that they started with; it leaves memory when the last of them has
    ended. A version that is refused or fails leaves the old one serving; a store that cannot be reached leaves
    everything as it is.
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
        holdings: Holdings | None = None,
    ) -> None:
        self.registry, self.cache, self.poll_s = registry, cache, poll_s
        self.holdings = holdings or Holdings(float("inf"))
        self._code_digest, self._only = code_digest, frozenset(only)
        self._tasks = tuple(sorted(tasks))
        self._slots: dict[str, Slot] = {}
        self._seen: dict[str, str] = {}  # pointer tags that were acted upon
        self._doubted: set[str] = set()
        self._no_room: dict[str, float] = {}  # runs that did not fit, and the megabytes that were taken then
        self._listed, self._list_again_at = frozenset[str](), 0.0
        self._store_problem = "not asked yet"
        self._swapping = threading.Lock()
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
            ServiceUnavailable: if the promoted one could not be loaded, says why; or before the first look has ended.
        """
        slot = self._slots.get(run)
        if slot and slot.serving:
            return slot.serving
        if slot and slot.state != "withdrawn":
            raise ServiceUnavailable(f"{run} {slot.wanted} is {slot.state}: {slot.reason or 'try again soon'}")
        if not self.ready:
            raise ServiceUnavailable("the service has just started and loads its versions; try again soon")
        raise VersionNotFound(f"no version of {run} is in service; promote one: swath promote {run} <version>")

    @contextmanager
    def using(self, run: str) -> Iterator[LoadedVersion]:
        """The version that answers requests now, in memory at least until left, whatever is promoted meanwhile.

        Raises:
            VersionNotFound, ServiceUnavailable: as `current`.
        """
        with ExitStack() as stack:
            with self._swapping:
                version = stack.enter_context(self.holdings.using(self.current(run)))
            yield version

    def doubt(self, run: str) -> None:
        """The version in service asked its golden request again at the next look: a request met a broken device."""
        self._doubted.add(run)

    def loaded(self) -> tuple[LoadedVersion, ...]:
        """Every version that answers requests now, by run."""
        return tuple(slot.serving for _, slot in sorted(self._slots.items()) if slot.serving)

    def as_json(self) -> dict[str, Any]:
        """All slots and the state of the store, as `/models` shows them."""
        memory = {"used_mb": round(self.holdings.used_mb, 1), "draining": self.holdings.draining()}
        return {
            "ready": self.ready,
            "store": self._store_problem or "reachable",
            "code": {task: self._code_digest(task) for task in self._tasks},
            "models": [slot.as_json() for _, slot in sorted(self._slots.items())],
            "memory": memory,
        }

    def look(self) -> None:
        """One look at the pointers: whatever was promoted since the last one is loaded, checked and swapped in."""
        self._ask_the_doubted()
        self._try_room()
        try:
            moved = {run: found for run in self._watched() if (found := self.registry.moved(run, self._seen.get(run)))}
        except StoreUnavailable as error:
            if not self._store_problem:
                logger.warning("going on with the versions at hand: %s", error)
            self._store_problem = str(error)
            return
        self._store_problem = ""
        for run, (promotion, tag) in moved.items():
            if self._follow(run, promotion):
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

    def _watched(self) -> list[str]:
        """The runs whose pointers are asked: those of this process, or every one that was ever promoted."""
        if self._only:
            return sorted(self._only)
        now = time.monotonic()
        if now >= self._list_again_at:
            self._listed, self._list_again_at = frozenset(self.registry.pointers()), now + LIST_EVERY_S
        return sorted(self._listed)

    def _follow(self, run: str, promotion: Promotion | None) -> bool:
        """True where the run's slot says what became of the promoted version, False to try again."""
        old = self._slots.get(run, Slot(run))
        if promotion is None and not old.wanted:
            return True
        if promotion is None or promotion.version is None:
            self._swap(Slot(run, state="withdrawn"))
            return True
        self._slots[run] = replace(old, wanted=promotion.version, state="loading", reason="")
        loading = tried(partial(self._load, run, promotion.version))
        if isinstance(loading, LoadedVersion):
            self._swap(Slot(run, promotion.version, "ready", serving=loading))
            logger.info("%s %s is in service", run, promotion.version)
            return True
        self._slots[run] = spoilt(old, promotion.version, loading)
        if isinstance(loading, OverBudget):
            self._no_room[run] = self.holdings.used_mb
        return not isinstance(loading, StoreUnavailable)

    def _ask_the_doubted(self) -> None:
        """Versions that fail their golden request leave service, and are loaded anew until they pass it again."""
        for run in sorted(self._doubted):
            slot = self._slots.get(run, Slot(run, state="withdrawn"))
            problem = tried(partial(require_golden, slot.serving)) if slot.serving else None
            if problem is not None and slot.serving:
                self._swap(replace(spoilt(slot, slot.serving.id, problem), serving=None))
            elif slot.serving or slot.state == "withdrawn":
                self._doubted.discard(run)
                continue
            self._seen.pop(run, None)

    def _try_room(self) -> None:
        """Versions that did not fit are tried again once less memory is taken."""
        for run in [run for run, taken in self._no_room.items() if self.holdings.used_mb < taken]:
            del self._no_room[run]
            self._seen.pop(run, None)

    def _swap(self, slot: Slot) -> None:
        """The slot in the place of the run's old one, whose version is freed after its last request."""
        with self._swapping:
            old = self._slots.get(slot.run)
            self._slots[slot.run] = slot
        if old and old.serving is not slot.serving:
            self.holdings.retire(old.serving)

    def _load(self, run: str, version_id: str) -> LoadedVersion:
        folder = self.registry.fetch(run, version_id, self.cache)
        task, made_by = read_card(folder)
        own = self._code_digest(task)
        if made_by != own:
            codes = f"made by code {made_by[:12]}, this service runs {own[:12]}"
            raise OtherCode(f"{codes}; build and start a new Bento: swath deploy {run}")

        def checked() -> LoadedVersion:
            version = load_version(folder)
            require_golden(version)
            return version

        return self.holdings.load(run, folder, checked)
