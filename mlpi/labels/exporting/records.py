"""A snapshot's row, and what it says of the formats that it was converted to."""

from __future__ import annotations

from typing import Any

from mlpi.db import Session
from mlpi.errors import NotFound
from mlpi.labels.models import LabelExport
from mlpi.labels.projects import project_of

CREATED, IN_PROGRESS, COMPLETED, FAILED = "created", "in_progress", "completed", "failed"
Conversion = dict[str, Any]


def export_of(
    session: Session, workspace: str, project_id: int, export_id: int, *, is_locked: bool = False
) -> LabelExport:
    """A project's snapshot. Raises NotFound."""
    project_of(session, workspace, project_id)
    found = session.get(LabelExport, export_id, with_for_update=is_locked)
    if found is None or found.project_id != project_id:
        raise NotFound(f"There is no export {export_id} of this project.")
    return found


def change(found: LabelExport, conversion: int, **fields: Any) -> None:
    """Other fields of a conversion."""
    found.converted = [
        {**each, **fields} if each["id"] == conversion else each for each in found.converted
    ]


def new_conversion(found: LabelExport, format_name: str, *, dataset: str) -> Conversion:
    """One that nobody has begun. dataset: whose version it becomes, if any."""
    number = 1 + max((each["id"] for each in found.converted), default=0)
    return {
        "id": number,
        "export_type": format_name,
        "status": CREATED,
        "error": "",
        "key": f"{found.key}-{number}",
        "sha256": "",
        "md5": "",
        "size_bytes": 0,
        # A dataset is for programs: an apostrophe before a text would be another text.
        "is_raw": bool(dataset),
        "dataset": dataset,
        "shelved": None,
    }


def is_same(one: Conversion, format_name: str, dataset: str) -> bool:
    """Whether it is in this format, for this dataset."""
    return bool(one["export_type"] == format_name and one["dataset"] == dataset)
