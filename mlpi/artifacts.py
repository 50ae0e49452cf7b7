"""Where an address in MLflow's artifact store leads, for every room that reads from it."""

from __future__ import annotations

import posixpath
from urllib.parse import unquote, urlsplit

from mlpi.auth.names import DEFAULT_WORKSPACE
from mlpi.errors import NotFound


def root_of(artifact_uri: str, workspace: str) -> str:
    """The folder in MLflow's artifact store. Raises NotFound when it is not there, or not theirs.

    The rule is MLflow's for proxied artifacts, as tracking.isolation makes it strict.
    """
    parsed = urlsplit(artifact_uri)
    if parsed.scheme != "mlflow-artifacts":
        raise NotFound(
            f"These files lie at {_shown(artifact_uri)}, outside of MLflow's artifact store.",
            advice="MLflow's client reads them there.",
        )
    clean = posixpath.normpath(unquote(parsed.path).lstrip("/") or ".")
    parts = clean.split("/")
    if clean == "." or parts[0] == "..":
        raise NotFound("There are no such files.")
    if parts[0] == "workspaces":
        if len(parts) < 3 or parts[1] != workspace:
            raise NotFound("There are no such files in this workspace.")
        return clean
    return clean if workspace == DEFAULT_WORKSPACE else f"workspaces/{workspace}/{clean}"


def _shown(uri: str) -> str:
    """A location without a password that may stand in it."""
    parsed = urlsplit(uri)
    place = parsed.netloc.rpartition("@")[2]
    return f"{parsed.scheme}://{place}{parsed.path}" if parsed.scheme else parsed.path
