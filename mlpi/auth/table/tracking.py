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
    viewer GET      /tracking/runs/{run_id}/live
    viewer GET      /tracking/runs/{run_id}/new
    viewer GET      /tracking/runs/{run_id}/files
    viewer GET      /tracking/runs/{run_id}/files.zip
    viewer POST     /tracking/runs/{run_id}/files/rows   # a worker reads them
    viewer GET      /tracking/runs/{run_id}/artifact     # sandboxed, as what users uploaded is
    viewer GET      /tracking/runs/{run_id}/pdf
    editor POST     /tracking/runs/{run_id}/rename
    editor POST     /tracking/runs/{run_id}/description
    editor POST     /tracking/runs/{run_id}/tags
    editor POST     /tracking/runs/{run_id}/tags/remove
    owner  POST     /tracking/runs/{run_id}/delete
    owner  POST     /tracking/runs/{run_id}/restore

    # registered models
    viewer GET      /tracking/models
    """,
)
