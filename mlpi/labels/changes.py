"""What a new configuration would take from results that are there."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass

from sqlalchemy import select

from mlpi.db import Session
from mlpi.errors import Invalid
from mlpi.labels.config.config import LabelConfig
from mlpi.labels.models import LabelAnnotation, LabelDraft, LabelProject, LabelTask
from mlpi.labels.results import ResultInvalid, check_results

MOST_TOLD = 5


class ConfigChangeRefused(Invalid):
    """The new configuration would lose what was labeled."""

    status = 400
    code = "LABEL_CONFIG_INVALID"


@dataclass(frozen=True, slots=True)
class Changes:
    """How many results would not fit any more, by control and label."""

    lost: Counter[tuple[str, str]]

    @property
    def is_lossy(self) -> bool:
        return bool(self.lost)

    def refuse(self) -> None:
        """Raises ConfigChangeRefused when something would be lost."""
        if self.is_lossy:
            raise ConfigChangeRefused(
                f"This would lose what was labeled: {self.words()}.",
                advice="Keep those names, or delete these annotations and drafts first.",
                field="label_config",
            )

    def words(self) -> str:
        """'12 results of box with the label cat, …'."""
        told = [
            f"{count} result{'s' if count != 1 else ''} of {control}"
            + (f" with {label}" if label else "")
            for (control, label), count in self.lost.most_common(MOST_TOLD)
        ]
        rest = len(self.lost) - len(told)
        return ", ".join(told) + (f" and {rest} more kinds" if rest > 0 else "")


def changes(
    session: Session, project: LabelProject, before: LabelConfig, after: LabelConfig
) -> Changes:
    """Reads every annotation and draft, unless the new configuration takes all of the old one."""
    lost: Counter[tuple[str, str]] = Counter()
    if _takes_all(before, after):
        return Changes(lost)
    said = select(LabelAnnotation.result).where(
        LabelAnnotation.project_id == project.id, LabelAnnotation.result_count > 0
    )
    drafted = (
        select(LabelDraft.result)
        .join(LabelTask, LabelTask.id == LabelDraft.task_id)
        .where(LabelTask.project_id == project.id)
    )
    for asked, is_draft in ((said, False), (drafted, True)):
        for (text,) in session.execute(asked.execution_options(yield_per=1000)):
            for one in json.loads(text):
                if not _fits(after, one) and not (is_draft and not _fits(before, one)):
                    lost[one.get("from_name", "?"), _label_of(after, before, one)] += 1
    return Changes(lost)


def _fits(config: LabelConfig, one: object) -> bool:
    """A relation always does: it goes where its results go."""
    if isinstance(one, dict) and one.get("type") == "relation":
        return True
    try:
        check_results(config, [one])
    except ResultInvalid:
        return False
    return True


def _takes_all(before: LabelConfig, after: LabelConfig) -> bool:
    for name, old in before.controls.items():
        new = after.controls.get(name)
        if new is None or new.tag is not old.tag or not set(old.to_names) <= set(new.to_names):
            return False
        if old.dynamic_field != new.dynamic_field or not old.paths <= new.paths:
            return False
        if old.is_multiple and not new.is_multiple:
            return False
        bounds = ("min", "max", "maxRating", "maxSubmissions", "maxUsages", "allowEmpty")
        if any(old.attributes.get(one) != new.attributes.get(one) for one in bounds):
            return False
    return True


def _label_of(after: LabelConfig, before: LabelConfig, one: dict[str, object]) -> str:
    """The label that is not there any more, if that is what is wrong."""
    control = before.controls.get(str(one.get("from_name")))
    value = one.get("value")
    if control is None or not isinstance(value, dict):
        return ""
    new = after.controls.get(control.name)
    labels = value.get(control.tag.value_key)
    if new is None or not isinstance(labels, list):
        return ""
    gone = [str(label) for label in labels if isinstance(label, str) and label not in new.keys]
    return ", ".join(gone)
