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
    # images, sounds, histograms, texts, hyperparameters
    viewer GET      /boards/images
    viewer GET      /boards/images/stops.json
    viewer GET      /boards/images/one
    viewer GET      /boards/audio
    viewer GET      /boards/audio/stops.json
    viewer GET      /boards/audio/one
    viewer GET      /boards/histograms
    viewer GET      /boards/histograms/data.json
    viewer GET      /boards/text
    viewer GET      /boards/text/stops.json
    viewer GET      /boards/text/one
    viewer GET      /boards/hparams
    viewer GET      /boards/hparams/values.json
    viewer GET      /boards/hparams/data.csv

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
