"""Bad days, through the real command line: one clear line, the right exit code, nothing lost."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import timedelta
from hashlib import sha256
from itertools import count
from pathlib import Path
from urllib.parse import quote_plus

import anyio
import httpx
import pytest

from mlpi.auth.audit import Actor
from mlpi.auth.identity import TOUCH_EVERY
from mlpi.house import House
from tests.conftest import TurnedClock
from tests.service import PASSWORD, Service, free_port, mlpi, running_service

ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"
MLFLOW = "/api/2.0/mlflow"


def told(done: subprocess.CompletedProcess[str]) -> str:
    """The one line on stderr that a failed command leaves, and nothing else."""
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("mlpi: ")
    return line


def refused(*arguments: str, home: Path, code: int = 1, **env: str) -> str:
    """What a command says that must fail with this exit code."""
    done = mlpi(*arguments, home=home, env=env, check=False)
    assert done.returncode == code, done.stderr
    return told(done)


def serve(home: Path, *, code: int = 1, **env: str) -> str:
    """What a service says that must not start."""
    options = ("--host", "127.0.0.1", "--port", str(free_port()))
    return refused("serve", *options, home=home, code=code, **env)


def users(home: Path) -> str:
    return mlpi("user", "list", home=home).stdout


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with an account in it."""
    folder = tmp_path / "home"
    mlpi("user", "add", "ana", "--password-stdin", home=folder, stdin=PASSWORD)
    return folder


# --- arguments --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("bogus", "'bogus'"),
        ("serve --bogus", "--bogus"),
        ("serve --port abc", "'--port'"),
        ("serve --port 99999", "port = 99999 (--port)"),
        ("serve more", "more"),
        ("token add ana", "'--workspace'"),
        ("token add ana --workspace default --role boss", "'boss' is not a role"),
        ("token add ana --workspace default --expires soon", "'soon' is not a lifetime"),
        ("token revoke first", "'ID'"),
        ("user add", "'NAME'"),
        ("doctor --jason", "--jason"),
        ("service install now", "now"),
    ],
)
def test_a_wrong_argument_costs_one_line_and_exit_2(
    tmp_path: Path, arguments: str, words: str
) -> None:
    done = mlpi(*arguments.split(), env={"MLPI_HOME": str(tmp_path / "home")}, check=False)
    assert done.returncode == 2
    assert words.lower() in told(done).lower()


def test_a_group_without_a_command_shows_its_help() -> None:
    done = mlpi("user", check=False)
    assert done.returncode == 2
    assert "passwd" in done.stderr
    assert not done.stderr.startswith("mlpi:")


# --- port and home ----------------------------------------------------------------------------


