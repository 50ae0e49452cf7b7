"""The environment MLflow reads when its server is imported."""

from __future__ import annotations

import os

from mlpi.settings import Settings

# A client's own settings, left in the shell that starts mlpi, would reach into the server:
# MLflow falls back to them where a request names nothing.
CLIENT_VARIABLES = (
    "MLFLOW_TRACKING_URI",
    "MLFLOW_REGISTRY_URI",
    "MLFLOW_TRACKING_TOKEN",
    "MLFLOW_TRACKING_USERNAME",
    "MLFLOW_TRACKING_PASSWORD",
    "MLFLOW_WORKSPACE",
    "MLFLOW_EXPERIMENT_ID",
    "MLFLOW_EXPERIMENT_NAME",
    "MLFLOW_RUN_ID",
)


def server_variables(settings: Settings) -> dict[str, str]:
    """What MLflow's server is told, by variable name (mlflow/server/constants.py)."""
    return {
        "_MLFLOW_SERVER_FILE_STORE": settings.mlflow_database,
        "_MLFLOW_SERVER_REGISTRY_STORE": settings.mlflow_database,
        "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
        "_MLFLOW_SERVER_ARTIFACT_DESTINATION": settings.artifacts,
        "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
        "MLFLOW_ENABLE_WORKSPACES": "true",
        "MLFLOW_WORKSPACE_STORE_URI": "mlpi://",
        # The door checks hosts and origins for every room; MLflow's own check would refuse
        # a browser at http://raspberrypi.local:9000.
        "MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE": "true",
        # A catalogue on another host, waited for over minutes when there is no internet.
        "MLFLOW_MODEL_CATALOG_URI": "",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_ENABLE_REMOTE_ASSISTANT": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "MLFLOW_CONFIGURE_LOGGING": "false",
    }


def prepare(settings: Settings) -> None:
    """Set up this process's environment. Must come before the first import of mlflow."""
    for variable in CLIENT_VARIABLES:
        os.environ.pop(variable, None)
    os.environ.update(server_variables(settings))
