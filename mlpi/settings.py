"""Settings: command line over MLPI_* variables over mlpi.toml over defaults; frozen and strict."""

from __future__ import annotations

import difflib
import os
import re
import socket
import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from mlpi.errors import SettingsInvalid

ENV_PREFIX = "MLPI_"
# What the client commands (mlpi check) read; no settings of a service.
CLIENT_VARIABLES = frozenset({"MLPI_URL", "MLPI_TOKEN"})
FILE_NAME = "mlpi.toml"
_PASSWORD = re.compile(r"(?<=[^/]):[^/@\s]*@")  # of a database URL; a terminal is not its place


def default_home() -> Path:
    """$XDG_DATA_HOME/mlpi, or ~/.local/share/mlpi."""
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "mlpi"


def chosen_home(given: Path | None) -> Path:
    """The home that a command works on: --home over MLPI_HOME over the default."""
    return Path(given or os.environ.get("MLPI_HOME") or default_home()).expanduser().absolute()


class Settings(BaseSettings):
    """Every knob of the service. A value that is wrong is refused, never corrected."""

    # An empty variable, as unit files and compose files leave them, counts as not set.
    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, extra="forbid", frozen=True, env_ignore_empty=True
    )

    home: Path = Field(
        default_factory=default_home,
        description="Folder that holds everything: databases, artifacts, logs.",
    )
    host: str = Field(
        "0.0.0.0",  # noqa: S104 - a Pi is headless; nothing is open before set-up
        description="Address to listen on. 127.0.0.1 keeps mlpi on this machine.",
    )
    port: int = Field(9000, ge=1, le=65535, description="TCP port of the UI and every API.")
    database_url: str | None = Field(
        None,
        description="SQLAlchemy URL of mlpi's own database. Unset: SQLite in the home folder.",
    )
    mlflow_database_url: str | None = Field(
        None,
        description="SQLAlchemy URL of MLflow's database. Unset: SQLite in the home folder.",
    )
    artifacts_uri: str | None = Field(
        None,
        description="Where MLflow artifacts go (a folder or s3://…). Unset: the home folder.",
    )
    mlflow_wait_s: float = Field(
        30,
        gt=0,
        le=600,
        description="How long a request waits for MLflow while it warms up, before 503.",
    )
    session_days: float = Field(
        14, gt=0, le=365, description="A browser session ends after so many days without use."
    )
    audit_days: int = Field(
        365, ge=1, description="Audit entries older than so many days are removed at start."
    )
    job_workers: int | None = Field(
        None,
        ge=1,
        le=64,
        description="Most worker processes for jobs. Unset: one fewer than cores, at least one.",
    )
    job_idle_s: float = Field(
        60, ge=1, description="Idle workers end after so long, and their memory returns."
    )
    job_days: int = Field(
        30, ge=1, description="Ended jobs and their logs are removed after so many days."
    )
    trash_days: int | None = Field(
        None,
        ge=1,
        description="Deleted experiments and runs go for good after so many days. Unset: never.",
    )
    data_roots: str = Field(
        "",
        description="Folders of this server, with ':' between, whose files may be datasets.",
    )
    label_folders: str = Field(
        "",
        description="Folders of this server, with ':' between, whose files labeling may show.",
    )
    data_memory_mb: int = Field(
        256,
        ge=128,
        description="Memory that one worker may take for a table; what is more goes to disk.",
    )
    boards_quota_mb: int = Field(
        10240,
        ge=1,
        description="Megabytes of TensorBoard logs that uploads may bring one workspace to.",
    )
    boards_check_crc: bool = Field(
        False,
        description=(
            "Check every record of TensorBoard's logs, a quarter more work. "
            "Unset: lengths, and each file's last record."
        ),
    )
    smtp_url: str | None = Field(
        None,
        description="Mail server: smtp://, smtps:// or smtp+starttls://user:password@host:port.",
    )
    smtp_from: str = Field("mlpi@localhost", description="Sender of mails.")
    public_url: str | None = Field(
        None,
        description="How people reach this mlpi, for links in messages. Unset: this host's name.",
    )
    chroma_reset: bool = Field(
        False,
        description="Whether a reset by Chroma's API removes all collections of its workspace.",
    )
    forwarded_allow_ips: str = Field(
        "127.0.0.1",
        description="Addresses of reverse proxies whose X-Forwarded-* headers are believed.",
    )
    shutdown_s: float = Field(
        8, gt=0, le=60, description="How long a stop waits for running requests to end."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least level that is logged."
    )

    @field_validator("home")
    @classmethod
    def _home_is_absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @field_validator("database_url", "mlflow_database_url")
    @classmethod
    def _database_is_known(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("sqlite:///", "postgresql")):
            raise ValueError("must start with sqlite:/// or postgresql")
        return value

    @field_validator("data_roots", "label_folders")
    @classmethod
    def _folders_are_absolute(cls, value: str) -> str:
        for folder in filter(None, value.split(":")):
            if not Path(folder).is_absolute() or folder == "/":
                raise ValueError(f"{folder!r} is not an absolute path of a folder")
        return value

    @field_validator("smtp_url")
    @classmethod
    def _mail_server_is_known(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("smtp://", "smtps://", "smtp+starttls://")):
            raise ValueError("must start with smtp://, smtps:// or smtp+starttls://")
        return value

    @field_validator("public_url")
    @classmethod
    def _public_url_is_http(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("http://", "https://")):
            raise ValueError("must start with http:// or https://")
        return value

    @property
    def data_folders(self) -> list[Path]:
        """Folders whose files may be datasets."""
        return [Path(folder) for folder in self.data_roots.split(":") if folder]

    @property
    def label_roots(self) -> list[Path]:
        """Folders whose files tasks may name."""
        return [Path(folder) for folder in self.label_folders.split(":") if folder]

    @property
    def own_url(self) -> str:
        """How people reach this mlpi, without a slash at the end."""
        return (self.public_url or f"http://{socket.gethostname()}:{self.port}").rstrip("/")

    @property
    def database(self) -> str:
        """SQLAlchemy URL of mlpi's own database."""
        return self.database_url or f"sqlite:///{self.home / 'mlpi.db'}"

    @property
    def mlflow_database(self) -> str:
        """SQLAlchemy URL of MLflow's database."""
        return self.mlflow_database_url or f"sqlite:///{self.home / 'mlflow' / 'mlflow.db'}"

    @property
    def artifacts(self) -> str:
        """Where MLflow's artifacts lie: a path or a URI."""
        return self.artifacts_uri or str(self.home / "mlflow" / "artifacts")


