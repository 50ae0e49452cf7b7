"""What the browser tests look at, logged by MLflow's unmodified client in a process of its own.

Run with MLFLOW_TRACKING_URI and MLFLOW_TRACKING_TOKEN; prints the ids as JSON.
"""

from __future__ import annotations

import base64
import json
import math
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Metric, Param

LONG = "a-name-so-long-that-no-table-cell-and-no-phone-would-ever-hold-all-of-it-" * 3
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
SCRIPT = "<h1>hello</h1><script>document.title = 'it ran'; parent.document.title = 'pwned'</script>"


def log_all() -> dict[str, str]:
    """An experiment with curves, files and odd values, a model, and an experiment of many runs."""
    client = MlflowClient()
    ids = {"experiment": mlflow.set_experiment("browser").experiment_id}
    with mlflow.start_run(run_name="findable-run") as run:
        ids["run"] = run.info.run_id
        client.log_batch(run.info.run_id, metrics=curves())
        mlflow.log_metrics({"odd": math.nan, "endless": math.inf, LONG: 1.0})
        mlflow.log_params({"alpha": "0.1", LONG: LONG})
        mlflow.log_text(SCRIPT, "report.html")
        mlflow.log_text("x", f"{LONG[:150]}.txt")
        mlflow.log_text("flavors: {}\n", "model/MLmodel")
        log_picture(run)
        with mlflow.start_run(run_name="nested-run", nested=True):
            mlflow.log_metric("loss", 0.5)
    client.create_registered_model("browser-model")
    folder = client.get_run(ids["run"]).info.artifact_uri
    client.create_model_version("browser-model", f"{folder}/model", ids["run"])
    client.set_registered_model_alias("browser-model", "champion", "1")
    ids["many"] = client.create_experiment(f"many {LONG}")
    for number in range(53):
        one = client.create_run(ids["many"], run_name=f"trial-{number:02} {LONG}")
        now = int(time.time() * 1000)
        metrics = [Metric(f"metric-{n}", n / 7, now, 0) for n in range(9)]
        client.log_batch(one.info.run_id, metrics=metrics, params=[Param("depth", str(number))])
    with mlflow.start_span("a trace") as span:
        span.set_inputs({"question": 1})
    mlflow.flush_trace_async_logging()
    mlflow.genai.register_prompt("greeting", "Hello {{name}}")
    return ids


def curves() -> list[Metric]:
    """One plain curve of 250 steps with gaps, and 14 short ones."""
    now = int(time.time() * 1000)
    loss = [
        Metric("loss", math.nan if step % 50 == 7 else math.exp(-step / 60), now + step, step)
        for step in range(250)
    ]
    layers = [
        Metric(f"layer/{layer:02}", step * layer, now + step, step)
        for layer in range(14)
        for step in range(30)
    ]
    return loss + layers


def log_picture(run: Any) -> None:
    """A picture in a folder whose name needs quoting."""
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder) / "red & blue.png"
        picture.write_bytes(PNG)
        MlflowClient().log_artifact(run.info.run_id, str(picture), "plots & more")


if __name__ == "__main__":
    sys.stdout.write(json.dumps(log_all()) + "\n")
