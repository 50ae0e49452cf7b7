"""Drives a test's stages over HTTP against a running service."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx

from tests.conformance.labels.tavern import StageFailed, Test, check, filled, found
from tests.conformance.mlflow.verdicts import Outcome

URL = "http://service"  # stands for the service while addresses are formatted
CONFIG = """<View><Text name="meta_info" value="$meta_info"/><Text name="text" value="$text"/>
<Choices name="text_class" toName="text" choice="single">
<Choice value="class_A"/><Choice value="class_B"/></Choices></View>"""
TASKS = [{"meta_info": f"meta info {one}", "text": f"text {one}"} for one in "AB"]
ADMISSION = ("/user/signup", "/user/login")

# Who signs up gets a token; the workspace is the test's own.
Admit = Callable[[str], str]


class Driver:
    """One test's client: signing up and logging in give it the token of that account."""

    def __init__(self, base_url: str, samples: Path, admit: Admit) -> None:
        self._samples = samples
        self._admit = admit
        self._client = httpx.Client(base_url=base_url, timeout=120)

    def run(self, test: Test) -> Outcome:
        """How the test ends: at its first stage that fails, with why."""
        known: dict[str, Any] = {"django_live_url": URL}
        with self._client:
            for number, stage in enumerate(test.stages, start=1):
                name = f"stage {number} ({stage.get('name', stage.get('id', ''))})"
                try:
                    if "configured_project" in test.fixtures and number == 2:
                        known["configured_project"] = self._configured()
                    self._stage(stage, known)
                except StageFailed as error:
                    return Outcome("failed", f"{name}: {error}")
                except httpx.TransportError as error:
                    return Outcome("error", f"{name}: {error!r}")
        return Outcome("passed")

    def _configured(self) -> dict[str, Any]:
        """Upstream's fixture of this name: a project with two tasks."""
        made = self._client.post("/api/projects/", json={"title": "Test", "label_config": CONFIG})
        project: dict[str, Any] = made.raise_for_status().json()
        url = f"/api/projects/{project['id']}/import"
        self._client.post(url, json=TASKS).raise_for_status()
        return {**project, "organization": {"id": project["organization"]}}

    def _stage(self, stage: Mapping[str, Any], known: dict[str, Any]) -> None:
        if "request" not in stage:
            raise StageFailed("there is no such shared stage")
        request = filled(stage["request"], known)
        url = str(request["url"]).removeprefix(URL)
        expected = stage.get("response")
        if url.partition("?")[0] in ADMISSION and request.get("method") == "POST":
            token = self._admit(str(request["data"]["email"]))
            self._client.headers["Authorization"] = f"Token {token}"
            return
        answer = self._send(url, request)
        if expected is None:
            return
        status = filled(expected.get("status_code", 200), known)
        if answer.status_code not in (status if isinstance(status, list) else [status]):
            raise StageFailed(
                f"{request.get('method')} {url}: {answer.status_code}, not {status}: "
                f"{answer.text[:300]}"
            )
        self._check(answer, expected, known)

    def _send(self, url: str, request: Mapping[str, Any]) -> httpx.Response:
        headers = {name.lower(): str(one) for name, one in (request.get("headers") or {}).items()}
        if "files" in request:
            headers.pop("content-type", None)
        with ExitStack() as opened:
            files = {
                name: (Path(path).name, opened.enter_context((self._samples / path).open("rb")))
                for name, path in (request.get("files") or {}).items()
            }
            data = request.get("data")
            how: dict[str, Any] = {"content": data} if isinstance(data, str) else {"data": data}
            if "json" in request:
                how = {"json": request["json"]}
            if isinstance(data, dict):
                how["data"] = {k: str(v) if isinstance(v, bool) else v for k, v in data.items()}
            return self._client.request(
                request.get("method", "GET"),
                url,
                params=request.get("params"),
                headers=headers,
                files=files or None,
                **how,
            )

    def _check(
        self, answer: httpx.Response, expected: Mapping[str, Any], known: dict[str, Any]
    ) -> None:
        wanted, kept = expected.get("json"), (expected.get("save") or {}).get("json") or {}
        for name, one in (filled(expected.get("headers"), known) or {}).items():
            if name == "$ext":
                raise StageFailed("it needs a function inside of Label Studio")
            check(one, answer.headers.get(name), where=f"header {name}")
        if wanted is None and not kept and "verify_response_with" not in expected:
            return
        try:
            body = answer.json()
        except ValueError:
            raise StageFailed(f"the answer is no JSON: {answer.text[:200]}") from None
        if wanted is not None:
            strict = expected.get("strict", False)
            check(filled(wanted, known), body, is_strict=strict is True or strict == "json")
        if "verify_response_with" in expected:
            self._verify(expected["verify_response_with"], body)
        known.update({name: found(body, path) for name, path in kept.items()})

    def _verify(self, how: Any, body: Any) -> None:
        """Upstream's functions; those that look into its process are left out."""
        for one in how if isinstance(how, list) else [how]:
            name = one["function"].rpartition(":")[2]
            if name == "empty_list" and body != []:
                raise StageFailed(f"the answer is not empty: {body}")
            if name not in ("empty_list", "save_response"):
                raise StageFailed(f"{name} needs to be inside of Label Studio")
