"""Asking a model about a few tasks while somebody waits for the answer."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from mlpi.errors import MlpiError
from mlpi.labels.guessing.backends import uid
from mlpi.labels.guessing.taking import HTTP
from mlpi.labels.models import LabelBackend
from mlpi.labels.room import Room
from mlpi.web.render import principal_of, workspace_of

PATIENCE_S = 95.0  # Label Studio gives an ML backend 100 s
POLL_S = (0.05, 0.5)  # at first, and at last


class ModelFailed(MlpiError):
    """The model did not answer."""

    status = 502
    code = "MODEL_FAILED"


class ModelSlow(MlpiError):
    """The model was not done in time; its worker may be starting, or others come first."""

    status = 504
    code = "MODEL_SLOW"


async def answered(
    room: Room,
    request: Request,
    backend: LabelBackend,
    tasks: Sequence[tuple[int, str]],
    context: Mapping[str, Any] | None = None,
) -> list[Mapping[str, Any]]:
    """{"result", "score", "model_version"} for each task, (id, data as JSON); nothing is stored.

    Raises ModelFailed, ModelSlow, RemoteFailed.
    """
    workspace = workspace_of(request)
    datas = [json.loads(data) for _, data in tasks]
    if backend.kind == HTTP:
        project = await run_in_threadpool(room.projects.get, workspace, backend.project_id)
        sent = [
            {"id": task_id, "data": data} for (task_id, _), data in zip(tasks, datas, strict=True)
        ]
        remote = await run_in_threadpool(room.backends.remote, backend)
        return await run_in_threadpool(
            remote.predict, sent, uid(project), project.label_config, context
        )
    job_id = await run_in_threadpool(
        lambda: room.backends.ask(
            workspace,
            backend.project_id,
            datas,
            principal_of(request),
            backend_id=backend.id,
        )
    )
    return await of_job(room, workspace, backend.project_id, job_id)


async def of_job(
    room: Room, workspace: str, project_id: int, job_id: int
) -> list[Mapping[str, Any]]:
    """What a job answers, waited for. Raises ModelFailed, ModelSlow."""
    deadline, pause = time.monotonic() + PATIENCE_S, POLL_S[0]
    while time.monotonic() < deadline:
        job = await run_in_threadpool(room.backends.job, workspace, project_id, job_id)
        if job.is_final:
            if job.result is None:
                raise ModelFailed(f"The model did not answer: {job.error or job.state}.")
            found: list[Mapping[str, Any]] = job.result["results"]
            return found
        await asyncio.sleep(pause)
        pause = min(POLL_S[1], pause * 1.5)
    raise ModelSlow(advice=f"Its job is {job_id}; ask again when it is done.")
