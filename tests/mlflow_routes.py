"""Prints every route of stock MLflow's complete application as JSON, to be run by itself."""

import json
import os

os.environ.update(
    {
        "_MLFLOW_SERVER_FILE_STORE": "sqlite://",
        "MLFLOW_ENABLE_WORKSPACES": "true",
        "MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE": "true",
        "MLFLOW_MODEL_CATALOG_URI": "",
    }
)

from fastapi.routing import iter_route_contexts  # noqa: E402
from mlflow.server import app as flask_app  # noqa: E402
from mlflow.server.fastapi_app import app  # noqa: E402

routes = set()
for route in iter_route_contexts(app.routes):
    for method in getattr(route, "methods", None) or ():
        routes.add((method, route.path))
for rule in flask_app.url_map.iter_rules():
    for method in rule.methods - {"HEAD", "OPTIONS"}:
        routes.add((method, rule.rule))
print(json.dumps(sorted(routes)))
