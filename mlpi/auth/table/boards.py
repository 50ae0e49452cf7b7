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

    # event files that come in
    viewer GET      /api/mlpi/boards/files
    viewer GET      /api/mlpi/boards/files/{path:path}
    editor PATCH    /api/mlpi/boards/files/{path:path}
    """,
)
