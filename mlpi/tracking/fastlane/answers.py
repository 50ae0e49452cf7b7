"""Answers of the fast lane, byte for byte those of stock MLflow."""

from __future__ import annotations

from starlette.types import Send

from mlpi.tracking.fastlane.statements import RunRow

DONE = b"{}"


async def send_json(send: Send, body: bytes) -> None:
    """A 200 with the headers that stock MLflow sends."""
    await send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [
                (b"content-type", b"application/json"),
                (b"content-length", b"%d" % len(body)),
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})


def run_info(run: RunRow) -> bytes:
    """The answer to runs/update, written by MLflow's own code."""
    from mlflow.entities import RunInfo  # noqa: PLC0415 - loaded by now
    from mlflow.protos.service_pb2 import UpdateRun  # noqa: PLC0415
    from mlflow.utils.proto_json_utils import message_to_json  # noqa: PLC0415

    info = RunInfo(
        run_id=run.run_id,
        experiment_id=str(run.experiment_id),
        user_id=run.user_id or "",
        status=run.status or "",
        start_time=run.start_time or 0,
        end_time=run.end_time,
        lifecycle_stage=run.lifecycle_stage or "",
        artifact_uri=run.artifact_uri,
        run_name=run.name,
    )
    message = UpdateRun.Response(run_info=info.to_proto())
    return str(message_to_json(message)).encode()
