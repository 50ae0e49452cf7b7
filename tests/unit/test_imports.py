"""The house's import directions, read from the source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import mlpi

ROOT = Path(mlpi.__file__).parent
COMPONENTS = {"tracking", "boards", "vectors", "labels", "checks", "serving"}
HEAVY = {
    "mlflow": "tracking",
    "chromadb": "vectors",
    "tensorboard": "boards",
    "great_expectations": "checks",
    "pandas": None,
    "pyarrow": None,
    "scipy": None,
    "sklearn": None,
    "matplotlib": None,
    "numpy": None,
}
# Imported in the embedding host and in workers only: it loads models that MLflow keeps.
ALSO = {"vectors/embedders/registered.py": "mlflow", "labels/guessing/loading.py": "mlflow"}
# Imported by name from a child process or by MLflow itself, never by the service.
OWN_PROCESS = {
    "tracking/provider.py",
    *(f"tracking/demo/{name}.py" for name in ("digits", "figures", "notes", "tables", "training")),
}
STOCK = ("backend", "metadata", "projector", "provider", "series", "values")
# Made of TensorBoard, and imported with its first request only: by `stock/room.py`, by name.
LATE = {f"boards/stock/{name}.py" for name in STOCK}


@cache
def modules() -> tuple[str, ...]:
    return tuple(sorted(str(path.relative_to(ROOT)) for path in ROOT.rglob("*.py")))


@cache
def imports(module: str, *, top_level: bool = False) -> frozenset[str]:
    """Full names that a module imports; top_level leaves out those inside functions."""
    return frozenset(_imports(module, top_level=top_level))


def _imports(module: str, *, top_level: bool) -> Iterator[str]:
    tree = ast.parse((ROOT / module).read_text())
    inside = {
        child
        for node in ast.walk(tree)
        if top_level and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for child in ast.walk(node)
    }
    for node in ast.walk(tree):
        if node in inside:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room(module: str) -> str:
    return module.split("/", maxsplit=1)[0]


def strange(found: dict[str, set[str]]) -> dict[str, set[str]]:
    """The modules that import what they must not, and what."""
    return {module: names for module, names in found.items() if names}


def test_there_is_something_to_look_at() -> None:
    assert len(modules()) > 30
    assert "mlpi.app.create_app" not in imports("db.py")
    assert "sqlalchemy.Engine" in imports("db.py", top_level=True)


def test_components_do_not_import_each_other() -> None:
    def others(module: str) -> set[str]:
        return {
            name
            for name in imports(module)
            if name.startswith("mlpi.")
            and name.split(".")[1] in COMPONENTS
            and name.split(".")[1] != room(module)
        }

    # app.py is the only one that knows them all.
    assert not strange({module: others(module) for module in modules() if module != "app.py"})


def test_only_routes_know_http_and_only_stores_know_sql() -> None:
    def unfit(module: str) -> set[str]:
        names, stem, found = imports(module), Path(module).stem, set[str]()
        if stem in ("service", "store", "models") and room(module) in COMPONENTS | {"jobs"}:
            found |= {n for n in names if n.split(".")[0] in ("fastapi", "starlette", "jinja2")}
        if stem.endswith("routes") or stem == "service":
            found |= {n for n in names if n.split(".")[0] == "sqlalchemy"}
        if stem == "store":
            found |= {n for n in names if n.endswith("service") and n.startswith("mlpi.")}
        return found

    assert not strange({module: unfit(module) for module in modules()})


def test_heavy_packages_stay_in_their_room_and_load_late() -> None:
    late = {f"mlpi.{name[:-3].replace('/', '.')}" for name in LATE}

    def unfit(module: str) -> set[str]:
        names, ours = imports(module), (room(module), None)
        packages = {name: name.split(".")[0] for name in names}
        found = {
            name
            for name, package in packages.items()
            if HEAVY.get(package, room(module)) not in ours and ALSO.get(module) != package
        }
        if module not in LATE:
            found |= {name for name in names if name.rpartition(".")[0] in late}
        if module not in OWN_PROCESS | LATE:
            early = imports(module, top_level=True)
            found |= {name for name in early if name.split(".")[0] in HEAVY}
        return found

    assert not strange({module: unfit(module) for module in modules()})


def test_the_door_and_below_do_not_know_the_pages() -> None:
    def pages(module: str) -> set[str]:
        is_page = Path(module).stem.endswith("routes")
        below = room(module) == "auth" and not is_page
        if not below and module not in (
            *("db.py", "errors.py", "settings.py", "clock.py", "house.py", "prepared.py"),
        ):
            return set()
        return {n for n in imports(module) if n.startswith(("mlpi.web", "mlpi.app", "mlpi.cli"))}

    assert not strange({module: pages(module) for module in modules()})
