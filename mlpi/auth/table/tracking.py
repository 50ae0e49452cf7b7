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
    editor POST     /tracking/models
    viewer GET      /tracking/models/{name}
    viewer GET      /tracking/models/{name}/compare
    editor POST     /tracking/models/{name}/rename
    editor POST     /tracking/models/{name}/describe
    editor POST     /tracking/models/{name}/tags
    editor POST     /tracking/models/{name}/tags/remove
    editor POST     /tracking/models/{name}/aliases/remove
    owner  POST     /tracking/models/{name}/delete
    viewer GET      /tracking/models/{name}/versions/{version}
    editor POST     /tracking/models/{name}/versions/{version}/describe
    editor POST     /tracking/models/{name}/versions/{version}/tags
    editor POST     /tracking/models/{name}/versions/{version}/tags/remove
    editor POST     /tracking/models/{name}/versions/{version}/alias
    editor POST     /tracking/models/{name}/versions/{version}/stage
    owner  POST     /tracking/models/{name}/versions/{version}/delete
    viewer GET      /tracking/runs/{run_id}/register
    editor POST     /tracking/runs/{run_id}/register

    # prompts
    viewer GET      /tracking/prompts
    editor POST     /tracking/prompts
    viewer GET      /tracking/prompts/{name}
    editor GET      /tracking/prompts/{name}/new
    editor POST     /tracking/prompts/{name}/versions
    editor POST     /tracking/prompts/{name}/aliases
    editor POST     /tracking/prompts/{name}/aliases/remove
    editor POST     /tracking/prompts/{name}/tags
    editor POST     /tracking/prompts/{name}/tags/remove
    owner  POST     /tracking/prompts/{name}/delete
    owner  POST     /tracking/prompts/{name}/versions/{version}/delete

    # traces
    viewer GET      /tracking/traces
    viewer GET      /tracking/traces.csv
    viewer GET      /tracking/traces.json
    owner  POST     /tracking/traces/delete
    viewer GET      /tracking/traces/{trace_id}
    viewer GET      /tracking/traces/{trace_id}/spans/{span_id}
    editor POST     /tracking/traces/{trace_id}/tags
    editor POST     /tracking/traces/{trace_id}/tags/remove
    """,
)
