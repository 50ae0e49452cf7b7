"""ML backends as label-studio-ml serves them, asked over HTTP. Calls block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from mlpi.errors import Invalid, MlpiError

CONNECT_S = 5.0
ANSWER_S = 100.0  # of a prediction, unless the backend has its own
SHORT_S = 10.0  # of everything else
MOST_ANSWER_BYTES = 64 << 20


class RemoteFailed(MlpiError):
    """The ML backend did not answer as it should."""

    status = 502
    code = "ML_BACKEND_FAILED"

    def __init__(self, message: str, *, answered: int = 0) -> None:
        """answered: with which HTTP status, 0 for none at all."""
        super().__init__(message)
        self.answered = answered


@dataclass(frozen=True, slots=True)
class Remote:
    """One backend. timeout_s: how long a prediction may take."""

    url: str
    user: str = ""
    password: str = ""
    timeout_s: float = ANSWER_S

    def health(self) -> Mapping[str, Any]:
        """Raises RemoteFailed."""
        return self._ask("GET", "health", timeout_s=SHORT_S)

    def setup(self, project: str, config: str, extra: Any = None) -> Mapping[str, Any]:
        """Tell it of a project. No token of anybody's is handed over. Raises RemoteFailed."""
        sent = {
            "project": project,
            "schema": config,
            "hostname": "",
            "access_token": "",
            "extra_params": extra,
        }
        return self._ask("POST", "setup", sent, timeout_s=SHORT_S)

    def versions(self, project: str) -> list[str]:
        """Which versions it has. Raises RemoteFailed."""
        found = self._ask("GET", "versions", {"project": project}, timeout_s=SHORT_S)
        return [str(one) for one in found.get("versions") or []]

    def train(self, sent: Mapping[str, Any]) -> Mapping[str, Any]:
        """Ask it to begin a training. Raises RemoteFailed."""
        return self._ask("POST", "webhook", sent, timeout_s=self.timeout_s)

    def predict(
        self, tasks: Sequence[Mapping[str, Any]], project: str, config: str, context: Any = None
    ) -> list[Mapping[str, Any]]:
        """One {"result", "score", "model_version"} for each task. Raises RemoteFailed."""
        sent = {
            "tasks": list(tasks),
            "project": project,
            "label_config": config,
            "params": {"login": None, "password": None, "context": context},
        }
        found = self._ask("POST", "predict", sent, timeout_s=self.timeout_s).get("results")
        if not isinstance(found, list) or not all(isinstance(one, Mapping) for one in found):
            raise RemoteFailed('It answered without a list of "results".', answered=200)
        if len(found) != len(tasks):
            raise RemoteFailed(
                f"It answered {len(tasks)} tasks with {len(found)} results.", answered=200
            )
        return found

    def _ask(
        self, method: str, path: str, sent: Mapping[str, Any] | None = None, *, timeout_s: float
    ) -> Mapping[str, Any]:
        import httpx  # noqa: PLC0415 - 0.1 s

        url = f"{self.url.rstrip('/')}/{path}"
        auth = (self.user, self.password) if self.user else None
        how: dict[str, Any] = {"json": sent} if method == "POST" else {"params": sent}
        try:
            with (
                httpx.Client(
                    auth=auth,
                    timeout=httpx.Timeout(timeout_s, connect=CONNECT_S),
                    headers={"User-Agent": "mlpi"},
                    follow_redirects=False,
                    trust_env=False,
                ) as client,
                client.stream(method, url, **how) as answer,
            ):
                body = bytearray()
                for part in answer.iter_bytes():
                    body += part
                    if len(body) > MOST_ANSWER_BYTES:
                        raise RemoteFailed("It answered with more than 64 MB.")
                status = answer.status_code
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise RemoteFailed(
                f"{shown(self.url)} cannot be reached ({type(error).__name__})."
            ) from None
        if not 200 <= status < 300:
            raise RemoteFailed(f"{shown(self.url)}/{path} answered {status}.", answered=status)
        return _object(bytes(body), path)


def greet(remote: Remote, project: str, config: str, extra: Any) -> str:
    """See that a backend is there and takes a project; its version, "" when it names none.

    Raises Invalid as Label Studio words it.
    """
    try:
        remote.health()
    except RemoteFailed as error:
        if error.answered == 401:
            raise Invalid(
                "Able to connect to ML Server, but authentication parameters were either "
                "not provided or are incorrect.",
                field="non_field_errors",
            ) from None
        raise Invalid(
            f"Can't connect to ML backend {remote.url}, health check failed: {error.message}",
            advice="See that it runs, and that this machine may reach it.",
            field="non_field_errors",
        ) from None
    try:
        version = remote.setup(project, config, extra).get("model_version")
    except RemoteFailed as error:
        raise Invalid(
            f"Successfully connected to {remote.url} but it doesn't look like a valid ML "
            f"backend: {error.message}",
            field="non_field_errors",
        ) from None
    return version[:255] if isinstance(version, str) else ""


def _object(body: bytes, path: str) -> Mapping[str, Any]:
    import orjson  # noqa: PLC0415 - beside httpx

    if not body.strip():
        return {}
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise RemoteFailed(f"What it answered at /{path} is no JSON.", answered=200) from None
    return found if isinstance(found, dict) else {"answer": found}


def checked_url(text: str) -> str:
    """A backend's address. Raises Invalid."""
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    wrong = not host or parts.scheme not in ("http", "https") or parts.query or parts.fragment
    if wrong or parts.username or not text.isprintable() or " " in text or len(text) > 2000:
        raise Invalid(
            "This is not the address of an ML backend.",
            advice="It begins with http:// or https:// and has no user, '?' or '#' in it.",
            field="url",
        )
    return text.rstrip("/")


def shown(url: str) -> str:
    """An address for a message: scheme, host and port."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
