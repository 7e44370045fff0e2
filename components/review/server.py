"""A Label Studio server: a review brought there as a project, its annotations fetched. The only module that asks it.

Pictures are uploaded into the project itself. No storage is attached to it: a bucket that is source and target at once
gives annotations back as new tasks, and a bucket is listed slowly.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from components.errors import ServiceUnavailable
from components.review.export import CONFIG, TASKS, TILES
from components.review.project import Chip, Project

WITHIN_S = 60.0
AT_ONCE = 20  # chips a request


class LabelStudio:
    """A server with the token of a person: the legacy token of an account, or a personal access token."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url.rstrip("/")
        self._token = token

    def create(self, project: Project, folder: Path) -> int:
        """The number of the review's project on the server, made and filled from the exported ``folder``.

        One that is there already is completed: the same review twice is one project.

        Raises:
            ServiceUnavailable: says what the server answered.
        """
        tasks = json.loads((folder / TASKS).read_text())
        with self._client() as client:
            number = self._find(client, project)
            if number is None:
                about = {"title": _title(project), "description": f"{project.dataset}, version {project.version}"}
                number = int(self._ask(client, "POST", "/api/projects/", json=about)["id"])
            # in this order: a project whose config shows several pictures takes no files, and tasks need a config
            pictures = self._upload(client, number, project, folder / TILES)
            config = {"label_config": (folder / CONFIG).read_text()}
            self._ask(client, "PATCH", f"/api/projects/{number}/", json=config)
            there = {task["data"].get("chip") for task in self._tasks(client, number)}
            missing = [task for task in tasks if task["data"]["chip"] not in there]
            for begin in range(0, len(missing), AT_ONCE):
                some = [_with_files(project, task, pictures) for task in missing[begin : begin + AT_ONCE]]
                self._ask(client, "POST", f"/api/projects/{number}/import", json=some)
            # pre-annotations of this name are what a person starts from
            model = {"model_version": tasks[0]["predictions"][0]["model_version"]}
            self._ask(client, "PATCH", f"/api/projects/{number}/", json=model)
        return number

    def annotations(self, project: Project) -> list[dict[str, Any]]:
        """All tasks of the review with their annotations, as `studio.read_tasks` takes them.

        Raises:
            ServiceUnavailable: if the server has no such project, or does not answer.
        """
        with self._client() as client:
            number = self._find(client, project)
            if number is None:
                raise ServiceUnavailable(f"{self.url} has no project {_title(project)!r}; export it there first")
            people = {each["id"]: each["email"] for each in self._ask(client, "GET", "/api/users/")}
            return [_signed(task, people) for task in self._tasks(client, number)]

    def _upload(self, client: httpx.Client, number: int, project: Project, tiles: Path) -> dict[str, str]:
        """The path on the server of every picture by its name; those that are there already are not sent again."""
        names = [_picture(chip, role) for chip in project.chips for role in project.images]
        there = self._pictures(client, number)
        missing = [name for name in names if name not in there]
        for begin in range(0, len(missing), AT_ONCE):
            some = missing[begin : begin + AT_ONCE]
            files = [(name, (name, (tiles / name).read_bytes())) for name in some]
            self._ask(client, "POST", f"/api/projects/{number}/import?commit_to_project=false", files=files)
        return self._pictures(client, number) if missing else there

    def _pictures(self, client: httpx.Client, number: int) -> dict[str, str]:
        found = self._ask(client, "GET", f"/api/projects/{number}/file-uploads?all=true")
        # the server puts a random word and a dash before the name
        return {each["file"].rpartition("/")[2].partition("-")[2]: f"/data/{each['file']}" for each in found}

    def _tasks(self, client: httpx.Client, number: int) -> list[dict[str, Any]]:
        path = f"/api/projects/{number}/export?exportType=JSON&download_all_tasks=true"
        found: list[dict[str, Any]] = self._ask(client, "GET", path)
        return found

    def _find(self, client: httpx.Client, project: Project) -> int | None:
        found = self._ask(client, "GET", f"/api/projects/?page_size=1000&title={project.id}")
        return next((int(each["id"]) for each in found["results"] if each["title"] == _title(project)), None)

    @contextmanager
    def _client(self) -> Iterator[httpx.Client]:
        with httpx.Client(base_url=self.url, timeout=WITHIN_S, follow_redirects=True) as client:
            client.headers["Authorization"] = self._authorization(client)
            yield client

    def _authorization(self, client: httpx.Client) -> str:
        if self._token.count(".") != 2:
            return f"Token {self._token}"
        access = self._ask(client, "POST", "/api/token/refresh/", json={"refresh": self._token})
        return f"Bearer {access['access']}"

    def _ask(self, client: httpx.Client, method: str, path: str, **content: Any) -> Any:  # noqa: ANN401 - JSON
        try:
            answer = client.request(method, path, **content)
        except httpx.HTTPError as error:
            reason = f"Label Studio at {self.url} does not answer ({error})"
            raise ServiceUnavailable(
                f"{reason}; start it with `make label-studio` or set SWATH_LABEL_STUDIO_URL"
            ) from error
        if answer.status_code == 401:
            raise ServiceUnavailable(
                f"{self.url} refuses the token; set SWATH_LABEL_STUDIO_TOKEN to that of an account"
            )
        if answer.is_error:
            what = answer.text[:300] if "html" not in answer.headers.get("content-type", "") else "a page"
            raise ServiceUnavailable(
                f"{self.url} answered {method} {path.partition('?')[0]} with {answer.status_code}: {what}"
            )
        return answer.json()


def _title(project: Project) -> str:
    return f"{project.dataset[:30]} {project.id}"


def _picture(chip: Chip, role: str) -> str:
    return f"{chip.stem}-{role}.png"


def _signed(task: dict[str, Any], people: Mapping[int, str]) -> dict[str, Any]:
    """The task with the address of whoever drew, where the server says only a number."""
    named = []
    for annotation in task.get("annotations", []):
        by = annotation.get("completed_by")
        named.append(
            {**annotation, "completed_by": {"id": by, "email": people[by]}}
            if isinstance(by, int) and by in people
            else annotation
        )
    return {**task, "annotations": named}


def _with_files(project: Project, task: Mapping[str, Any], pictures: Mapping[str, str]) -> dict[str, Any]:
    """The task with addresses of the server in place of pictures within it."""
    chip = project.chip(task["data"]["chip"])
    return {**task, "data": {**task["data"], **{role: pictures[_picture(chip, role)] for role in project.images}}}
