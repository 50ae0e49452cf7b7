"""Chroma's rows. A workspace is a database; what the paths name decides, as in the door."""

from mlpi.auth.table.match import rows

PREFIX = "/chroma"  # clients may also be given this as a path
DEFAULT_DATABASE = "default_database"  # the database of the workspace default

_DATABASE = "/api/v2/tenants/{tenant}/databases/{database}"
_RECORDS = _DATABASE + "/collections/{collection_id}"

ROWS = rows(
    "chroma",
    f"""
    public GET    /api/v2
    public GET    /api/v2/heartbeat
    public GET    /api/v2/version
    public GET    /api/v2/healthcheck
    login  GET    /api/v2/pre-flight-checks
    login  GET    /api/v2/auth/identity
    login  GET,POST,PUT,PATCH,DELETE /api/v1/{{path:path}}

    # tenants and databases are mlpi's workspaces: they are made under Settings
    login  POST   /api/v2/tenants
    login  GET,PATCH /api/v2/tenants/{{tenant}}
    login  GET,POST  /api/v2/tenants/{{tenant}}/databases
    viewer GET    {_DATABASE}
    owner  DELETE {_DATABASE}
    owner  POST   /api/v2/reset

    viewer GET    {_DATABASE}/collections
    editor POST   {_DATABASE}/collections
    viewer GET    {_DATABASE}/collections_count
    viewer GET    {_DATABASE}/collections/by-id/{{collection_id}}
    viewer GET    {_RECORDS}
    editor PUT    {_RECORDS}
    owner  DELETE {_RECORDS}

    viewer GET    {_RECORDS}/count
    viewer GET    {_RECORDS}/fork_count
    viewer GET    {_RECORDS}/indexing_status
    viewer POST   {_RECORDS}/get
    viewer POST   {_RECORDS}/query
    viewer POST   {_RECORDS}/search
    editor POST   {_RECORDS}/add
    editor POST   {_RECORDS}/upsert
    editor POST   {_RECORDS}/update
    editor POST   {_RECORDS}/delete
    editor POST   {_RECORDS}/fork
    editor POST   {_RECORDS}/functions/attach
    viewer GET    {_RECORDS}/functions/{{function_name}}
    editor POST   {_RECORDS}/attached_functions/{{function_name}}/detach
    """,
)
