"""Which embedder a collection uses, what may be chosen, and where a chosen one lies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlpi.artifacts import root_of
from mlpi.auth.audit import Actor
from mlpi.errors import Invalid, NotFound, NotReady
from mlpi.house import House
from mlpi.registry import Registered, Registry
from mlpi.vectors.embedders import folders, store
from mlpi.vectors.embedders.choice import (
    DETAILS,
    LEXICAL,
    MODEL,
    NONE,
    ONNX,
    EmbedderChoice,
    EmbedderUnusable,
    checked,
)
from mlpi.vectors.embedders.folders import Folder
from mlpi.vectors.embedders.loading import Recipe
from mlpi.vectors.models import CollectionEmbedder


@dataclass(frozen=True, slots=True)
class Offer:
    """One line of a form. value: what it sends (see choice.read_value); group: its kind."""

    value: str
    label: str
    group: str = ""


@dataclass(frozen=True, slots=True)
class Options:
    """What may be chosen in a workspace.

    models: None while MLflow prepares its database. models_folder: where sentence models go.
    """

    folders: list[Folder]
    models: list[Registered] | None
    models_folder: Path
    details: Mapping[str, str]

    @property
    def offers(self) -> list[Offer]:
        """Everything that is complete, as the lines of one select."""
        found = [Offer(NONE, "none"), Offer(LEXICAL, "lexical")]
        found += [
            Offer(f"{ONNX}:{one.name}", one.name, "ONNX models on this server")
            for one in self.folders
            if not one.lacks
        ]
        for model in self.models or ():
            group = f"Registered model {model.name}"
            found += [
                Offer(f"{MODEL}:{model.name}@{alias}", f"{model.name} @{alias}", group)
                for alias in model.aliases
            ]
            found += [
                Offer(f"{MODEL}:{model.name}:{version}", f"{model.name} version {version}", group)
                for version in model.versions
            ]
        return found

    @property
    def how_to_put(self) -> str:
        """How a sentence model comes onto this server."""
        return folders.how_to_put(self.models_folder / "all-MiniLM-L6-v2")


class Embedders:
    """The choice of each collection. Every change leaves a row in the audit trail.

    Chroma's own configuration of a collection is never read for it: what a client says of its
    embedding function is stored and returned, not run.
    """

    def __init__(self, house: House) -> None:
        self._db = house.db
        self._audit = house.audit
        self._clock = house.clock
        self._home = house.settings.home
        self._artifacts = house.settings.artifacts
        self._registry = Registry(house.settings.mlflow_database)

    def close(self) -> None:
        self._registry.close()

    def of(self, workspace: str, collection_id: str) -> EmbedderChoice:
        """What embeds a collection's texts; `none` unless somebody chose."""
        with self._db.read() as session:
            found = store.find(session, workspace, collection_id)
        return EmbedderChoice() if found is None else EmbedderChoice(found.embedder, found.options)

    def all(self, workspace: str) -> dict[str, EmbedderChoice]:
        """The choices of a workspace by collection; those that have none are left out."""
        with self._db.read() as session:
            found = store.in_workspace(session, workspace)
        return {one.collection_id: EmbedderChoice(one.embedder, one.options) for one in found}

    def choose(
        self,
        workspace: str,
        collection_id: str,
        word: str,
        options: Mapping[str, Any],
        *,
        actor: Actor,
    ) -> EmbedderChoice:
        """Set what embeds a collection's texts. Vectors it holds already are not touched.

        The caller has seen that the collection is this workspace's. Raises Invalid, with a field
        and advice, also for a model that is not there.
        """
        choice = checked(word, options)
        if choice.word != NONE:
            self.recipe(workspace, choice)
        with self._db.write() as session:
            found = session.get(CollectionEmbedder, collection_id)
            if found is None:
                found = CollectionEmbedder(collection_id=collection_id)
                session.add(found)
            elif found.workspace != workspace:
                raise Invalid("This collection belongs to another workspace.", field="collection")
            found.workspace, found.embedder = workspace, choice.word
            found.options, found.updated_at = dict(choice.options), self._clock()
            target = f"{choice.value} for {collection_id}"
            self._audit.record(session, actor, "embedder_chosen", target, workspace)
        return choice

    def forget(self, workspace: str, collection_id: str) -> None:
        """A collection is gone, and its choice with it."""
        with self._db.write() as session:
            store.remove(session, workspace, collection_id)

    def options_of(self, workspace: str) -> Options:
        """What may be chosen."""
        return Options(
            folders=folders.listed(self._home),
            models=self._registry.models(workspace) if self._registry.is_prepared() else None,
            models_folder=folders.models_folder(self._home),
            details=DETAILS,
        )

    def recipe(self, workspace: str, choice: EmbedderChoice) -> Recipe:
        """What another process needs to load it; an alias is looked up now.

        Raises EmbedderUnusable saying what is missing and how to put it there, NotReady.
        """
        match choice.word:
            case "lexical":
                return Recipe(LEXICAL)
            case "onnx":
                found = folders.folder(self._home, choice.options["folder"])
                return Recipe(ONNX, choice.label, place=str(found.path), stamp=found.stamp)
            case "model":
                return self._registered(workspace, choice)
        raise EmbedderUnusable(
            "This collection has no embedder: clients bring its vectors.",
            advice="Choose one for it first.",
            field="embedder",
        )

    def _registered(self, workspace: str, choice: EmbedderChoice) -> Recipe:
        if not self._registry.is_prepared():
            raise NotReady("MLflow is preparing its database, as it does once.")
        name, alias = choice.options["name"], choice.options.get("alias")
        if not self._registry.has(workspace, name):
            raise EmbedderUnusable(
                f"There is no registered model {name!r} in this workspace.",
                advice="Register one that turns texts into vectors: "
                f'mlflow.sklearn.log_model(…, registered_model_name="{name}").',
                field="name",
            )
        version = choice.options.get("version")
        if alias is not None:
            version = self._registry.aliased(workspace, name, alias)
            if version is None:
                raise EmbedderUnusable(
                    f"The registered model {name} has no alias {alias!r}.",
                    advice="Set it on the model's page, or choose a version.",
                    field="alias",
                )
        location = self._registry.location(workspace, name, int(version or 0))
        if location is None:
            raise EmbedderUnusable(
                f"The registered model {name} has no version {version}.", field="version"
            )
        title = f"registered model {name} version {version}"
        try:
            path = root_of(location, workspace)
        except NotFound:
            raise EmbedderUnusable(
                f"The files of the {title} lie outside this workspace's artifacts "
                "and are not loaded.",
                advice="Log the model to this server and register that.",
                field="version",
            ) from None
        return Recipe(MODEL, title, place=self._artifacts, path=path, stamp=str(version))
