"""The real label_studio_sdk in an environment of its own, for it pins NumPy down.

It is made once for each checkout, in .venv-label-studio/, whichever test process comes first.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

VERSION = "2.1.2"
FOLDER = Path(__file__).parent.parent / ".venv-label-studio"
_CONVERT = """
import json, sys
from label_studio_sdk.converter import Converter
from label_studio_sdk._extensions.label_studio_tools.core.label_config import parse_config
given = json.load(sys.stdin)
converter = Converter(parse_config(given["config"]), project_dir=None, download_resources=False,
                      upload_dir=given["uploads"])
for name in given["formats"]:
    converter.convert(given["tasks"], given["folder"] + "/" + name, name, is_dir=False)
print(json.dumps(converter.supported_formats))
"""


def python() -> Path:
    """The interpreter that has it."""
    done = FOLDER / f"sdk-{VERSION}"
    interpreter = FOLDER / "bin" / "python"
    FOLDER.parent.mkdir(exist_ok=True)
    with (FOLDER.parent / ".venv-label-studio.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(FOLDER, ignore_errors=True)
            venv.create(FOLDER, with_pip=True)
            _run(
                *(str(interpreter), "-m", "pip", "install", "--quiet", "--no-input"),
                *("--disable-pip-version-check", f"label-studio-sdk=={VERSION}"),
            )
            done.touch()
    return interpreter


def run(script: str, *arguments: str, stdin: str = "") -> str:
    """What a script that uses it prints."""
    return _run(str(python()), "-c", script, *arguments, stdin=stdin)


def convert(
    folder: Path,
    config: str,
    tasks: list[dict[str, Any]],
    *formats: str,
    uploads: Path | None = None,
) -> list[str]:
    """Let its converter write tasks under folder/<format>/; the formats that it offers.

    uploads: where uploaded files lie, as <project>/<name>.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "tasks.json"
    path.write_text(json.dumps(tasks))
    for name in formats:
        (folder / name).mkdir()
    given = {"config": config, "tasks": str(path), "folder": str(folder), "formats": formats}
    given["uploads"] = str(uploads or folder / "none")
    found: list[str] = json.loads(run(_CONVERT, stdin=json.dumps(given)))
    return found


def _run(*command: str, stdin: str = "") -> str:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("LABEL_STUDIO", "PYTHON"))}
    done = subprocess.run(
        command, input=stdin, capture_output=True, text=True, check=False, env=kept, timeout=900
    )
    assert done.returncode == 0, f"{command[:3]} ended with {done.returncode}:\n{done.stderr}"
    return done.stdout


if __name__ == "__main__":
    sys.stdout.write(f"{python()}\n")
