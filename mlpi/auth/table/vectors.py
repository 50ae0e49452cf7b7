"""The vectors room's own pages; Chroma's routes are in chroma.py."""

from mlpi.auth.table.match import rows

ROWS = rows(
    "own",
    """
    viewer GET      /vectors
    editor POST     /vectors
    viewer GET      /vectors/{collection_id}
    viewer GET      /vectors/{collection_id}/about
    editor POST     /vectors/{collection_id}/rename
    editor POST     /vectors/{collection_id}/metadata
    editor POST     /vectors/{collection_id}/embedder
    owner  POST     /vectors/{collection_id}/remove
    """,
)
