"""The house's import directions, read from the source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

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
STOCK = ("backend", "metadata", "projector", "provider", "values")
# Made of TensorBoard, and imported with its first request only: by `stock/room.py`, by name.
LATE = {f"boards/stock/{name}.py" for name in STOCK}


def modules() -> list[str]:
    return sorted(str(path.relative_to(ROOT)) for path in ROOT.rglob("*.py"))


def imports(module: str, *, top_level: bool = False) -> Iterator[str]:
    """Full names that a module imports; top_level leaves out those inside functions."""
    tree = ast.parse((ROOT / module).read_text())
    inside = {
        child
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for child in ast.walk(node)
    }
    for node in ast.walk(tree):
        if top_level and node in inside:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room(module: str) -> str:
    return module.split("/", maxsplit=1)[0]


def test_there_is_something_to_look_at() -> None:
    assert len(modules()) > 30


@pytest.mark.parametrize("module", modules())
def test_components_do_not_import_each_other(module: str) -> None:
    if module == "app.py":
        return  # the only one that knows them all
    strange = {
        name
        for name in imports(module)
        if name.startswith("mlpi.")
        and name.split(".")[1] in COMPONENTS
        and name.split(".")[1] != room(module)
    }
    assert not strange


@pytest.mark.parametrize("module", modules())
def test_only_routes_know_http_and_only_stores_know_sql(module: str) -> None:
    names = set(imports(module))
    stem = Path(module).stem
    if stem in ("service", "store", "models") and room(module) in COMPONENTS | {"jobs"}:
        assert not {n for n in names if n.split(".")[0] in ("fastapi", "starlette", "jinja2")}
    if stem.endswith("routes") or stem == "service":
        assert not {n for n in names if n.split(".")[0] == "sqlalchemy"}
    if stem == "store":
        assert not {n for n in names if n.endswith("service") and n.startswith("mlpi.")}


@pytest.mark.parametrize("module", modules())
def test_heavy_packages_stay_in_their_room_and_load_late(module: str) -> None:
    for name in imports(module):
        package = name.split(".")[0]
        owner = HEAVY.get(package, room(module))
        may = owner in (room(module), None) or ALSO.get(module) == package
        assert may, f"{module} imports {name}"
    late = {f"mlpi.{name[:-3].replace('/', '.')}" for name in LATE}
    if module not in LATE:
        assert not {name for name in imports(module) if name.rpartition(".")[0] in late}
    if module not in OWN_PROCESS | LATE:
        early = {n for n in imports(module, top_level=True) if n.split(".")[0] in HEAVY}
        assert not early


@pytest.mark.parametrize("module", modules())
def test_the_door_and_below_do_not_know_the_pages(module: str) -> None:
    is_page = Path(module).stem.endswith("routes")
    below = room(module) == "auth" and not is_page
    if below or module in ("db.py", "errors.py", "settings.py", "clock.py", "house.py"):
        assert not {
            n for n in imports(module) if n.startswith(("mlpi.web", "mlpi.app", "mlpi.cli"))
        }
