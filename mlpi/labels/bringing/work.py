"""What workers do for imports. Imported in workers by name."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from mlpi.auth.roles import Principal, Role
from mlpi.clock import utcnow
from mlpi.db import Database
from mlpi.errors import MlpiError
from mlpi.jobs.context import JobContext, JobFailed
from mlpi.labels.bringing.carrying import Carrier
from mlpi.labels.bringing.files import Files


def bring(context: JobContext, params: dict[str, Any]) -> dict[str, Any]:
    """A file's tasks into its project; see Carried."""
    principal = Principal(
        params["user_id"],
        params["user"],
        False,
        {context.workspace: Role(params["role"])},
        context.workspace,
    )
    db = Database(params["database"])
    try:
        files = Files(db, context.home, utcnow)
        carrier = Carrier(db, files, utcnow, context.workspace, principal)
        file = files.get(context.workspace, params["file"])
        carried = carrier.carry(file, skips_bad=params["skips_bad"], tell=context.progress)
    except MlpiError as error:
        raise JobFailed(error.line()) from None
    finally:
        db.close()
    context.progress(1.0, f"{carried.tasks:,} tasks", tasks=carried.tasks, wrong=carried.wrong)
    return asdict(carried)
