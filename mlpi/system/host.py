"""The machine as commands see it: its files below a root, and the programs it can run."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlpi.errors import MlpiError

Runner = Callable[[Sequence[str]], "subprocess.CompletedProcess[str]"]

# `systemctl enable --now` waits for READY: a Pi's first start compiles and migrates.
LONGEST_RUN_S = 180
NOT_FOUND = 127


class CommandFailed(MlpiError):
    """A program of this machine refused."""


def program() -> str:
    """How to call this mlpi from anywhere: sudo searches no virtual environment."""
    script = Path(sys.executable).with_name("mlpi")
    return str(script) if script.exists() else f"{sys.executable} -m mlpi"


def run_program(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run it to its end; one that is missing or hangs counts as failed."""
    environment = {**os.environ, "LC_ALL": "C"}  # its answers are read
    try:
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=LONGEST_RUN_S,
            env=environment,
            stdin=subprocess.DEVNULL,
        )
    except FileNotFoundError:
        return subprocess.CompletedProcess(command, NOT_FOUND, "", f"{command[0]} is not there")
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, "", f"no answer in {LONGEST_RUN_S} s")


@dataclass(frozen=True, slots=True)
class Host:
    """Tests put another root and another runner in place of the machine's own."""

    root: Path = Path("/")
    run: Runner = run_program

    def path(self, absolute: str | Path) -> Path:
        """Where this absolute path lies below the root."""
        return self.root / str(absolute).lstrip("/")

    def read(self, absolute: str | Path) -> str | None:
        """A file's text, None where there is none that we may read."""
        try:
            return self.path(absolute).read_text()
        except (OSError, UnicodeDecodeError):
            return None

    def ask(self, *command: str) -> str | None:
        """What a query prints, None when it fails."""
        done = self.run(command)
        return done.stdout.strip() if done.returncode == 0 else None

    def do(self, *command: str) -> None:
        """Run a command that changes something. Raises CommandFailed with its own words."""
        done = self.run(command)
        if done.returncode != 0:
            words = " ".join((done.stderr or done.stdout).split()) or f"exit {done.returncode}"
            raise CommandFailed(f"{shlex.join(command)} failed: {words}")
