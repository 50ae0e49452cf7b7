"""/tensorboard/ over a real socket: answers like stock TensorBoard's, for one workspace only."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
import zipfile
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from mlpi.auth.headers import PROJECTOR_CSP, TENSORBOARD_CSP
from mlpi.boards.models import BoardRun
from mlpi.boards.stock.webfiles import package
from mlpi.clock import utcnow
from mlpi.db import Database
from mlpi.settings import Settings
from tests.board_logs import START, every_kind, new_kinds
from tests.event_files import event, header, simple, write
from tests.service import Service, clean_environment, free_port, running_service, until

HERE = "/tensorboard/in/stock"
LEFT_OUT = {"debugger-v2", "profile_redirect", "wit_redirect"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture(scope="module")
def room(service: Service) -> Path:
    """The folder of a workspace `stock` that vic may see, full of runs; `shut` is otto's."""
    for workspace in ("stock", "shut"):
        service.mlpi("workspace", "add", workspace)
    service.mlpi("member", "add", "stock", "vic", "viewer")
    service.mlpi("member", "add", "stock", "ana", "owner")
    service.mlpi("member", "add", "shut", "otto", "owner")
    service.mlpi("member", "add", "shut", "ana", "viewer")
    folder = service.home / "tensorboard" / "stock"
    every_kind(folder)
    write(
        service.home / "tensorboard" / "shut" / "secret",
        [header(), event(0, simple("secret/loss", 1.0), *new_kinds(0))],
    )
    with service.client(service.token("otto", "shut")) as otto:
        until(lambda: "secret" in otto.get("/tensorboard/data/runs").json())
    with service.client(service.token("vic", "stock")) as vic:
        until(lambda: len(vic.get("/tensorboard/data/runs").json()) == 4)
        until(lambda: vic.get("/boards").status_code == 200)
    return folder


@pytest.fixture
def vic(service: Service, room: Path) -> Iterator[httpx.Client]:
    with service.client(service.token("vic", "stock")) as client:
        yield client


