"""mlpi's own API of predictions, and the ML backend that a project's model is to others.

Another Label Studio connects to …/api/mlpi/labels/projects/{id} with Basic authentication: any
user, and a token of this workspace as the password.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from mlpi.errors import Invalid
from mlpi.labels.api.asked import fields_of
from mlpi.labels.config.reading import read_config
from mlpi.labels.guessing.taking import MLFLOW
from mlpi.labels.guessing.waiting import of_job
from mlpi.labels.room import Room
from mlpi.web.render import principal_of, workspace_of

AT = "/api/mlpi/labels/projects/{project_id}"


class Run(BaseModel):
    """Which tasks are to be predicted."""

    tasks: list[int] | None = Field(None, description="Their ids; without it all that wait.")
    model: int | None = Field(None, description="Which model; without it the project's first.")
    replaces: bool = Field(False, description="Also those that this version predicted before.")


class Acceptance(BaseModel):
    """Which predictions become annotations of whoever asks."""

    predictions: list[int] = Field(description="Their ids.", max_length=100_000)


def router(room: Room) -> APIRouter:
    """Under /api/mlpi/labels."""
    api = APIRouter(tags=["labels"])

    @api.post(AT + "/predictions", status_code=202)
    def start(request: Request, project_id: int, run: Run) -> dict[str, int]:
        """Have a project's model predict, by a job."""
        job_id = room.backends.start(
            workspace_of(request),
            project_id,
            run.tasks,
            principal_of(request),
            backend_id=run.model,
            replaces=run.replaces,
        )
        return {"job_id": job_id}

    @api.post(AT + "/accept")
    def accept(request: Request, project_id: int, chosen: Acceptance) -> dict[str, int]:
        """Make annotations of predictions."""
        made = room.annotations.accept(
            workspace_of(request), project_id, chosen.predictions, principal_of(request)
        )
        return {"annotations": made.annotations, "known": made.known, "unfit": made.unfit}

    def model_of(request: Request, project_id: int, model: int | None) -> int:
        """The model of MLflow that answers for a project to others."""
        for one in room.backends.of(workspace_of(request), project_id):
            if one.kind == MLFLOW and model in (None, one.id):
                return one.id
        raise Invalid(
            "This project has no model of MLflow to answer with.",
            advice="Add one on its page Models.",
            field="model",
        )

    @api.get(AT + "/health")
    def health(
        request: Request, project_id: int, model: Annotated[int | None, Query()] = None
    ) -> dict[str, str]:
        """Whether there is a model that answers."""
        model_of(request, project_id, model)
        return {"status": "UP", "model_class": "mlpi"}

    @api.post(AT + "/setup")
    async def setup(
        request: Request, project_id: int, model: Annotated[int | None, Query()] = None
    ) -> dict[str, Any]:
        """See whether the model can answer for another's configuration; its version."""
        sent = await fields_of(request)

        def work() -> dict[str, Any]:
            found = room.backends.get(workspace_of(request), model_of(request, project_id, model))
            if sent.get("schema"):
                room.backends.fits(found, str(sent["schema"]))
            return {"model_version": found.options.get("version")}

        return await run_in_threadpool(work)

    @api.post(AT + "/predict")
    async def predict(
        request: Request, project_id: int, model: Annotated[int | None, Query()] = None
    ) -> Response:
        """What the model says of tasks, in the protocol of Label Studio's ML backends."""
        sent = await fields_of(request)
        datas = _datas(sent.get("tasks"))
        config = str(sent.get("label_config") or "")

        def work() -> int:
            if config:
                read_config(config)
            return room.backends.ask(
                workspace_of(request),
                project_id,
                datas,
                principal_of(request),
                backend_id=model_of(request, project_id, model),
                label_config=config,
            )

        job_id = await run_in_threadpool(work)
        found = await of_job(room, workspace_of(request), project_id, job_id)
        version = found[0]["model_version"] if found else None
        return JSONResponse({"results": found, "model_version": version})

    return api


def _datas(tasks: object) -> Sequence[dict[str, Any]]:
    if not isinstance(tasks, list) or not tasks:
        raise Invalid('"tasks" must be a list of tasks.', field="tasks")
    found = []
    for number, one in enumerate(tasks):
        data = one.get("data", one) if isinstance(one, dict) else None
        if not isinstance(data, dict):
            raise Invalid(f"tasks[{number}] must be an object with its data.", field="tasks")
        found.append(data)
    return found
