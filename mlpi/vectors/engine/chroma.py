"""Chroma's Rust bindings, without the Python package around them.

Importing the package costs a second and 60 MB; the bindings need only its module of errors.
"""

from __future__ import annotations

import importlib.util
import os
import resource
import sys
import threading
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlpi.vectors.engine.guard import Guard
from mlpi.vectors.engine.keeper import Keeper
from mlpi.vectors.engine.life import Life
from mlpi.vectors.engine.opening import opened
from mlpi.vectors.engine.repairs import Repairs
from mlpi.vectors.names import FILE, TENANT, database_of

# Of each open index Chroma keeps five files and the whole graph in memory.
_MOST_OPEN = 100
_FILES_EACH = 5


class Chroma:
    """An open folder of vectors, bound to nothing but it.

    Calls block. Only get and query let other threads of Python run meanwhile.
    """

    def __init__(self, folder: Path, say: Callable[[str], None] = lambda _: None) -> None:
        """say is told what is done, for after a power cut that may take a while."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._life = Life(folder)
        fillings = opened(folder, self._life.touched_before, self._life.suspects, say)
        self._life.checked()
        bindings = open_bindings(folder)
        writing = threading.RLock()
        self.repairs = Repairs(bindings, Keeper(folder), writing, fillings, self._life)
        self.bindings = Guard(bindings, self._life, self.repairs, writing)
        # The first start has just made the file.
        self._known: set[str] = set()
        self._owners: dict[str, str] = {}
        self.repairs.start()

    def close(self) -> None:
        """An orderly end. Nothing may be under way, and nothing may follow."""
        self.repairs.stop()
        self._life.end()

    def database(self, workspace: str) -> str:
        """The workspace's database, made when it is first asked for."""
        name = database_of(workspace)
        if name not in self._known:
            made = {one.name for one in self.bindings.list_databases(None, None, TENANT)}
            if name not in made:
                self.bindings.create_database(name, TENANT)
            self._known = made | {name}
        return name

    def collection(self, identity: str, workspace: str) -> Any:
        """A collection of this workspace by its UUID.

        Raises chromadb's NotFoundError, also when it is another workspace's.
        """
        return self.bindings.get_collection_by_id(identity, TENANT, self.database(workspace))

    def require(self, identity: str, workspace: str) -> None:
        """See that a collection is this workspace's: the bindings themselves do not look.

        Raises chromadb's NotFoundError.
        """
        if self._owners.get(identity) != workspace:
            self.collection(identity, workspace)
            self._owners[identity] = workspace

    def forget(self, identity: str) -> None:
        """A collection is gone."""
        self._owners.pop(identity, None)


def open_bindings(folder: Path) -> Any:
    """The bindings with this folder open in them, for as long as the process lives."""
    native = _native()
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return native.Bindings(
        allow_reset=False,  # it would empty every workspace; ours removes one's collections
        sqlite_db_config=native.SqliteDBConfig(
            hash_type=native.MigrationHash.MD5,
            migration_mode=native.MigrationMode.Apply,
            url=str(folder / FILE),
        ),
        persist_path=str(folder),
        hnsw_cache_size=min(files // _FILES_EACH, _MOST_OPEN),
    )


def _native() -> Any:
    """The bindings. What they raise is imported from chromadb.errors, and nothing else of it."""
    if "chromadb" not in sys.modules:
        spec = importlib.util.find_spec("chromadb")
        assert spec is not None
        assert spec.submodule_search_locations is not None
        package = types.ModuleType("chromadb")
        package.__path__ = list(spec.submodule_search_locations)
        sys.modules["chromadb"] = package
    import chromadb_rust_bindings  # noqa: PLC0415 - after the lines above

    return chromadb_rust_bindings


if __name__ == "__main__":
    # Makes the tables of a new folder. The bindings' own threads take seconds to end.
    open_bindings(Path(sys.argv[1]))
    os._exit(0)
