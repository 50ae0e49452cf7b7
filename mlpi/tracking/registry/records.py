"""Registered models and their versions: plain records, without SQL."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import quote

from mlpi.tracking.runs.view import write_cursor

STAGES = ("None", "Staging", "Production", "Archived")
NO_STAGE = "None"
_LOGGED = re.compile(r"models:/+(m-[0-9a-f]+)/?")


def model_path(name: str) -> str:
    """The address of a registered model's page; a name may hold anything but / and :."""
    return f"/tracking/models/{quote(name, safe='')}"


@dataclass(slots=True)
class Model:
    """One registered model, with what a list shows of its newest version."""

    name: str
    description: str
    created_at: datetime | None
    updated_at: datetime | None
    cursor: tuple[int | str, str]
    version_count: int = 0
    latest_version: int | None = None
    run_id: str | None = None
    aliases: dict[str, int] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def path(self) -> str:
        return model_path(self.name)

    @property
    def marker(self) -> str:
        """Where a page that it is the last of ended."""
        return write_cursor(self.cursor)

    @property
    def route(self) -> str:
        """Its page in MLflow's own UI."""
        return f"/models/{quote(self.name, safe='')}"


@dataclass(slots=True)
class Version:
    """One version of a registered model; run_name and user are those of its run.

    run_name is empty when there is no such run in the workspace.
    """

    name: str
    version: int
    created_at: datetime | None
    updated_at: datetime | None
    status: str
    status_message: str
    stage: str
    description: str
    source: str
    location: str
    run_id: str = ""
    run_name: str = ""
    user: str = ""
    aliases: list[str] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def path(self) -> str:
        return f"{model_path(self.name)}/versions/{self.version}"

    @property
    def route(self) -> str:
        """Its page in MLflow's own UI."""
        return f"/models/{quote(self.name, safe='')}/versions/{self.version}"

    @property
    def model_id(self) -> str:
        """The logged model it was registered from, or nothing."""
        match = _LOGGED.fullmatch(self.source)
        return match[1] if match else ""

    @property
    def has_stage(self) -> bool:
        return self.stage != NO_STAGE


@dataclass(frozen=True, slots=True)
class LoggedModel:
    """A model that a run logged, in the sense of MLflow 3."""

    id: str
    name: str
    location: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model of a run that can be registered, and what was registered of it."""

    key: str
    label: str
    source: str
    model_id: str = ""
    versions: tuple[Version, ...] = ()
