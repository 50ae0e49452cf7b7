"""A shelf for commands: through the service while it runs, else with an engine of our own."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlpi.errors import NotReady
from mlpi.vectors import frames, relay
from mlpi.vectors.shelf import Shelf, over
from mlpi.vectors.supervision import environment


@contextmanager
def reached(home: Path, workspace: str) -> Iterator[Shelf]:
    """A workspace's shelf. Raises NotReady when an engine does not start."""
    if (home / "chroma" / relay.NAME).exists():
        try:
            with relay.connected(home, workspace) as shelf:
                yield shelf
            return
        except relay.NobodyListens:
            pass  # what a killed service left behind
    with _own_engine(home / "chroma", workspace) as shelf:
        yield shelf


@contextmanager
def _own_engine(folder: Path, workspace: str) -> Iterator[Shelf]:
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "mlpi.vectors.engine"),
                    *(str(theirs.fileno()), str(folder)),
                ],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env=environment(),
            )
        try:
            if frames.receive(ours) is None:
                raise NotReady("The vector engine does not start; see what it printed.")
            yield Shelf(over(ours, "The vector engine ended before it answered."), workspace)
        finally:
            ours.close()
            process.wait()
