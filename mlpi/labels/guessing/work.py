"""What workers do for predictions. Imported in workers by name; MLflow comes in late."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from mlpi.clock import utcnow
from mlpi.db import Database
from mlpi.errors import MlpiError
from mlpi.jobs.context import JobContext, JobFailed
from mlpi.labels import given
from mlpi.labels.bringing.finding import finder
from mlpi.labels.config.config import LabelConfig
from mlpi.labels.config.reading import read_config
from mlpi.labels.guessing import store
from mlpi.labels.guessing.answers import Unfit, guess
from mlpi.labels.guessing.inputs import input_of
from mlpi.labels.guessing.plan import Plan
from mlpi.labels.guessing.remote import Remote, RemoteFailed
from mlpi.labels.guessing.store import Waiting
from mlpi.labels.projects import project_of

BATCH = {"text": 200, "features": 200, "image": 32}
REMOTE_BATCH = 16
MOST_TOLD = 20  # tasks whose answers did not fit, in a job's result
TRIES, PAUSE_S = 3, 2.0

# (prediction as clients send it, None) or (None, why there is none), for each task.
Said = tuple[Mapping[str, Any] | None, str | None]
Ask = Callable[[Sequence[Waiting]], list[Said]]


@dataclass
class Outcome:
    """What came of a run. told: some of the tasks without a prediction, and why."""

    predictions: int = 0
    refused: int = 0
    told: list[dict[str, Any]] = field(default_factory=list)

    def refuse(self, task_id: int, reason: str) -> None:
        self.refused += 1
        if len(self.told) < MOST_TOLD:
            self.told.append({"task": task_id, "reason": reason[:300]})


def predict(context: JobContext, params: Mapping[str, Any]) -> dict[str, Any]:
    """Predict for the tasks of a project that wait for this version; how many, and which not."""
    with closing(Database(params["database"])) as db:
        try:
            with db.read() as session:
                project = project_of(session, context.workspace, params["project"])
            ask, size = _asker(context, params, read_config(project.label_config), db)
            return _run(context, params, db, ask, size)
        except MlpiError as error:
            raise JobFailed(error.line()) from None


def answer(context: JobContext, params: Mapping[str, Any]) -> dict[str, Any]:
    """What a model says of some tasks that came with the job; nothing is stored."""
    with closing(Database(params["database"])) as db:
        try:
            config = read_config(params["label_config"])
            ask, size = _asker(context, params, config, db)
            tasks = [
                Waiting(number, given.as_json(data)) for number, data in enumerate(params["tasks"])
            ]
            said: list[Said] = []
            for at in range(0, len(tasks), size):
                said += ask(tasks[at : at + size])
        except MlpiError as error:
            raise JobFailed(error.line()) from None
    found = []
    for task, (one, reason) in zip(tasks, said, strict=True):
        checked, why = _checked(config, task, one, reason)
        found.append(
            {"result": [], "score": 0.0, "model_version": params["version"], "reason": why}
            if checked is None
            else {
                "result": json.loads(checked.result),
                "score": checked.score,
                "model_version": checked.model_version,
            }
        )
    return {"results": found}


def _run(
    context: JobContext, params: Mapping[str, Any], db: Database, ask: Ask, size: int
) -> dict[str, Any]:
    outcome = Outcome(int(params.get("predictions", 0)), int(params.get("refused", 0)))
    before = outcome.predictions + outcome.refused
    total = before + _total(params, db)
    for tasks in _batches(params, db, size):
        with db.read() as session:
            # What was changed meanwhile counts: predictions must fit the configuration of now.
            config = read_config(
                project_of(session, context.workspace, params["project"]).label_config
            )
        fitting = []
        for task, (one, reason) in zip(tasks, ask(tasks), strict=True):
            checked, why = _checked(config, task, one, reason)
            if checked is None:
                outcome.refuse(task.id, why or "")
            else:
                fitting.append((task.id, checked))
        if fitting:
            with db.write() as session:
                project = project_of(session, context.workspace, params["project"], is_locked=True)
                outcome.predictions += store.keep(session, project, fitting, utcnow())
        done = outcome.predictions + outcome.refused
        context.progress(
            done / total if total else 1.0,
            f"{done:,} of {total:,} tasks",
            position=tasks[-1].id,
            predictions=outcome.predictions,
            refused=outcome.refused,
        )
    context.progress(1.0, f"{outcome.predictions:,} predictions")
    return {
        "predictions": outcome.predictions,
        "refused": outcome.refused,
        "told": outcome.told,
        "version": params["version"],
    }


def _skips(params: Mapping[str, Any]) -> str:
    """Of which version a task's prediction means that it need not be asked about."""
    return "" if params["replaces"] else str(params["version"])


