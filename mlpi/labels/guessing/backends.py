"""Models that predict for projects: which there are, and the jobs that ask them; knows no HTTP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select

from mlpi.auth.audit import Actor
from mlpi.auth.roles import Principal
from mlpi.auth.vault import Vault
from mlpi.db import Session
from mlpi.errors import Conflict, Invalid, NotFound
from mlpi.house import House
from mlpi.jobs.kinds import JobKind
from mlpi.jobs.models import Job
from mlpi.jobs.service import Jobs, Wish
from mlpi.jobs.store import Filter
from mlpi.labels.guessing import source
from mlpi.labels.guessing.remote import ANSWER_S, Remote, greet
from mlpi.labels.guessing.taking import HTTP, MLFLOW, plan_for, take
from mlpi.labels.models import LabelBackend, LabelProject, LabelTask
from mlpi.labels.projects import project_of
from mlpi.registry import Registered, Registry

PREDICT_JOB, ANSWER_JOB = "labels-predict", "labels-answer"
DAY_S = 24 * 3600
ANSWER_TIMEOUT_S = 300
MOST_BACKENDS = 50  # of a project
MOST_CHOSEN = 200_000  # tasks of one run
MOST_ASKED = 200  # tasks of one question that is not stored
MOST_SHOWN = 5
LOOKED_AT = 200  # newest jobs, among which those of one project are looked for
FAMILY, PRELOAD = "models", ("mlflow.pyfunc", "pandas", "mlpi.labels.guessing.work")


class Backends:
    """The models of all projects; each call names the workspace that it is for."""

    def __init__(self, house: House, jobs: Jobs, registry: Registry) -> None:
        self._house, self._db, self._clock = house, house.db, house.clock
        self._jobs, self._registry = jobs, registry
        self._vault = Vault(house.settings.home)
        work = "mlpi.labels.guessing.work"
        self.kinds = (
            JobKind(
                PREDICT_JOB,
                f"{work}:predict",
                "Predict for a labeling project",
                family=FAMILY,
                preload=PRELOAD,
                timeout_s=DAY_S,
                resolve=self._resolve,
                on_success=self._keep,
                on_failure=self._note_failure,
            ),
            JobKind(
                ANSWER_JOB,
                f"{work}:answer",
                "Ask a model about a few tasks",
                family=FAMILY,
                preload=PRELOAD,
                timeout_s=ANSWER_TIMEOUT_S,
                max_attempts=1,
                resolve=self._resolve,
            ),
        )

    # --- which there are ---------------------------------------------------------------------

    def models(self, workspace: str) -> Sequence[Registered] | None:
        """The registered models that may be chosen; None while MLflow prepares its database."""
        return self._registry.models(workspace) if self._registry.is_prepared() else None

    def of(self, workspace: str, project_id: int) -> Sequence[LabelBackend]:
        """Oldest first. Raises NotFound."""
        with self._db.read() as session:
            project = project_of(session, workspace, project_id)
            return session.scalars(
                select(LabelBackend)
                .where(LabelBackend.project_id == project.id)
                .order_by(LabelBackend.id)
            ).all()

    def get(self, workspace: str, backend_id: int) -> LabelBackend:
        """Raises NotFound."""
        with self._db.read() as session:
            return _backend_of(session, workspace, backend_id)[0]

    def add(
        self, workspace: str, project_id: int, given: Mapping[str, Any], principal: Principal
    ) -> LabelBackend:
        """given: kind mlflow with source and plan, or http with url, by Label Studio's names.

        An http backend is asked whether it is there and told of the project first. The first
        one's predictions are those that annotators see, unless others are. Raises NotFound,
        Invalid, RemoteFailed.
        """
        kind = given.get("kind") or (HTTP if given.get("url") else MLFLOW)
        if kind not in (MLFLOW, HTTP):
            raise Invalid("A model is of the kind mlflow or http.", field="kind")
        if len(self.of(workspace, project_id)) >= MOST_BACKENDS:
            raise Conflict(f"A project may have {MOST_BACKENDS} models.")
        with self._db.read() as session:
            project = project_of(session, workspace, project_id)
        now = self._clock()
        backend = LabelBackend(
            project_id=project.id,
            kind=kind,
            title="",
            source="",
            options={},
            secrets="",
            state="",
            created_at=now,
            updated_at=now,
        )
        take(self._registry, self._vault, project, backend, given)
        if kind == HTTP:
            self._greet(project, backend)
        with self._db.write() as session:
            project = project_of(session, workspace, project_id)
            session.add(backend)
            session.flush()
            shown = project.options.get("model_version", "")
            if project.options.get("show_collab_predictions", True) and not shown:
                project.options = {**project.options, "model_version": self._signs(backend)}
            self._record(session, principal, "label_model_added", project, backend)
        return backend

    def change(
        self, workspace: str, backend_id: int, given: Mapping[str, Any], principal: Principal
    ) -> LabelBackend:
        """What is not sent stays. Raises NotFound, Invalid, RemoteFailed."""
        with self._db.read() as session:
            backend, project = _backend_of(session, workspace, backend_id)
        take(self._registry, self._vault, project, backend, given)
        if backend.kind == HTTP:
            self._greet(project, backend)
        backend.updated_at = self._clock()
        with self._db.write() as session:
            _backend_of(session, workspace, backend_id)
            session.merge(backend)
            self._record(session, principal, "label_model_changed", project, backend)
        return backend

    def remove(self, workspace: str, backend_id: int, principal: Principal) -> None:
        """What it predicted stays. Raises NotFound."""
        with self._db.write() as session:
            backend, project = _backend_of(session, workspace, backend_id)
            self._record(session, principal, "label_model_removed", project, backend)
            session.delete(backend)

    def _signs(self, backend: LabelBackend) -> str:
        """What its predictions are signed with, unless it says otherwise itself."""
        return str(backend.options.get("version") or backend.title)

    def _greet(self, project: LabelProject, backend: LabelBackend) -> None:
        extra = backend.options.get("extra_params")
        version = greet(self.remote(backend), uid(project), project.label_config, extra)
        if version:
            backend.options = {**backend.options, "version": version}

    def remote(self, backend: LabelBackend) -> Remote:
        """An http backend, to be asked. Raises Invalid when its password cannot be opened."""
        options = backend.options
        is_basic = options.get("auth_method") == "BASIC_AUTH"
        return Remote(
            backend.source,
            user=options.get("basic_auth_user", "") if is_basic else "",
            password=self._vault.open(backend.secrets) if is_basic else "",
            timeout_s=float(options.get("timeout") or ANSWER_S),
        )

    # --- asking them -------------------------------------------------------------------------

    def start(
        self,
        workspace: str,
        project_id: int,
        task_ids: Sequence[int] | None,
        principal: Principal,
        *,
        backend_id: int | None = None,
        replaces: bool = False,
    ) -> int:
        """Have tasks predicted by a job; its id. None: all that its version has not seen.

        backend_id: which model, the project's first unless named. replaces: also those that the
        same version predicted before. Raises NotFound, Invalid, Conflict while one is at it.
        """
        backend = self._chosen(workspace, project_id, backend_id)
        if task_ids is not None and len(task_ids) > MOST_CHOSEN:
            raise Invalid(f"At most {MOST_CHOSEN:,} tasks at a time.", field="tasks")
        running = self._running(workspace, backend)
        if running is not None:
            raise Conflict(
                f"{backend.title} is predicting already, in job {running.id}.",
                advice="Wait for it, or stop that job.",
            )
        wish = Wish(
            PREDICT_JOB,
            workspace,
            {
                "project": backend.project_id,
                "backend": backend.id,
                "task_ids": None if task_ids is None else list(map(int, task_ids)),
                "replaces": replaces,
            },
            title=f"Predict with {backend.title}",
        )
        job = self._jobs.enqueue(wish, actor=Actor(principal.name, ""))
        with self._db.write() as session:
            kept = session.get(LabelBackend, backend.id)
            if kept is not None:
                kept.job_id = job.id
        return job.id

    def can_predict(self, workspace: str, project_id: int) -> bool:
        """Whether a project has a model. Raises NotFound."""
        return bool(self.of(workspace, project_id))

    def retrieve(
        self, workspace: str, project_id: int, task_ids: Sequence[int], principal: Principal
    ) -> int:
        """Have chosen tasks predicted anew by the project's first model; how many were asked about.

        Raises as `start`.
        """
        self.start(workspace, project_id, task_ids, principal, replaces=True)
        return len(task_ids)

    def ask(
        self,
        workspace: str,
        project_id: int,
        tasks: Sequence[Mapping[str, Any]],
        principal: Principal,
        *,
        backend_id: int | None = None,
        label_config: str = "",
    ) -> int:
        """Have a job tell what a model says of some tasks' data, stored nowhere; the job's id.

        label_config: another one to name controls and labels by. Raises NotFound, Invalid.
        """
        backend = self._chosen(workspace, project_id, backend_id)
        if len(tasks) > MOST_ASKED:
            raise Invalid(f"At most {MOST_ASKED} tasks at a time.", field="tasks")
        with self._db.read() as session:
            project = project_of(session, workspace, project_id)
        wish = Wish(
            ANSWER_JOB,
            workspace,
            {
                "project": project.id,
                "backend": backend.id,
                "tasks": [dict(one) for one in tasks],
                "label_config": label_config or project.label_config,
            },
            title=f"Ask {backend.title}",
            priority=10,  # somebody waits for it
        )
        return self._jobs.enqueue(wish, actor=Actor(principal.name, "")).id

    def fits(self, backend: LabelBackend, config: str) -> None:
        """See that a model can answer for another configuration. Raises ConfigInvalid, Invalid."""
        plan_for(config, backend.options["plan"])

    def sample(self, workspace: str, project_id: int) -> tuple[int, str] | None:
        """(id, data as JSON) of a task to try a model on: the project's first. Raises NotFound."""
        with self._db.read() as session:
            project = project_of(session, workspace, project_id)
            row = session.execute(
                select(LabelTask.id, LabelTask.data)
                .where(LabelTask.project_id == project.id)
                .order_by(LabelTask.id)
                .limit(1)
            ).one_or_none()
        return None if row is None else (row.id, row.data)

    def job(self, workspace: str, project_id: int, job_id: int) -> Job:
        """One of this project's, with its newest progress. Raises NotFound."""
        job = self._jobs.get(workspace, job_id)
        is_ours = job.kind in (PREDICT_JOB, ANSWER_JOB)
        if not is_ours or job.params.get("project") != project_id:
            raise NotFound("There is no such job.")
        return job

    def lately(self, workspace: str, project_id: int) -> list[Job]:
        """The newest runs of a project's models, newest first."""
        found = self._jobs.page(workspace, Filter(kind=PREDICT_JOB), limit=LOOKED_AT)
        return [one for one in found if one.params.get("project") == project_id][:MOST_SHOWN]

    def _chosen(self, workspace: str, project_id: int, backend_id: int | None) -> LabelBackend:
        found = self.of(workspace, project_id)
        for one in found:
            if backend_id in (None, one.id):
                return one
        if backend_id is None:
            raise Invalid(
                "This project has no model.", advice="Add one on its page Models.", field="model"
            )
        raise NotFound(f"There is no model {backend_id} in this project.")

    def _running(self, workspace: str, backend: LabelBackend) -> Job | None:
        if backend.job_id is None:
            return None
        try:
            job = self._jobs.get(workspace, backend.job_id)
        except NotFound:
            return None
        return None if job.is_final else job

    # --- what the jobs room calls ------------------------------------------------------------

    def _resolve(self, session: Session, job: Job) -> dict[str, Any]:
        """All that a worker needs, with how far an earlier attempt was."""
        backend, project = _backend_of(session, job.workspace, job.params["backend"])
        common = {
            **job.params,
            "database": self._house.db.url.render_as_string(hide_password=False),
            "kind": backend.kind,
            "title": backend.title,
            **{
                name: int(job.counters.get(name, 0))
                for name in ("position", "predictions", "refused")
            },
        }
        if backend.kind == HTTP:
            remote = self.remote(backend)
            return {
                **common,
                "version": self._signs(backend),
                "uid": uid(project),
                "url": remote.url,
                "user": remote.user,
                "password": remote.password,
                "timeout_s": remote.timeout_s,
            }
        found = source.find(self._registry, job.workspace, backend.source)
        plan = backend.options["plan"]
        config = job.params.get("label_config")
        if config and config != project.label_config:
            plan = plan_for(config, plan)
        return {
            **common,
            "version": found.version,
            "plan": plan,
            "artifacts": self._house.settings.artifacts,
            "path": found.path,
        }

    def _keep(self, session: Session, job: Job, result: Any) -> Any:
        backend = session.get(LabelBackend, job.params["backend"])
        if backend is not None:
            backend.state = ""
            backend.options = {**backend.options, "version": result["version"]}
        return result

    def _note_failure(self, session: Session, job: Job) -> None:
        backend = session.get(LabelBackend, job.params["backend"])
        if backend is not None:
            backend.state = job.error or f"job {job.id} was {job.state}"

    def _record(
        self,
        session: Session,
        principal: Principal,
        deed: str,
        project: LabelProject,
        backend: LabelBackend,
    ) -> None:
        words = f"{backend.title} of {project.id} {project.title}"
        self._house.audit.record(session, Actor(principal.name, ""), deed, words, project.workspace)


def uid(project: LabelProject) -> str:
    """What ML backends know a project by: its id and when it was made."""
    return f"{project.id}.{int(project.created_at.timestamp())}"


def _backend_of(
    session: Session, workspace: str, backend_id: int
) -> tuple[LabelBackend, LabelProject]:
    """A workspace's model and its project. Raises NotFound."""
    backend = session.get(LabelBackend, backend_id)
    if backend is not None:
        project = session.get(LabelProject, backend.project_id)
        if project is not None and project.workspace == workspace:
            return backend, project
    raise NotFound(f"There is no model {backend_id} in this workspace.")
