"""The tracking room's own pages; MLflow's routes are in mlflow.py."""

from mlpi.auth.table.match import rows

ROWS = rows(
    "own",
    """
    # any user
    login  GET      /tracking/locate
    login  GET      /mlflow

    # experiments and the table of runs
    viewer GET      /tracking
    editor POST     /tracking/experiments
    viewer GET      /tracking/experiments/{experiment_id}
    viewer GET      /tracking/experiments/{experiment_id}/about
    editor POST     /tracking/experiments/{experiment_id}/rename
    editor POST     /tracking/experiments/{experiment_id}/tags
    editor POST     /tracking/experiments/{experiment_id}/tags/remove
    owner  POST     /tracking/experiments/{experiment_id}/delete
    owner  POST     /tracking/experiments/{experiment_id}/restore
    viewer GET      /tracking/experiments/{experiment_id}/columns
    viewer GET      /tracking/experiments/{experiment_id}/keys.json
    viewer GET      /tracking/experiments/{experiment_id}/runs.csv
    viewer POST     /tracking/experiments/{experiment_id}/marks   # one's own
    editor POST     /tracking/experiments/{experiment_id}/views
    editor POST     /tracking/experiments/{experiment_id}/views/{view_id}/remove
    editor POST     /tracking/experiments/{experiment_id}/runs/tag
    owner  POST     /tracking/experiments/{experiment_id}/runs/delete
    owner  POST     /tracking/experiments/{experiment_id}/runs/restore

    # a run, several runs
    viewer GET      /tracking/compare
    viewer GET      /tracking/runs/{run_id}
    viewer GET      /tracking/runs/{run_id}/metric

    # one import at a time
    editor PUT      /api/mlpi/tracking/import-lease
    editor DELETE   /api/mlpi/tracking/import-lease

    # the trash
    viewer GET      /tracking/trash
    viewer GET      /tracking/trash/sizes
    owner  POST     /tracking/trash/ask
    owner  POST     /tracking/trash/purge
    owner  POST     /tracking/trash/restore

    # registered models
    viewer GET      /tracking/models
    """,
)
