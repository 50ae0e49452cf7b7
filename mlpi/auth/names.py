"""What users and workspaces may be called."""

from __future__ import annotations

import re

from mlpi.errors import Invalid

DEFAULT_WORKSPACE = "default"

_USER = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._@-]{0,62}[A-Za-z0-9])?")
_WORKSPACE = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
# Reserved by MLflow, whose workspaces these are (mlflow.store.workspace.abstract_store).
_RESERVED = {"workspaces", "api", "ajax-api", "static-files"}


def user_name(name: str) -> str:
    """The name if it can be a user's. Raises Invalid."""
    name = name.strip()
    if not _USER.fullmatch(name):
        raise Invalid(
            f"{name!r} cannot be a user name.",
            advice="Use 1–64 letters, digits, and . _ @ - inside.",
            field="name",
        )
    return name


def workspace_name(name: str) -> str:
    """The name if it can be a workspace's: MLflow's rule. Raises Invalid."""
    name = name.strip()
    if not 2 <= len(name) <= 63 or not _WORKSPACE.fullmatch(name) or name in _RESERVED:
        raise Invalid(
            f"{name!r} cannot be a workspace name.",
            advice="Use 2–63 of a–z, 0–9 and - (not at the ends).",
            field="name",
        )
    return name
