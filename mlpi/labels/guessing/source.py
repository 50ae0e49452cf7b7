"""Which model of MLflow a backend names, and where its files lie."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mlpi.artifacts import root_of
from mlpi.errors import Invalid, NotFound, NotReady
from mlpi.registry import Registry

_VERSION = re.compile(r"models:/(?P<name>[^/@]{1,250})/(?P<version>\d{1,9})")
_ALIAS = re.compile(r"models:/(?P<name>[^/@]{1,250})@(?P<alias>[^/@]{1,250})")
_LOGGED = re.compile(r"models:/(?P<id>m-[0-9a-f]{32})")
_RUN = re.compile(r"runs:/(?P<run>[0-9a-f]{32})/(?P<name>[^/]{1,250})")
FORMS = "models:/name/3, models:/name@alias, models:/m-… or runs:/<run id>/<name>"


class ModelUnusable(Invalid):
    """There is no such model in this workspace."""

    code = "MODEL_UNUSABLE"


@dataclass(frozen=True, slots=True)
class Found:
    """version: what predictions are signed with; path: the model's folder in the artifacts."""

    title: str
    version: str
    path: str


def find(registry: Registry, workspace: str, source: str) -> Found:
    """An alias is looked up now. Raises ModelUnusable, NotReady."""
    if not registry.is_prepared():
        raise NotReady("MLflow is preparing its database, as it does once.")
    if match := _LOGGED.fullmatch(source):
        return _logged(registry, workspace, model_id=match["id"])
    if match := _RUN.fullmatch(source):
        return _logged(registry, workspace, run_id=match["run"], name=match["name"])
    match = _VERSION.fullmatch(source) or _ALIAS.fullmatch(source)
    if match is None:
        raise ModelUnusable(
            f"{source[:80]!r} names no model.", advice=f"Write {FORMS}.", field="source"
        )
    name, parts = match["name"], match.groupdict()
    if not registry.has(workspace, name):
        raise ModelUnusable(
            f"There is no registered model {name!r} in this workspace.",
            advice="Log one to this server with registered_model_name.",
            field="source",
        )
    number: int | None = int(parts["version"]) if "version" in parts else None
    if number is None:
        number = registry.aliased(workspace, name, parts["alias"])
        if number is None:
            raise ModelUnusable(
                f"The registered model {name} has no alias {parts['alias']!r}.",
                advice="Set it on the model's page, or name a version.",
                field="source",
            )
    location = registry.location(workspace, name, number)
    if location is None:
        raise ModelUnusable(f"The registered model {name} has no version {number}.", field="source")
    logged = re.fullmatch(r"models:/(m-[0-9a-f]{32})", location)
    if logged is not None:
        location = _logged(registry, workspace, model_id=logged[1]).path
        return Found(f"{name} version {number}", f"{name}/{number}", location)
    return Found(f"{name} version {number}", f"{name}/{number}", _path(location, workspace))


def _logged(
    registry: Registry, workspace: str, *, model_id: str = "", run_id: str = "", name: str = ""
) -> Found:
    found = registry.logged(workspace, model_id=model_id, run_id=run_id, name=name)
    if found is None:
        what = model_id or f"{name} of the run {run_id}"
        raise ModelUnusable(f"There is no logged model {what} in this workspace.", field="source")
    return Found(f"model {found[0]}", found[0], _path(found[1], workspace))


def _path(location: str, workspace: str) -> str:
    try:
        return root_of(location, workspace)
    except NotFound:
        raise ModelUnusable(
            "The files of this model lie outside this workspace's artifacts and are not loaded.",
            advice="Log the model to this server.",
            field="source",
        ) from None
