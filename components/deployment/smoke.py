"""Promotion with proof: the pointer moves, and moves back unless the service says that it answers with the version."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx

from components.deployment.promotion import Promotion
from components.deployment.registry import ANY, Expected, Registry
from components.errors import PromotionConflict, ServiceUnavailable, VersionNotFound

logger = logging.getLogger(__name__)
TIMEOUT_S = 60.0
LOOK_EVERY_S = 0.5
BAD_STATES = ("refused", "failed")


@dataclass(frozen=True)
class Service:
    """A running service: where it is, and the token it asks for."""

    url: str
    token: str = ""

    def models(self) -> dict[str, dict[str, Any]]:
        """What `/models` says of each run.

        Raises:
            ServiceUnavailable: if it does not answer.
        """
        models: list[dict[str, Any]] = self._said("models")
        return {model["run"]: model for model in models}

    def code(self) -> dict[str, str]:
        """The code digest of each task that the service runs: versions of other code need another Bento.

        Raises:
            ServiceUnavailable: if it does not answer.
        """
        found: dict[str, str] = self._said("code")
        return found

    def _said(self, key: str) -> Any:  # noqa: ANN401 - a part of a JSON answer
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        try:
            answer = httpx.get(f"{self.url}/models", headers=headers, timeout=5.0).raise_for_status()
            return answer.json()[key]
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            reason = f"{type(error).__name__}: {error}"
            raise ServiceUnavailable(f"{self.url}/models does not answer ({reason}); is `swath up` running?") from error


def wait_for_version(
    service: Service, run: str, version: str, timeout_s: float = TIMEOUT_S, sleep: Callable[[float], None] = time.sleep
) -> None:
    """Nothing, once the service answers with that version: it passed its golden request there.

    Raises:
        ServiceUnavailable: if the service refuses the version (says why), or is not there in time.
    """
    until = time.monotonic() + timeout_s
    seen = "it has not looked yet"
    while time.monotonic() < until:
        try:
            model = service.models().get(run, {})
        except ServiceUnavailable as error:
            seen = str(error)
        else:
            if model.get("version") == version:
                return
            if model.get("promoted") == version and model.get("state") in BAD_STATES:
                raise ServiceUnavailable(f"{run} {version} is {model['state']} by {service.url}: {model['reason']}")
            seen = f"it serves {model.get('version')} ({model.get('state', 'unknown run')})"
        sleep(LOOK_EVERY_S)
    raise ServiceUnavailable(f"{run} {version} was not served by {service.url} within {timeout_s:.0f} s: {seen}")


def deploy(
    registry: Registry,
    run: str,
    version: str,
    service: Service,
    *,
    expected: Expected = ANY,
    timeout_s: float = TIMEOUT_S,
) -> Promotion:
    """The promotion of a version that the service has taken over.

    Whatever goes wrong after the pointer moved (refusal, silence, a cancelled run) moves it back.

    Raises:
        PromotionConflict: if another version than ``expected`` is in service.
        ServiceUnavailable: if the service did not take the version over; says what was done about it.
    """
    before = registry.promoted(run)
    promotion = registry.promote(run, version, expected)
    moved = before is None or before.n != promotion.n
    try:
        wait_for_version(service, run, version, timeout_s)
    except ServiceUnavailable as error:
        undone = _undo(registry, before, promotion) if moved else "it was promoted before and stays so"
        raise ServiceUnavailable(f"{error}; {undone}") from error
    except BaseException:  # a cancelled run: the pointer must not stay on a version without proof
        if moved:
            logger.warning("deployment interrupted: %s", _undo(registry, before, promotion))
        raise
    return promotion


def _undo(registry: Registry, before: Promotion | None, promotion: Promotion) -> str:
    """What was done about a version that did not come into service, as words."""
    run, version = promotion.run, promotion.version
    try:
        if before is None:
            registry.withdraw(run, expected=version)
            return f"{run} was withdrawn, no version was in service before"
        return f"rolled back to {registry.rollback(run, expected=version).version}"
    except (PromotionConflict, VersionNotFound) as error:
        return f"left as it is: {error}"
