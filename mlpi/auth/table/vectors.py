"""The vectors room's own pages; Chroma's routes are in chroma.py."""

from mlpi.auth.table.match import rows

ROWS = rows(
    "own",
    """
    viewer GET      /vectors
    editor POST     /vectors
    viewer GET      /vectors/{collection_id}
    viewer GET      /vectors/{collection_id}/about
    viewer GET      /vectors/{collection_id}/care
    editor POST     /vectors/{collection_id}/rename
    editor POST     /vectors/{collection_id}/metadata
    editor POST     /vectors/{collection_id}/embedder
    owner  POST     /vectors/{collection_id}/remove

    # import, export, duplicate
    editor GET,POST /vectors/import
    editor GET,POST /vectors/imports/{import_id}
    editor POST     /vectors/imports/{import_id}/remove
    viewer GET      /vectors/{collection_id}/data
    viewer GET      /vectors/{collection_id}/export
    viewer POST     /vectors/{collection_id}/exports
    viewer GET      /vectors/{collection_id}/exports/{job_id}
    editor POST     /vectors/{collection_id}/copy
    editor POST     /api/mlpi/uploads/vectors
    editor GET,PATCH,DELETE /api/mlpi/uploads/vectors/{upload_id}
    editor GET      /api/mlpi/imports/vectors/{import_id}
    editor POST     /api/mlpi/vectors/{name}/import
    editor POST     /api/mlpi/vectors/{name}/copy
    viewer GET      /api/mlpi/vectors/{name}/export
    viewer POST     /api/mlpi/vectors/{name}/exports
    viewer GET      /api/mlpi/vectors/{name}/exports/{job_id}

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

    # map, duplicates
    viewer GET      /vectors/{collection_id}/map
    editor POST     /vectors/{collection_id}/map
    editor POST     /vectors/{collection_id}/map/cancel
    viewer GET      /vectors/{collection_id}/map/data
    viewer GET      /vectors/{collection_id}/map/table
    viewer GET      /vectors/{collection_id}/map/record
    viewer POST     /vectors/{collection_id}/selections  # kept in memory for an hour
    viewer GET      /vectors/{collection_id}/selections/{key}
    viewer GET      /vectors/{collection_id}/selections/{key}/records.{form}
    viewer GET      /vectors/{collection_id}/pairs
    editor POST     /vectors/{collection_id}/pairs
    editor POST     /vectors/{collection_id}/pairs/cancel
    viewer POST     /vectors/{collection_id}/pairs/group
    editor POST     /vectors/{collection_id}/pairs/remove
    """,
)
