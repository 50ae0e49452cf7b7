"""Prompts: registered models with a mark, whose versions hold templates in their tags.

MLflow's client refuses to handle them as models; the registry's client inside it does not, and
takes them with all their tags.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mlpi.tracking.transfer import Marks, own_tags
from mlpi.tracking.transfer.ends import End
from mlpi.tracking.transfer.guard import Guard
from mlpi.tracking.transfer.ledger import Ledger, pages
from mlpi.tracking.transfer.registry import NotCopied, copy_aliases, named
from mlpi.tracking.transfer.report import Report, plural

_PAGE = 100
_IS_PROMPT = "mlflow.prompt.is_prompt"
_PROMPTS = f"tags.`{_IS_PROMPT}` = 'true'"
_SOURCE = "dummy-source"  # MLflow demands one, and takes no other for a prompt
# Ids of the source, between commas, by which MLflow's UI lists the prompts of an experiment.
_EXPERIMENTS = "_mlflow_experiment_ids"


@dataclass
class PromptCopy:
    """Copies prompts after the experiments that they name."""

    source: End
    target: End
    marks: Marks
    ledger: Ledger
    report: Report
    guard: Guard
    is_partial: bool = False

    def copy(self) -> None:
        """All of them; with is_partial, which is about some experiments, none."""
        found = list(pages(self.source.client.search_registered_models, _PROMPTS, _PAGE))
        if found and self.is_partial:
            self.report.note(
                f"{plural(len(found), 'prompt')} in the registry: they come along with everything, "
                "not with single experiments."
            )
            return
        done = here = 0
        for prompt in found:
            with self.guard.item(f"prompt {prompt.name}"):
                try:
                    made, known = self._copy(prompt)
                except NotCopied as error:
                    self.report.trouble(f"prompt {prompt.name}", error)
                else:
                    done, here = done + made, here + known
        if found:
            self.report.line(
                f"prompts: {plural(len(found), 'prompt')}, {plural(done, 'version')} copied, "
                f"{here} here already"
            )

    def _copy(self, prompt: Any) -> tuple[int, int]:
        """How many versions were made, and how many were there."""
        there = self._prepared(prompt)
        made = known = 0
        for version in sorted(
            self._versions(self.source, prompt.name), key=lambda v: int(v.version)
        ):
            if (prompt.name, str(version.version)) in self.ledger.versions:
                known += 1
            else:
                self._copy_version(version)
                made += 1
        full = _registry(self.source).get_registered_model(prompt.name)
        copy_aliases(
            prompt.name, full.aliases, there.aliases, self.ledger, self.report, self._alias
        )
        return made, known

    def _prepared(self, prompt: Any) -> Any:
        """The target's prompt of this name, made when it is not there. Raises NotCopied."""
        from mlflow.exceptions import MlflowException  # noqa: PLC0415

        registry = _registry(self.target)
        try:
            found = registry.get_registered_model(prompt.name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            tags = self._tags(prompt) | {
                self.marks.origin: self.source.name,
                self.marks.created_at: str(prompt.creation_timestamp),
            }
            return registry.create_registered_model(prompt.name, tags, prompt.description)
        if _IS_PROMPT not in found._tags:
            raise NotCopied("there is a registered model of this name")
        if self.marks.origin not in found._tags:
            self.report.note(f"prompt {prompt.name} was there already: versions were added to it.")
        for version in self._versions(self.target, prompt.name):
            if (origin := version.tags.get(self.marks.version)) is not None:
                self.ledger.versions[prompt.name, origin] = version.version
        return found

    def _copy_version(self, version: Any) -> None:
        tags = own_tags(version.tags) | {
            self.marks.version: str(version.version),
            self.marks.created_at: str(version.creation_timestamp),
        }
        made = _registry(self.target).create_model_version(
            version.name,
            _SOURCE,
            tags=tags,
            description=version.description,
            await_creation_for=0,
        )
        if str(made.version) != str(version.version):
            self.report.note(
                f"prompt {version.name}: version {version.version} is version {made.version} here; "
                "numbers are given in order, without the gaps of deleted ones."
            )
        self.ledger.versions[version.name, str(version.version)] = made.version

    def _tags(self, prompt: Any) -> dict[str, str]:
        """The prompt's tags, with the experiments' ids of the target."""
        from mlflow.exceptions import MlflowException  # noqa: PLC0415

        tags = own_tags(prompt._tags)
        moved = []
        for id_ in filter(None, tags.pop(_EXPERIMENTS, "").split(",")):
            try:
                name = self.source.client.get_experiment(id_).name
            except MlflowException:
                continue  # it is gone for good
            if (here := self.ledger.experiments.get(name)) is not None:
                moved.append(str(here.experiment_id))
        return tags | ({_EXPERIMENTS: f",{','.join(moved)},"} if moved else {})

    def _alias(self, name: str, alias: str, version: str) -> None:
        _registry(self.target).set_registered_model_alias(name, alias, version)

    @staticmethod
    def _versions(end: End, name: str) -> list[Any]:
        where = f"{named(name)} AND {_PROMPTS}"
        return list(pages(_registry(end).search_model_versions, where, _PAGE))


def _registry(end: End) -> Any:
    return end.client._get_registry_client()