def test_port_taken(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        line = refused("serve", "--host", "127.0.0.1", "--port", port, home=home)
    assert f"Port {port} on 127.0.0.1 is in use." in line
    assert "--port" in line


def test_an_address_that_is_not_ours(home: Path) -> None:
    assert "203.0.113.1:9000" in refused("serve", "--host", "203.0.113.1", home=home)


def test_home_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for command in (("serve",), ("user", "list"), ("migrate",)):
        line = refused(*command, home=tmp_path / "file" / "home")
        assert "cannot be written to (Not a directory)" in line
        assert "--home" in line
    assert (tmp_path / "file").read_text() == "mine"


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A file system of its own; skips where we may not mount one."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "tmpfs", str(folder)]
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("mounting a small disk needs root")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"no small disk here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_home_on_a_read_only_disk(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "4m") as disk:
        mlpi("user", "add", "ana", "--password-stdin", home=disk / "home", stdin=PASSWORD)
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        for command in (("serve",), ("user", "list")):
            line = refused(*command, home=disk / "home")
            assert "cannot be written to (Read-only file system)" in line
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
        assert "ana" in users(disk / "home")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_home_that_is_somebody_elses(home: Path) -> None:
    home.chmod(0o500)
    try:
        assert "cannot be written to (Permission denied)" in serve(home)
    finally:
        home.chmod(0o700)


# --- a full disk ------------------------------------------------------------------------------


def leave_free(disk: Path, free_bytes: int) -> None:
    """Fill a disk up to that much."""
    with (disk / "filler").open("wb", buffering=0) as filler:
        while (left := os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize - free_bytes) > 0:
            filler.write(b"\0" * min(left, 65536))


@pytest.mark.parametrize("free_kb", [0, 4, 12, 40])
def test_a_full_disk_at_the_very_first_start(tmp_path: Path, free_kb: int) -> None:
    with small_disk(tmp_path / "disk", "2m") as disk:
        leave_free(disk, free_kb * 1024)
        line = serve(disk / "home")
        assert "full" in line
        assert "Free some" in line
        (disk / "filler").unlink()
        assert mlpi("migrate", home=disk / "home").returncode == 0


def test_a_full_disk_at_a_later_start_loses_nothing(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "2m") as disk:
        home = disk / "home"
        mlpi("user", "add", "ana", "--password-stdin", home=home, stdin=PASSWORD)
        leave_free(disk, 0)
        assert f"The disk of {home} is full." in serve(home)
        full = mlpi(
            *("user", "add", "zoe", "--password-stdin"), home=home, stdin=PASSWORD, check=False
        )
        assert full.returncode == 1
        assert "full" in told(full)
        (disk / "filler").unlink()
        assert "ana" in users(home)
        assert "zoe" not in users(home)


@pytest.mark.parametrize("free_kb", [4, 8, 16, 24, 32, 48, 64])
def test_a_nearly_full_disk_takes_a_user_whole_or_not_at_all(tmp_path: Path, free_kb: int) -> None:
    with small_disk(tmp_path / "disk", "2m") as disk:
        home = disk / "home"
        mlpi("user", "add", "ana", "--password-stdin", home=home, stdin=PASSWORD)
        leave_free(disk, free_kb * 1024)
        done = mlpi(
            *("user", "add", "zoe", "--password-stdin"), home=home, stdin=PASSWORD, check=False
        )
        if done.returncode != 0:
            assert "full" in told(done)
        (disk / "filler").unlink()
        assert "ana" in users(home)
        assert ("zoe" in users(home)) == (done.returncode == 0)


def test_a_disk_that_fills_up_while_mlpi_runs(tmp_path: Path) -> None:
    """Reading goes on, writing is refused with the reason, and all is well once there is space."""
    with small_disk(tmp_path / "disk", "30m") as disk, running_service(disk) as service:
        service.add_user("ana")
        service.wait_ready()
        body = {"name": "zoe", "password": PASSWORD}
        with service.browser("ana") as browser:
            leave_free(disk, 0)
            answers = [
                browser.post("/api/mlpi/users", json={**body, "name": f"zoe{n}"}) for n in (1, 2)
            ]
            assert [answer.status_code for answer in answers] == [507, 507]
            assert "Free some space" in answers[0].json()["advice"]
            for page in ("/", "/settings/tokens", "/healthz"):
                assert browser.get(page).status_code == 200
            assert [one["name"] for one in browser.get("/api/mlpi/users").json()] == ["ana"]
            (disk / "filler").unlink()
            assert browser.post("/api/mlpi/users", json=body).status_code == 201
        assert service.stop() == 0


# --- settings ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"port = \n", ["is not valid TOML", "line 1"]),
        (b"prt = 9001", ["there is no setting 'prt'", "Did you mean port?"]),
        (b"port = 'many'", ["port = 'many'", "mlpi.toml", "valid integer"]),
        (b"port = 0", ["port = 0", "greater than or equal to 1"]),
        (b"log_level = 'loud'", ["'debug', 'info', 'warning' or 'error'"]),
        (b"\xff\xfe", ["is not UTF-8 text"]),
        (
            b"database_url = 'mysql://me:secret@db/x'",
            ["mysql://me:***@db/x", "must start with sqlite:/// or postgresql"],
        ),
    ],
)
def test_a_broken_settings_file(home: Path, text: bytes, words: list[str]) -> None:
    (home / "mlpi.toml").write_bytes(text)
    for command in (("serve",), ("user", "list")):
        line = refused(*command, home=home, code=2)
        assert not [word for word in words if word not in line]
    (home / "mlpi.toml").unlink()
    assert "ana" in users(home)


def test_a_settings_file_that_is_a_folder(home: Path) -> None:
    (home / "mlpi.toml").mkdir()
    assert "cannot be read (Is a directory)" in serve(home, code=2)


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("MLPI_PORT", "abc", ["port = 'abc' (MLPI_PORT)"]),
        ("MLPI_SHUTDOWN_S", "-1", ["shutdown_s = '-1' (MLPI_SHUTDOWN_S)", "greater than 0"]),
        ("MLPI_PROT", "9000", ["There is no setting MLPI_PROT", "Did you mean MLPI_PORT?"]),
        ("MLPI_XYZZY", "", ["There is no setting MLPI_XYZZY", "MLPI_HOST"]),
    ],
)
def test_a_wrong_variable(home: Path, variable: str, value: str, words: list[str]) -> None:
    line = refused("serve", home=home, code=2, **{variable: value})
    assert not [word for word in words if word not in line]


