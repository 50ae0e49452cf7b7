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
from mlpi.labels.config.config import read_config
from mlpi.labels.guessing import source
from mlpi.labels.guessing.plan import read_plan
from mlpi.labels.guessing.remote import ANSWER_S, Remote, RemoteFailed, checked_url
from mlpi.labels.models import LabelBackend, LabelProject, LabelTask
from mlpi.labels.projects import config_of, project_of
from mlpi.registry import Registered, Registry

PREDICT_JOB, ANSWER_JOB = "labels-predict", "labels-answer"
MLFLOW, HTTP = "mlflow", "http"
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
        self._take(workspace, project, backend, given)
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
        self._take(workspace, project, backend, given)
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

    def _take(
        self,
        workspace: str,
        project: LabelProject,
        backend: LabelBackend,
        given: Mapping[str, Any],
    ) -> None:
        options = dict(backend.options)
        if backend.kind == MLFLOW:
            if "source" in given or not backend.source:
                backend.source = str(given.get("source") or "").strip()
                found = source.find(self._registry, workspace, backend.source)
                options["version"] = found.version
            # Label Studio's clients send no plan; what they may send with any model is this.
            plan = given.get("plan") or given.get("extra_params")
            if plan is not None or "plan" not in options:
                if not isinstance(plan, Mapping | None):
                    raise Invalid("A plan must be an object.", field="plan")
                options["plan"] = read_plan(config_of(project), plan or {}).plain()
        else:
            if "url" in given or not backend.source:
                backend.source = checked_url(str(given.get("url") or "").strip())
            self._take_access(backend, options, given)
            for name in ("is_interactive", "auto_update"):
                options[name] = bool(given.get(name, options.get(name, False)))
            if "extra_params" in given:
                options["extra_params"] = given["extra_params"]
            options["timeout"] = _timeout(given.get("timeout", options.get("timeout")))
        if "description" in given:
            options["description"] = str(given["description"] or "")[:10_000]
        title = str(given.get("title") or "").strip()[:255]
        backend.title = title or backend.title or self._name(workspace, backend)
        backend.options = options

    def _take_access(
        self, backend: LabelBackend, options: dict[str, Any], given: Mapping[str, Any]
    ) -> None:
        method = str(given.get("auth_method") or options.get("auth_method") or "NONE")
        if method not in ("NONE", "BASIC_AUTH"):
            raise Invalid("auth_method is NONE or BASIC_AUTH.", field="auth_method")
        user = str(given.get("basic_auth_user", options.get("basic_auth_user")) or "")
        if given.get("basic_auth_pass"):
            backend.secrets = self._vault.seal(str(given["basic_auth_pass"]))
        if method == "BASIC_AUTH" and not (user and backend.secrets):
            raise Invalid(
                "Authentication username and password is required for Basic Authentication.",
                field="non_field_errors",
            )
        options |= {"auth_method": method, "basic_auth_user": user}

    def _name(self, workspace: str, backend: LabelBackend) -> str:
        if backend.kind == MLFLOW:
            return source.find(self._registry, workspace, backend.source).title
        return "ML backend"

    def _signs(self, backend: LabelBackend) -> str:
        """What its predictions are signed with, unless it says otherwise itself."""
        return str(backend.options.get("version") or backend.title)

    def _greet(self, project: LabelProject, backend: LabelBackend) -> None:
        remote = self.remote(backend)
        try:
            remote.health()
        except RemoteFailed as error:
            if error.answered == 401:
                raise Invalid(
                    "Able to connect to ML Server, but authentication parameters were either "
                    "not provided or are incorrect.",
                    field="non_field_errors",
                ) from None
            raise Invalid(
                f"Can't connect to ML backend {backend.source}, health check failed: "
                f"{error.message}",
                advice="See that it runs, and that this machine may reach it.",
                field="non_field_errors",
            ) from None
        try:
            said = remote.setup(
                uid(project), project.label_config, backend.options.get("extra_params")
            )
        except RemoteFailed as error:
            raise Invalid(
                f"Successfully connected to {backend.source} but it doesn't look like a valid ML "
                f"backend: {error.message}",
                field="non_field_errors",
            ) from None
        version = said.get("model_version")
        if isinstance(version, str) and version:
            backend.options = {**backend.options, "version": version[:255]}

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
        _plan_for(config, backend.options["plan"])

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
            plan = _plan_for(config, plan)
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


def _plan_for(config: str, plan: Mapping[str, Any]) -> dict[str, Any]:
    """A plan for another configuration: what it does not have is as proposed for it."""
    other = read_config(config)
    control = other.controls.get(plan["control"])
    kept = {name: plan[name] for name in ("kind", "width", "height", "mode", "top")}
    if control is not None:
        kept["control"] = control.name
        if plan["field"] in other.fields:
            kept["field"] = plan["field"]
    return read_plan(other, kept).plain()


def _timeout(value: Any) -> float:
    if value in (None, ""):
        return ANSWER_S
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = float("nan")
    if not 0 < seconds <= 3600:
        raise Invalid("A number of seconds up to 3600 is asked for.", field="timeout")
    return seconds


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
