"""The two ends of a transfer, each with MLflow's own client.

A source is only read: an mlflow.db is copied to a temporary file first (and upgraded there when
its schema is older), an mlruns folder is seen through links, because MLflow's file store makes
folders where it looks.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from mlpi.tracking.transfer import EndUnusable
from mlpi.tracking.transfer.access import Access, Login

PAGE = 1000
FILES_PAGE = 50_000  # the file store reads everything again for each page


@dataclass(frozen=True)
class End:
    """One end. name: how it is called; roots: folders where its artifacts may lie by now."""

    name: str
    uri: str
    client: Any
    roots: tuple[Path, ...] = ()
    page: int = PAGE
    is_served: bool = False
    artifact_root: Path | None = None
    notes: list[str] = field(default_factory=list)


def prepare(access: Access) -> None:
    """Make this process a quiet client of MLflow. Must come before its first import."""
    for name in [name for name in os.environ if name.startswith(("MLFLOW_", "_MLFLOW_"))]:
        del os.environ[name]
    os.environ |= {
        "MLFLOW_ALLOW_FILE_STORE": "true",
        "MLFLOW_TRACKING_AUTH": access.NAME,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_CONFIGURE_LOGGING": "false",
        "DO_NOT_TRACK": "true",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
        # 1 + 2 + 4 + 8 s: enough for a service that starts again.
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "4",
        "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
        "GIT_PYTHON_REFRESH": "quiet",
    }
    warnings.simplefilter("ignore")  # of no use to whoever moves house
    for name in ("mlflow", "alembic", "urllib3"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    access.install()


def without_password(url: str) -> str:
    """A URL that may be shown and stored."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query="")).rstrip("/")


@contextmanager
def opened_source(given: str, access: Access, login: Login) -> Iterator[End]:
    """The end that a person named: a folder, a database file, or an address.

    login: for an address. Raises EndUnusable.
    """
    if given.startswith(("http://", "https://")):
        yield opened_server(given, access, login)
        return
    path = _local_path(given)
    if path.is_dir() and not _has_experiments(path) and (path / "mlflow.db").is_file():
        path = path / "mlflow.db"
    with tempfile.TemporaryDirectory(prefix="mlpi-transfer-") as scratch:
        if path.is_dir():
            yield _opened_folder(path, Path(scratch))
        elif path.is_file():
            end = _opened_database(path, Path(scratch))
            try:
                yield end
            finally:
                release(end)
        else:
            raise EndUnusable(
                f"{given} is not there.",
                advice="Give an mlruns folder, an mlflow.db or the address of a server.",
            )


def opened_server(given: str, access: Access, login: Login) -> End:
    """A server, here or elsewhere. Raises EndUnusable when it does not let us in."""
    url = without_password(given)
    parts = urlsplit(given)
    if parts.username and not login.user:
        login = Login(unquote(parts.username), unquote(parts.password or ""), workspace="")
    access.add(url, login)
    access.require_reading(url)
    return End(url, url, _client(url), is_served=True)


def make_default(end: End) -> None:
    """Where MLflow looks when it is not told: it would make a database in the current folder."""
    os.environ["MLFLOW_TRACKING_URI"] = end.uri


