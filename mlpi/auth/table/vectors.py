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

    # records, as Chroma's own routes: editors change and delete them
    viewer GET      /vectors/{collection_id}/filter
    viewer GET      /vectors/{collection_id}/record
    viewer GET      /vectors/{collection_id}/search
    editor GET      /vectors/{collection_id}/new
    editor GET      /vectors/{collection_id}/record/edit
    editor POST     /vectors/{collection_id}/records
    editor POST     /vectors/{collection_id}/records/remove
    editor POST     /vectors/{collection_id}/records/mark
    editor GET      /vectors/{collection_id}/matching/remove
    editor POST     /vectors/{collection_id}/matching/remove
    editor POST     /vectors/{collection_id}/record
    editor POST     /vectors/{collection_id}/record/remove
    """,
)
