"""Writing to MLflow's model registry from our pages, through its own REST handlers."""

from __future__ import annotations

from mlpi.auth.audit import Actor
from mlpi.errors import Conflict, Invalid
from mlpi.tracking.deeds import Deeds
from mlpi.tracking.registry.records import STAGES, Candidate, Version

MODELS, VERSIONS = "registered-models", "model-versions"
MAX_DESCRIPTION = 5000  # MLflow's column
MAX_NAME = 256


class RegistryDeeds:
    """What editors and owners do to registered models. Callers have made sure it is no prompt."""

    def __init__(self, deeds: Deeds) -> None:
        self._deeds = deeds

    async def create(self, workspace: str, name: str, *, actor: Actor) -> str:
        """Its name. Raises Invalid, Conflict."""
        name = checked_name(name)
        await self._named(workspace, "create", {"name": name}, name)
        await self._deeds.record(actor, "model_created", [name], workspace)
        return name

    async def rename(self, workspace: str, name: str, new: str, *, actor: Actor) -> str:
        """Its new name. Raises Invalid, Conflict, NotFound."""
        new = checked_name(new)
        if new != name:
            await self._named(workspace, "rename", {"name": name, "new_name": new}, new)
            await self._deeds.record(actor, "model_renamed", [f"{name} to {new}"], workspace)
        return new

    async def describe(self, workspace: str, name: str, text: str, *, actor: Actor) -> None:
        """Raises Invalid, NotFound."""
        body = {"name": name, "description": _description(text)}
        await self._deeds.ask(workspace, f"{MODELS}/update", body, "PATCH")
        await self._deeds.record(actor, "model_described", [name], workspace)

    async def tag(self, workspace: str, name: str, key: str, value: str, *, actor: Actor) -> None:
        """Set a tag. Raises Invalid, NotFound."""
        body = {"name": name, "key": _key(key), "value": value}
        await self._deeds.ask(workspace, f"{MODELS}/set-tag", body)
        await self._deeds.record(actor, "model_tagged", [f"{name}: {body['key']}"], workspace)

    async def untag(self, workspace: str, name: str, key: str, *, actor: Actor) -> None:
        """Remove a tag. Raises NotFound."""
        body = {"name": name, "key": _key(key)}
        await self._deeds.ask(workspace, f"{MODELS}/delete-tag", body, "DELETE")
        await self._deeds.record(actor, "model_untagged", [f"{name}: {key}"], workspace)

    async def delete(self, workspace: str, name: str, *, actor: Actor) -> None:
        """The model with all its versions, for good; their files stay. Raises NotFound."""
        await self._deeds.ask(workspace, f"{MODELS}/delete", {"name": name}, "DELETE")
        await self._deeds.record(actor, "model_deleted", [name], workspace)

    async def set_alias(
        self, workspace: str, version: Version, alias: str, *, actor: Actor
    ) -> None:
        """Set an alias, or move it here from another version. Raises Invalid, NotFound."""
        alias = alias.strip()
        if not alias:
            raise Invalid("An alias needs a name.", field="alias")
        body = {"name": version.name, "alias": alias, "version": str(version.version)}
        try:
            await self._deeds.ask(workspace, f"{MODELS}/alias", body)
        except Invalid as error:
            raise Invalid(error.message, advice=error.advice, field="alias") from None
        target = f"{version.name}: {alias} is version {version.version}"
        await self._deeds.record(actor, "model_alias_set", [target], workspace)

    async def remove_alias(self, workspace: str, name: str, alias: str, *, actor: Actor) -> None:
        """Raises NotFound, Invalid."""
        body = {"name": name, "alias": alias}
        await self._deeds.ask(workspace, f"{MODELS}/alias", body, "DELETE")
        await self._deeds.record(actor, "model_alias_removed", [f"{name}: {alias}"], workspace)

    async def describe_version(
        self, workspace: str, version: Version, text: str, *, actor: Actor
    ) -> None:
        """Raises Invalid, NotFound."""
        body = {**_of(version), "description": _description(text)}
        await self._deeds.ask(workspace, f"{VERSIONS}/update", body, "PATCH")
        await self._deeds.record(actor, "model_version_described", [_target(version)], workspace)

    async def tag_version(
        self, workspace: str, version: Version, key: str, value: str, *, actor: Actor
    ) -> None:
        """Set a tag. Raises Invalid, NotFound."""
        body = {**_of(version), "key": _key(key), "value": value}
        await self._deeds.ask(workspace, f"{VERSIONS}/set-tag", body)
        target = f"{_target(version)}: {body['key']}"
        await self._deeds.record(actor, "model_version_tagged", [target], workspace)

    async def untag_version(
        self, workspace: str, version: Version, key: str, *, actor: Actor
    ) -> None:
        """Remove a tag. Raises NotFound."""
        body = {**_of(version), "key": _key(key)}
        await self._deeds.ask(workspace, f"{VERSIONS}/delete-tag", body, "DELETE")
        target = f"{_target(version)}: {key}"
        await self._deeds.record(actor, "model_version_untagged", [target], workspace)

    async def move(
        self, workspace: str, version: Version, stage: str, *, archives: bool, actor: Actor
    ) -> None:
        """Into another stage; archives: what is there now leaves it. Raises Invalid, NotFound."""
        if stage not in STAGES:
            raise Invalid(
                f"{stage!r} is not a stage.", advice=f"Use {', '.join(STAGES)}.", field="stage"
            )
        has_room = stage in ("Staging", "Production")
        body = {**_of(version), "stage": stage, "archive_existing_versions": archives and has_room}
        await self._deeds.ask(workspace, f"{VERSIONS}/transition-stage", body)
        target = f"{_target(version)}: {stage}"
        await self._deeds.record(actor, "model_version_moved", [target], workspace)

    async def delete_version(self, workspace: str, version: Version, *, actor: Actor) -> None:
        """For good; its files stay. Raises NotFound."""
        await self._deeds.ask(workspace, f"{VERSIONS}/delete", _of(version), "DELETE")
        await self._deeds.record(actor, "model_version_deleted", [_target(version)], workspace)

    async def register(
        self,
        workspace: str,
        name: str,
        candidate: Candidate,
        run_id: str,
        *,
        is_new: bool,
        actor: Actor,
    ) -> int:
        """A new version from a model of a run, as mlflow.register_model makes it; its number.

        Raises Invalid, Conflict, NotFound.
        """
        if is_new:
            await self.create(workspace, name, actor=actor)
        body = {"name": name, "source": candidate.source, "run_id": run_id}
        if candidate.model_id:
            body["model_id"] = candidate.model_id
        made = await self._deeds.ask(workspace, f"{VERSIONS}/create", body)
        number = int(made["model_version"]["version"])
        target = f"{name} version {number}"
        await self._deeds.record(actor, "model_version_registered", [target], workspace)
        return number

    async def _named(self, workspace: str, what: str, body: dict[str, str], name: str) -> None:
        """MLflow's message for a name that is taken holds its SQL; ours does not."""
        try:
            await self._deeds.ask(workspace, f"{MODELS}/{what}", body)
        except Conflict:
            raise Conflict(
                f"There is a model or a prompt called {name!r} already.",
                advice="Choose another name.",
                field="name",
            ) from None
        except Invalid as error:
            raise Invalid(error.message, advice=error.advice, field="name") from None


def checked_name(name: str) -> str:
    """Raises Invalid when a model cannot be called so."""
    name = name.strip()
    if not name or len(name) > MAX_NAME:
        raise Invalid(f"A model needs a name of 1 to {MAX_NAME} characters.", field="name")
    if "/" in name or ":" in name or not name.isprintable():
        raise Invalid(
            f"{name!r} cannot be the name of a model.",
            advice="A name holds neither / nor : nor control characters.",
            field="name",
        )
    return name


def _key(key: str) -> str:
    key = key.strip()
    if not key:
        raise Invalid("A tag needs a key.", field="key")
    if key.startswith("mlflow.prompt."):
        raise Invalid("Tags that begin with mlflow.prompt. mark prompts.", field="key")
    return key


def _description(text: str) -> str:
    text = text.replace("\r\n", "\n").strip()
    if len(text) > MAX_DESCRIPTION:
        raise Invalid(
            f"The description has {len(text):,} characters; MLflow keeps {MAX_DESCRIPTION:,}.",
            field="description",
        )
    return text


def _of(version: Version) -> dict[str, str]:
    return {"name": version.name, "version": str(version.version)}


def _target(version: Version) -> str:
    return f"{version.name} version {version.version}"