def test_an_empty_variable_counts_as_not_set(home: Path) -> None:
    done = mlpi("user", "list", home=home, env={"MLPI_PORT": ""})
    assert "ana" in done.stdout


# --- databases --------------------------------------------------------------------------------


def random_bytes(file: Path) -> None:
    file.write_bytes(os.urandom(20_000))


def half_of_it(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def a_first_page_and_no_more(file: Path) -> None:
    os.truncate(file, 4096)


def damaged_schema(file: Path) -> None:
    with file.open("r+b") as raw:
        raw.seek(100)
        raw.write(os.urandom(3000))


@pytest.mark.parametrize(
    "damage", [random_bytes, half_of_it, a_first_page_and_no_more, damaged_schema]
)
def test_a_damaged_database_is_named_and_left_as_it_is(
    home: Path, damage: Callable[[Path], None]
) -> None:
    file = home / "mlpi.db"
    damage(file)
    before = sha256(file.read_bytes()).digest()
    for line in (serve(home), refused("user", "list", home=home), refused("migrate", home=home)):
        assert f"The database {file} is damaged" in line
        assert "restore a backup" in line
    assert sha256(file.read_bytes()).digest() == before


def test_a_damaged_table_is_one_line_as_well(home: Path) -> None:
    """The start reads little; a command comes upon the damage later."""
    file = home / "mlpi.db"
    with closing(sqlite3.connect(file)) as connection:
        query = "SELECT rootpage FROM sqlite_master WHERE name = 'users'"
        page = connection.execute(query).fetchone()[0]
    with file.open("r+b") as raw:
        raw.seek((page - 1) * 4096)
        raw.write(os.urandom(4096))
    assert f"The database {file} is damaged" in refused("user", "list", home=home)


def test_a_folder_in_the_databases_place(tmp_path: Path) -> None:
    (tmp_path / "home/mlpi.db").mkdir(parents=True)
    assert "unable to open database file" in serve(tmp_path / "home")


def test_a_newer_database_is_refused_and_left_as_it_is(home: Path) -> None:
    with closing(sqlite3.connect(home / "mlpi.db")) as connection:
        (known,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    for line in (serve(home), refused("user", "list", home=home), refused("migrate", home=home)):
        assert f"is at revision 9999; this mlpi knows only up to {known}" in line
        assert "Install the newer mlpi again" in line
    with closing(sqlite3.connect(home / "mlpi.db")) as connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (known,))
        connection.commit()
    assert "ana" in users(home)


@pytest.mark.slow  # SQLite waits 10 s for the other
def test_a_database_that_another_program_holds(home: Path) -> None:
    with closing(sqlite3.connect(home / "mlpi.db", isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        done = mlpi(
            *("user", "add", "zoe", "--password-stdin"), home=home, stdin=PASSWORD, check=False
        )
    assert done.returncode == 1
    assert "Another program has it open" in told(done)


# --- a running service ------------------------------------------------------------------------


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """A service of the test's own, with an editor's token for the workspace lab."""
    with running_service(tmp_path, env={"MLPI_SHUTDOWN_S": "3"}) as running:
        running.add_user("ana")
        running.mlpi("workspace", "add", "lab", "--owner", "ana")
        yield running


def test_two_services_on_one_home(service: Service) -> None:
    assert service.process is not None
    line = serve(service.home)
    assert f"Another mlpi (process {service.process.pid}) runs on {service.home}." in line
    assert "--home" in line
    assert httpx.get(f"{service.url}/healthz").status_code == 200
    assert service.stop() == 0
    service.start()


def test_a_stop_right_after_the_start_is_clean(home: Path) -> None:
    service = Service(home, free_port())
    service.start()
    assert service.stop() == 0
    assert "Traceback" not in service.log
    assert "ana" in users(home)


def test_a_damaged_mlflow_database_is_named_and_the_rest_of_mlpi_works(service: Service) -> None:
    service.wait_ready()
    token = service.token("ana", "lab")
    with service.client(token) as client:
        client.post(f"{MLFLOW}/experiments/create", json={"name": "kept"})
    assert service.stop() == 0
    folder = service.home / "mlflow"
    shutil.copytree(folder, service.home.parent / "aside")
    for name in ("mlflow.db-wal", "mlflow.db-shm"):
        (folder / name).unlink(missing_ok=True)
    (folder / "mlflow.db").write_bytes(os.urandom(50_000))

    service.start()
    with service.client(token) as client, service.browser("ana") as browser:
        answer = client.post(f"{MLFLOW}/experiments/search", json={"max_results": 10})
        assert answer.status_code == 503
        assert f"{folder}/mlflow.db is damaged" in answer.json()["message"]
        assert "is damaged" in client.get("/readyz").text
        for page, status in (("/", 200), ("/settings/tokens", 200), ("/tracking", 503)):
            answer = browser.get(page)
            assert answer.status_code == status
            assert ("is damaged" in answer.text) == (page != "/settings/tokens")
        assert browser.get("/search?q=kept").status_code == 200
    assert "Traceback" not in service.log
    assert service.stop() == 0

    shutil.rmtree(folder)
    shutil.copytree(service.home.parent / "aside", folder)
    service.start()
    service.wait_ready()
    with service.client(token) as client:
        found = client.get(f"{MLFLOW}/experiments/get-by-name?experiment_name=kept")
        assert found.status_code == 200


class Upload:
    """An artifact on its way, whose rest comes when the test lets it."""

    def __init__(self, service: Service, body: bytes) -> None:
        self._body = body
        token = service.token("ana", "lab")
        with service.client(token) as client:
            made = client.post(f"{MLFLOW}/experiments/create", json={"name": "slow"}).json()
            run = client.post(f"{MLFLOW}/runs/create", json=made).json()["run"]["info"]
        folder = run["artifact_uri"].removeprefix("mlflow-artifacts:/")
        self.path = f"{ARTIFACTS}/{folder}/large.bin"
        self._socket = socket.create_connection(("127.0.0.1", service.port), timeout=30)
        head = (
            f"PUT {self.path} HTTP/1.1\r\nHost: 127.0.0.1:{service.port}\r\n"
            f"Authorization: Bearer {token}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self._socket.sendall(head.encode() + body[: len(body) // 2])

    def finish(self) -> bytes:
        """The answer to the whole."""
        self._socket.sendall(self._body[len(self._body) // 2 :])
        answer = b""
        while part := self._socket.recv(65536):
            answer += part
        return answer

    def close(self) -> None:
        self._socket.close()


def test_a_request_under_way_is_finished_before_the_service_ends(service: Service) -> None:
    service.wait_ready()
    body = os.urandom(2_000_000)
    with closing(Upload(service, body)) as upload:
        time.sleep(0.3)  # half of it is on its way into a file
        assert service.process is not None
        service.process.send_signal(signal.SIGTERM)
        refuses_new = False
        deadline = time.monotonic() + 2
        while not refuses_new and time.monotonic() < deadline:
            with socket.socket() as probe:
                refuses_new = probe.connect_ex(("127.0.0.1", service.port)) != 0
        assert refuses_new
        assert service.process.poll() is None
        assert upload.finish().startswith(b"HTTP/1.1 200 ")
    assert service.process.wait(timeout=10) == 0
    assert "Traceback" not in service.log
    service.start()
    service.wait_ready()
    with service.client(service.token("ana", "lab")) as client:
        assert client.get(upload.path).content == body


def test_a_request_that_never_ends_does_not_keep_the_service(service: Service) -> None:
    service.wait_ready()
    with closing(Upload(service, b"x" * 1_000_000)):
        time.sleep(0.3)
        started = time.monotonic()
        assert service.stop() == 0
        # shutdown_s = 3 and what the components get after it; systemd gives 10 in all.
        assert time.monotonic() - started < 10
    assert "ana" in users(service.home)


def test_a_handler_that_waits_for_its_client_does_not_keep_the_service(service: Service) -> None:
    """MLflow's own handlers read in a thread of theirs."""
    service.wait_ready()
    token = service.token("ana", "lab")
    with socket.create_connection(("127.0.0.1", service.port)) as client:
        head = (
            f"POST {MLFLOW}/runs/search HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            f"Authorization: Bearer {token}\r\nContent-Type: application/json\r\n"
            'Content-Length: 100000\r\n\r\n{"experiment_ids": ['
        )
        client.sendall(head.encode())
        time.sleep(0.3)
        started = time.monotonic()
        assert service.stop() == 0
        assert time.monotonic() - started < 10


def test_a_thread_that_hangs_does_not_keep_the_service(service: Service) -> None:
    """No cancellation reaches one that waits for a lock, and Python would wait for it."""
    file = service.home / "mlpi.db"
    with (
        closing(sqlite3.connect(file, isolation_level=None)) as holder,
        socket.create_connection(("127.0.0.1", service.port)) as client,
    ):
        holder.execute("BEGIN IMMEDIATE")
        form = f"name=ana&password={quote_plus(PASSWORD)}".encode()
        head = (
            "POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            "Content-Type: application/x-www-form-urlencoded\r\n"
            f"Content-Length: {len(form)}\r\n\r\n"
        )
        client.sendall(head.encode() + form)
        time.sleep(1)  # by now it waits, for up to 10 s
        started = time.monotonic()
        assert service.stop() == 0
        assert time.monotonic() - started < 8
    assert "left with requests unfinished" in service.log
    assert "ana" in users(service.home)


def test_nothing_acknowledged_is_lost_when_the_power_goes(service: Service) -> None:
    """Killed while three writers are at work: through HTTP, MLflow's API and the command line."""
    service.wait_ready()
    token = service.token("ana", "lab")
    kept: dict[str, list[str]] = {"user": [], "experiment": [], "token": []}
    stop = threading.Event()

    def repeat(kind: str, write: Callable[[str], str | None]) -> None:
        for number in count():
            try:
                acknowledged = write(f"{kind}-{number}")
            except (httpx.HTTPError, subprocess.CalledProcessError):
                return  # the power is gone
            if stop.is_set() or acknowledged is None:
                return
            kept[kind].append(acknowledged)

    with ExitStack() as stack:
        browser = stack.enter_context(service.browser("ana"))
        client = stack.enter_context(service.client(token))

        def add_user(name: str) -> str | None:
            answer = browser.post("/api/mlpi/users", json={"name": name, "password": PASSWORD})
            return name if answer.status_code == 201 else None

        def add_experiment(name: str) -> str | None:
            answer = client.post(f"{MLFLOW}/experiments/create", json={"name": name})
            return name if answer.status_code == 200 else None

        def add_token(name: str) -> str | None:
            options = ("--workspace", "lab", "--label", name)
            return service.mlpi("token", "add", "ana", *options).strip()

        writers = [
            threading.Thread(target=repeat, args=arguments)
            for arguments in (
                ("user", add_user),
                ("experiment", add_experiment),
                ("token", add_token),
            )
        ]
        for writer in writers:
            writer.start()
        deadline = time.monotonic() + 60
        while min(map(len, kept.values())) < 2 and time.monotonic() < deadline:
            time.sleep(0.02)
        service.stop(signal.SIGKILL)
        stop.set()
        for writer in writers:
            writer.join(timeout=60)

    assert min(map(len, kept.values())) >= 2, kept
    service.start()
    service.wait_ready()
    assert set(kept["user"]) <= set(re.findall(r"^\S+", users(service.home), re.MULTILINE))
    with service.client(token) as client:
        body = {"max_results": 1000}
        found = client.post(f"{MLFLOW}/experiments/search", json=body).json()["experiments"]
        assert set(kept["experiment"]) <= {one["name"] for one in found}
    for secret in kept["token"]:
        with service.client(secret) as client:
            assert client.get("/api/mlpi/me").status_code == 200
    done = mlpi("doctor", home=service.home)
    assert done.stdout.count("is sound.") == 2


# --- the clock --------------------------------------------------------------------------------

ACTOR = Actor("tester", "127.0.0.1")


@pytest.mark.parametrize("span", [{"hours": 2}, {"days": 400}, {"days": 365 * 30}])
def test_a_clock_that_was_set_back(
    house: House, clock: TurnedClock, span: dict[str, float]
) -> None:
    """As on a Pi whose time server was wrong, or whose battery is empty."""
    house.users.set_up("ana", PASSWORD, actor=ACTOR)
    _, secret = house.tokens.add(
        "ana", "default", lifetime=timedelta(days=90), label="before", actor=ACTOR
    )
    session = house.sessions.log_in("ana", PASSWORD, address="10.0.0.7", agent="test")
    assert anyio.run(house.identity.by_token, secret)
    before = len(house.audit.page())

    clock.now -= timedelta(**span)
    principal = anyio.run(house.identity.by_token, secret)
    assert principal is not None
    browsing = anyio.run(house.identity.by_session, session)
    assert browsing is not None
    assert [one.id for one in house.sessions.page(browsing.user_id)] == [browsing.session_id]
    again = house.sessions.log_in("ana", PASSWORD, address="10.0.0.7", agent="test")
    assert anyio.run(house.identity.by_session, again)
    house.tokens.add("ana", "default", label="after", actor=ACTOR)
    assert house.audit.prune(older_than_days=365) == 0

    newest = house.audit.page()
    assert len(newest) == before + 2
    assert [one.action for one in newest[:2]] == ["token_added", "logged_in"]

    # "Last used" tells the new time, and not the future for months.
    house.identity.forget()
    clock.now += TOUCH_EVERY
    assert anyio.run(house.identity.by_token, secret)
    used = {one.label: one.last_used_at for one in house.tokens.page()}["before"]
    assert used is not None
    assert used <= clock.now
