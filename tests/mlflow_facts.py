"""Prints what mlpi relies on in stock MLflow, as JSON. Run by itself: it changes its process."""

import inspect
import json
import os
import tempfile
import threading

from mlpi.settings import Settings
from mlpi.tracking import environment, lean, mlflow_app

os.environ.update(environment.server_variables(Settings()))

with lean.heavy_packages_absent():
    mlflow_app._lean_app()

import sys

loaded_lean = sorted(lean.HEAVY & set(sys.modules))
del sys.modules["mlflow.server.auth"]

from fastapi.routing import iter_route_contexts  # noqa: E402
from mlflow.server import ARTIFACTS_DESTINATION_ENV_VAR, constants, handlers  # noqa: E402
from mlflow.server import app as flask_app  # noqa: E402
from mlflow.server.fastapi_app import app  # noqa: E402
from mlflow.store.db import utils  # noqa: E402
from mlflow.store.db.base_sql_model import Base  # noqa: E402
from mlflow.store.workspace.abstract_store import AbstractStore, WorkspaceNameValidator  # noqa: E402
from mlflow.utils import workspace_context  # noqa: E402
from mlflow.utils.workspace_utils import WORKSPACE_HEADER_NAME  # noqa: E402

routes = set()
for route in iter_route_contexts(app.routes):
    for method in getattr(route, "methods", None) or ():
        routes.add((method, route.path))
for rule in flask_app.url_map.iter_rules():
    for method in rule.methods - {"HEAD", "OPTIONS"}:
        routes.add((method, rule.rule))

with tempfile.TemporaryDirectory() as folder:
    engine = utils.create_sqlalchemy_engine_with_retry(f"sqlite:///{folder}/mlflow.db")
    with engine.connect() as connection:
        synchronous = connection.exec_driver_sql("PRAGMA synchronous").scalar()
    engine.dispose()

facts = {
    "synchronous": synchronous,
    "routes": sorted(routes),
    "columns": {
        name: [c.name for c in table.columns] for name, table in Base.metadata.tables.items()
    },
    "variables": sorted(
        {
            value
            for module in (constants,)
            for name, value in vars(module).items()
            if name.endswith("_ENV_VAR")
        }
        | {ARTIFACTS_DESTINATION_ENV_VAR}
    ),
    "signatures": {
        f"{owner.__name__}.{name}": list(inspect.signature(getattr(owner, name)).parameters)
        for owner, names in (
            (handlers, ("initialize_backend_stores", "_get_artifact_repo_mlflow_artifacts")),
            (
                utils,
                (
                    "create_sqlalchemy_engine_with_retry",
                    "_get_schema_version",
                    "_get_latest_schema_revision",
                    "_upgrade_db",
                    "_get_alembic_config",
                ),
            ),
            (
                workspace_context,
                ("set_server_request_workspace", "clear_server_request_workspace"),
            ),
        )
        for name in names
    },
    "abstract": sorted(AbstractStore.__abstractmethods__),
    "workspace_header": WORKSPACE_HEADER_NAME,
    "workspace_pattern": WorkspaceNameValidator.pattern(),
    "workspace_reserved": sorted(WorkspaceNameValidator._RESERVED),
    "heavy_after_lean_import": loaded_lean,
    "finder_is_gone": not any(isinstance(f, lean._Absent) for f in sys.meta_path),
    "threads": threading.active_count(),
}
sys.stdout.write(json.dumps(facts))