@pytest.fixture(scope="module")
def theirs(room: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Stock TensorBoard on the same logs."""
    port = free_port()
    log = (tmp_path_factory.mktemp("stock") / "log").open("w")
    command = [sys.executable, "-W", "ignore", "-m", "tensorboard.main", "--load_fast=false"]
    process = subprocess.Popen(
        [*command, "--logdir", str(room), "--host", "127.0.0.1", "--port", str(port)],
        stdout=log,
        stderr=log,
        env=clean_environment(),
    )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            until(lambda: _runs(client) == 4)
            until(lambda: "notes" in client.get("/data/plugin/text/tags").text)
            yield client
    finally:
        process.terminate()
        process.wait(timeout=20)
        log.close()


def _runs(client: httpx.Client) -> int:
    try:
        return len(client.get("/data/runs").json())
    except httpx.TransportError:
        return 0


def query(path: str, **asked: object) -> str:
    words = "&".join(f"{name}={quote(str(value), safe='')}" for name, value in asked.items())
    return f"/data/plugin/{path}?{words}"


TRAIN, OLD = "new/train", "old"
QUESTIONS = [
    "/data/runs",
    "/data/experiments",
    "/data/experiment_runs",
    "/data/plugin/scalars/tags",
    query("scalars/scalars", run=TRAIN, tag="train/loss"),
    query("scalars/scalars", run=TRAIN, tag="train/steps"),
    query("scalars/scalars", run=OLD, tag="old/named"),
    query("scalars/scalars", run=OLD, tag="old/named", format="csv"),
    query("scalars/scalars", run=OLD, tag="none"),
    "/data/plugin/images/tags",
    query("images/images", run=TRAIN, tag="samples", sample=0),
    query("images/images", run=OLD, tag="old/picture", sample=0),
    query("images/images", run="again", tag="p", sample=0),
    "/data/plugin/histograms/tags",
    query("histograms/histograms", run=TRAIN, tag="weights"),
    query("histograms/histograms", run=OLD, tag="old/weights"),
    "/data/plugin/distributions/tags",
    query("distributions/distributions", run=OLD, tag="old/weights"),
    "/data/plugin/text/tags",
    query("text/text", run=TRAIN, tag="notes"),
    query("text/text", run=TRAIN, tag="notes", markdown="false"),
    query("text/text", run=OLD, tag="torch/text_summary"),
    "/data/plugin/audio/tags",
    query("audio/audio", run=TRAIN, tag="sound", sample=1),
    query("audio/audio", run=OLD, tag="old/sound", sample=0),
    "/data/plugin/pr_curves/tags",
    query("pr_curves/pr_curves", run=TRAIN, tag="pr"),
    "/data/plugin/graphs/info",
    query("graphs/graph", run=TRAIN, limit_attr_size=1024, large_attrs_key="_too_large_attrs"),
    query("graphs/graph", run=TRAIN, tag="keras", conceptual="true"),
    query("graphs/graph", run=TRAIN, tag="batch_2"),
    query("graphs/run_metadata", run=TRAIN, tag="batch_2"),
    query("graphs/run_metadata", run=OLD, tag="step4"),
    query("graphs/graph", run="none"),
    "/data/plugin/mesh/tags",
    query("mesh/meshes", run=TRAIN, tag="shape", sample=0),
    query("mesh/data", run=TRAIN, tag="shape", sample=0, step=1, content_type="VERTEX"),
    query("mesh/data", run=TRAIN, tag="shape", sample=0, step=1, content_type="FACE"),
    "/data/plugin/custom_scalars/layout",
    query("custom_scalars/scalars", run=TRAIN, tag=".*loss"),
    query("custom_scalars/scalars", run=OLD, tag=".*loss"),
    "/data/plugin/timeseries/tags",
    "/data/plugin/hparams/experiment?request=" + quote(json.dumps({"experimentName": ""})),
    "/data/plugin/projector/runs",
]


@pytest.mark.parametrize("question", QUESTIONS)
def test_answers_are_like_stock_tensorboards(
    vic: httpx.Client, theirs: httpx.Client, question: str
) -> None:
    expected = theirs.get(question)
    answer = vic.get(HERE + question)
    assert answer.status_code == expected.status_code
    assert answer.headers["content-type"] == expected.headers["content-type"]
    if expected.headers["content-type"] == "application/json":
        assert answer.json() == expected.json()
    else:
        assert answer.text == expected.text


def test_an_experiments_name_changes_nothing_but_the_keys_of_blobs(
    vic: httpx.Client, theirs: httpx.Client
) -> None:
    name = "/experiment/defaultExperimentId"
    for question in QUESTIONS:
        answers = [
            client.get(f"{base}{name}{question}").content
            for client, base in ((vic, HERE), (vic, "/tensorboard"), (theirs, ""))
        ]
        assert answers[0] == answers[1], question
        assert _parsed(answers[0]) == _parsed(answers[2]), question


def _parsed(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return content


def test_long_questions_are_answered_like_stock_tensorboards(
    vic: httpx.Client, theirs: httpx.Client
) -> None:
    wanted = [
        {"plugin": "scalars", "tag": "train/loss"},
        {"plugin": "scalars", "tag": "old/named"},
        {"plugin": "histograms", "tag": "weights", "run": TRAIN},
        {"plugin": "images", "tag": "samples", "sample": 0, "run": TRAIN},
        {"plugin": "images", "tag": "none", "sample": 0, "run": TRAIN},
    ]
    parameters = {"hparams": [], "metrics": []}
    listed: dict[str, Any] = {
        "experimentName": "",
        "allowedStatuses": ["STATUS_UNKNOWN", "STATUS_RUNNING", "STATUS_SUCCESS"],
        "colParams": [{"hparam": "rate", "order": "ORDER_ASC"}],
        "startIndex": 0,
        "sliceSize": 100,
    }
    metric = {"sessionName": TRAIN, "metricName": {"tag": "train/loss"}}
    for path, body in [
        ("timeseries/timeSeries", {"data": {"requests": json.dumps(wanted)}}),
        ("scalars/scalars_multirun", {"data": {"tag": "train/loss", "runs": [TRAIN, "again"]}}),
        ("hparams/experiment", {"json": parameters}),
        ("hparams/session_groups", {"json": listed}),
        (
            "hparams/metric_evals",
            {"json": metric},
        ),
    ]:
        expected = theirs.post(f"/data/plugin/{path}", **body)  # type: ignore[arg-type]
        answer = vic.post(f"{HERE}/data/plugin/{path}", **body)  # type: ignore[arg-type]
        assert answer.status_code == expected.status_code, path
        assert _in_order(answer) == _in_order(expected), path
        assert len(expected.content) > 30


def _in_order(answer: httpx.Response) -> Any:
    if answer.headers["content-type"] != "application/json":
        return answer.text
    found = answer.json()
    if isinstance(found, dict) and "hparamInfos" in found:
        found["hparamInfos"].sort(key=lambda one: one["name"])  # a set, there
    return found


def test_pictures_and_sounds_are_the_same_bytes(vic: httpx.Client, theirs: httpx.Client) -> None:
    count = 0
    for listed, one, tag in [
        ("images/images", "images/individualImage", "samples"),
        ("audio/audio", "audio/individualAudio", "sound"),
    ]:
        for datum in theirs.get(query(listed, run=TRAIN, tag=tag, sample=0)).json():
            address = f"/data/plugin/{one}?{datum['query']}"
            if "audio" in one:
                address += f"&content_type={datum['contentType']}"
            expected = theirs.get(address)
            answer = vic.get(HERE + address)
            assert answer.status_code == expected.status_code == 200
            assert answer.content == expected.content
            assert answer.headers["content-type"] == expected.headers["content-type"]
            count += 1
    assert count == 10


def test_tabs_are_stocks_but_for_those_that_need_files_of_their_own(
    vic: httpx.Client, theirs: httpx.Client
) -> None:
    our, their = (
        client.get(f"{base}/data/plugins_listing").json()
        for client, base in ((vic, HERE), (theirs, ""))
    )
    assert set(their) - set(our) == LEFT_OUT
    assert list(our) == [name for name in their if name in our]
    for name, told in our.items():
        told["loading_mechanism"].pop("module_path", None)
        their[name]["loading_mechanism"].pop("module_path", None)
        assert told == their[name]
    assert vic.get(f"{HERE}/data/environment").json()["data_location"] == "stock/"
    assert vic.get(f"{HERE}/data/logdir").json() == {"logdir": "stock/"}
    assert "debug" not in vic.get(f"{HERE}/data/environment").json()


def test_whoever_is_not_logged_in_sees_nothing(service: Service, room: Path) -> None:
    with service.client() as nobody:
        for path in ("/tensorboard/", f"{HERE}/", f"{HERE}/data/runs", f"{HERE}/index.js"):
            answer = nobody.get(path)
            assert answer.status_code == 401, path
        assert nobody.post(f"{HERE}/data/plugin/timeseries/timeSeries").status_code == 401


def test_the_page_opens_in_the_workspace_and_is_small(service: Service, vic: httpx.Client) -> None:
    for address in ("/tensorboard", "/tensorboard/", HERE):
        answer = vic.get(address)
        assert answer.status_code == 307
        assert answer.headers["location"] == f"{HERE}/"
    moved = vic.get("/tensorboard/?workspace=stock&tagFilter=a%20b&x=")
    assert moved.headers["location"] == f"{HERE}/?tagFilter=a+b&x="
    page = vic.get(f"{HERE}/")
    assert page.status_code == 200
    assert page.headers["content-security-policy"] == TENSORBOARD_CSP
    assert page.headers["content-encoding"] == "gzip"
    assert page.num_bytes_downloaded < 60_000
    assert 'href="/boards?workspace=stock"' in page.text
    assert "url(/font-roboto" not in page.text
    script = vic.get("/tensorboard/index.js?_file_hash=1")
    assert "immutable" in script.headers["cache-control"]
    assert script.num_bytes_downloaded < 2_500_000 < len(script.content)


@pytest.mark.parametrize("coding", ["gzip", "identity"])
def test_the_pages_files_are_those_of_the_archive(vic: httpx.Client, coding: str) -> None:
    with zipfile.ZipFile(package() / "webfiles.zip") as archive:
        found = [one for one in archive.infolist() if not one.is_dir()]
        assert len(found) > 80
        for one in found:
            name = one.filename
            if name == "index.html":
                continue
            answer = vic.get(f"{HERE}/{name}", headers={"Accept-Encoding": coding})
            assert answer.status_code == 200, name
            assert answer.content == archive.read(name)
            is_packed = coding == "gzip" and one.compress_type == zipfile.ZIP_DEFLATED
            assert answer.headers.get("content-encoding") == ("gzip" if is_packed else None)
    for strange in (
        "none.js",
        "%2e%2e/%2e%2e/mlpi.db",
        "tf-imports/",
        "tf-imports",
        "index.html/x",
    ):
        assert vic.get(f"{HERE}/{strange}").status_code == 404


def test_another_workspace_is_out_of_reach(service: Service, vic: httpx.Client) -> None:
    """vic is a member of stock, and of shut not."""
    for address in (
        "/tensorboard/in/shut/",
        "/tensorboard/in/shut/data/runs",
        "/tensorboard/?workspace=shut",
        "/tensorboard/data/runs?workspace=shut",
        "/tensorboard/in/nothing/data/runs",
    ):
        assert vic.get(address).status_code == 404
    headers = {"X-Mlflow-Workspace": "shut"}
    assert vic.get("/tensorboard/data/runs", headers=headers).status_code == 404
    stock = vic.get(f"{HERE}/data/runs").json()
    assert stock == vic.get("/tensorboard/data/runs").json()
    for address in (
        f"{HERE}/experiment/shut/data/runs",
        "/tensorboard/experiment/..%2fshut/data/runs",
        f"{HERE}/data/runs?experiment=shut",
        f"{HERE}/data/runs?workspace=shut",
        f"{HERE}/../in/shut/data/runs".replace("/../", "/%2e%2e/"),
        "/tensorboard//in/shut/data/runs",
    ):
        answer = vic.get(address)
        assert answer.status_code == 404 or answer.json() == stock, address
    underscored = vic.get(f"{HERE}/data/runs", headers={"X_Mlflow_Workspace": "shut"})
    assert underscored.json() == stock
    for name in ("secret", "../shut/secret", "/../shut/secret"):
        found = vic.get(HERE + query("scalars/scalars", run=name, tag="secret/loss"))
        assert found.status_code == 404
        assert "secret/loss" not in vic.get(f"{HERE}/data/plugin/scalars/tags").text


def test_the_workspace_is_chosen_as_elsewhere(service: Service, room: Path) -> None:
    with service.browser("ana") as ana:
        in_shut = ana.get("/tensorboard/data/runs?workspace=shut").json()
        assert in_shut == ana.get("/tensorboard/in/shut/data/runs").json() == ["secret"]
        named = ana.get("/tensorboard/data/runs", headers={"X-Mlflow-Workspace": "stock"}).json()
        assert TRAIN in named
        assert ana.get("/tensorboard/?workspace=shut").headers["location"].endswith("/in/shut/")


def test_a_question_from_another_site_is_refused(service: Service, room: Path) -> None:
    with service.browser("ana") as ana:
        answer = ana.post(
            f"{HERE}/data/plugin/timeseries/timeSeries",
            data={"requests": "[]"},
            headers={"Origin": "http://evil.example"},
        )
        assert answer.status_code == 403
        own = ana.post(
            f"{HERE}/data/plugin/timeseries/timeSeries",
            data={"requests": "[]"},
            headers={"Origin": service.url},
        )
        assert own.status_code == 200


def test_archived_runs_are_not_shown(service: Service, room: Path) -> None:
    write(service.home / "tensorboard" / "shut" / "old one", [header(), event(0, *new_kinds(0))])
    with service.client(service.token("otto", "shut")) as otto:
        listed = until(lambda: "old one" in otto.get("/tensorboard/data/runs").json())
        assert listed
        images = query("images/images", run="old one", tag="samples", sample=0)
        (datum,) = until(lambda: otto.get("/tensorboard" + images).json())
        picture = f"/tensorboard/data/plugin/images/individualImage?{datum['query']}"
        assert otto.get(picture).status_code == 200
        db = Database(Settings(home=service.home).database)
        with db.write() as session:
            session.add(BoardRun(workspace="shut", name="old one", archived_at=utcnow()))
        assert otto.get("/tensorboard/data/runs").json() == ["secret"]
        assert otto.get(picture).status_code == 404
        assert otto.get("/tensorboard" + images).status_code == 404


def test_new_points_are_served_with_the_next_question(service: Service, vic: httpx.Client) -> None:
    with service.client(service.token("otto", "shut")) as otto:
        path = write(service.home / "tensorboard" / "shut" / "live", [header(START)])
        question = "/tensorboard" + query("scalars/scalars", run="live", tag="loss")
        for step in range(3):
            with path.open("ab") as file:
                file.write(event(step, simple("loss", step)))
            begun = time.monotonic()
            until(lambda n=step: len(_list(otto.get(question))) == n + 1, seconds=20)
            assert time.monotonic() - begun < 10
        path.unlink()


def _list(answer: httpx.Response) -> list[Any]:
    return answer.json() if answer.status_code == 200 else []


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"requests=%ff", 400), (b"requests=nonsense", 400), (b"", 400), (b"x" * (5 << 20), 422)],
)
def test_nonsense_is_refused(vic: httpx.Client, body: bytes, status: int) -> None:
    answer = vic.post(f"{HERE}/data/plugin/timeseries/timeSeries", content=body, headers=FORM)
    assert answer.status_code == status


def test_odd_addresses_do_no_harm(service: Service, vic: httpx.Client) -> None:
    raw = b"GET /tensorboard/data/runs?x=\xff HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    raw += b"Authorization: Bearer " + service.token("vic", "stock").encode() + b"\r\n\r\n"
    with socket.create_connection(("127.0.0.1", service.port)) as connection:
        connection.sendall(raw)
        connection.settimeout(20)
        first = connection.recv(100)
    assert first.split()[1] in (b"200", b"400")
    for path in (
        "/tensorboard/data/none",
        "/tensorboard/graphs",
        "/tensorboard/in/",
        "/tensorboard/x",
    ):
        assert vic.get(path).status_code == 404


PROJECTOR = f"{HERE}/data/plugin/projector"


def test_the_projector_shows_vectors_of_the_workspace_and_follows_no_link(
    service: Service, vic: httpx.Client, room: Path
) -> None:
    secret = service.home / "tensorboard" / "shut" / "secret"
    (secret / "vectors.tsv").write_text("4\t2\n")
    secret_config = 'embeddings { tensor_name: "stolen" tensor_path: "vectors.tsv" }'
    (secret / "projector_config.pbtxt").write_text(secret_config)

    run = room / OLD
    config = run / "projector_config.pbtxt"
    config.write_text(
        'embeddings { tensor_name: "words" tensor_path: "w.tsv" metadata_path: "w.txt" }\n'
        'embeddings { tensor_name: "out" tensor_path: "../../shut/secret/vectors.tsv" }\n'
        f'embeddings {{ tensor_name: "abs" tensor_path: "{secret}/vectors.tsv" }}\n'
        'embeddings { tensor_name: "link" tensor_path: "link.tsv" }\n'
        'embeddings { tensor_name: "labels" tensor_path: "w.tsv" '
        'metadata_path: "../../shut/secret/vectors.tsv" }\n'
    )
    (run / "w.tsv").write_text("1\t2\n3\t4\n")
    (run / "w.txt").write_text("one\ntwo\n")
    (run / "link.tsv").symlink_to(secret / "vectors.tsv")
    linked = room / TRAIN / "projector_config.pbtxt"
    linked.symlink_to(secret / "projector_config.pbtxt")
    broken = room / "again" / "projector_config.pbtxt"
    broken.write_text("embeddings { what")
    plugins = room / TRAIN / "plugins"
    plugins.mkdir()
    (plugins / "org_tensorflow_tensorboard_projector").symlink_to(secret)
    try:
        assert vic.get(f"{PROJECTOR}/runs").json() == [OLD]
        found = vic.get(f"{PROJECTOR}/info", params={"run": OLD}).json()["embeddings"]
        assert [one["tensorName"] for one in found] == ["words", "labels"]
        tensor = vic.get(f"{PROJECTOR}/tensor", params={"run": OLD, "name": "words"})
        assert len(tensor.content) == 4 * 4
        labels = vic.get(f"{PROJECTOR}/metadata", params={"run": OLD, "name": "words"})
        assert labels.text == "one\ntwo\n"
        for name in ("out", "abs", "link"):
            answer = vic.get(f"{PROJECTOR}/tensor", params={"run": OLD, "name": name})
            assert answer.status_code >= 400
        outside = vic.get(f"{PROJECTOR}/metadata", params={"run": OLD, "name": "labels"})
        assert outside.status_code >= 400
        assert "4" not in outside.text.replace("400", "")
        for run_name in (TRAIN, "again", "../shut/secret"):
            answer = vic.get(f"{PROJECTOR}/info", params={"run": run_name})
            assert answer.status_code == 400
        listing = vic.get(f"{HERE}/data/plugins_listing").json()
        assert listing["projector"]["enabled"] is True
    finally:
        for path in (config, linked, broken, plugins / "org_tensorflow_tensorboard_projector"):
            path.unlink()
        plugins.rmdir()
    assert vic.get(f"{HERE}/data/plugins_listing").json()["projector"]["enabled"] is False


def test_plugins_frames_may_do_what_they_need_and_no_more(vic: httpx.Client) -> None:
    entry = vic.get(f"{HERE}/data/plugin_entry.html?name=projector")
    assert entry.headers["content-security-policy"] == TENSORBOARD_CSP
    line = entry.text.split('<script type="module">')[1].split("</script>")[0]
    assert f"'sha256-{b64encode(sha256(line.encode()).digest()).decode()}'" in TENSORBOARD_CSP
    frame = vic.get(f"{PROJECTOR}/projector_binary.html")
    assert frame.headers["content-security-policy"] == PROJECTOR_CSP
    assert "url(/font-roboto" not in frame.text
    script = vic.get(f"{PROJECTOR}/projector_binary.js")
    assert script.headers["content-encoding"] == "gzip"
    assert script.status_code == 200
    for policy in (TENSORBOARD_CSP, PROJECTOR_CSP):
        assert "http" not in policy
        assert "script-src 'self'" in policy
        assert "'unsafe-inline'" not in policy.split("script-src")[1].split(";")[0]


def test_the_service_answers_others_while_tensorboard_is_imported(tmp_path: Path) -> None:
    with running_service(tmp_path) as fresh:
        fresh.add_user("ana")
        token = fresh.token("ana", "default")
        fresh.wait_ready()
        slowest = 0.0
        done = threading.Event()

        def ask() -> None:
            with fresh.client(token) as client:
                assert client.get("/tensorboard/data/runs").json() == []
            done.set()

        with fresh.client() as client:
            client.get("/healthz")
            thread = threading.Thread(target=ask)
            thread.start()
            while not done.is_set():
                begun = time.monotonic()
                assert client.get("/healthz").status_code == 200
                slowest = max(slowest, time.monotonic() - begun)
            thread.join()
        assert slowest < 1.0