def _total(params: Mapping[str, Any], db: Database) -> int:
    position = int(params.get("position", 0))
    if params["task_ids"] is not None:
        return sum(one > position for one in params["task_ids"])
    with db.read() as session:
        return store.count_waiting(session, params["project"], _skips(params), after_id=position)


def _batches(params: Mapping[str, Any], db: Database, size: int) -> Iterator[list[Waiting]]:
    """Tasks that wait, by id, from where an earlier attempt was."""
    position, skips = int(params.get("position", 0)), _skips(params)
    if params["task_ids"] is not None:
        ids = sorted(one for one in set(params["task_ids"]) if one > position)
        for at in range(0, len(ids), size):
            with db.read() as session:
                found = store.chosen(session, params["project"], skips, ids[at : at + size])
            if found:
                yield found
        return
    while True:
        with db.read() as session:
            found = store.waiting(session, params["project"], skips, after_id=position, limit=size)
        if not found:
            return
        yield found
        position = found[-1].id


def _checked(
    config: LabelConfig, task: Waiting, one: Mapping[str, Any] | None, reason: str | None
) -> tuple[given.GivenPrediction | None, str | None]:
    """A prediction that fits, or why there is none."""
    if one is None:
        return None, reason
    try:
        return given.prediction(config, one, json.loads(task.data)), None
    except MlpiError as error:
        return None, error.line()


def _asker(
    context: JobContext, params: Mapping[str, Any], config: LabelConfig, db: Database
) -> tuple[Ask, int]:
    if params["kind"] == "http":
        return _remote(params, config), REMOTE_BATCH
    from mlpi.labels.guessing.loading import Model  # noqa: PLC0415 - brings MLflow with the load

    context.progress(0.0, f"loading {params['title']}")
    plan = Plan(**params["plan"])
    model = Model(params["title"], params["artifacts"], params["path"])
    find = finder(db, context.home, context.workspace)

    def ask(tasks: Sequence[Waiting]) -> list[Said]:
        said: list[Said] = [(None, None)] * len(tasks)
        given_to: list[tuple[int, Any, Any]] = []
        datas = [json.loads(task.data) for task in tasks]
        for at, data in enumerate(datas):
            try:
                given_to.append((at, *input_of(plan, data, find)))
            except Unfit as unfit:
                said[at] = (None, str(unfit))
        if given_to:
            answers = model.answers([one for _, one, _ in given_to], plan.kind)
            for (at, _, size), (found, score) in zip(given_to, answers, strict=True):
                said[at] = _said(config, plan, params["version"], found, score, datas[at], size)
        return said

    return ask, BATCH[plan.kind]


def _said(
    config: LabelConfig,
    plan: Plan,
    version: str,
    found: Any,
    score: float | None,
    data: Mapping[str, Any],
    size: tuple[int, int] | None,
) -> Said:
    control = config.controls.get(plan.control)
    if control is None:
        return None, f"the configuration has no control {plan.control!r} any more"
    if score is not None and not math.isfinite(score):
        score = None
    try:
        made = guess(config, control, found, score=score, data=data, size=size)
    except Unfit as unfit:
        return None, str(unfit)
    return {"result": made.results, "score": made.score, "model_version": version}, None


def _remote(params: Mapping[str, Any], config: LabelConfig) -> Ask:
    remote = Remote(params["url"], params["user"], params["password"], params["timeout_s"])

    def once(tasks: Sequence[Waiting]) -> list[Said]:
        sent = [{"id": task.id, "data": json.loads(task.data)} for task in tasks]
        found = remote.predict(sent, params["uid"], config.text)
        return [
            ({"model_version": params["version"], **_without_nothing(one)}, None) for one in found
        ]

    def ask(tasks: Sequence[Waiting]) -> list[Said]:
        for turn in range(1, TRIES + 1):
            try:
                return once(tasks)
            except RemoteFailed as error:
                if error.answered and len(tasks) > 1:  # one of them is too much for it
                    said = [one for task in tasks for one in ask([task])]
                    if all(made is None for made, _ in said):  # or all of them
                        raise JobFailed(f"{len(said)} tasks in a row: {error.message}") from None
                    return said
                if error.answered:
                    return [(None, error.message)]
                if turn == TRIES:
                    raise
                time.sleep(PAUSE_S * turn)
        raise AssertionError("unreachable")

    return ask


def _without_nothing(one: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in one.items() if value is not None}
