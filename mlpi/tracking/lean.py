"""Importing MLflow's server without what it does not need to serve."""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

# 70 MB and half the import time. MLflow guards each of them, because its own "skinny"
# distribution ships without; what needs one imports it inside the function, where by then it
# is to be had again.
HEAVY = frozenset({"pandas", "pyarrow", "scipy", "sklearn", "matplotlib"})


class _Absent:
    """A finder that denies the heavy packages to one thread."""

    def __init__(self, thread_id: int) -> None:
        self._thread_id = thread_id

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name in HEAVY and threading.get_ident() == self._thread_id:
            raise ModuleNotFoundError(f"{name} is kept out of the service", name=name)
        return None


@contextmanager
def heavy_packages_absent() -> Iterator[None]:
    """Inside, this thread's imports find none of HEAVY; other threads notice nothing."""
    finder = _Absent(threading.get_ident())
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


def complete_when_asked(module: ModuleType) -> None:
    """Run a module that was imported inside heavy_packages_absent once more when a name is missing.

    mlflow.models leaves out what it could not import, for good: without this, the first import of
    mlflow.pyfunc by a handler (prompt engineering runs, gateway, evaluation) would fail.
    """
    lock = threading.RLock()
    is_complete = False

    def missing(name: str) -> Any:
        nonlocal is_complete
        if not name.startswith("__"):  # what Python itself looks for is no reason
            with lock:
                if not is_complete:
                    is_complete = True
                    importlib.reload(module)
            if name in vars(module):
                return vars(module)[name]
        raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}")

    vars(module)["__getattr__"] = missing
