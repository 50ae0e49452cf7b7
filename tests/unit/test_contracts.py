"""What mlpi reaches into, beyond public APIs. A new release that moves it fails here, by name."""

from __future__ import annotations

import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from mlpi.auth import names
from mlpi.auth.middleware import WORKSPACE_HEADER
from mlpi.settings import Settings
from mlpi.tracking import models
from mlpi.tracking.environment import server_variables
from tests.facts import mlflow_facts

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"
PINNED = ("mlflow", "chromadb", "tensorboard", "great_expectations")


@pytest.mark.parametrize("package", PINNED)
def test_what_we_reach_into_is_pinned_to_a_minor_series(package: str) -> None:
    project = tomllib.loads(PYPROJECT.read_text())["project"]
    (found,) = (
        requirement
        for requirement in map(Requirement, project["dependencies"])
        if requirement.name.replace("-", "_") == package
    )
    installed = version(package)
    major, minor = (int(part) for part in installed.split(".")[:2])
    assert found.specifier.contains(installed)
    assert not found.specifier.contains(f"{major}.{minor + 1}.0"), "pin it to a minor series"


def test_the_columns_our_pages_read_are_mlflows() -> None:
    theirs = mlflow_facts()["columns"]
    for table in models.ALL:
        missing = {column.name for column in table.columns} - set(theirs.get(table.name, ()))
        assert not missing, f"MLflow's table {table.name} has no {missing} any more"


def test_the_variables_we_set_are_the_ones_mlflow_reads(tmp_path: Path) -> None:
    private = {name for name in server_variables(Settings(home=tmp_path)) if name.startswith("_")}
    missing = private - set(mlflow_facts()["variables"])
    assert not missing, f"MLflow no longer reads {missing}"


def test_the_functions_we_call_take_what_we_give() -> None:
    signatures = mlflow_facts()["signatures"]
    assert signatures["mlflow.server.handlers.initialize_backend_stores"][:4] == [
        "backend_store_uri",
        "registry_store_uri",
        "default_artifact_root",
        "workspace_store_uri",
    ]
    assert signatures["mlflow.server.handlers._get_artifact_repo_mlflow_artifacts"] == []
    for name in ("_get_schema_version", "_upgrade_db"):
        assert signatures[f"mlflow.store.db.utils.{name}"] == ["engine"]


def test_mlflow_syncs_every_commit_to_disk_as_we_do() -> None:
    assert mlflow_facts()["synchronous"] == 2, "its connections lower PRAGMA synchronous"


def test_the_workspace_provider_is_complete() -> None:
    assert mlflow_facts()["abstract"] == ["get_workspace", "list_workspaces"]
    assert mlflow_facts()["workspace_header"].lower().encode() == WORKSPACE_HEADER


def test_workspace_names_are_ruled_as_mlflow_rules_them() -> None:
    facts = mlflow_facts()
    assert facts["workspace_pattern"] == f"^{names._WORKSPACE.pattern}$"
    assert set(facts["workspace_reserved"]) == names._RESERVED


def test_the_server_is_imported_without_heavy_packages() -> None:
    facts = mlflow_facts()
    assert facts["heavy_after_lean_import"] == []
    assert facts["finder_is_gone"]
