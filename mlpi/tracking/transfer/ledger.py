"""What the target holds of earlier transfers, and what was added in this one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from mlpi.tracking.transfer import Marks
from mlpi.tracking.transfer.ends import End


@dataclass
class Copied:
    """One thing that is at the target. done: the mark of its completeness, or nothing."""

    id: str
    artifact_uri: str
    done: str = ""
    is_deleted: bool = False


@dataclass
class Ledger:
    """By ids of the source.

    versions: (model, version at the source) to the version at the target.
    """

    experiments: dict[str, Any] = field(default_factory=dict)
    runs: dict[str, Copied] = field(default_factory=dict)
    models: dict[str, Copied] = field(default_factory=dict)
    versions: dict[tuple[str, str], str] = field(default_factory=dict)

    @classmethod
    def of(cls, target: End, marks: Marks) -> Ledger:
        """Read from the target."""
        made = cls()
        made.experiments = {one.name: one for one in experiments(target)}
        ids = [one.experiment_id for one in made.experiments.values()]
        if not ids:
            return made
        for run in runs(target, ids, f"tags.`{marks.run_id}` LIKE '%'"):
            tags = run.data.tags
            made.runs[tags[marks.run_id]] = Copied(
                run.info.run_id,
                run.info.artifact_uri,
                tags.get(marks.done, ""),
                run.info.lifecycle_stage == "deleted",
            )
        for model in logged_models(target, ids):
            if (origin := model.tags.get(marks.model_id)) is not None:
                made.models[origin] = Copied(
                    model.model_id, model.artifact_location, model.tags.get(marks.done, "")
                )
        return made


def experiments(end: End) -> list[Any]:
    """All active ones."""
    return list(pages(end.client.search_experiments, max_results=PAGE))


def deleted_experiments(end: End) -> int:
    from mlflow.entities import ViewType  # noqa: PLC0415

    found = pages(end.client.search_experiments, ViewType.DELETED_ONLY, PAGE)
    return sum(1 for _ in found)


def runs(end: End, experiment_ids: list[str], where: str = "") -> Iterator[Any]:
    """Runs with the deleted ones, oldest first, so that parents come before their children."""
    from mlflow.entities import ViewType  # noqa: PLC0415

    order = ["attributes.start_time ASC"]
    for some in _slices(experiment_ids):
        yield from pages(end.client.search_runs, some, where, ViewType.ALL, end.page, order)


def logged_models(end: End, experiment_ids: list[str]) -> Iterator[Any]:
    """None from a server that is older than they are."""
    from mlflow.exceptions import MlflowException  # noqa: PLC0415

    for some in _slices(experiment_ids):
        try:
            yield from pages(end.client.search_logged_models, some, max_results=MODELS_PAGE)
        except MlflowException as error:
            status: Any = error.get_http_status_code  # untyped
            if not end.is_served or status() != 404:
                raise
            return


def pages(search: Callable[..., Any], *given: Any, **named: Any) -> Iterator[Any]:
    """What all pages of a search hold."""
    token = None
    while True:
        page = search(*given, **named, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _slices(ids: list[str]) -> Iterator[list[str]]:
    """As many ids as fit a query."""
    for start in range(0, len(ids), 100):
        yield ids[start : start + 100]


PAGE = 1000
MODELS_PAGE = 100
