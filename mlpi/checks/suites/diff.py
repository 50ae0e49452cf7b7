"""What changed between two versions of a suite."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from mlpi.checks.suites.rules import Expectation
from mlpi.checks.suites.sentences import sentence, subject

# Told apart from the arguments, which are compared one by one.
_BESIDE = ("severity", "notes", "description", "meta")


@dataclass(frozen=True, slots=True)
class Field:
    """One argument or property that changed; None stands for its default."""

    name: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Change:
    """An expectation that is in both versions and differs."""

    before: Expectation
    after: Expectation
    fields: list[Field]


@dataclass(frozen=True, slots=True)
class Diff:
    """Expectations by what became of them, in the order of their version."""

    added: list[Expectation]
    removed: list[Expectation]
    changed: list[Change]
    is_reordered: bool = False

    @property
    def is_empty(self) -> bool:
        return not (self.added or self.removed or self.changed or self.is_reordered)


def diff(before: Sequence[Expectation], after: Sequence[Expectation]) -> Diff:
    """What leads from one to the other.

    Expectations are the same by id; those that lost theirs (a file written elsewhere) by what
    they say, then by type and subject.
    """
    pairs: dict[int, int] = {}  # index in after by index in before
    for key in (_by_id, _by_content, _by_subject):
        _match(before, after, pairs, key)
    changed = [
        Change(before[old], after[new], fields)
        for old, new in sorted(pairs.items(), key=lambda pair: pair[1])
        if (fields := _fields(before[old], after[new]))
    ]
    kept = [new for _old, new in sorted(pairs.items())]
    return Diff(
        added=[one for index, one in enumerate(after) if index not in pairs.values()],
        removed=[one for index, one in enumerate(before) if index not in pairs],
        changed=changed,
        is_reordered=kept != sorted(kept),
    )


def in_words(found: Diff) -> str:
    """For a version's note: the one change by its sentence, more of them counted."""
    added, removed, changed = len(found.added), len(found.removed), len(found.changed)
    if added + removed + changed == 1:
        if added:
            return f"{sentence(found.added[0])} added"
        if removed:
            return f"{sentence(found.removed[0])} removed"
        return _change_in_words(found.changed[0])
    counts = ((added, "added"), (removed, "removed"), (changed, "changed"))
    said = ", ".join(f"{count} {what}" for count, what in counts if count)
    return said or ("order changed" if found.is_reordered else "nothing changed")


def _change_in_words(change: Change) -> str:
    before, after = sentence(change.before), sentence(change.after)
    if before != after:
        return f"{before} is now {after.removeprefix(subject(change.before) + ': ')}"
    names = ", ".join(field.name for field in change.fields)
    if change.fields[0].name == "severity" and len(change.fields) == 1:
        return f"{after} is now of severity {change.after['severity']}"
    return f"{after}: {names} changed"


def _match(
    before: Sequence[Expectation],
    after: Sequence[Expectation],
    pairs: dict[int, int],
    key: Callable[[Expectation], Hashable],
) -> None:
    taken = set(pairs.values())
    free: dict[Hashable, list[int]] = {}
    for index, one in enumerate(after):
        if index not in taken:
            free.setdefault(key(one), []).append(index)
    for index, one in enumerate(before):
        if index not in pairs and free.get(key(one)):
            pairs[index] = free[key(one)].pop(0)


def _by_id(one: Expectation) -> Hashable:
    return str(one.get("id"))


def _by_content(one: Expectation) -> Hashable:
    return one["type"], repr(sorted(one["kwargs"].items()))


def _by_subject(one: Expectation) -> Hashable:
    return one["type"], subject(one)


def _fields(before: Expectation, after: Expectation) -> list[Field]:
    old, new = before["kwargs"], after["kwargs"]
    found = (
        [] if before["type"] == after["type"] else [Field("type", before["type"], after["type"])]
    )
    found += [
        Field(name, old.get(name), new.get(name))
        for name in dict.fromkeys((*old, *new))
        if not _is_same(old.get(name), new.get(name))
    ]
    return found + [
        Field(name, before.get(name), after.get(name))
        for name in _BESIDE
        if (before.get(name) or None) != (after.get(name) or None)
    ]


def _is_same(old: Any, new: Any) -> bool:
    """Equal, where 1 and true are not."""
    return bool(old == new) and isinstance(old, bool) == isinstance(new, bool)