@contextmanager
def opened_target_folder(folder: Path) -> Iterator[End]:
    """A folder with an mlflow.db and artifacts, made when it is not there. Raises EndUnusable."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EndUnusable(f"{folder} cannot be made ({error.strerror}).") from None
    folder = folder.resolve()
    if any(folder.iterdir()) and not (folder / "mlflow.db").is_file():
        raise EndUnusable(
            f"{folder} holds something else.", advice="Give an empty folder or an earlier export."
        )
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    os.environ["_MLFLOW_SERVER_ARTIFACT_ROOT"] = (folder / "artifacts").as_uri()
    try:
        end = End(str(folder), uri, _client(uri), artifact_root=folder / "artifacts")
        _ = end.client._tracking_client.store  # opens the database
    except Exception as error:
        raise EndUnusable(f"{folder / 'mlflow.db'} cannot be opened ({_words(error)}).") from None
    try:
        yield end
    finally:
        release(end)


def release(end: End) -> None:
    """Close the connections of a database."""
    registry = end.client._get_registry_client().store
    for store in (end.client._tracking_client.store, registry):
        engine = getattr(store, "engine", None)
        if engine is not None:
            engine.dispose()


def _client(uri: str) -> Any:
    import mlflow  # noqa: PLC0415 - three seconds, and not for the service

    client: Any = mlflow.MlflowClient(uri, uri)
    return client


def _local_path(given: str) -> Path:
    scheme = urlsplit(given).scheme
    if given.startswith("sqlite:///"):
        return Path(unquote(given.removeprefix("sqlite:///").partition("?")[0])).expanduser()
    if scheme == "file":
        return Path(unquote(urlsplit(given).path))
    if "://" in given:
        raise EndUnusable(
            f"mlpi cannot read from {scheme}:// addresses.",
            advice="Start `mlflow server` on it and give that one's http:// address.",
        )
    return Path(given).expanduser()


def _has_experiments(folder: Path) -> bool:
    return next(folder.glob("*/meta.yaml"), None) is not None


def _opened_folder(folder: Path, scratch: Path) -> End:
    folder = folder.resolve()
    if not _has_experiments(folder):
        inner = folder / "mlruns"
        if not (inner.is_dir() and _has_experiments(inner)):
            raise EndUnusable(
                f"{folder} holds no experiments (no */meta.yaml).",
                advice="Give the mlruns folder itself, or an mlflow.db.",
            )
        folder = inner
    view = scratch / "mlruns"
    view.mkdir()
    for entry in folder.iterdir():
        (view / entry.name).symlink_to(entry)
    return End(folder.as_uri(), str(view), _client(str(view)), roots=(folder,), page=FILES_PAGE)


def _opened_database(path: Path, scratch: Path) -> End:
    path = path.resolve()
    copy = scratch / "mlflow.db"
    try:
        _copy(path, copy)
        _upgrade(path, copy)
    except sqlite3.Error as error:
        raise EndUnusable(f"{path} cannot be read ({error}).") from None
    except OSError as error:
        raise EndUnusable(f"{path} cannot be copied ({error.strerror}).") from None
    os.environ["_MLFLOW_SERVER_ARTIFACT_ROOT"] = (scratch / "artifacts").as_uri()
    uri = f"sqlite:///{copy}"
    home = path.parent
    roots = (home, *(home / name for name in ("mlartifacts", "artifacts", "mlruns")))
    return End(f"sqlite:///{path}", uri, _client(uri), roots=roots)


def _copy(path: Path, copy: Path) -> None:
    source = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
    target = sqlite3.connect(copy)
    try:
        source.backup(target)
        tables = {
            name for (name,) in target.execute("SELECT name FROM sqlite_master WHERE type='table'")
        }
    finally:
        target.close()
        source.close()
    if not {"experiments", "runs"} <= tables:
        raise EndUnusable(f"{path} is not a database of MLflow (no experiments in it).")


def _upgrade(path: Path, copy: Path) -> None:
    """Bring the copy to this MLflow's schema."""
    from mlflow.store.db import utils as untyped  # noqa: PLC0415

    utils: Any = untyped
    engine = utils.create_sqlalchemy_engine_with_retry(f"sqlite:///{copy}")
    try:
        if utils._get_schema_version(engine) != utils._get_latest_schema_revision():
            utils._upgrade_db(engine)
    except Exception as error:
        raise EndUnusable(
            f"{path} cannot be brought to this MLflow's schema ({_words(error)}).",
            advice="It may come from a newer MLflow; serve it with that one and give its address.",
        ) from None
    finally:
        engine.dispose()


def _words(error: Exception) -> str:
    return " ".join(str(error).split())[:200].rstrip(".") or type(error).__name__
