"""The boards room's pages and API, and TensorBoard's own UI."""

from mlpi.auth.table.match import rows

ROWS = rows(
    "own",
    """
    # pages
    viewer GET      /boards
    viewer GET      /boards/tree
    viewer GET      /boards/version
    viewer GET      /boards/curves/state
    viewer GET      /boards/curves/data
    viewer GET      /boards/curves/data.csv
    viewer GET      /boards/curves/data.parquet

    # scripts
    viewer GET      /api/mlpi/boards/runs
    viewer GET      /api/mlpi/boards/tags
    viewer GET      /api/mlpi/boards/scalars

    # runs as things: their pages, and what is done to them
    viewer GET      /boards/run
    viewer GET      /boards/run/tags
    viewer GET      /boards/manage
    editor POST     /boards/run/rename
    editor POST     /boards/run/mlflow
    editor POST     /boards/folder/rename
    editor POST     /boards/archive
    editor POST     /boards/unarchive
    owner  POST     /boards/remove/ask
    owner  POST     /boards/remove

    # event files that come in
    viewer GET      /api/mlpi/boards/files
    viewer GET      /api/mlpi/boards/files/{path:path}
    editor PATCH    /api/mlpi/boards/files/{path:path}
    """,
)
