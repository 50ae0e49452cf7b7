"""Labeling projects: made, changed, removed; knows no HTTP. Its calls block."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, delete, exists, func, select

from mlpi.auth.audit import Actor, Audit
from mlpi.auth.roles import Principal
from mlpi.clock import Clock
from mlpi.db import Database, Session
from mlpi.errors import Invalid, NotFound
from mlpi.labels.changes import Changes, changes
from mlpi.labels.config.config import LabelConfig
from mlpi.labels.config.reading import EMPTY, read_config
from mlpi.labels.flags import flag
from mlpi.labels.hooks.events import Events
from mlpi.labels.models import LabelBackend, LabelExport, LabelPrediction, LabelProject
from mlpi.labels.tally import judge_again

SAMPLINGS = ("Sequential sampling", "Uniform sampling", "Uncertainty sampling")
SKIP_QUEUES = ("REQUEUE_FOR_ME", "REQUEUE_FOR_OTHERS", "IGNORE_SKIPPED")
# What a list may be ordered by, and the column of it.
ORDERS: Mapping[str, str] = {
    **{name: name for name in ("id", "title", "description", "created_at", "updated_at")},
    **{name: name for name in ("maximum_annotations", "sampling")},
    "task_number": "task_count",
    "finished_task_number": "finished_count",
    "total_annotations_number": "annotation_count",
    "total_predictions_number": "prediction_count",
}
MOST_ANNOTATIONS = 1000  # of a task
# What Label Studio's API lets one set besides the columns, with what it is before that.
OPTIONS: Mapping[str, Any] = {
    "expert_instruction": "",
    "show_instruction": False,
    "show_skip_button": True,
    "enable_empty_annotation": True,
    "show_annotation_history": False,
    "color": "#FFFFFF",
    "model_version": "",
    "show_collab_predictions": True,
    "skip_queue": "REQUEUE_FOR_OTHERS",
    "reveal_preannotations_interactively": False,
    "evaluate_predictions_automatically": False,
    "is_published": False,
    "is_draft": False,
}


@dataclass(frozen=True, slots=True)
class Page:
    """Some of the projects, newest first, and how many there are in all."""

    projects: Sequence[LabelProject]
    total: int


class Projects:
    """The projects of all workspaces; each call names the one that it is for."""

    def __init__(
        self,
        db: Database,
        audit: Audit,
        clock: Clock,
        drop_files: Callable[[int, Sequence[str]], None] = lambda *_: None,
        events: Events | None = None,
    ) -> None:
        """drop_files: removes what lies on the disk of a project that is gone: by its number, and
        the keys of its snapshots."""
        self._db, self._audit, self._clock = db, audit, clock
        self._drop_files, self._events = drop_files, events or Events(clock)

    def page(
        self,
        workspace: str,
        *,
        limit: int,
        offset: int = 0,
        title: str = "",
        ids: Sequence[int] = (),
        order: Sequence[str] = (),
    ) -> Page:
        """title: words that titles hold; ids: only these; order: of ORDERS, - for falling."""
        asked = select(LabelProject).where(LabelProject.workspace == workspace)
        if title:
            asked = asked.where(LabelProject.title.icontains(title, autoescape=True))
        if ids:
            asked = asked.where(LabelProject.id.in_(ids))
        with self._db.read() as session:
            total = session.scalar(select(func.count()).select_from(asked.subquery())) or 0
            found = session.scalars(
                asked.order_by(*_keys(order), LabelProject.id.desc()).limit(limit).offset(offset)
            ).all()
        return Page(found, total)

    def get(self, workspace: str, project_id: int) -> LabelProject:
        """Raises NotFound."""
        with self._db.read() as session:
            return project_of(session, workspace, project_id)

    def add(
        self, workspace: str, given: Mapping[str, Any], principal: Principal, address: str = ""
    ) -> LabelProject:
        """given: fields by Label Studio's names. Raises Invalid, ConfigInvalid."""
        now = self._clock()
        project = LabelProject(
            workspace=workspace,
            title="",
            label_config=EMPTY,
            maximum_annotations=1,
            sampling=SAMPLINGS[0],
            options=dict(OPTIONS),
            created_by_id=principal.user_id,
            created_by_name=principal.name,
            created_at=now,
            updated_at=now,
        )
        _take(project, given)
        project.title = project.title or "New Project"
        with self._db.write() as session:
            session.add(project)
            session.flush()
            self._record(session, Actor(principal.name, address), "label_project_added", project)
            self._events.project_created(session, project)
        return project

    def change(
        self,
        workspace: str,
        project_id: int,
        given: Mapping[str, Any],
        principal: Principal,
        address: str = "",
    ) -> LabelProject:
        """Raises NotFound, Invalid, ConfigInvalid, ConfigChangeRefused."""
        with self._db.write() as session:
            project = project_of(session, workspace, project_id, is_locked=True)
            before, needed = project.label_config, _needed(project)
            version = project.options.get("model_version", "")
            _take(project, given)
            if project.options["model_version"] not in ("", version):
                _check_version(session, project)
            if project.label_config != before:
                self._check_change(session, project, before)
            if _needed(project) != needed:
                session.flush()
                judge_again(session, project)
            project.updated_at = self._clock()
            self._record(session, Actor(principal.name, address), "label_project_changed", project)
            session.flush()
            self._events.project_updated(session, project)
        return project

    def remove(
        self, workspace: str, project_id: int, principal: Principal, address: str = ""
    ) -> None:
        """With all that lies in it. Raises NotFound."""
        with self._db.write() as session:
            project = project_of(session, workspace, project_id)
            self._record(session, Actor(principal.name, address), "label_project_removed", project)
            self._events.project_deleted(session, project)
            asked = select(LabelExport.key).where(LabelExport.project_id == project.id)
            snapshots = session.scalars(asked).all()
            session.execute(delete(LabelProject).where(LabelProject.id == project.id))
        self._drop_files(project_id, snapshots)

    def changes(self, workspace: str, project_id: int, config: str) -> Changes:
        """What another configuration would take from what was labeled. Raises as `change`."""
        with self._db.read() as session:
            project = project_of(session, workspace, project_id)
            return changes(session, project, read_config(project.label_config), read_config(config))

    def _check_change(self, session: Session, project: LabelProject, before: str) -> None:
        changes(session, project, read_config(before), read_config(project.label_config)).refuse()

    def _record(self, session: Session, actor: Actor, deed: str, project: LabelProject) -> None:
        self._audit.record(session, actor, deed, f"{project.id} {project.title}", project.workspace)


