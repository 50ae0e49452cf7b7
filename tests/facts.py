"""Stock MLflow's facts, gathered once per test process."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

from tests.service import clean_environment


@cache
def mlflow_facts() -> dict[str, Any]:
    """What tests/mlflow_facts.py prints."""
    script = Path(__file__).parent / "mlflow_facts.py"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(script)],
        env=clean_environment({"PYTHONPATH": str(script.parent.parent)}),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, f"MLflow moved something mlpi relies on:\n{done.stderr}"
    facts: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return facts
