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
    viewer GET      /tracking/experiments/{experiment_id}/runs.parquet
    viewer POST     /tracking/experiments/{experiment_id}/marks   # one's own
    editor POST     /tracking/experiments/{experiment_id}/views
    editor POST     /tracking/experiments/{experiment_id}/views/{view_id}/remove
    editor POST     /tracking/experiments/{experiment_id}/runs/tag
    owner  POST     /tracking/experiments/{experiment_id}/runs/delete
    owner  POST     /tracking/experiments/{experiment_id}/runs/restore
    viewer GET      /tracking/experiments/{experiment_id}/charts

    # a run, several runs
    viewer GET      /tracking/compare
    viewer GET      /tracking/compare/files
    viewer GET      /tracking/charts
    viewer GET      /tracking/charts/points.json
    viewer GET      /tracking/charts/values.json
    viewer GET      /tracking/charts/data.csv
    viewer GET      /tracking/runs/{run_id}
    viewer GET      /tracking/runs/{run_id}/metric

    # registered models
    viewer GET      /tracking/models
    """,
)
