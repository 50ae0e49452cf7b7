"""The boards room's pages and API, and TensorBoard's own UI."""

from mlpi.auth.table.match import rows

ROWS = rows(
    "own",
    """
    # pages
    viewer GET      /boards

    # event files that come in
    viewer GET      /api/mlpi/boards/files
    viewer GET      /api/mlpi/boards/files/{path:path}
    editor PATCH    /api/mlpi/boards/files/{path:path}
    """,
)
