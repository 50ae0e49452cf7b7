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

# TensorBoard's own UI. What it asks by POST are long questions; nothing there changes anything.
STOCK = """
    viewer GET      /tensorboard
    viewer GET      /tensorboard/
    viewer GET      /tensorboard/in/{workspace_name}
    viewer GET      /tensorboard/in/{workspace_name}/
    viewer POST     /tensorboard/in/{workspace_name}/data/plugin/{plugin}/{question}
    viewer POST     /tensorboard/in/{workspace_name}/experiment/{id}/data/plugin/{plugin}/{question}
    viewer GET      /tensorboard/in/{workspace_name}/data/plugin/projector/{file}
    viewer GET      /tensorboard/in/{workspace_name}/{path:path}
    viewer POST     /tensorboard/data/plugin/{plugin}/{question}
    viewer POST     /tensorboard/experiment/{id}/data/plugin/{plugin}/{question}
    viewer GET      /tensorboard/{path:path}
    """

PREFIX = "/tensorboard"

ROWS += rows("tensorboard", STOCK)
