"""Parameter types whose choices the Prefect UI shows: they follow from folders, read when the form is made."""

from __future__ import annotations

from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import core_schema

from components.settings import project_folder
from components.tasks import run_names


class _Choice(str):
    """A string out of a list that is known only when it is needed."""

    __slots__ = ()

    @classmethod
    def choices(cls) -> tuple[str, ...]:
        """The allowed values, in order."""
        return ()

    @classmethod
    def _checked(cls, value: str) -> _Choice:
        if value not in cls.choices():
            raise ValueError(f"{value!r} is none of {', '.join(cls.choices())}")
        return cls(value)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_after_validator_function(cls._checked, core_schema.str_schema())

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {**handler(core_schema.str_schema()), "enum": list(cls.choices())}


class RunName(_Choice):
    """A run: one parameter file of one task."""

    __slots__ = ()

    @classmethod
    def choices(cls) -> tuple[str, ...]:
        """All runs of all tasks."""
        return run_names()


class DatasetName(_Choice):
    """A dataset: one folder of `data/sources/`."""

    __slots__ = ()

    @classmethod
    def choices(cls) -> tuple[str, ...]:
        """All declared datasets."""
        folder = project_folder() / "data" / "sources"
        return tuple(sorted(path.parent.name for path in folder.glob("*/dataset.yaml")))
