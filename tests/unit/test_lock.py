"""One service per home, and how others find it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mlpi.errors import HomeInUse
from mlpi.lock import RunningService, home_lock, running_service


def test_the_holder_is_found_with_its_address_once_published(tmp_path: Path) -> None:
    assert running_service(tmp_path) is None
    with home_lock(tmp_path) as publish:
        assert running_service(tmp_path) == RunningService(os.getpid(), None)
        publish("http://127.0.0.1:9000")
        assert running_service(tmp_path) == RunningService(os.getpid(), "http://127.0.0.1:9000")
    assert running_service(tmp_path) is None


def test_a_second_holder_is_refused_and_told_who_the_first_is(tmp_path: Path) -> None:
    with home_lock(tmp_path) as publish:
        publish("http://127.0.0.1:9000")
        with pytest.raises(HomeInUse, match=rf"\(process {os.getpid()}\)"), home_lock(tmp_path):
            pass
        assert running_service(tmp_path) is not None
    with home_lock(tmp_path):
        pass


def test_what_a_killed_holder_left_behind_counts_for_nothing(tmp_path: Path) -> None:
    hold = (
        "import os, sys; from pathlib import Path; from mlpi.lock import home_lock\n"
        "with home_lock(Path(sys.argv[1])) as publish:\n"
        "    publish('http://127.0.0.1:9000'); os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", hold, str(tmp_path)], check=False)
    assert "9000" in (tmp_path / "mlpi.lock").read_text()
    assert running_service(tmp_path) is None
    # A number that was given to somebody else since.
    (tmp_path / "mlpi.lock").write_text(f"{os.getpid()}\nhttp://127.0.0.1:9000\n")
    assert running_service(tmp_path) is None
    with home_lock(tmp_path):
        pass
