"""Stand-ins for the machine's own programs."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Sequence


class Programs:
    """Answers by the start of the command line, refuses the rest, remembers everything."""

    def __init__(self, answers: dict[str, str] | None = None) -> None:
        self.answers = answers or {}
        self.commands: list[str] = []

    def __call__(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        line = shlex.join(command)
        self.commands.append(line)
        for start, answer in self.answers.items():
            if line.startswith(start):
                return subprocess.CompletedProcess(command, 0, answer + "\n", "")
        return subprocess.CompletedProcess(command, 1, "", f"{command[0]}: no\n")
