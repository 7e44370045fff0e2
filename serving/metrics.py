"""What Prometheus counts. Imported by the worker only: BentoML must have named its metrics folder before."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics_core import GaugeMetricFamily

from serving.observing import Observation

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)


class Metrics:
    """Counters that live as long as the process."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        labels = ("route", "task", "run")
        self.requests = Counter("swath_requests", "requests answered", (*labels, "status"), registry=registry)
        self.seconds = Histogram(
            "swath_request_seconds", "seconds from head to last byte", labels, buckets=SECONDS, registry=registry
        )
        self.pixels = Counter("swath_pixels", "pixels of scenes predicted", ("task", "run"), registry=registry)
        self.inside = Gauge(
            "swath_requests_inside", "requests admitted now", registry=registry, multiprocess_mode="livesum"
        )
        self.out_of_memory = Counter("swath_out_of_memory", "predictions without memory", ("run",), registry=registry)

    def note(self, seen: Observation, status: int, seconds: float) -> None:
        """A request counted that was answered with ``status`` after ``seconds``."""
        labels = (seen.route, seen.task, seen.run)
        self.requests.labels(*labels, str(status)).inc()
        self.seconds.labels(*labels).observe(seconds)
        if seen.pixels:
            self.pixels.labels(seen.task, seen.run).inc(seen.pixels)


@lru_cache(1)
def shared() -> Metrics:
    """The metrics of this process."""
    return Metrics()


def slot_lines(models: Iterable[dict[str, Any]]) -> str:
    """Gauges that say which version of each run is in service and in which state, as Prometheus reads them.

    Made anew at each scrape from what `/models` shows, so that no version stays behind as a stale series.
    """
    from prometheus_client import generate_latest

    info = GaugeMetricFamily(
        "swath_slot_info", "1 for the version in service", labels=["run", "task", "version", "state"]
    )
    for model in models:
        info.add_metric([str(model[key] or "") for key in ("run", "task", "version", "state")], 1.0)
    registry = CollectorRegistry()
    registry.register(_Given(info))
    return generate_latest(registry).decode()


class _Given:
    def __init__(self, family: GaugeMetricFamily) -> None:
        self._family = family

    def collect(self) -> Iterable[GaugeMetricFamily]:
        return [self._family]
