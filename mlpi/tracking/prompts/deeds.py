"""What editors and owners do to prompts: the same requests that MLflow's client sends."""

from __future__ import annotations

from mlpi.auth.audit import Actor
from mlpi.errors import Invalid, MlpiError
from mlpi.tracking.deeds import Deeds
from mlpi.tracking.prompts.draft import Draft, checked_name
from mlpi.tracking.prompts.records import IS_PROMPT, is_own

_SOURCE = "dummy-source"  # MLflow demands one, and takes no other for a prompt


class PromptDeeds:
    """Callers have made sure that the name is a prompt's, and not a model's."""

    def __init__(self, deeds: Deeds) -> None:
        self._deeds = deeds

    async def create(self, workspace: str, name: str, draft: Draft, *, actor: Actor) -> str:
        """A prompt with its first version; its name. Raises Invalid, Conflict."""
        name = checked_name(name)
        draft.tags()  # before anything is made
        mark = [{"key": IS_PROMPT, "value": "true"}]
        body = {"name": name, "tags": mark, "description": draft.message}
        await self._deeds.ask(workspace, "registered-models/create", body)
        try:
            await self._version(workspace, name, draft)
        except MlpiError:
            # No prompt without a version is left behind.
            await self._deeds.ask(workspace, "registered-models/delete", {"name": name}, "DELETE")
            raise
        await self._deeds.record(actor, "prompt_created", [name], workspace)
        return name

    async def add_version(self, workspace: str, name: str, draft: Draft, *, actor: Actor) -> int:
        """Its number. Raises Invalid, NotFound."""
        number = await self._version(workspace, name, draft)
        await self._deeds.record(actor, "prompt_version_created", [f"{name}/{number}"], workspace)
        return number

    async def set_alias(
        self, workspace: str, name: str, alias: str, version: int, *, actor: Actor
    ) -> None:
        """Give a version an alias; another version loses it. Raises Invalid, NotFound."""
        alias = alias.strip()
        if not alias:
            raise Invalid("An alias needs a name.", advice="For example production.", field="alias")
        body = {"name": name, "alias": alias, "version": str(version)}
        await self._deeds.ask(workspace, "registered-models/alias", body)
        target = f"{name}@{alias} to {version}"
        await self._deeds.record(actor, "prompt_alias_set", [target], workspace)

    async def remove_alias(self, workspace: str, name: str, alias: str, *, actor: Actor) -> None:
        """Raises NotFound."""
        body = {"name": name, "alias": alias}
        await self._deeds.ask(workspace, "registered-models/alias", body, "DELETE")
        await self._deeds.record(actor, "prompt_alias_removed", [f"{name}@{alias}"], workspace)

    async def tag(
        self, workspace: str, name: str, version: int | None, key: str, value: str, *, actor: Actor
    ) -> None:
        """Set a tag of the prompt, or of one version. Raises Invalid, NotFound."""
        body = _of(name, version) | {"key": _key(key), "value": value}
        await self._deeds.ask(workspace, f"{_kind(version)}/set-tag", body)
        await self._deeds.record(actor, "prompt_tagged", [f"{name}: {key.strip()}"], workspace)

    async def untag(
        self, workspace: str, name: str, version: int | None, key: str, *, actor: Actor
    ) -> None:
        """Remove a tag of the prompt, or of one version. Raises Invalid, NotFound."""
        body = _of(name, version) | {"key": _key(key)}
        await self._deeds.ask(workspace, f"{_kind(version)}/delete-tag", body, "DELETE")
        await self._deeds.record(actor, "prompt_untagged", [f"{name}: {key.strip()}"], workspace)

    async def delete(self, workspace: str, name: str, *, actor: Actor) -> None:
        """A prompt with all its versions, for good. Raises NotFound."""
        await self._deeds.ask(workspace, "registered-models/delete", {"name": name}, "DELETE")
        await self._deeds.record(actor, "prompt_deleted", [name], workspace)

    async def delete_version(
        self, workspace: str, name: str, version: int, *, actor: Actor
    ) -> None:
        """One version, for good. Raises NotFound."""
        await self._deeds.ask(workspace, "model-versions/delete", _of(name, version), "DELETE")
        await self._deeds.record(actor, "prompt_version_deleted", [f"{name}/{version}"], workspace)

    async def _version(self, workspace: str, name: str, draft: Draft) -> int:
        body = {
            "name": name,
            "source": _SOURCE,
            "tags": draft.tags(),
            "description": draft.message.strip(),
        }
        made = await self._deeds.ask(workspace, "model-versions/create", body)
        return int(made["model_version"]["version"])


def _kind(version: int | None) -> str:
    return "registered-models" if version is None else "model-versions"


def _of(name: str, version: int | None) -> dict[str, str]:
    return {"name": name} if version is None else {"name": name, "version": str(version)}


def _key(key: str) -> str:
    key = key.strip()
    if not key:
        raise Invalid("A tag needs a key.", field="key")
    if not is_own(key):
        raise Invalid(f"{key[:80]!r} is a tag that MLflow or mlpi keeps for itself.", field="key")
    return key
