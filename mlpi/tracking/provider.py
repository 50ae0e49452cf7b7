"""MLflow's workspaces are mlpi's: the provider MLflow asks (entry point mlflow.workspace_provider).

Imported by MLflow, so that MLflow itself is not imported a moment earlier than it must.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from mlflow.entities import Workspace
from mlflow.entities.workspace import WorkspaceDeletionMode
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import (
    INVALID_PARAMETER_VALUE,
    INVALID_STATE,
    RESOURCE_ALREADY_EXISTS,
    RESOURCE_DOES_NOT_EXIST,
)
from mlflow.store.workspace.abstract_store import AbstractStore

from mlpi.auth.audit import Actor
from mlpi.auth.identity import Identity
from mlpi.auth.names import DEFAULT_WORKSPACE
from mlpi.auth.roles import current_principal
from mlpi.auth.workspaces import Workspaces
from mlpi.errors import Conflict, MlpiError


class MlpiWorkspaceStore(AbstractStore):
    """Shows a request the workspaces its principal is a member of; created by admins."""

    _house: ClassVar[tuple[Identity, Workspaces] | None] = None

    def __init__(self, workspace_uri: str) -> None:
        if self._house is None:
            raise MlflowException(
                f"The workspace store {workspace_uri} lives inside a running mlpi; "
                "use MLflow's client with mlpi's address instead.",
                INVALID_STATE,
            )

    @classmethod
    def bind(cls, identity: Identity, workspaces: Workspaces) -> None:
        """Tell the provider which house it belongs to, before MLflow makes one."""
        cls._house = (identity, workspaces)

    def list_workspaces(self) -> Iterable[Workspace]:
        identity, _ = self._bound()
        principal = current_principal.get()
        roles = principal.roles if principal else {}
        return [
            Workspace(name=name, description=description)
            for name, description in sorted(identity.workspaces().items())
            if name in roles
        ]

    def get_workspace(self, workspace_name: str) -> Workspace:
        identity, _ = self._bound()
        principal = current_principal.get()
        description = identity.workspaces().get(workspace_name)
        # Without a principal it is MLflow's own start-up that asks.
        if description is None or (principal and workspace_name not in principal.roles):
            raise MlflowException(
                f"Workspace '{workspace_name}' not found.", RESOURCE_DOES_NOT_EXIST
            )
        return Workspace(name=workspace_name, description=description)

    def get_default_workspace(self) -> Workspace:
        principal = current_principal.get()
        name = (principal.workspace if principal else None) or DEFAULT_WORKSPACE
        return self.get_workspace(name)

    def create_workspace(self, workspace: Workspace) -> Workspace:
        _, workspaces = self._bound()
        _refuse_roots(workspace)
        principal = current_principal.get()
        assert principal is not None
        try:
            created = workspaces.add(
                workspace.name,
                workspace.description or "",
                owner=principal.name,
                actor=Actor(principal.name),
            )
        except Conflict as error:
            raise MlflowException(error.message, RESOURCE_ALREADY_EXISTS) from None
        except MlpiError as error:
            raise MlflowException(error.line(), INVALID_PARAMETER_VALUE) from None
        return Workspace(name=created.name, description=created.description)

    def update_workspace(self, workspace: Workspace) -> Workspace:
        _, workspaces = self._bound()
        _refuse_roots(workspace)
        self.get_workspace(workspace.name)
        principal = current_principal.get()
        assert principal is not None
        try:
            changed = workspaces.describe(
                workspace.name, workspace.description or "", actor=Actor(principal.name)
            )
        except MlpiError as error:
            raise MlflowException(error.line(), INVALID_PARAMETER_VALUE) from None
        return Workspace(name=changed.name, description=changed.description)

    def delete_workspace(
        self,
        workspace_name: str,
        mode: WorkspaceDeletionMode = WorkspaceDeletionMode.RESTRICT,
    ) -> None:
        # A workspace holds more than MLflow's part of it.
        raise NotImplementedError

    def _bound(self) -> tuple[Identity, Workspaces]:
        assert self._house is not None
        return self._house


def _refuse_roots(workspace: Workspace) -> None:
    if workspace.default_artifact_root:
        raise MlflowException(
            "mlpi keeps every workspace's artifacts together; set MLPI_ARTIFACTS_URI instead.",
            INVALID_PARAMETER_VALUE,
        )
