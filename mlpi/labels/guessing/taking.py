"""What somebody sends of a model, checked and written into its row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlpi.auth.vault import Vault
from mlpi.errors import Invalid
from mlpi.labels.config.reading import read_config
from mlpi.labels.guessing import source
from mlpi.labels.guessing.plan import read_plan
from mlpi.labels.guessing.remote import ANSWER_S, checked_url
from mlpi.labels.models import LabelBackend, LabelProject
from mlpi.labels.projects import config_of
from mlpi.registry import Registry

MLFLOW, HTTP = "mlflow", "http"
Given = Mapping[str, Any]


def take(
    registry: Registry, vault: Vault, project: LabelProject, backend: LabelBackend, given: Given
) -> None:
    """Fields by Label Studio's names, and plan and source; what is not sent stays.

    Raises Invalid, ModelUnusable, NotReady.
    """
    options = dict(backend.options)
    name = "ML backend"
    if backend.kind == MLFLOW:
        if "source" in given or not backend.source:
            backend.source = str(given.get("source") or "").strip()
            found = source.find(registry, project.workspace, backend.source)
            options["version"], name = found.version, found.title
        # Label Studio's clients send no plan; what they may send with any model is this.
        plan = given.get("plan") or given.get("extra_params")
        if plan is not None or "plan" not in options:
            if not isinstance(plan, Mapping | None):
                raise Invalid("A plan must be an object.", field="plan")
            options["plan"] = read_plan(config_of(project), plan or {}).plain()
    else:
        if "url" in given or not backend.source:
            backend.source = checked_url(str(given.get("url") or "").strip())
        _take_access(vault, backend, options, given)
        for flag in ("is_interactive", "auto_update"):
            options[flag] = bool(given.get(flag, options.get(flag, False)))
        if "extra_params" in given:
            options["extra_params"] = given["extra_params"]
        options["timeout"] = _timeout(given.get("timeout", options.get("timeout")))
    if "description" in given:
        options["description"] = str(given["description"] or "")[:10_000]
    backend.title = str(given.get("title") or "").strip()[:255] or backend.title or name
    backend.options = options


def plan_for(config: str, plan: Mapping[str, Any]) -> dict[str, Any]:
    """A plan for another configuration: what it does not have is as proposed for it.

    Raises ConfigInvalid, Invalid.
    """
    other = read_config(config)
    control = other.controls.get(plan["control"])
    kept = {name: plan[name] for name in ("kind", "width", "height", "mode", "top")}
    if control is not None:
        kept["control"] = control.name
        if plan["field"] in other.fields:
            kept["field"] = plan["field"]
    return read_plan(other, kept).plain()


def _take_access(
    vault: Vault, backend: LabelBackend, options: dict[str, Any], given: Given
) -> None:
    method = str(given.get("auth_method") or options.get("auth_method") or "NONE")
    if method not in ("NONE", "BASIC_AUTH"):
        raise Invalid("auth_method is NONE or BASIC_AUTH.", field="auth_method")
    user = str(given.get("basic_auth_user", options.get("basic_auth_user")) or "")
    if given.get("basic_auth_pass"):
        backend.secrets = vault.seal(str(given["basic_auth_pass"]))
    if method == "BASIC_AUTH" and not (user and backend.secrets):
        raise Invalid(
            "Authentication username and password is required for Basic Authentication.",
            field="non_field_errors",
        )
    options |= {"auth_method": method, "basic_auth_user": user}


def _timeout(value: Any) -> float:
    if value in (None, ""):
        return ANSWER_S
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = float("nan")
    if not 0 < seconds <= 3600:
        raise Invalid("A number of seconds up to 3600 is asked for.", field="timeout")
    return seconds
