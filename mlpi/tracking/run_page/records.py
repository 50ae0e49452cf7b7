"""What the page of a run shows beside the run itself."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from mlpi.tracking.registry.records import model_path

MODEL_STATES = {1: "pending", 2: "ready", 3: "failed"}


@dataclass(frozen=True, slots=True)
class Spark:
    """A metric over its steps. points: (x, y), both 0 to 1, y downwards as in SVG."""

    least: float | None
    most: float | None
    points: tuple[tuple[float, float], ...] = ()

    @property
    def path(self) -> str:
        """As an SVG polyline in a box of 100 by 24 takes it."""
        return " ".join(f"{x * 100:.1f},{1 + y * 22:.1f}" for x, y in self.points)


@dataclass(frozen=True, slots=True)
class DatasetInput:
    """A dataset that the run was given."""

    name: str
    digest: str
    context: str
    source_type: str
    source: str
    columns: tuple[tuple[str, str], ...] = ()  # (name, type)
    profile: dict[str, Any] = field(default_factory=dict)

    @property
    def source_url(self) -> str | None:
        """Where it came from, when that is a web address."""
        return self.source if self.source.startswith(("https://", "http://")) else None


@dataclass(frozen=True, slots=True)
class LoggedModel:
    id: str
    name: str
    artifact_uri: str
    status: int
    model_type: str
    created_at: datetime | None

    @property
    def state(self) -> str:
        return MODEL_STATES.get(self.status, "unknown")


@dataclass(frozen=True, slots=True)
class Version:
    """A registered version that was made of this run."""

    name: str
    version: int

    @property
    def path(self) -> str:
        return f"{model_path(self.name)}/versions/{self.version}"


@dataclass(frozen=True, slots=True)
class Trace:
    id: str
    name: str
    state: str
    started_at: datetime | None
    duration_s: float | None
    request: str


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a run's code came from."""

    name: str
    kind: str
    commit: str
    branch: str
    repository: str

    @classmethod
    def of_tags(cls, tags: dict[str, str]) -> Origin:
        repository = tags.get("mlflow.source.git.repoURL", "")
        if repository.startswith("git@") and ":" in repository:
            host, _, path = repository.removeprefix("git@").partition(":")
            repository = f"https://{host}/{path}"
        return cls(
            tags.get("mlflow.source.name", ""),
            tags.get("mlflow.source.type", "").lower(),
            tags.get("mlflow.source.git.commit", ""),
            tags.get("mlflow.source.git.branch", ""),
            repository,
        )

    @property
    def url(self) -> str | None:
        """The repository's page."""
        if not self.repository.startswith(("https://", "http://")):
            return None
        if "@" in self.repository.split("/")[2]:
            return None  # a password may stand there
        return self.repository.removesuffix("/").removesuffix(".git")

    @property
    def commit_url(self) -> str | None:
        """The commit's page, as GitHub, GitLab, Gitea and Codeberg have it."""
        is_hash = self.commit.isalnum() and self.url is not None
        return f"{self.url}/commit/{self.commit}" if is_hash else None


def columns_of(schema: str | None) -> tuple[tuple[str, str], ...]:
    """Names and types from MLflow's JSON of a dataset's schema; nothing for what is not a table."""
    found = _json(schema)
    listed = found.get("mlflow_colspec") or found.get("columns") or ()
    if not isinstance(listed, list):
        return ()
    return tuple(
        (str(one.get("name", "")), str(one.get("type", "")))
        for one in listed
        if isinstance(one, dict)
    )


def profile_of(profile: str | None) -> dict[str, Any]:
    """Its plain figures: num_rows and the like."""
    return {
        key: value for key, value in _json(profile).items() if isinstance(value, int | float | str)
    }


def source_of(source: str | None) -> str:
    """The place a dataset's source names, or its JSON as it is."""
    found = _json(source)
    for key in ("uri", "url", "path", "table_name"):
        if isinstance(found.get(key), str):
            return str(found[key])
    return source or ""


def _json(text: str | None) -> dict[str, Any]:
    try:
        found = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
