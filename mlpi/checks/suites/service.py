"""Expectation suites: what data should be like, in versions that never change."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from mlpi.auth.audit import Actor, Audit
from mlpi.checks.models import Suite, SuiteVersion
from mlpi.checks.names import checked_name
from mlpi.checks.suites import diff, gx_json, store
from mlpi.checks.suites.diff import Diff
from mlpi.checks.suites.rules import Expectation, checked_all
from mlpi.checks.suites.store import SuiteRow, VersionLine, find_suite, find_version
from mlpi.clock import Clock
from mlpi.db import Database, IntegrityError, Session
from mlpi.errors import Conflict, Invalid, NotFound

MAX_DESCRIPTION = 500
MAX_NOTE = 300


class Suites:
    """All suites.

    A suite always has a newest version; an edit writes the next one, from which what is was
    before can be restored. Who saves says on which version the change was made: another save in
    between is a Conflict, never a change lost. Two saves at the same moment meet in the unique
    number of the version.
    """

    def __init__(self, db: Database, audit: Audit, clock: Clock) -> None:
        self._db = db
        self._audit = audit
        self._clock = clock

    def add(
        self,
        workspace: str,
        name: str,
        description: str = "",
        *,
        actor: Actor,
        expectations: Sequence[Expectation] = (),
        meta: dict[str, Any] | None = None,
        origin: str = "edited",
    ) -> Suite:
        """A new suite, at version 1. Raises Invalid, Conflict."""
        name, description = checked_name(name, "a suite"), _described(description)
        found = _checked(list(expectations))
        try:
            with self._db.write() as session:
                suite = Suite(
                    workspace=workspace,
                    name=name,
                    description=description,
                    actor=actor.name,
                    created_at=self._clock(),
                )
                session.add(suite)
                session.flush()
                note = _counted(len(found)) if found else "made, empty"
                self._insert(session, suite, 1, found, meta or {}, note, origin, actor)
                self._audit.record(session, actor, "suite_added", name, workspace)
        except IntegrityError:
            raise _taken(name) from None
        return suite

    def page(self, workspace: str, words: str = "") -> list[SuiteRow]:
        """A workspace's suites by name; words: a part of the name or of the description."""
        with self._db.read() as session:
            return store.page(session, workspace, words.strip())

    def get(self, workspace: str, suite_id: int) -> Suite:
        """Raises NotFound."""
        with self._db.read() as session:
            return find_suite(session, workspace, suite_id)

    def versions(self, workspace: str, suite_id: int) -> list[VersionLine]:
        """A suite's versions, newest first. Raises NotFound."""
        with self._db.read() as session:
            find_suite(session, workspace, suite_id)
            return store.versions(session, suite_id)

    def version(self, workspace: str, suite_id: int, number: int | None = None) -> SuiteVersion:
        """A version by its number, or the newest. Raises NotFound."""
        with self._db.read() as session:
            find_suite(session, workspace, suite_id)
            return find_version(session, suite_id, number)

    def used_by(self, workspace: str, suite_id: int) -> list[str]:
        """Names of the checkpoints that hold data against a suite."""
        with self._db.read() as session:
            find_suite(session, workspace, suite_id)
            return store.uses(session, suite_id)

    def describe(
        self, workspace: str, suite_id: int, name: str, description: str, *, actor: Actor
    ) -> Suite:
        """Rename a suite and describe it anew. Raises NotFound, Invalid, Conflict."""
        name, description = checked_name(name, "a suite"), _described(description)
        try:
            with self._db.write() as session:
                suite = find_suite(session, workspace, suite_id)
                suite.name, suite.description = name, description
                session.flush()
                self._audit.record(session, actor, "suite_described", name, workspace)
        except IntegrityError:
            raise _taken(name) from None
        return suite

    def remove(self, workspace: str, suite_id: int, *, actor: Actor) -> None:
        """With all its versions. Raises NotFound, Conflict while a checkpoint uses it."""
        with self._db.write() as session:
            suite = find_suite(session, workspace, suite_id)
            users = store.uses(session, suite_id)
            if users:
                raise Conflict(
                    f"The suite {suite.name!r} is used by "
                    f"{'the checkpoint' if len(users) == 1 else 'the checkpoints'} "
                    f"{', '.join(users[:5])}{' and others' if len(users) > 5 else ''}.",
                    advice="Remove or change it there first.",
                )
            session.delete(suite)
            self._audit.record(session, actor, "suite_removed", suite.name, workspace)

    def save(
        self,
        workspace: str,
        suite_id: int,
        expectations: Any,
        *,
        actor: Actor,
        base_version: int,
        meta: dict[str, Any] | None = None,
        note: str = "",
        origin: str = "edited",
    ) -> SuiteVersion:
        """The next version, or the newest again when nothing changed.

        base_version: the number that the change was made on. meta: None keeps the newest's.
        Raises NotFound, Invalid, and Conflict when somebody saved meanwhile.
        """
        found = _checked(expectations)
        return self._change(
            workspace,
            suite_id,
            lambda _old: found,
            base_version,
            actor,
            meta=meta,
            note=note,
            origin=origin,
        )

    def put(
        self,
        workspace: str,
        suite_id: int,
        new: Sequence[Expectation],
        *,
        base_version: int,
        actor: Actor,
        origin: str = "edited",
    ) -> SuiteVersion:
        """Add expectations; one whose id is there already takes its place.

        Raises as save does.
        """
        by_id = {one["id"]: one for one in new}

        def change(old: list[Expectation]) -> list[Expectation]:
            known = {one["id"] for one in old}
            kept = [by_id.get(one["id"], one) for one in old]
            return _checked([*kept, *(one for one in new if one["id"] not in known)])

        return self._change(workspace, suite_id, change, base_version, actor, origin=origin)

    def drop(
        self,
        workspace: str,
        suite_id: int,
        expectation_id: str,
        *,
        base_version: int,
        actor: Actor,
    ) -> SuiteVersion:
        """Remove an expectation. Raises as save does, NotFound when it is not in the suite."""

        def change(old: list[Expectation]) -> list[Expectation]:
            find_expectation(old, expectation_id)
            return [one for one in old if one["id"] != expectation_id]

        return self._change(workspace, suite_id, change, base_version, actor)

    def restore(self, workspace: str, suite_id: int, number: int, *, actor: Actor) -> SuiteVersion:
        """What an earlier version expected, as the next version. Raises NotFound, Conflict."""
        with self._db.read() as session:
            find_suite(session, workspace, suite_id)
            earlier = find_version(session, suite_id, number)
            newest = find_version(session, suite_id, None)
        return self._change(
            workspace,
            suite_id,
            lambda _old: earlier.expectations,
            newest.number,
            actor,
            meta=earlier.meta,
            note=f"version {number} restored",
            origin="restored",
        )

    def diff(self, workspace: str, suite_id: int, a: int, b: int) -> Diff:
        """What leads from version a to version b. Raises NotFound."""
        with self._db.read() as session:
            find_suite(session, workspace, suite_id)
            before, after = (find_version(session, suite_id, number) for number in (a, b))
        return diff.diff(before.expectations, after.expectations)

    def import_json(
        self, workspace: str, text: str, *, actor: Actor, name: str = "", description: str = ""
    ) -> Suite:
        """A new suite from Great Expectations' JSON; name overrides the one in it.

        Raises Invalid, Conflict.
        """
        draft = gx_json.read(text)
        if not (name.strip() or draft.name):
            raise Invalid("The file names no suite; give a name.", field="name")
        return self.add(
            workspace,
            name.strip() or draft.name,
            description,
            actor=actor,
            expectations=draft.expectations,
            meta=draft.meta,
            origin="imported",
        )

    def export_json(
        self, workspace: str, suite_id: int, number: int | None = None
    ) -> dict[str, Any]:
        """A version (the newest without a number) as ExpectationSuite(**json) takes it."""
        with self._db.read() as session:
            suite = find_suite(session, workspace, suite_id)
            version = find_version(session, suite_id, number)
        return gx_json.written(suite.name, version.expectations, version.meta)

    def _change(
        self,
        workspace: str,
        suite_id: int,
        change: Callable[[list[Expectation]], list[Expectation]],
        base_version: int,
        actor: Actor,
        *,
        meta: dict[str, Any] | None = None,
        note: str = "",
        origin: str = "edited",
    ) -> SuiteVersion:
        number = base_version
        try:
            with self._db.write() as session:
                suite = find_suite(session, workspace, suite_id)
                newest = find_version(session, suite_id, None)
                number = newest.number
                if number != base_version:
                    raise _saved_meanwhile(number, newest.actor)
                after = change(newest.expectations)
                meta = newest.meta if meta is None else meta
                found = diff.diff(newest.expectations, after)
                if found.is_empty and meta == newest.meta:
                    return newest
                note = note or diff.in_words(found)
                made = self._insert(session, suite, number + 1, after, meta, note, origin, actor)
                target = f"{suite.name}, version {made.number}"
                self._audit.record(session, actor, "suite_saved", target, workspace)
                return made
        except IntegrityError:  # two transactions of PostgreSQL read the same newest version
            raise _saved_meanwhile(number + 1, "somebody else") from None

    def _insert(
        self,
        session: Session,
        suite: Suite,
        number: int,
        expectations: list[Expectation],
        meta: dict[str, Any],
        note: str,
        origin: str,
        actor: Actor,
    ) -> SuiteVersion:
        version = SuiteVersion(
            suite_id=suite.id,
            number=number,
            expectations=expectations,
            meta=meta,
            origin=origin,
            note=note if len(note) <= MAX_NOTE else f"{note[: MAX_NOTE - 1]}…",
            actor=actor.name,
            created_at=self._clock(),
        )
        session.add(version)
        session.flush()
        return version


def find_expectation(expectations: Sequence[Expectation], expectation_id: str) -> Expectation:
    """Raises NotFound."""
    found = next((one for one in expectations if one["id"] == expectation_id), None)
    if found is None:
        raise NotFound("There is no such expectation in this version of the suite.")
    return found


def _checked(expectations: Any) -> list[Expectation]:
    gx_json.require_plain(expectations)
    return checked_all(expectations)


def _described(text: str) -> str:
    if len(text) > MAX_DESCRIPTION:
        raise Invalid(f"A description has at most {MAX_DESCRIPTION} letters.", field="description")
    gx_json.require_plain(text)
    return text.strip()


def _counted(count: int) -> str:
    return f"{count} expectation{'s' if count != 1 else ''}"


def _taken(name: str) -> Conflict:
    return Conflict(f"There is already a suite {name!r}.", field="name")


def _saved_meanwhile(number: int, actor: str) -> Conflict:
    return Conflict(
        f"Version {number} was saved meanwhile, by {actor}.",
        advice="Look at it, then make your change again.",
        field="base_version",
    )
