"""What an export holds and leaves out, in Label Studio's words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from mlpi.errors import Invalid, MlpiError
from mlpi.labels.flags import flag, number_in

CHOICES = ("only", "exclude")
NO_TASK = (0,)  # tasks are counted from 1


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
    that have one of those. drafts, predictions, people: at length instead of by number.
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

    def plain(self) -> dict[str, Any]:
        """As JSON holds it."""
        return asdict(self)

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Chosen:
        """From what `plain` gave."""
        found = dict(plain)
        return cls(**{**found, "ids": tuple(found["ids"]), "kinds": tuple(found["kinds"])})

    def words(self) -> str:
        """In a line, for people."""
        said = ["some tasks"] if self.ids else []
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


def view_in(sent: Mapping[str, Any]) -> int | None:
    """The number of the view whose tasks are meant. Raises Invalid, OptionInvalid."""
    return number_in(_group(sent, "task_filter_options"), "view")


def chosen_from(sent: Mapping[str, Any], ids: Sequence[int] | None = None) -> Chosen:
    """The three groups of options that a snapshot is made with. Raises OptionInvalid.

    ids: the tasks of the view that is meant, in rising order.
    """
    tasks = _group(sent, "task_filter_options")
    if ids is None and tasks.get("view") is not None:
        raise OptionInvalid("A view is meant by its tasks here.", field="task_filter_options")
    said = _group(sent, "annotation_filter_options")
    how = _group(sent, "serialization_options")
    kinds: list[str] = []
    if sent.get("annotation_filter_options") is not None:
        wanted = {"usual": True, **said}
        kinds = [one for one in ("usual", "ground_truth", "skipped") if _flag(wanted, one)]
    return Chosen(
        ids=NO_TASK if ids is not None and not ids else tuple(ids or ()),
        skipped=_choice(tasks, "skipped"),
        finished=_choice(tasks, "finished"),
        annotated=_choice(tasks, "annotated"),
        kinds=tuple(kinds),
        with_annotations=_flag(tasks, "only_with_annotations"),
        drafts=_is_whole(how, "drafts"),
        predictions=_is_whole(how, "predictions"),
        people=_is_whole(how, "annotations__completed_by"),
    )


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
