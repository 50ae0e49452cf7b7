"""Parts of moving in and out that need no service."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mlflow.exceptions import MlflowException, RestException

from mlpi.tracking.transfer import EndUnusable, Lost, artifacts, ends, own_tags
from mlpi.tracking.transfer.access import Access, Login
from mlpi.tracking.transfer.guard import Guard
from mlpi.tracking.transfer.report import Counts, Report, size

RUN = "0123456789abcdef" * 2


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def report(said: list[str]) -> Report:
    return Report(said.append, is_terminal=False, clock=lambda: 0.0)


def folder_end(root: Path, *, is_served: bool = False) -> ends.End:
    return ends.End("there", "there", None, roots=(root,), is_served=is_served)


def copied_from(end: ends.End, origin: str, target: Path) -> list[str]:
    """Paths of the files that a copy brings."""
    counts = Counts()
    artifacts.copy(end, origin, ends.End("here", "", None), target.as_uri(), counts)
    return sorted(str(p.relative_to(target)) for p in target.rglob("*") if p.is_file())


def test_one_bad_run_is_named_and_the_rest_goes_on(report: Report, said: list[str]) -> None:
    guard = Guard(report)
    with guard.item("run a"):
        raise MlflowException("A value is\ntoo long.")
    with guard.item("run b"):
        raise OSError(28, "No space left on device")
    report.end()
    assert said == [
        "Not copied: run a: A value is too long.",
        "Not copied: run b: [Errno 28] No space left on device.",
    ]


@pytest.mark.parametrize(
    "error",
    [
        MlflowException("API request to http://pi:9000/x failed with exception Max retries"),
        RestException({"error_code": "PERMISSION_DENIED", "message": "Your role does not allow"}),
    ],
)
def test_a_server_that_is_lost_ends_everything(report: Report, error: Exception) -> None:
    with pytest.raises(Lost, match="at run a") as caught, Guard(report).item("run a"):
        raise error
    assert caught.value.exit_code == 2
    assert "Max retries" not in caught.value.line()
    assert "Run it again" in caught.value.line()


def test_each_address_gets_its_own_login_and_others_none() -> None:
    access = Access()
    access.add("http://pi:9000", Login(token="ours"))
    access.add("http://old/mlflow", Login("jo", "pw", workspace="lab"))

    def sent(url: str) -> dict[str, str]:
        request = SimpleNamespace(url=url, headers={})
        headers: dict[str, str] = access(request).headers
        return headers

    assert sent("http://pi:9000/api/2.0/x") == {"Authorization": "Bearer ours"}
    assert sent("http://old/mlflow/api") == {
        "Authorization": "Basic am86cHc=",
        "X-MLFLOW-WORKSPACE": "lab",
    }
    assert sent("http://pi:9000.evil.example/") == {}
    assert sent("http://old/else") == {}
    assert "ours" not in repr(Login(token="ours"))


def test_passwords_are_not_part_of_a_name() -> None:
    assert ends.without_password("https://jo:pw@host:1/m/?token=x") == "https://host:1/m"


def test_files_of_a_run_are_found_where_the_folder_is_now(tmp_path: Path) -> None:
    place = tmp_path / "now" / "7" / RUN / "artifacts" / "a"
    place.mkdir(parents=True)
    (place / "b.txt").write_text("x")
    end = folder_end(tmp_path / "now")
    assert copied_from(end, f"file:///gone/7/{RUN}/artifacts", tmp_path / "to") == ["a/b.txt"]
    assert copied_from(end, f"mlflow-artifacts:/7/{RUN}/artifacts", tmp_path / "2") == ["a/b.txt"]
    assert copied_from(end, f"file:///gone/7/{'0' * 32}/artifacts", tmp_path / "3") == []
    with pytest.raises(artifacts.ArtifactsMissing, match="/gone is not here"):
        copied_from(end, f"file:///gone/8/{'0' * 32}/artifacts", tmp_path / "4")


@pytest.mark.parametrize("is_served", [True, False])
def test_a_source_cannot_name_other_folders_of_this_disk(tmp_path: Path, is_served: bool) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "key").write_text("x")
    end = folder_end(tmp_path / "roots", is_served=is_served)
    for origin in (str(tmp_path / "secrets"), (tmp_path / "secrets").as_uri()):
        with pytest.raises(artifacts.ArtifactsMissing):
            copied_from(end, origin, tmp_path / "to")


def test_a_source_of_another_kind_is_refused() -> None:
    with (
        pytest.raises(EndUnusable, match="postgresql://"),
        ends.opened_source("postgresql://u:pw@host/db", Access(), Login()),
    ):
        pass


def test_progress_is_said_now_and_then(said: list[str]) -> None:
    now = [0.0]
    report = Report(said.append, is_terminal=False, clock=lambda: now[0])
    for _ in range(25):
        report.progress(f"at {now[0]:.0f}")
        now[0] += 1
    assert said == ["at 10", "at 20"]


def test_marks_of_earlier_transfers_stay_behind() -> None:
    tags: dict[str, Any] = {"mlpi.imported.run_id": "a", "mlpi.exported.done": "b", "mlpi.x": "c"}
    assert own_tags(tags) == {"mlpi.x": "c"}


def test_sizes_for_people() -> None:
    assert [size(n) for n in (0, 999, 1000, 2_500_000)] == ["0 B", "999 B", "1.0 kB", "2.5 MB"]
