"""Lists in the metadata of records, which Chroma keeps in a table of their own.

When it deletes a collection it leaves them, and as it also gives a deleted record's number to the
next new one, they turn up there: in another collection, and in another workspace.
"""

from __future__ import annotations

import sqlite3

_BIND = """
    BEGIN IMMEDIATE;
    DELETE FROM embedding_metadata_array WHERE id NOT IN (SELECT id FROM embeddings);
    CREATE TRIGGER mlpi_lists AFTER DELETE ON embeddings BEGIN
        DELETE FROM embedding_metadata_array WHERE id = OLD.id;
    END;
    COMMIT;
"""


def bind_to_records(db: sqlite3.Connection) -> None:
    """Make every list go with its record, whoever deletes that; remove those left before.

    Before the bindings open the file. A trigger holds for all who write to it, `chroma run` too.
    """
    query = (
        "SELECT name FROM sqlite_master WHERE name IN ('mlpi_lists', 'embedding_metadata_array')"
    )
    found = {name for (name,) in db.execute(query)}
    if found == {"embedding_metadata_array"}:  # an older Chroma's file gets that table when opened
        db.executescript(_BIND)
