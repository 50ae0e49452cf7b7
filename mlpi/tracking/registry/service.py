"""What the pages of registered models show; knows no HTTP."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from mlpi.artifacts import root_of
from mlpi.component import Hit
from mlpi.errors import Invalid, MlpiError, NotFound, NotReady
from mlpi.tracking.logged_models import Contents, contents
from mlpi.tracking.mlflow_app import MlflowApp
from mlpi.tracking.records import Run
from mlpi.tracking.registry import files, mlmodel
from mlpi.tracking.registry.records import Candidate, Model, Version
from mlpi.tracking.registry.store import SORTS, RegistryStore
from mlpi.tracking.runs.service import Comparison, Line, RunsService

log = logging.getLogger(__name__)

PAGE = 200
VERSIONS_PAGE = 50
MAX_FOLDERS = 30  # of a run, looked into for a model
HISTORY_TAG = "mlflow.log-model.history"
MLMODEL = "MLmodel"
PARTS = (
    ("facts", "Version"),
    ("inputs", "Inputs"),
    ("outputs", "Outputs"),
    ("params", "Parameters at inference"),
    ("flavors", "Flavours"),
    ("metrics", "Metrics of the run"),
    ("run_params", "Parameters of the run"),
    ("tags", "Tags"),
)


class IsPrompt(NotFound):
    """This is a prompt, which has pages of its own."""


@dataclass(frozen=True, slots=True)
class Models:
    """One page of the list."""

    models: Sequence[Model]
    q: str
    sort: str
    after: str
    next_after: str
    count: int


@dataclass(frozen=True, slots=True)
class About:
    """A version, what its MLmodel file says, and the run behind it."""

    version: Version
    file: mlmodel.ModelFile | None
    trouble: str  # why there is no file to show
    run: Run | None
    model: Contents | None = None  # what the logged model behind it has itself


@dataclass(frozen=True, slots=True)
class Difference:
    """Two versions side by side."""

    versions: tuple[Version, Version]
    troubles: tuple[str, str]
    lines: Mapping[str, list[Line]] = field(default_factory=dict)

    @property
    def share_run(self) -> bool:
        return bool(self.versions[0].run_id) and self.versions[0].run_id == self.versions[1].run_id


class RegistryService:
    """Registered models over MLflow's database and artifacts."""

    def __init__(self, runs: RunsService, store: RegistryStore, mlflow: MlflowApp) -> None:
        self._runs = runs
        self._tracking = runs.tracking
        self._mlflow = mlflow
        self.store = store

    def page(self, workspace: str, q: str = "", sort: str = "", after: str = "") -> Models:
        """Raises NotReady, Invalid."""
        self._tracking.require_prepared()
        sort = sort or SORTS[0]
        if sort not in SORTS:
            raise Invalid(
                f"{sort!r} is not an order of the models.",
                advice=f"Use one of {', '.join(SORTS)}.",
                field="sort",
            )
        q = q.strip()
        found = self.store.page(workspace, q, sort, after, PAGE + 1)
        more = len(found) > PAGE
        found = found[:PAGE]
        return Models(
            models=found,
            q=q,
            sort=sort,
            after=after,
            next_after=found[-1].marker if more else "",
            count=self.store.count(workspace, q) if more or after else len(found),
        )

    def binned(self, workspace: str) -> int:
        """How many things lie in the workspace's trash."""
        return self._tracking.binned(workspace)

    def model(self, workspace: str, name: str) -> Model:
        """Raises NotReady, NotFound; IsPrompt when it is one."""
        self._tracking.require_prepared()
        try:
            return self.store.model(workspace, name)
        except NotFound:
            if self.store.is_prompt(workspace, name):
                raise IsPrompt from None
            raise

    def version(self, workspace: str, name: str, number: int) -> Version:
        """Raises NotReady, NotFound, IsPrompt."""
        self.model(workspace, name)
        return self.store.version(workspace, name, number)

    def about(self, workspace: str, name: str, number: int) -> About:
        """Everything of one version. Raises NotReady, NotFound, IsPrompt."""
        version = self.version(workspace, name, number)
        file, trouble = self._file(workspace, version)
        ids = [version.model_id] if version.model_id else []
        model = contents(self._tracking.store.engine, workspace, ids).get(version.model_id)
        return About(version, file, trouble, self._run(workspace, version), model)

    def difference(self, workspace: str, name: str, first: int, second: int) -> Difference:
        """Two versions side by side. Raises NotReady, NotFound, IsPrompt."""
        self.model(workspace, name)
        versions = (
            self.store.version(workspace, name, first),
            self.store.version(workspace, name, second),
        )
        read = [self._file(workspace, version) for version in versions]
        lines: dict[str, list[Line]] = {
            "facts": _facts(versions, [file for file, _ in read]),
            "tags": _lines([version.tags for version in versions]),
        }
        every = [list(file.lines()) if file else [] for file, _ in read]
        for part in ("inputs", "outputs", "params", "flavors"):
            lines[part] = _lines([{n: v for p, n, v in some if p == part} for some in every])
        compared = self._compared(workspace, versions)
        at = {row.run.id: number for number, row in enumerate(compared.rows)}
        for part, kind in (("metrics", "metrics"), ("run_params", "params")):
            lines[part] = [
                Line(
                    line.key,
                    [line.values[at[v.run_id]] if v.run_id in at else None for v in versions],
                )
                for line in compared.lines.get(kind, ())
            ]
        return Difference(versions, (read[0][1], read[1][1]), lines)

    def candidates(self, workspace: str, run_id: str) -> tuple[Run, list[Candidate]]:
        """The models of a run that can be registered. Raises NotReady, NotFound."""
        self._tracking.require_prepared()
        run = self._tracking.store.run(workspace, run_id)
        versions = self.store.of_run(workspace, run_id)
        found = [
            Candidate(
                key=f"models:/{one.id}",
                label=one.name,
                source=f"models:/{one.id}",
                model_id=one.id,
                versions=tuple(v for v in versions if v.model_id == one.id),
            )
            for one in self.store.logged(run.experiment_id, run_id)
        ]
        for path in self._model_folders(run):
            source = f"{run.artifact_uri.rstrip('/')}/{path}"
            mine = tuple(v for v in versions if v.source.rstrip("/") == source)
            found.append(Candidate(f"path:{path}", path, source, versions=mine))
        return run, found

    def search(self, workspace: str | None, words: str) -> list[Hit]:
        """Registered models by name, description or tag."""
        if workspace is None or not self._tracking.is_prepared():
            return []
        found = self.store.page(workspace, words, limit=5)
        return [Hit(model.name, model.path, "model") for model in found]

    def _model_folders(self, run: Run) -> list[str]:
        """Folders of a run's artifacts with an MLmodel file: those it says, and at the top."""
        named = _named(self._tracking.store.tags(run.id).get(HISTORY_TAG, ""))
        try:
            top = [item.path for item in self._tracking.artifacts(run) if item.is_dir]
            return [
                path
                for path in dict.fromkeys([*named, *top][:MAX_FOLDERS])
                if any(item.name == MLMODEL for item in self._tracking.artifacts(run, path))
            ]
        except NotReady:
            raise
        except Exception:
            log.warning("artifacts not listed", exc_info=True, extra={"action": "list_failed"})
            return []

    def _run(self, workspace: str, version: Version) -> Run | None:
        if not version.run_name:
            return None  # it is in no workspace of ours, or in another one
        try:
            return self._tracking.store.run(workspace, version.run_id)
        except NotFound:
            return None

    def _compared(self, workspace: str, versions: Iterable[Version]) -> Comparison:
        ids = list(dict.fromkeys(version.run_id for version in versions if version.run_name))
        return self._runs.compare(workspace, ids) if ids else Comparison([])

    def _file(self, workspace: str, version: Version) -> tuple[mlmodel.ModelFile | None, str]:
        """What the version's MLmodel file says, or why nothing can be said."""
        try:
            folder = root_of(version.location, workspace)
        except NotFound:
            return None, "Its files lie outside this workspace's artifacts and are not read."
        try:
            read = files.texts(self._mlflow.artifacts(), folder, (MLMODEL, "requirements.txt"))
            if MLMODEL not in read:
                return None, "There is no MLmodel file at its source."
            return mlmodel.read(read[MLMODEL], read.get("requirements.txt", "")), ""
        except MlpiError as error:
            return None, error.line()
        except Exception:
            log.warning("model not read", exc_info=True, extra={"action": "model_unread"})
            return None, "Its files could not be read; the server's log says why."


def _named(history: str) -> list[str]:
    """The folders that older clients note in a tag of the run when they log a model."""
    try:
        found = json.loads(history)
    except (ValueError, RecursionError):
        return []
    paths = (
        [one.get("artifact_path") for one in found if isinstance(one, dict)]
        if isinstance(found, list)
        else []
    )
    return [path for path in paths if isinstance(path, str) and path]


def _lines(sides: Sequence[Mapping[str, str]]) -> list[Line]:
    """One line for each key of either side, in the order they come."""
    keys = dict.fromkeys(key for side in sides for key in side)
    return [Line(key, [side.get(key) for side in sides]) for key in keys]


def _facts(versions: Sequence[Version], found: Sequence[mlmodel.ModelFile | None]) -> list[Line]:
    sides = []
    for version, file in zip(versions, found, strict=True):
        facts = {"aliases": ", ".join(version.aliases), "description": version.description}
        if version.has_stage:
            facts["stage"] = version.stage
        if file:
            facts["mlflow"] = file.mlflow_version
            facts["size in bytes"] = f"{file.size_bytes:,}" if file.size_bytes is not None else ""
        sides.append({key: value for key, value in facts.items() if value})
    return _lines(sides)
