"""Who we are at which address: MLflow's client has one set of credentials, a transfer has two."""

from __future__ import annotations

import os
from base64 import b64encode
from dataclasses import dataclass, field
from typing import Any, ClassVar

from mlpi.tracking.transfer import EndUnusable

_WORKSPACE = "X-MLFLOW-WORKSPACE"


@dataclass(frozen=True)
class Login:
    """A token, or a user and a password; the workspace when the server keeps several."""

    user: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    workspace: str = ""

    @classmethod
    def of_environment(cls) -> Login:
        """What MLflow's client would use here."""
        given = os.environ.get
        return cls(
            given("MLFLOW_TRACKING_USERNAME", ""),
            given("MLFLOW_TRACKING_PASSWORD", ""),
            given("MLFLOW_TRACKING_TOKEN", ""),
            given("MLFLOW_WORKSPACE", ""),
        )

    def headers(self) -> dict[str, str]:
        """As a request carries it."""
        made = {_WORKSPACE: self.workspace} if self.workspace else {}
        if self.user and self.password:
            pair = b64encode(f"{self.user}:{self.password}".encode()).decode()
            made["Authorization"] = f"Basic {pair}"
        elif self.token:
            made["Authorization"] = f"Bearer {self.token}"
        return made


class Access:
    """Puts the right credentials on each request, and none on a request to anywhere else."""

    NAME: ClassVar[str] = "mlpi-transfer"

    def __init__(self) -> None:
        self._logins: dict[str, Login] = {}

    def add(self, url: str, login: Login) -> None:
        self._logins[url.rstrip("/") + "/"] = login

    def __call__(self, request: Any) -> Any:
        """As `requests` calls an auth object."""
        for url, login in self._logins.items():
            if request.url.startswith(url):
                request.headers.update(login.headers())
                break
        return request

    def install(self) -> None:
        """Become a provider of credentials of MLflow's client."""
        from mlflow.tracking.request_auth.abstract_request_auth_provider import (  # noqa: PLC0415
            RequestAuthProvider,
        )
        from mlflow.tracking.request_auth.registry import (  # noqa: PLC0415
            _request_auth_provider_registry,
        )

        access = self

        class Provider(RequestAuthProvider):
            def get_name(self) -> str:
                return access.NAME

            def get_auth(self) -> Access:
                return access

        registry: Any = _request_auth_provider_registry
        registry.register(Provider)

    def require_reading(self, url: str) -> None:
        """Ask once, without patience. Raises EndUnusable with what is wrong."""
        self._ask(url, "experiments/search", {"max_results": 1})

    def require_writing(self, url: str) -> None:
        """A write that names no run: who may not write hears so before anything is copied."""
        self._ask(url, "runs/log-batch", {"run_id": ""}, expected=400)

    def _ask(self, url: str, what: str, body: dict[str, Any], expected: int = 200) -> None:
        import httpx  # noqa: PLC0415

        try:
            with httpx.Client(timeout=60) as client:
                answer = client.post(
                    f"{url}/api/2.0/mlflow/{what}",
                    json=body,
                    headers=self._logins[url.rstrip("/") + "/"].headers(),
                )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise EndUnusable(f"{url} cannot be reached ({type(error).__name__}).") from None
        if answer.status_code in (200, expected):
            return
        try:
            told = str(answer.json()["message"])
        except (ValueError, KeyError, TypeError):
            told = f"It answered {answer.status_code}, not as an MLflow server does."
        raise EndUnusable(f"{url}: {' '.join(told.split())[:300]}")
