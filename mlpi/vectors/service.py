"""What the pages of vectors decide; knows no HTTP. Its calls block."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlpi.auth.audit import Actor, Audit
from mlpi.component import Hit
from mlpi.db import Database
from mlpi.errors import Conflict, Invalid, NotFound
from mlpi.vectors.embedders.choice import NONE, EmbedderChoice, read_value
from mlpi.vectors.embedders.service import Embedders
from mlpi.vectors.host import Engine
from mlpi.vectors.records import SPACES, Collection
from mlpi.vectors.selections import Selections
from mlpi.vectors.shelf import Shelf, threaded
from mlpi.vectors.store import CollectionStore

_NAME = re.compile(r"[a-zA-Z0-9]([a-zA-Z0-9._-]{1,510})[a-zA-Z0-9]")
NAME_RULE = "3 to 512 letters, digits, '.', '_' or '-'; it begins and ends with a letter or digit."


@dataclass(frozen=True, slots=True)
class Totals:
    collections: int
    records: int
    newest: list[Collection]


class VectorsService:
    """Collections of a workspace: reading them from disk, changing them through the engine."""

    def __init__(
        self,
        store: CollectionStore,
        engine: Engine,
        embedders: Embedders,
        db: Database,
        audit: Audit,
    ) -> None:
        self.store = store
        self.embedders = embedders
        self.selections = Selections()
        self._engine = engine
        self._db = db
        self._audit = audit

    def shelf(self, workspace: str) -> Shelf:
        """The records of a workspace; for the threads of sync routes."""
        return Shelf(threaded(self._engine.ask), workspace)

    def create(
        self,
        workspace: str,
        name: str,
        space: str,
        *,
        actor: Actor,
        embedder: str = NONE,
        settings: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> str:
        """Make a collection; its id. embedder: as a form says it, see embedders.choice.

        settings: of its index. Raises Invalid, Conflict.
        """
        name = _checked_name(name)
        if space not in SPACES:
            raise Invalid(
                f"{space!r} is no metric.", advice=f"Use {', '.join(SPACES)}.", field="space"
            )
        choice = self._usable(workspace, embedder)  # one that is not makes no collection
        try:
            made = self.shelf(workspace).create(
                name, space=space, settings=settings, metadata=metadata
            )
        except Conflict:
            raise _taken(name) from None
        self.note(actor, "collection_added", name, workspace)
        if choice.word != NONE:
            self.embedders.choose(workspace, made, choice.word, choice.options, actor=actor)
        return made

    def choose_embedder(
        self, workspace: str, collection_id: str, value: str, *, actor: Actor
    ) -> None:
        """Set what turns a collection's texts into vectors. Raises Invalid, NotFound."""
        self.store.one(workspace, collection_id)
        choice = self._usable(workspace, value)
        self.embedders.choose(workspace, collection_id, choice.word, choice.options, actor=actor)

    def rename(self, workspace: str, collection_id: str, name: str, *, actor: Actor) -> None:
        """Raises Invalid, Conflict, NotFound."""
        found = self.store.one(workspace, collection_id)
        name = _checked_name(name)
        if name == found.name:
            return
        if any(one.name == name for one in self.store.page(workspace)):
            raise _taken(name)
        self.shelf(workspace).rename(collection_id, name)
        self.note(actor, "collection_renamed", f"{found.name} → {name}", workspace)

    def describe(
        self, workspace: str, collection_id: str, key: str, value: str, *, actor: Actor
    ) -> None:
        """Set one key of a collection's metadata; an empty value removes it. Raises Invalid."""
        found = self.store.one(workspace, collection_id)
        key = key.strip()
        if not key:
            raise Invalid("The key is empty.", field="key")
        if key.startswith("chroma:"):
            raise Invalid("Keys that begin with 'chroma:' are Chroma's own.", field="key")
        metadata = dict(found.metadata)
        if value == "":
            metadata.pop(key, None)
        else:
            metadata[key] = typed(value)
        if not metadata:
            raise Invalid(
                "A collection's metadata cannot become empty again.",
                advice="Set another key first.",
                field="key",
            )
        self.shelf(workspace).describe(collection_id, metadata)
        self.note(actor, "collection_described", f"{found.name}: {key}", workspace)

    def remove(self, workspace: str, collection_id: str, *, actor: Actor) -> None:
        """Delete a collection with its records. Raises NotFound."""
        found = self.store.one(workspace, collection_id)
        self.shelf(workspace).remove(found.name)
        self.embedders.forget(workspace, collection_id)
        self.note(actor, "collection_removed", f"{found.name} ({found.count} records)", workspace)

    def totals(self, workspace: str) -> Totals:
        """For the dashboard; the engine sleeps on."""
        found = self.store.page(workspace)
        newest = sorted(
            (one for one in found if one.last_write_at),
            key=lambda one: one.last_write_at or 0,
            reverse=True,
        )
        return Totals(len(found), sum(one.count for one in found), newest[:4])

    def search(self, workspace: str, words: str) -> list[Hit]:
        """Collections whose name holds the words."""
        return [
            Hit(one.name, f"/vectors/{one.id}", "collection", f"{one.count:,} records")
            for one in self.store.page(workspace, words)[:5]
        ]

    def by_name(self, workspace: str, name: str) -> Collection:
        """Raises NotFound."""
        found = next((one for one in self.store.page(workspace) if one.name == name), None)
        if found is None:
            raise NotFound(f"There is no collection {name!r} in this workspace.")
        return found

    def _usable(self, workspace: str, value: str) -> EmbedderChoice:
        """A choice that works now. Raises Invalid about the form's one field."""
        try:
            choice = read_value(value)
            if choice.word != NONE:
                self.embedders.recipe(workspace, choice)
        except Invalid as error:
            error.field = "embedder"
            raise
        return choice

    def note(self, actor: Actor, action: str, target: str, workspace: str) -> None:
        """Leave a row in the audit trail."""
        with self._db.write() as session:
            self._audit.record(session, actor, action, target, workspace)


def typed(text: str) -> str | int | float | bool:
    """A metadata value as somebody typed it: true and false, numbers, everything else a text."""
    word = text.strip()
    if word in ("true", "false"):
        return word == "true"
    if re.fullmatch(r"-?(0|[1-9]\d{0,17})", word):
        return int(word)
    if re.fullmatch(r"-?\d+\.\d+([eE][-+]?\d+)?|-?\d+[eE][-+]?\d+", word):
        return float(word)
    return text


def _checked_name(name: str) -> str:
    name = name.strip()
    if not _NAME.fullmatch(name):
        raise Invalid(
            f"{name[:60]!r} is no name of a collection.",
            advice=f"A name has {NAME_RULE}",
            field="name",
        )
    return name


def _taken(name: str) -> Conflict:
    return Conflict(f"There is a collection {name!r} already.", field="name")