def project_of(
    session: Session, workspace: str, project_id: int, *, is_locked: bool = False
) -> LabelProject:
    """A workspace's project. is_locked: for this transaction alone, where writers do not queue
    anyway (PostgreSQL). Raises NotFound."""
    project = session.get(LabelProject, project_id, with_for_update=is_locked)
    if project is None or project.workspace != workspace:
        raise NotFound(f"There is no labeling project {project_id} in this workspace.")
    return project


def _keys(order: Sequence[str]) -> list[ColumnElement[Any]]:
    """Those that it does not know are passed over, as in Label Studio."""
    known = [(ORDERS.get(one.removeprefix("-")), one.startswith("-")) for one in order]
    return [
        getattr(LabelProject, name).desc() if falls else getattr(LabelProject, name).asc()
        for name, falls in known
        if name is not None
    ]


def _check_version(session: Session, project: LabelProject) -> None:
    """Whose predictions are shown: a version's, or a connected model's. Raises Invalid."""
    version = project.options["model_version"]
    is_known = session.scalar(
        select(
            exists().where(
                LabelPrediction.project_id == project.id, LabelPrediction.model_version == version
            )
            | exists().where(LabelBackend.project_id == project.id, LabelBackend.title == version)
        )
    )
    if not is_known:
        raise Invalid(
            "Model version doesn't exist either as live model or as static predictions.",
            field="model_version",
        )


def _needed(project: LabelProject) -> tuple[int, object]:
    """What a task must have to be done with."""
    return project.maximum_annotations, project.options.get("skip_queue")


def config_of(project: LabelProject) -> LabelConfig:
    """Its configuration, read."""
    return read_config(project.label_config)


def _take(project: LabelProject, given: Mapping[str, Any]) -> None:
    """Fields by Label Studio's names; those it does not know are passed over, as there."""
    if "title" in given:
        project.title = _text(given, "title", most=255)
        if project.title and len(project.title) < 3:
            raise Invalid("The title must have at least 3 characters.", field="title")
    if "description" in given:
        project.description = _text(given, "description", most=100_000)
    if "label_config" in given:
        project.label_config = _text(given, "label_config", most=1 << 20)
        read_config(project.label_config)
    if given.get("maximum_annotations") is not None:
        project.maximum_annotations = _count(given, "maximum_annotations", MOST_ANNOTATIONS)
    if given.get("sampling") is not None:
        project.sampling = _one_of(given, "sampling", SAMPLINGS)
    asked = {name for name in OPTIONS if given.get(name) is not None}
    project.options = {**project.options, **{name: _option(given, name) for name in asked}}


def _option(given: Mapping[str, Any], name: str) -> object:
    if isinstance(OPTIONS[name], bool):
        return flag(given[name], name)
    if name == "skip_queue":
        return _one_of(given, name, SKIP_QUEUES)
    text = _text(given, name, most=100_000)
    if name == "color" and not re.fullmatch(r"#[0-9a-fA-F]{6}", text):
        raise Invalid('Color must be in "#RRGGBB" format', field=name)
    return text


def _count(given: Mapping[str, Any], name: str, most: int) -> int:
    count = given[name]
    if isinstance(count, str) and re.fullmatch(r"\d{1,9}", count.strip()):
        count = int(count)  # from a form
    if isinstance(count, bool) or not isinstance(count, int):
        raise Invalid("A valid integer is required.", field=name)
    if not 1 <= count <= most:
        raise Invalid(f"It may be 1 to {most}, not {count}.", field=name)
    return count


def _text(given: Mapping[str, Any], name: str, *, most: int) -> str:
    value = given[name]
    if value is None:
        return ""
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise Invalid("Not a valid string.", field=name)
    if len(value) > most:
        raise Invalid(f"Ensure this field has no more than {most} characters.", field=name)
    if "\x00" in value:
        raise Invalid("Null characters are not allowed.", field=name)
    return value


def _one_of(given: Mapping[str, Any], name: str, choices: Sequence[str]) -> str:
    value = given[name]
    if value not in choices:
        raise Invalid(
            f"{str(value)[:60]!r} is not a valid choice.",
            advice=f"It may be {', '.join(choices)}.",
            field=name,
        )
    return str(value)
