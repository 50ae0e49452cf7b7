"""Registered models: versions in the order in which they were made, aliases, tags, stages."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mlpi.tracking.transfer import Marks, own_tags
from mlpi.tracking.transfer.ends import End
from mlpi.tracking.transfer.guard import Guard
from mlpi.tracking.transfer.ledger import Ledger, pages
from mlpi.tracking.transfer.report import Report, plural

_PAGE = 100
_ID = re.compile(r"(?<![0-9a-f])(m-)?([0-9a-f]{32})(?![0-9a-f])")
_VERSION = re.compile(r"models:/+([^/@]+)/([0-9]+)")
_LOCAL = ("", "file", "mlflow-artifacts", "runs", "models", "dbfs")


class NotCopied(Exception):
    """The source of a version is not at the target."""


@dataclass
class RegistryCopy:
    """Copies registered models whose versions came from what was copied."""

    source: End
    target: End
    marks: Marks
    ledger: Ledger
    report: Report
    guard: Guard
    is_partial: bool = False

    def copy(self) -> None:
        """All of them; with is_partial only those of copied runs."""
        models = list(pages(self.source.client.search_registered_models, None, _PAGE))
        versions = [version for model in models for version in self._versions(model.name)]
        if self.is_partial:
            versions = [version for version in versions if self._is_ours(version)]
            wanted = {version.name for version in versions}
            models = [model for model in models if model.name in wanted]
        there = {}
        for model in models:
            with self.guard.item(f"registered model {model.name}"):
                there[model.name] = self._prepared(model)
        done = 0
        # One may have been copied from a version of another model: that one comes first.
        for version in sorted(versions, key=lambda one: (one.creation_timestamp, int(one.version))):
            if version.name in there:
                with self.guard.item(f"version {version.version} of {version.name}"):
                    done += self._copy_version(version)
        for model in models:
            if model.name in there:
                with self.guard.item(f"aliases of {model.name}"):
                    copy_aliases(
                        model.name,
                        self.source.client.get_registered_model(model.name).aliases,
                        there[model.name].aliases,
                        self.ledger,
                        self.report,
                        self.target.client.set_registered_model_alias,
                    )
        if models:
            self.report.line(
                f"registry: {plural(len(there), 'model')}, {plural(done, 'version')} copied, "
                f"{len(self.ledger.versions) - done} here already"
            )

    def _versions(self, name: str) -> list[Any]:
        return list(pages(self.source.client.search_model_versions, named(name), _PAGE))

    def _is_ours(self, version: Any) -> bool:
        if version.run_id in self.ledger.runs:
            return True
        return any(found.group(0) in self.ledger.models for found in _ID.finditer(version.source))

    def _prepared(self, model: Any) -> Any:
        """The target's model of this name, made when it is not there."""
        from mlflow.exceptions import MlflowException  # noqa: PLC0415

        client = self.target.client
        try:
            found = client.get_registered_model(model.name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            tags = {
                **own_tags(model.tags),
                self.marks.origin: self.source.name,
                self.marks.created_at: str(model.creation_timestamp),
            }
            return client.create_registered_model(model.name, tags, model.description)
        if self.marks.origin not in found.tags:
            self.report.note(
                f"registered model {model.name} was there already: versions were added to it."
            )
        for version in pages(client.search_model_versions, named(model.name), _PAGE):
            if (origin := version.tags.get(self.marks.version)) is not None:
                self.ledger.versions[model.name, origin] = version.version
        return found

    def _copy_version(self, version: Any) -> int:
        """How many were made: one, or none when it is there."""
        client = self.target.client
        known = self.ledger.versions.get((version.name, str(version.version)))
        if known is None:
            try:
                source, run_id, model_id = self._moved(version)
            except NotCopied as error:
                self.report.trouble(f"version {version.version} of {version.name}", error)
                return 0
            made = client.create_model_version(
                version.name,
                source,
                run_id=run_id,
                tags={
                    **own_tags(version.tags),
                    self.marks.version: str(version.version),
                    self.marks.created_at: str(version.creation_timestamp),
                },
                description=version.description,
                model_id=model_id,
                await_creation_for=0,
            )
            if str(made.version) != str(version.version):
                self.report.note(
                    f"{version.name}: version {version.version} is version {made.version} here; "
                    "numbers are given in order, without the gaps of deleted ones."
                )
            self.ledger.versions[version.name, str(version.version)] = made.version
        stage = version.current_stage
        if stage and stage != "None":
            number = self.ledger.versions[version.name, str(version.version)]
            if known is None or client.get_model_version(version.name, number).current_stage in (
                "None",
                None,
            ):
                client.transition_model_version_stage(version.name, number, stage)
        return int(known is None)

    def _moved(self, version: Any) -> tuple[str, str | None, str | None]:
        """Where its files are now: source, run, model. Raises NotCopied."""
        source = version.source or ""
        run = self.ledger.runs.get(version.run_id or "")
        run_id = run.id if run else None
        if found := _VERSION.fullmatch(source):
            name, number = found.groups()
            moved = self.ledger.versions.get((name, number))
            if moved is None:
                raise NotCopied(f"it is a copy of version {number} of {name}, which is not here")
            return f"models:/{name}/{moved}", None, None
        for found in _ID.finditer(source):
            if (model := self.ledger.models.get(found.group(0))) is not None:
                return f"models:/{model.id}", run_id, model.id
        for found in _ID.finditer(source):
            if (of := self.ledger.runs.get(found.group(0))) is not None:
                rest = source[found.end() :].strip("/").removeprefix("artifacts").strip("/")
                return f"{of.artifact_uri}/{rest}".rstrip("/"), of.id, None
        scheme = source.partition(":")[0] if ":/" in source else ""
        if scheme in _LOCAL:
            raise NotCopied(f"its files ({source}) belong to no run or model that was copied")
        return source, run_id, None


def copy_aliases(
    name: str,
    wanted: Mapping[str, Any],
    there: Mapping[str, Any],
    ledger: Ledger,
    report: Report,
    set_alias: Callable[[str, str, str], object],
) -> None:
    """Aliases of a model or a prompt, by the versions that theirs became; none is moved.

    wanted and there: aliases with their versions at the source and at the target.
    """
    for alias, version in wanted.items():
        moved = ledger.versions.get((name, str(version)))
        current = there.get(alias)
        if moved is None:
            report.trouble(f"alias {alias} of {name}", f"version {version} is not here")
        elif current is None:
            set_alias(name, alias, str(moved))
        elif str(current) != str(moved):
            report.note(
                f"alias {alias} of {name} points at version {current} here and was left so; "
                f"at the source it is version {version}."
            )


def named(name: str) -> str:
    """A search's condition; MLflow knows no escape for quotes."""
    return f"name = '{name}'" if "'" not in name else f'name = "{name}"'
