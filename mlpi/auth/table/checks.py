"""Rows of the checks room: datasets, suites, checkpoints."""

from mlpi.auth.table.match import rows

ROWS = rows(
    "own",
    """
    viewer GET      /checks
    viewer GET      /checks/_badge
    editor GET,POST /checks/new
    viewer GET      /checks/checkpoints/{checkpoint_id}
    editor GET,POST /checks/checkpoints/{checkpoint_id}/edit
    editor POST     /checks/checkpoints/{checkpoint_id}/run
    editor POST     /checks/checkpoints/{checkpoint_id}/schedule
    owner  POST     /checks/checkpoints/{checkpoint_id}/remove
    viewer GET      /checks/runs/{run_id}
    viewer GET      /checks/runs/{run_id}/result.json
    viewer GET      /checks/runs/{run_id}/docs
    editor POST     /checks/runs/{run_id}/docs
    viewer GET      /checks/datasets
    editor POST     /checks/datasets/upload
    editor POST     /checks/datasets/path
    editor POST     /checks/datasets/sql
    viewer GET      /checks/datasets/{dataset_id}
    editor POST     /checks/datasets/{dataset_id}
    viewer GET      /checks/datasets/{dataset_id}/rows
    editor POST     /checks/datasets/{dataset_id}/refresh
    owner  POST     /checks/datasets/{dataset_id}/remove
    editor POST     /checks/datasets/versions/{version_id}/propose
    owner  POST     /checks/datasets/versions/{version_id}/remove

    viewer GET      /api/mlpi/datasets
    editor POST     /api/mlpi/datasets
    viewer GET      /api/mlpi/datasets/{name}
    editor PATCH    /api/mlpi/datasets/{name}
    owner  DELETE   /api/mlpi/datasets/{name}
    editor PUT      /api/mlpi/datasets/{name}/file
    editor POST     /api/mlpi/datasets/{name}/refresh
    viewer GET      /api/mlpi/datasets/{name}/versions
    viewer GET      /api/mlpi/datasets/{name}/profile
    editor POST     /api/mlpi/uploads/datasets
    editor GET,PATCH,DELETE /api/mlpi/uploads/datasets/{upload_id}
    viewer GET      /api/mlpi/checks
    editor POST     /api/mlpi/checks
    viewer GET      /api/mlpi/checks/{name}
    editor PUT      /api/mlpi/checks/{name}
    owner  DELETE   /api/mlpi/checks/{name}
    editor POST     /api/mlpi/checks/{name}/run
    viewer GET      /api/mlpi/checks/{name}/runs
    viewer GET      /api/mlpi/checks/{name}/gate
    viewer GET      /api/mlpi/checks/runs/{run_id}
    viewer GET      /api/mlpi/checks/runs/by-job/{job_id}

    # suites
    viewer GET      /checks/suites
    editor POST     /checks/suites
    editor POST     /checks/suites/import
    viewer GET      /checks/suites/{suite_id}
    editor POST     /checks/suites/{suite_id}
    owner  POST     /checks/suites/{suite_id}/remove
    editor POST     /checks/suites/{suite_id}/import
    editor GET,POST /checks/suites/{suite_id}/add
    editor GET,POST /checks/suites/{suite_id}/expectations/{expectation_id}
    editor POST     /checks/suites/{suite_id}/expectations/{expectation_id}/remove
    editor POST     /checks/suites/{suite_id}/restore
    editor GET,POST /checks/suites/{suite_id}/propose
    viewer GET      /checks/suites/{suite_id}/diff
    viewer GET      /checks/suites/{suite_id}/export.json
    viewer GET      /api/mlpi/expectations
    viewer GET      /api/mlpi/suites
    editor POST     /api/mlpi/suites
    editor POST     /api/mlpi/suites/import
    viewer GET      /api/mlpi/suites/{suite_id}
    editor PUT      /api/mlpi/suites/{suite_id}
    owner  DELETE   /api/mlpi/suites/{suite_id}
    viewer GET      /api/mlpi/suites/{suite_id}/versions
    editor POST     /api/mlpi/suites/{suite_id}/versions/{number}/restore
    viewer GET      /api/mlpi/suites/{suite_id}/diff
    viewer GET      /api/mlpi/suites/{suite_id}/export
    """,
)
