"""What the fast lane mirrors in MLflow. A release that changes any of it fails here, by name.

Then read what changed, mirror it in mlpi/tracking/fastlane/, let the differential test agree
(FASTLANE_EXAMPLES=2000), and put the new fingerprint here.
"""

from __future__ import annotations

import ast
import hashlib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from mlpi.tracking.fastlane import requests, statements
from tests.facts import mlflow_facts

HANDLERS, STORE = "server/handlers.py", "store/tracking/sqlalchemy_store.py"
WORKSPACES, RULES = "store/tracking/sqlalchemy_workspace_store.py", "utils/validation.py"
PROTO_JSON, MODELS = "utils/proto_json_utils.py", "store/tracking/dbmodels/models.py"

# The first 12 digits of the SHA-256 of each one's source in MLflow 3.17.
MIRRORED = {
    HANDLERS: {
        "_log_metric": "6ff7995f6077",
        "_log_batch": "c595516da40b",
        "_log_param": "31629dabe490",
        "_set_tag": "0a00a80cb0c3",
        "_update_run": "9320a808f619",
        "_get_request_json": "e1c26f6e5f37",
        "_get_normalized_request_json": "d1fe31633974",
        "_get_request_message": "d835807c6094",
        "_validate_param_against_schema": "6b6f5bd8a0e5",
        "_validate_request_json_with_schema": "979872012ae2",
        "_reject_conflicting_field_aliases": "b2f0eb69e74c",
        "_assert_required": "a6e60b0c102d",
        "catch_mlflow_exception": "9267fb25c4cb",
        "_disable_if_artifacts_only": "7634dac1f144",
    },
    STORE: {
        "SqlAlchemyStore.log_metric": "9d2867d34b15",
        "SqlAlchemyStore.log_batch": "65422b1351f1",
        "SqlAlchemyStore.log_param": "75282d435495",
        "SqlAlchemyStore.set_tag": "91340606e651",
        "SqlAlchemyStore.update_run_info": "41b03d6bd578",
        "SqlAlchemyStore.sanitize_metric_value": "c079c605fd6c",
        "SqlAlchemyStore._log_metrics": "38799ca665db",
        "SqlAlchemyStore._log_metrics_once": "1af34b58dbd4",
        "SqlAlchemyStore._log_model_metrics": "d7ea9fca5ad4",
        "SqlAlchemyStore._update_latest_metrics_if_necessary": "06995b3b6cab",
        "SqlAlchemyStore._log_params": "1ab2a3911670",
        "SqlAlchemyStore._set_tags": "5bee0d03d8c4",
        "SqlAlchemyStore._get_run": "e4a2145fa7b6",
        "SqlAlchemyStore._check_run_is_active": "3067f27226b4",
        "SqlAlchemyStore._try_get_run_tag": "b2aa2b2a62ad",
    },
    WORKSPACES: {
        "WorkspaceAwareSqlAlchemyStore._get_query": "cc221fb3e926",
    },
    RULES: {
        "validate_param_and_metric_name": "b872a38d9cf0",
        "path_not_unique": "c901c9f0d1d6",
        "_validate_metric_name": "e25e4232b410",
        "_is_numeric": "8b56d627333a",
        "_validate_metric": "b61a005e8863",
        "_validate_param": "31ee837fd7fa",
        "_validate_tag": "3f636d9c111e",
        "_validate_param_name": "75a26c99a956",
        "_validate_tag_name": "0ba6b154fc60",
        "_validate_param_keys_unique": "2f7c364b4030",
        "_validate_length_limit": "2bdbb8e0e862",
        "_validate_run_id": "b6fa238738ca",
        "_validate_batch_log_limits": "8d5bd0dac8e0",
        "_validate_batch_log_data": "11901bf9eb17",
        "_validate_batch_log_api_req": "2044f3b8182e",
    },
    PROTO_JSON: {
        "parse_dict": "dc0d78c5febd",
    },
    MODELS: {
        "SqlRun": "13e69e09ca12",
        "SqlMetric": "5df062f34009",
        "SqlLatestMetric": "c91dd89af9df",
        "SqlParam": "e38830eb127e",
        "SqlTag": "6c226b02a6dd",
        "SqlLoggedModelMetric": "3a42e45518b2",
    },
}


def folder() -> Path:
    """MLflow's package, without importing it."""
    spec = find_spec("mlflow")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def fingerprint(file: str, name: str) -> str | None:
    """Of a function, method or class by its dotted name; None when it is gone."""
    source = (folder() / file).read_text()
    nodes: list[ast.stmt] = ast.parse(source).body
    found: ast.AST | None = None
    for part in name.split("."):
        found = next((n for n in nodes if getattr(n, "name", None) == part), None)
        nodes = getattr(found, "body", [])
    if found is None:
        return None
    text = ast.get_source_segment(source, found) or ""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


@pytest.mark.parametrize(
    ("file", "name", "known"),
    [(file, name, known) for file, names in MIRRORED.items() for name, known in names.items()],
)
def test_what_the_lane_mirrors_is_as_it_was_read(file: str, name: str, known: str) -> None:
    assert fingerprint(file, name) == known, f"mlflow/{file}: {name} has changed"


def test_a_name_that_is_gone_is_noticed() -> None:
    assert fingerprint(RULES, "_validate_metric") is not None
    assert fingerprint(RULES, "_validate_what_never_was") is None


def test_the_limits_are_mlflows() -> None:
    theirs = constants(RULES)
    assert {
        "MAX_ENTITY_KEY_LENGTH": requests.MAX_KEY,
        "MAX_PARAM_VAL_LENGTH": requests.MAX_PARAM_VALUE,
        "MAX_TAG_VAL_LENGTH": requests.MAX_TAG_VALUE,
        "MAX_METRICS_PER_BATCH": requests.MAX_METRICS,
        "MAX_PARAMS_TAGS_PER_BATCH": requests.MAX_PARAMS_OR_TAGS,
        "MAX_ENTITIES_PER_BATCH": requests.MAX_ENTITIES,
    }.items() <= theirs.items()
    assert constants("utils/mlflow_tags.py")["MLFLOW_RUN_NAME"] == requests.RUN_NAME_TAG


def constants(file: str) -> dict[str, Any]:
    """Names at a module's top that are given a plain number or text."""
    return {
        node.targets[0].id: node.value.value
        for node in ast.parse((folder() / file).read_text()).body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Constant)
    }


def test_the_tables_are_as_the_statements_know_them() -> None:
    theirs = mlflow_facts()["columns"]
    for table, names in statements.COLUMNS.items():
        missing = set(names) - set(theirs.get(table, ()))
        assert not missing, f"MLflow's table {table} has no {missing} any more"
    for table in ("metrics", "latest_metrics", "params", "tags", "logged_model_metrics"):
        new = set(theirs[table]) - set(statements.COLUMNS[table])
        assert not new, f"MLflow's table {table} has {new}, which the fast lane leaves empty"
