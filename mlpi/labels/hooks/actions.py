"""The deeds that webhooks may be told of, by Label Studio's names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

PROJECT_CREATED, PROJECT_UPDATED = "PROJECT_CREATED", "PROJECT_UPDATED"
PROJECT_DELETED = "PROJECT_DELETED"
TASKS_CREATED, TASKS_DELETED = "TASKS_CREATED", "TASKS_DELETED"
ANNOTATION_CREATED, ANNOTATION_UPDATED = "ANNOTATION_CREATED", "ANNOTATION_UPDATED"
ANNOTATIONS_CREATED, ANNOTATIONS_DELETED = "ANNOTATIONS_CREATED", "ANNOTATIONS_DELETED"
REVIEW_CREATED, REVIEW_UPDATED = "REVIEW_CREATED", "REVIEW_UPDATED"
REVIEWS_DELETED = "REVIEWS_DELETED"
TEST = "TEST"  # sent on demand, never asked for


@dataclass(frozen=True, slots=True)
class Action:
    """key: under which the message has what it is about. is_wide: not for one project's webhook."""

    name: str
    key: str
    is_wide: bool = False


ACTIONS: Mapping[str, Action] = {
    PROJECT_CREATED: Action("Project created", "project", is_wide=True),
    PROJECT_UPDATED: Action("Project updated", "project"),
    PROJECT_DELETED: Action("Project deleted", "project", is_wide=True),
    TASKS_CREATED: Action("Task created", "tasks"),
    TASKS_DELETED: Action("Task deleted", "tasks"),
    ANNOTATION_CREATED: Action("Annotation created", "annotation"),
    ANNOTATIONS_CREATED: Action("Annotations created", "annotation"),
    ANNOTATION_UPDATED: Action("Annotation updated", "annotation"),
    ANNOTATIONS_DELETED: Action("Annotation deleted", "annotations"),
    REVIEW_CREATED: Action("Review created", "review"),
    REVIEW_UPDATED: Action("Review updated", "review"),
    REVIEWS_DELETED: Action("Review deleted", "reviews"),
}
