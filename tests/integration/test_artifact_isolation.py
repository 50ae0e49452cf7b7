"""No spelling of a path reaches another workspace's artifacts."""

from __future__ import annotations

import httpx
import pytest

from tests.service import Service

ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"
SECRET = b"only for lab"
SPELLINGS = (
    "{base}",
    "./{base}",
    "%2e/{base}",
    "%252e/{base}",
    "/{base}",
    "%2F{base}",
    "x/../{base}",
    "x/%2e%2e/{base}",
    "workspaces/./lab/{rest}",
    "workspaces//lab/{rest}",
    "workspaces/{mine}/../lab/{rest}",
    "workspaces/{mine}/%2e%2e/lab/{rest}",
    "./workspaces/./lab/{rest}",
)


@pytest.fixture(scope="module")
def base(service: Service) -> str:
    """A folder of lab's artifacts with a secret in it."""
    service.mlpi("member", "add", "default", "otto", "owner")
    with service.client(service.token("ana", "lab")) as ana:
        body = {"name": "isolation"}
        made = ana.post("/api/2.0/mlflow/experiments/create", json=body).json()
        run = ana.post("/api/2.0/mlflow/runs/create", json=made).json()["run"]["info"]
        folder = run["artifact_uri"].removeprefix("mlflow-artifacts:/")
        assert ana.put(f"{ARTIFACTS}/{folder}/secret.txt", content=SECRET).status_code == 200
    return str(folder)


def still_there(service: Service, base: str) -> bool:
    with service.client(service.token("ana", "lab")) as ana:
        return ana.get(f"{ARTIFACTS}/{base}/secret.txt").content == SECRET


@pytest.mark.parametrize("mine", ["other", "default"])
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_no_spelling_reads_lists_writes_or_deletes(
    service: Service, base: str, mine: str, spelling: str
) -> None:
    path = spelling.format(base=base, rest=base.removeprefix("workspaces/lab/"), mine=mine)
    with service.client(service.token("otto", mine)) as otto:
        target = httpx.URL(f"{service.url}{ARTIFACTS}/{path}/secret.txt")
        assert SECRET not in otto.get(target).content
        listed = otto.get(ARTIFACTS, params={"path": path})
        assert "secret.txt" not in listed.text
        otto.put(target, content=b"overwritten")
        otto.delete(target)
        otto.post(f"/api/2.0/mlflow-artifacts/mpu/create/{path}", json={"path": "secret.txt"})
    assert still_there(service, base)


@pytest.mark.parametrize("mine", ["other", "default"])
@pytest.mark.parametrize(
    "path", ["workspaces", "workspaces/", "./workspaces", "workspaces/lab", "."]
)
def test_the_folder_of_all_workspaces_is_nobodys(
    service: Service, base: str, mine: str, path: str
) -> None:
    with service.client(service.token("otto", mine)) as otto:
        otto.delete(f"{ARTIFACTS}/{path}")
        otto.delete(f"{ARTIFACTS}/{path.replace('.', '%2e')}")
        assert '"lab"' not in otto.get(ARTIFACTS, params={"path": path}).text
    assert still_there(service, base)


@pytest.mark.parametrize("mine", ["other", "default"])
def test_no_model_version_leads_there(service: Service, base: str, mine: str) -> None:
    with service.client(service.token("otto", mine)) as otto:
        api = "/api/2.0/mlflow"
        otto.post(f"{api}/registered-models/create", json={"name": "thief"})
        for source in (f"mlflow-artifacts:/{base}", f"{service.home}/mlflow/artifacts/{base}"):
            body = {"name": "thief", "source": source}
            assert otto.post(f"{api}/model-versions/create", json=body).status_code == 400


def test_the_default_workspaces_own_artifacts_work(service: Service) -> None:
    with service.client(service.token("otto", "default")) as otto:
        for path in ("workspaces/default/own.txt", "legacy/own.txt", "./legacy/./own2.txt"):
            assert otto.put(f"{ARTIFACTS}/{path}", content=b"mine").status_code == 200
            assert otto.get(f"{ARTIFACTS}/{path}").content == b"mine"
        files = otto.get(ARTIFACTS, params={"path": "legacy"}).json()["files"]
        assert [file["path"] for file in files] == ["own.txt", "own2.txt"]
        assert otto.delete(f"{ARTIFACTS}/legacy").status_code == 200
