"""What the labeling page shows and keeps; knows no HTTP. Its calls block."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mlpi.auth.roles import Principal
from mlpi.clock import Clock
from mlpi.errors import Conflict, NotFound
from mlpi.labels.annotations import Annotations
from mlpi.labels.config.config import LabelConfig
from mlpi.labels.editor.cleaning import clean
from mlpi.labels.models import LabelAnnotation, LabelDraft, LabelPrediction, LabelProject
from mlpi.labels.projects import Projects, config_of
from mlpi.labels.queue import Queue
from mlpi.labels.tasks import Tasks, Whole

MOST_BESIDES = 50  # tasks that a page has before it or has not sent yet


class AnotherPerson(Conflict):
    """Somebody else is logged in now than the one who made this."""

    code = "ANOTHER_PERSON"


@dataclass(frozen=True, slots=True)
class Editor:
    """Tasks for one person to label, and what they send."""

    projects: Projects
    tasks: Tasks
    annotations: Annotations
    queue: Queue
    clock: Clock

    def next(
        self,
        workspace: str,
        project_id: int,
        principal: Principal,
        besides: Collection[int] = (),
    ) -> dict[str, Any] | None:
        """The next task, leased; None: nothing is left. besides: tasks that the page has already.

        Raises NotFound.
        """
        task_id = self.queue.next(workspace, project_id, principal, besides=besides)
        return None if task_id is None else self.task(workspace, project_id, task_id, principal)

    def task(
        self, workspace: str, project_id: int, task_id: int, principal: Principal
    ) -> dict[str, Any]:
        """One task as the script reads it. Raises NotFound; of another project it is not there."""
        project = self.projects.get(workspace, project_id)
        found = self.tasks.get(workspace, task_id)
        if found.task.project_id != project_id:
            raise NotFound(f"There is no task {task_id} in this project.")
        return task_json(project, found, principal.user_id)

    def hold(
        self, workspace: str, project_id: int, task_id: int, principal: Principal
    ) -> dict[str, Any]:
        """The task, kept before this person while they look at it. Raises NotFound."""
        found = self.task(workspace, project_id, task_id, principal)
        self.queue.hold(workspace, task_id, principal)
        return found

    def submit(
        self, workspace: str, task_id: int, sent: Mapping[str, Any], principal: Principal
    ) -> dict[str, Any]:
        """Keep an annotation or a skip; sent again under its unique_id it is no second one.

        Raises NotFound, Invalid, ResultInvalid, SkipRefused, AnotherPerson.
        """
        _check_person(sent, principal)
        one = {name: value for name, value in sent.items() if name != "completed_by"}
        added, is_new = self.annotations.add(workspace, task_id, one, principal)
        return self._answer(workspace, added, is_new=is_new)

    def update(
        self, workspace: str, annotation_id: int, sent: Mapping[str, Any], principal: Principal
    ) -> dict[str, Any]:
        """Change an annotation. Raises as `submit`."""
        _check_person(sent, principal)
        changed = self.annotations.change(workspace, annotation_id, sent, principal)
        return self._answer(workspace, changed, is_new=False)

    def draft(
        self, workspace: str, task_id: int, sent: Mapping[str, Any], principal: Principal
    ) -> dict[str, Any]:
        """Keep what is not sent yet, and the task before its author.

        Raises NotFound, TaskInvalid, AnotherPerson.
        """
        _check_person(sent, principal)
        number = sent.get("annotation")
        annotation_id = number if isinstance(number, int) and not isinstance(number, bool) else 0
        kept = self.annotations.save_draft(
            workspace, task_id, sent, principal, annotation_id=annotation_id
        )
        self.queue.hold(workspace, task_id, principal)
        return draft_json(kept)

    def release(
        self, workspace: str, project_id: int, task_ids: Collection[int], principal: Principal
    ) -> None:
        """Give tasks back unlabeled; those that are not there any more are passed over."""
        self.projects.get(workspace, project_id)
        for task_id in list(task_ids)[:MOST_BESIDES]:
            try:
                self.queue.release(workspace, task_id, principal)
            except NotFound:
                continue

    def _answer(
        self, workspace: str, annotation: LabelAnnotation, *, is_new: bool
    ) -> dict[str, Any]:
        project = self.projects.get(workspace, annotation.project_id)
        return {
            "annotation": annotation_json(annotation),
            "isNew": is_new,
            "progress": progress_json(project),
        }


def task_json(project: LabelProject, found: Whole, user_id: int) -> dict[str, Any]:
    """A task with this person's annotations and drafts, and what models said if that is shown.

    html: the objects' HTML by their names, cleaned.
    """
    config, data = config_of(project), json.loads(found.task.data)
    version = project.options.get("model_version") or ""
    is_shown = project.options.get("show_collab_predictions", True)
    predictions = [one for one in found.predictions if not version or one.model_version == version]
    return {
        "id": found.task.id,
        "number": found.task.inner_id,
        "data": data,
        "html": html_of(config, data),
        "annotations": [
            annotation_json(one) for one in found.annotations if one.completed_by_id == user_id
        ],
        "drafts": [draft_json(one) for one in found.drafts if one.user_id == user_id],
        "predictions": [prediction_json(one) for one in predictions] if is_shown else [],
        "progress": progress_json(project),
    }


def html_of(config: LabelConfig, data: Mapping[str, Any]) -> dict[str, str]:
    """What HyperText shows, cleaned, by the objects' names."""
    found: dict[str, str] = {}
    for one in config.objects.values():
        if one.tag.name != "HyperText":
            continue
        value = data.get(one.field) if one.field is not None else one.value
        found[one.name] = clean(value) if isinstance(value, str) else ""
    return found


def progress_json(project: LabelProject) -> dict[str, int]:
    return {"done": project.finished_count, "total": project.task_count}


def annotation_json(one: LabelAnnotation) -> dict[str, Any]:
    return {
        "id": one.id,
        "task": one.task_id,
        "unique_id": one.key,
        "result": json.loads(one.result),
        "was_cancelled": one.was_cancelled,
        "skip_reason": one.skip_reason,
        "lead_time": one.lead_time_s,
        "updated_at": _moment(one.updated_at),
    }


def draft_json(one: LabelDraft) -> dict[str, Any]:
    """annotation: of which annotation; 0 of a new one."""
    return {
        "annotation": one.annotation_id,
        "result": json.loads(one.result),
        "lead_time": one.lead_time_s,
        "updated_at": _moment(one.updated_at),
    }


def prediction_json(one: LabelPrediction) -> dict[str, Any]:
    return {
        "id": one.id,
        "result": json.loads(one.result),
        "score": one.score,
        "model_version": one.model_version,
    }


def _moment(value: datetime) -> str:
    return value.isoformat()


def _check_person(sent: Mapping[str, Any], principal: Principal) -> None:
    by = sent.get("user")
    if by is not None and by != principal.user_id:
        raise AnotherPerson(
            f"This was made by another person than {principal.name}, who is logged in now.",
            advice="Log in as the one who made it; it is kept in this browser until then.",
        )
