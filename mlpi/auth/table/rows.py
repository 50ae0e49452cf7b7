"""All rows: mlpi's own routes here, each embedded tool's in its own file beside this one."""

from mlpi.auth.table import boards, checks, chroma, labels, mlflow, tracking, vectors
from mlpi.auth.table.match import rows

OWN = rows(
    "own",
    """
    # reachable by anybody
    public GET      /healthz
    public GET      /readyz
    public GET      /static/{path:path}
    public GET      /favicon.ico
    public GET,POST /login
    public GET,POST /setup

    # any user
    session POST    /logout
    login  GET      /
    login  GET      /_cards
    login  GET      /search
    login  GET      /docs
    login  GET      /docs/openapi.json
    login  GET      /metrics
    session POST    /workspace
    login  POST     /theme
    session GET     /settings
    session GET     /settings/account
    session POST    /settings/account/password
    session GET     /settings/sessions
    session POST    /settings/sessions/end-others
    session POST    /settings/sessions/{session_id}/end
    session GET,POST /settings/tokens
    session POST    /settings/tokens/{token_id}/revoke
    login  GET      /api/mlpi/me
    login  GET      /api/mlpi/workspaces
    login  GET      /api/mlpi/status

    # the current workspace
    viewer GET      /settings/members
    owner  POST     /settings/members
    owner  POST     /settings/members/{user}/remove
    owner  POST     /settings/workspace
    viewer GET      /jobs
    viewer GET      /jobs/_badge
    viewer GET      /jobs/{job_id}
    editor POST     /jobs/selftest
    editor POST     /jobs/{job_id}/cancel
    editor POST     /jobs/{job_id}/retry
    viewer GET      /jobs/schedules
    editor POST     /jobs/schedules
    editor POST     /jobs/schedules/{schedule_id}/run
    editor POST     /jobs/schedules/{schedule_id}/pause
    owner  POST     /jobs/schedules/{schedule_id}/remove
    viewer GET      /api/mlpi/jobs
    editor POST     /api/mlpi/jobs
    viewer GET      /api/mlpi/jobs/durations
    viewer GET      /api/mlpi/jobs/{job_id}
    viewer GET      /api/mlpi/jobs/{job_id}/log
    editor POST     /api/mlpi/jobs/{job_id}/cancel
    editor POST     /api/mlpi/jobs/{job_id}/retry
    viewer GET      /api/mlpi/schedules
    editor POST     /api/mlpi/schedules
    editor POST     /api/mlpi/schedules/{schedule_id}/run
    editor POST     /api/mlpi/schedules/{schedule_id}/pause
    owner  DELETE   /api/mlpi/schedules/{schedule_id}
    viewer GET      /api/mlpi/members
    owner  PUT      /api/mlpi/members/{user}
    owner  DELETE   /api/mlpi/members/{user}
    viewer GET      /api/mlpi/tokens
    viewer DELETE   /api/mlpi/tokens/{token_id}

    # the whole instance
    admin  GET,POST /settings/workspaces
    admin  GET,POST /settings/users
    admin  POST     /settings/users/{user}/password
    admin  POST     /settings/users/{user}/disable
    admin  POST     /settings/users/{user}/enable
    admin  POST     /settings/users/{user}/admin
    admin  GET      /settings/audit
    admin  GET,POST /api/mlpi/users
    admin  POST     /api/mlpi/workspaces
    admin  GET      /api/mlpi/audit
    """,
)

ROWS = [
    *OWN,
    *tracking.ROWS,
    *boards.ROWS,
    *checks.ROWS,
    *mlflow.ROWS,
    *chroma.ROWS,
    *vectors.ROWS,
    *labels.ROWS,
]
