"""Importing MLflow's server without what it does not need to serve."""

from __future__ import annotations

import ast
import importlib
import linecache
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

# 70 MB and half the import time. MLflow guards each of them, because its own "skinny"
# distribution ships without; what needs one imports it inside the function, where by then it
# is to be had again.
HEAVY = frozenset({"pandas", "pyarrow", "scipy", "sklearn", "matplotlib"})

# Packages of MLflow's that leave out, for good, what they could not import; and what to run again
# to have it after all.
_INCOMPLETE = {
    "mlflow.models": ("mlflow.models",),
    "mlflow.data": ("mlflow.data.dataset_registry", "mlflow.data"),
}


class _Absent:
    """A finder that denies the heavy packages to one thread, and notes who asked for them."""

    def __init__(self, thread_id: int) -> None:
        self._thread_id = thread_id
        self.refused: list[tuple[str, int]] = []  # a module's name, and its line

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name in HEAVY and threading.get_ident() == self._thread_id:
            asking = sys._getframe(1)
            while asking.f_back and "importlib" in asking.f_code.co_filename:
                asking = asking.f_back
            self.refused.append((asking.f_globals.get("__name__", ""), asking.f_lineno))
            raise ModuleNotFoundError(f"{name} is kept out of the service", name=name)
        return None


@contextmanager
def heavy_packages_absent() -> Iterator[None]:
    """Inside, this thread's imports find none of HEAVY; other threads notice nothing.

    A module that went on without one gets it afterwards, imported when first used: MLflow's own
    code would meet an undefined name.
    """
    finder = _Absent(threading.get_ident())
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
    for module, line in finder.refused:
        if module in sys.modules:
            _make_up(sys.modules[module], line)


def _make_up(module: ModuleType, line: int) -> None:
    """Give a module what its line `import package as name` would have."""
    source = linecache.getline(module.__file__ or "", line).strip()
    try:
        (statement,) = ast.parse(source).body
    except (SyntaxError, ValueError):
        return
    if isinstance(statement, ast.Import):
        for alias in statement.names:
            vars(module).setdefault(alias.asname or alias.name, _Later(alias.name))


class _Later(ModuleType):
    """A package that is imported when something of it is asked for."""

    def __getattr__(self, name: str) -> Any:
        return getattr(importlib.import_module(self.__name__), name)


def complete_when_asked() -> None:
    """Make what was imported inside heavy_packages_absent whole when a missing name is asked for.

    Without this, the first import of mlflow.pyfunc by a handler (prompt engineering runs, gateway,
    evaluation) would fail.
    """
    for name, again in _INCOMPLETE.items():
        vars(sys.modules[name])["__getattr__"] = _completing(sys.modules[name], again)


def _completing(module: ModuleType, again: Sequence[str]) -> Callable[[str], Any]:
    lock = threading.RLock()
    is_complete = False

    def missing(name: str) -> Any:
        nonlocal is_complete
        if not name.startswith("__"):  # what Python itself looks for is no reason
            with lock:
                if not is_complete:
                    is_complete = True
                    for one in again:
                        importlib.reload(sys.modules[one])
            if name in vars(module):
                return vars(module)[name]
        raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}")

    return missing
