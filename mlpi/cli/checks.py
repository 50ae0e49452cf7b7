"""mlpi check: run a checkpoint of a running mlpi, for CI and for training scripts."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn
from urllib.parse import quote

import typer

from mlpi.cli.common import table

if TYPE_CHECKING:
    import httpx

POLL_S = 0.3
URL = "MLPI_URL"
TOKEN = "MLPI_TOKEN"  # noqa: S105 - the name of a variable

Name = Annotated[str, typer.Argument(help="The checkpoint.", show_default=False)]
Dataset = Annotated[
    str,
    typer.Option("--dataset", help="NAME or NAME@VERSION instead of the checkpoint's own."),
]
Upload = Annotated[
    Path | None,
    typer.Option("--upload", help="Upload this file first, as the dataset's next version."),
]
Gate = Annotated[
    bool, typer.Option("--gate", help="Do not run; ask what the last run on the dataset said.")
]
Url = Annotated[str, typer.Option("--url", envvar=URL, help="Where mlpi is.")]
Token = Annotated[
    str, typer.Option("--token", envvar=TOKEN, help="A token of the workspace.", show_envvar=True)
]
Timeout = Annotated[float, typer.Option("--timeout", min=1, help="Seconds to wait for the end.")]


def check(
    name: Name,
    dataset: Dataset = "",
    upload: Upload = None,
    gate: Gate = False,
    url: Url = "http://127.0.0.1:9000",
    token: Token = "",
    timeout: Timeout = 600,
) -> None:
    """Run a checkpoint, wait, and print what was not met. Exits 0 when it passed, 1 when not."""
    import httpx  # noqa: PLC0415 - 0.1 s, and not needed for other commands

    if not token:
        _stop(f"A token is needed: --token or {TOKEN}. Settings, Tokens makes one.", 2)
    headers = {"Authorization": f"Bearer {token}"}
    try:
        with httpx.Client(base_url=url, headers=headers, timeout=60, trust_env=False) as client:
            if upload is not None:
                dataset = _upload(client, dataset or upload.stem, upload)
            if gate:
                _ask_gate(client, name, dataset)
            else:
                _run(client, name, dataset, timeout)
    except httpx.HTTPError as error:
        _stop(f"{url} cannot be reached ({type(error).__name__}).", 2)


def _upload(client: httpx.Client, dataset: str, file: Path) -> str:
    """Send a file; the version it became, as NAME@VERSION."""
    try:
        content = file.open("rb")
    except OSError as error:
        _stop(f"{file} cannot be read ({error.strerror or error}).", 2)
    with content:
        made = _answer(
            client.put(
                f"/api/mlpi/datasets/{quote(dataset, safe='')}/file",
                params={"filename": file.name},
                content=content,
                headers={"Content-Length": str(os.fstat(content.fileno()).st_size)},
                timeout=None,
            )
        )
    return f"{dataset}@{made['number']}"


def _ask_gate(client: httpx.Client, name: str, dataset: str) -> None:
    answer = client.get(_path(name, "gate"), params={"dataset": dataset} if dataset else {})
    if answer.status_code not in (200, 409):
        _answer(answer)
    body = answer.json()
    if body.get("run"):
        _print(body["run"])
    typer.echo(body.get("reason", body.get("message", "")))
    raise typer.Exit(0 if answer.status_code == 200 else 1)


def _run(client: httpx.Client, name: str, dataset: str, timeout_s: float) -> None:
    job = _answer(client.post(_path(name, "run"), json={"dataset": dataset}))["job_id"]
    deadline = time.monotonic() + timeout_s
    while True:
        run = _answer(client.get(f"/api/mlpi/checks/runs/by-job/{job}"))
        if run["state"] != "running":
            break
        if time.monotonic() > deadline:
            _stop(f"It has not ended within {timeout_s:g} s; job {job} goes on.", 1)
        time.sleep(POLL_S)
    _print(run)
    raise typer.Exit(0 if run["state"] == "passed" else 1)


def _print(run: dict[str, Any]) -> None:
    """What was not met as a table, then one line."""
    if run["failed"]:
        table(
            ["expectation", "column", "severity", "seen", "rows"],
            [
                [
                    one["expectation"],
                    one["column"] or "",
                    one["severity"],
                    _seen(one),
                    ", ".join(str(row) for row in one["rows"][:5]),
                ]
                for one in run["failed"]
            ],
        )
        typer.echo("")
    seen = run["statistics"]
    if seen:
        met, all_of = seen["successful_expectations"], seen["evaluated_expectations"]
        typer.echo(f"{run['target']}: {run['state']}, {met} of {all_of} expectations are met.")
    else:
        typer.echo(f"{run['target'] or run['checkpoint']}: {run['error'] or run['state']}")
    typer.echo(run["url"])


def _seen(one: dict[str, Any]) -> str:
    if one["unexpected_count"]:
        return f"{one['unexpected_count']} unexpected"
    value = one["observed"]
    if isinstance(value, float):
        return f"{value:.6g}"
    return "" if value is None else str(value)[:60]


def _path(name: str, what: str) -> str:
    return f"/api/mlpi/checks/{quote(name, safe='')}/{what}"


def _answer(answer: httpx.Response) -> Any:
    """The body of a good answer; a bad one ends the command with its words."""
    if not answer.is_success:
        try:
            told = answer.json()
            words = " ".join(filter(None, (told.get("message"), told.get("advice"))))
        except ValueError:
            words = f"The service answered {answer.status_code}."
        _stop(words, 2)
    return answer.json()


def _stop(words: str, code: int) -> NoReturn:
    typer.echo(words, err=True)
    raise typer.Exit(code)
