"""Every failure that Swath names. Each message says what, where and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


class SwathError(Exception):
    """A failure with a sentence for the person who meets it."""


class BadScene(SwathError):
    """A raster that cannot be used as it is."""

    def __init__(self, path: object, reason: str, remedy: str = "check the file with gdalinfo") -> None:
        super().__init__(f"{path}: {reason}; {remedy}")
        self.path, self.reason, self.remedy = str(path), reason, remedy


class GridMismatch(SwathError):
    """Two grids that differ where they must be the same; the message names both."""

    def __init__(self, left: object, right: object, remedy: str = "align one onto the other explicitly") -> None:
        super().__init__(f"grids differ: {left} against {right}; {remedy}")


class BandMismatch(SwathError):
    """Bands that are not the expected ones, by name."""

    def __init__(self, where: object, expected: Sequence[str], found: Sequence[str]) -> None:
        super().__init__(
            f"{where}: expected bands {', '.join(expected)}, found {', '.join(found) or 'none with a name'}; "
            "name the bands in the file's band descriptions"
        )
        self.expected, self.found = tuple(expected), tuple(found)


class UnitMismatch(SwathError):
    """A unit other than the one that is needed."""

    def __init__(self, where: object, expected: str, found: str) -> None:
        super().__init__(f"{where}: expected unit {expected}, found {found}; convert it explicitly at ingestion")


class UnknownName(SwathError):
    """A task, run, dataset or option that does not exist; the message lists those that do."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        super().__init__(f"no {kind} named {name!r}; known: {', '.join(sorted(known)) or 'none'}")


class BadParams(SwathError):
    """A parameter file that does not say what it must; names file and key."""

    def __init__(self, path: object, problem: str) -> None:
        super().__init__(f"{path}: {problem}")


class TooMuchLost(SwathError):
    """More scenes were quarantined than the flow's limit allows."""

    def __init__(self, dataset: str, lost: float, limit: float, reasons: Sequence[str]) -> None:
        super().__init__(
            f"{dataset}: {lost:.0%} of the scenes were quarantined, limit {limit:.0%}: "
            f"{'; '.join(reasons)}; mend the sources or raise the limit"
        )
        self.reasons = tuple(reasons)


class QualityFailed(SwathError):
    """An annotation rule that blocks training did not hold."""

    def __init__(self, dataset: str, failures: Sequence[str]) -> None:
        super().__init__(f"{dataset}: annotation QA failed: {'; '.join(failures)}; see the Data Docs artifact")
        self.failures = tuple(failures)


class LeakageFound(SwathError):
    """Chips of different splits share ground or pixels."""

    def __init__(self, pairs: Sequence[str]) -> None:
        super().__init__(f"splits leak: {'; '.join(pairs)}; put these places into one split or widen the guard band")
        self.pairs = tuple(pairs)


class NotEnoughData(SwathError):
    """A split, class or dataset that holds nothing to learn from or to score."""


class TrainingDiverged(SwathError):
    """A loss that is no finite number."""

    def __init__(self, step: int, losses: Sequence[str]) -> None:
        super().__init__(
            f"step {step}: loss {', '.join(losses)} is not finite; lower training.lr or look at the samples for NaN"
        )


class Interrupted(SwathError):
    """A stage that was asked to end, and did so after saving what it had."""

    def __init__(self, signal_number: int, kept: object) -> None:
        super().__init__(f"interrupted by signal {signal_number}; run the stage again to resume from {kept}")
        self.exit_code = 128 + signal_number


class PredictionStopped(Interrupted):
    """A prediction that was told to stop, and did so between two tiles."""

    def __init__(self) -> None:
        SwathError.__init__(self, "the prediction was stopped; nothing was written")
        self.exit_code = 130


class GateRefused(SwathError):
    """The candidate stays out of service; every reason has number, limit and interval."""

    def __init__(self, run: str, reasons: Sequence[str]) -> None:
        super().__init__(f"{run} stays out of service: {'; '.join(reasons)}")
        self.reasons = tuple(reasons)


class VersionCorrupt(SwathError):
    """A model version whose bytes, files or tensors are not those its manifest names."""

    def __init__(self, version: str, reason: str) -> None:
        super().__init__(f"version {version} refused: {reason}; promote another version or register it anew")


class VersionNotFound(SwathError):
    """No such version, or none promoted yet."""


class PromotionConflict(SwathError):
    """Somebody else promoted a version in the meantime."""

    def __init__(self, run: str, current: str) -> None:
        super().__init__(f"{run}: version {current} was promoted in the meantime; look at it, then promote again")


class StoreUnavailable(SwathError):
    """The object store cannot be reached or cannot do what Swath needs."""


class ObjectNotFound(SwathError):
    """A key that the object store does not hold."""


class LineageBroken(SwathError):
    """A file, commit or import is not the one that lineage names."""


class DataMissing(LineageBroken):
    """Recorded data that neither the cache nor the remote holds (any more)."""


class StageFailed(SwathError):
    """A pipeline stage ended with an error."""


class ServiceUnavailable(SwathError):
    """A part of the stack does not answer."""


class SourceUnavailable(SwathError):
    """A catalogue or store that scenes come from does not answer, or refuses."""


class TooMuchMissing(SwathError):
    """More of what a catalogue promised could not be fetched than is allowed."""

    def __init__(self, dataset: str, missing: float, limit: float, reasons: Sequence[str]) -> None:
        super().__init__(
            f"{dataset}: {missing:.0%} of the items could not be fetched, limit {limit:.0%}: "
            f"{'; '.join(reasons)}; run it again (what is here stays) or raise layout.max_missing"
        )
        self.reasons = tuple(reasons)
