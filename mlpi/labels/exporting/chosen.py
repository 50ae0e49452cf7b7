"""What an export holds and leaves out, in Label Studio's words."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from mlpi.errors import Invalid, MlpiError
from mlpi.labels.flags import flag
from mlpi.labels.grid.views import asked_by, title_of
from mlpi.labels.models import LabelView

CHOICES = ("only", "exclude")


class OptionInvalid(MlpiError):
    """An option of an export is not what it may be."""

    status = 400
    code = "INVALID_PARAMETER_VALUE"


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which tasks, which of their annotations, and what at length.

    ids: only these tasks, in rising order, when there are any. has_any: only tasks that somebody
    annotated or skipped. skipped, finished, annotated: "only", "exclude" or "". kinds: of
    annotations, among usual, ground_truth and skipped; none for all. with_annotations: only tasks
    that have one of those. drafts, predictions, people: at length instead of by number. view: the
    title of a view, and filters and selected what it asked for when it was chosen, in Label
    Studio's words.
    """

    ids: tuple[int, ...] = ()
    has_any: bool = False
    skipped: str = ""
    finished: str = ""
    annotated: str = ""
    kinds: tuple[str, ...] = ()
    with_annotations: bool = False
    drafts: bool = False
    predictions: bool = False
    people: bool = False
    view: str = ""
    filters: Mapping[str, Any] | None = None
    selected: Mapping[str, Any] | None = None

    def plain(self) -> dict[str, Any]:
        """As JSON holds it."""
        return asdict(self)

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Chosen:
        """From what `plain` gave."""
        found = dict(plain)
        return cls(**{**found, "ids": tuple(found["ids"]), "kinds": tuple(found["kinds"])})

    def within(self, view: LabelView) -> Chosen:
        """Only tasks that a view shows: its filter, and those picked in it if any are.

        Raises Invalid for a view that no longer makes sense.
        """
        filters, _, selection = asked_by(view)
        return replace(
            self,
            view=title_of(view),
            filters=view.filters if filters.items else None,
            # Nothing picked is nothing asked, as in Label Studio.
            selected=None if selection.is_none else view.selected or None,
        )

    @property
    def is_narrow(self) -> bool:
        """Whether it asks as the data manager does."""
        return self.filters is not None or self.selected is not None

    def words(self) -> str:
        """In a line, for people."""
        said = [f"the view “{self.view}”"] if self.view else []
        for name, noun in (
            ("finished", "finished"),
            ("annotated", "annotated"),
            ("skipped", "skipped"),
        ):
            value = getattr(self, name)
            said += [f"{'only' if value == 'only' else 'no'} {noun} tasks"] if value else []
        if self.kinds:
            said.append(f"{', '.join(self.kinds).replace('_', ' ')} annotations")
        if self.with_annotations or self.has_any:
            said.append("only tasks with annotations")
        return "; ".join(said) or "everything"


def chosen_from(sent: Mapping[str, Any]) -> Chosen:
    """The three groups of options that a snapshot is made with, but for the view.

    Raises OptionInvalid.
    """
    tasks = _group(sent, "task_filter_options")
    said = _group(sent, "annotation_filter_options")
    how = _group(sent, "serialization_options")
    kinds: list[str] = []
    if sent.get("annotation_filter_options") is not None:
        wanted = {"usual": True, **said}
        kinds = [one for one in ("usual", "ground_truth", "skipped") if _flag(wanted, one)]
    return Chosen(
        skipped=_choice(tasks, "skipped"),
        finished=_choice(tasks, "finished"),
        annotated=_choice(tasks, "annotated"),
        kinds=tuple(kinds),
        with_annotations=_flag(tasks, "only_with_annotations"),
        drafts=_is_whole(how, "drafts"),
        predictions=_is_whole(how, "predictions"),
        people=_is_whole(how, "annotations__completed_by"),
    )


def view_in(sent: Mapping[str, Any]) -> int | None:
    """The number of the view that a snapshot is narrowed by. Raises OptionInvalid."""
    value = _group(sent, "task_filter_options").get("view")
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not re.fullmatch("[0-9]{1,9}", str(value)):
        raise OptionInvalid(
            f"{str(value)[:40]!r} is no view's number.",
            advice="GET /api/dm/views?project=<id> lists them.",
            field="task_filter_options.view",
        )
    return int(value)


def task_ids(words: Sequence[str]) -> tuple[int, ...]:
    """Numbers of tasks, each once, in rising order. Raises OptionInvalid."""
    strange = [word for word in words if not (word.isdecimal() and len(word) < 19)]
    if strange:
        raise OptionInvalid(
            f"{strange[0][:40]!r} is no task's number.",
            advice="Send whole numbers, as in ids[]=3&ids[]=5.",
            field="ids[]",
        )
    return tuple(sorted(set(map(int, words))))


def _group(sent: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = sent.get(name)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise OptionInvalid(
            f"Invalid data. Expected a dictionary, but got {type(found).__name__}.", field=name
        )
    return found


def _choice(group: Mapping[str, Any], name: str) -> str:
    value = group.get(name)
    if value is None or value == "":
        return ""
    if value not in CHOICES:
        raise OptionInvalid(
            f'"{str(value)[:40]}" is not a valid choice.',
            advice=f"Send {' or '.join(CHOICES)}.",
            field=f"task_filter_options.{name}",
        )
    return str(value)


def _flag(group: Mapping[str, Any], name: str) -> bool:
    value = group.get(name)
    try:
        return False if value is None else flag(value, name)
    except Invalid as error:
        raise OptionInvalid(error.message, field=name) from None


def _is_whole(group: Mapping[str, Any], name: str) -> bool:
    """Asked for at length: there, and not by number only."""
    value = group.get(name)
    if value is None:
        return False
    if not isinstance(value, dict):
        raise OptionInvalid('Send an object such as {"only_id": true}.', field=name)
    return not _flag(value, "only_id")
