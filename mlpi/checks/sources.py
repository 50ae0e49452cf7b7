"""How workers come to a dataset's rows: stored files, files in place, other databases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from mlpi.auth.vault import Vault
from mlpi.checks.files import FileStore, Roots, format_of
from mlpi.checks.lookups import find_version
from mlpi.checks.models import Dataset, DatasetKind, DatasetVersion
from mlpi.checks.source import SQL, Source
from mlpi.db import Session
from mlpi.errors import Invalid

SQL_SCHEMES = ("sqlite", "postgresql", "duckdb")


class Sources:
    """Turns a dataset into what a worker opens. Passwords leave the vault here and nowhere else."""

    def __init__(self, files: FileStore, roots: Roots, vault: Vault) -> None:
        self.files = files
        self.roots = roots
        self.vault = vault

    def of(self, session: Session, dataset: Dataset, version: DatasetVersion | None) -> Source:
        """How a worker reads a version; None is the newest there is.

        Raises NotFound, Invalid.
        """
        if dataset.kind == DatasetKind.SQL:
            return Source(
                SQL,
                url=self.vault.open(dataset.sealed_url),
                table=dataset.location["table"],
                query=dataset.location["query"],
            )
        if dataset.kind == DatasetKind.PATH and version is None:
            return self.of_pattern(dataset.location["pattern"], dataset.options)
        version = version or find_version(session, dataset, None)
        path = version.path or str(self.files.path(dataset.workspace, version.sha256))
        # A file in place may be another one by now; one in the store is what its hash says.
        reading = (version.profile or {}).get("reading") if not version.path else None
        return Source(
            version.format,
            path=path,
            options=dataset.options,
            file_name=version.file_name,
            reading=reading,
        )

    def of_pattern(self, pattern: str, reading: Mapping[str, Any]) -> Source:
        """How a worker reads the newest file of a pattern. Raises Invalid, NotFound."""
        path = self.roots.newest(pattern)
        return Source(format_of(path.name), path=str(path), options=dict(reading))

    def checked_url(self, url: str) -> str:
        """The URL as it may be shown. Raises Invalid, without what might be a password."""
        known = ", ".join(f"{scheme}://…" for scheme in SQL_SCHEMES)
        try:
            parsed = make_url(url.strip())
        except (ArgumentError, ValueError):
            raise Invalid(
                "This is not the URL of a database.", advice=f"Use {known}.", field="url"
            ) from None
        scheme = parsed.get_backend_name()
        if scheme not in SQL_SCHEMES:
            raise Invalid(f"{scheme!r} is not supported.", advice=f"Use {known}.", field="url")
        if scheme != "postgresql":
            self.roots.check_file(parsed.database or "")
        return parsed.render_as_string(hide_password=True)
