"""Workspaces as Chroma knows them: databases of one tenant."""

from __future__ import annotations

from mlpi.auth.table.chroma import DEFAULT_DATABASE

TENANT = "default_tenant"
FILE = "chroma.sqlite3"  # all collections of all databases, below the one folder
DEFAULT_WORKSPACE = "default"
_SHORTEST = 3  # characters of a database's name


def database_of(workspace: str) -> str:
    """The name under which a workspace's database is kept.

    Names of workspaces end in a letter or digit, so the filled up ones meet no other.
    """
    if workspace == DEFAULT_WORKSPACE:
        return DEFAULT_DATABASE
    return workspace.ljust(_SHORTEST, "-")


def shown(workspace: str) -> str:
    """The name of a workspace's database as clients see it."""
    return DEFAULT_DATABASE if workspace == DEFAULT_WORKSPACE else workspace
