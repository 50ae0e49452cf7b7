"""What the lean import of MLflow left out is there once somebody asks for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

LEAN = """
import sys
from pathlib import Path

from mlpi.settings import load
from mlpi.tracking import environment, lean, mlflow_app

environment.prepare(load(home=Path(sys.argv[1])))
with lean.heavy_packages_absent():
    mlflow_app._lean_app()
lean.complete_when_asked()
assert not lean.HEAVY & set(sys.modules), lean.HEAVY & set(sys.modules)
"""
ASKED = """
import mlflow.data
from mlflow.genai.evaluation import utils

assert "pandas" not in sys.modules
frame = utils.pd.DataFrame({"a": [1, 2]})
assert mlflow.data.from_pandas(frame).profile["num_rows"] == 2
assert mlflow.models.infer_signature(frame).inputs.input_names() == ["a"]
try:
    mlflow.models.there_is_no_such_name
except AttributeError as error:
    assert "there_is_no_such_name" in str(error)
else:
    raise SystemExit("a name came from nowhere")
"""


def test_nothing_is_missing_for_good(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", LEAN + ASKED, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