def load(**command_line: Any) -> Settings:
    """The settings of this process; a None on the command line counts as not given.

    Raises SettingsInvalid naming the key, the value, where it came from and what is allowed.
    """
    given = {key: value for key, value in command_line.items() if value is not None}
    home = chosen_home(given.get("home"))
    from_file = _read_file(home / FILE_NAME)
    _refuse_unknown_variables()

    class Sourced(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return init_settings, env_settings, lambda: from_file  # type: ignore[return-value]

    try:
        return Settings.model_construct(**Sourced(**given).model_dump())
    except ValidationError as error:
        raise _explained(error, given, home / FILE_NAME) from None


def _read_file(path: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise SettingsInvalid(
            f"{path} cannot be read ({error.strerror or error}).",
            advice="Give it to the user that mlpi runs as, or move it away.",
        ) from None
    except UnicodeDecodeError as error:
        raise SettingsInvalid(
            f"{path} is not UTF-8 text (byte {error.start}).", advice="Write it anew as UTF-8."
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsInvalid(
            f"{path} is not valid TOML: {error}.", advice="Mend that line or move the file away."
        ) from None
    if "home" in values:
        raise SettingsInvalid(
            f"home cannot be set in {path}, which lies inside it.",
            advice="Use --home or MLPI_HOME.",
        )
    for key in values:
        if key not in Settings.model_fields:
            raise SettingsInvalid(f"{path}: there is no setting {key!r}.", advice=_nearest(key))
    return values


def _refuse_unknown_variables() -> None:
    for variable in sorted(os.environ):
        key = variable.removeprefix(ENV_PREFIX).lower()
        if variable in CLIENT_VARIABLES:
            continue
        if variable.startswith(ENV_PREFIX) and key not in Settings.model_fields:
            raise SettingsInvalid(
                f"There is no setting {variable}.", advice=_nearest(key, ENV_PREFIX)
            )


def _nearest(key: str, prefix: str = "") -> str:
    known = sorted(Settings.model_fields)
    shown = [prefix + name.upper() if prefix else name for name in known]
    close = difflib.get_close_matches(key, known, n=1)
    if close:
        return f"Did you mean {shown[known.index(close[0])]}?"
    return f"Known are: {', '.join(shown)}."


def _explained(error: ValidationError, given: dict[str, Any], file: Path) -> SettingsInvalid:
    lines = []
    for problem in error.errors():
        key = str(problem["loc"][0])
        if key in given:
            source = f"--{key.replace('_', '-')}"
        elif ENV_PREFIX + key.upper() in os.environ:
            source = ENV_PREFIX + key.upper()
        else:
            source = str(file)
        value = _PASSWORD.sub(":***@", repr(problem["input"]))
        wrong = problem["msg"].removeprefix("Value error, ")
        lines.append(f"{key} = {value} ({source}): {wrong}.")
    return SettingsInvalid(" ".join(lines))
