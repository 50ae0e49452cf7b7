"""Every core expectation of the installed Great Expectations, read without importing it.

Importing the library costs seconds and 100 MB. It ships a JSON schema for most of what it
exports; the few that lack one are read from their source. What it exports but cannot load from
JSON itself (a class that its own metaclass calls abstract) is no word of the vocabulary.
"""

from __future__ import annotations

import ast
import difflib
import importlib.util
import inspect
import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

# Fields that all expectations share; the editor handles them apart from the arguments.
COMMON = frozenset(
    {
        "batch_id",
        "catch_exceptions",
        "condition_parser",
        "description",
        "id",
        "library_metadata",
        "meta",
        "metadata",
        "notes",
        "rendered_content",
        "result_format",
        "row_condition",
        "severity",
        "windows",
    }
)

Kind = Literal["string", "number", "integer", "boolean", "array", "object", "date"]

# By base class: an expectation of that base with a schema, which adds no argument of its own.
_LIKE = {"ColumnMapExpectation": "ExpectColumnValuesToBeNull"}
_DOMAINS = {"ColumnMapExpectation": "column"}
_KINDS: dict[str, Kind] = {
    "bool": "boolean",
    "dict": "object",
    "float": "number",
    "int": "integer",
    "list": "array",
    "str": "string",
    "tuple": "array",
}
# What the library's own documentation calls the ones without a schema.
_ISSUES = (("unique", "Uniqueness"), ("null", "Completeness"), ("creasing", "Numeric"))


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of an expectation.

    kinds: JSON types it may have; "date" is a string with an ISO date or time. items: the JSON
    types of an array's items, empty for any. choices: the words allowed, empty for any.
    takes_parameter: whether {"$PARAMETER": name} may stand for a value known only at run time.
    """

    name: str
    title: str
    description: str
    kinds: tuple[Kind, ...]
    default: Any = None
    is_required: bool = False
    choices: tuple[str, ...] = ()
    items: tuple[Kind, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    least_items: int = 0
    max_length: int | None = None
    takes_parameter: bool = True

    @property
    def is_column(self) -> bool:
        """Whether its value names a column, or several."""
        return self.name.startswith("column") and self.name != "column_index"


@dataclass(frozen=True, slots=True)
class ExpectationType:
    """One word of the vocabulary.

    type: as in suite JSON. domain: "column", "column_pair", "multicolumn" or "table". issues:
    what it is about, such as "Completeness". details: the library's whole documentation.
    """

    type: str
    title: str
    description: str
    details: str
    domain: str
    issues: tuple[str, ...]
    arguments: tuple[Argument, ...]
    takes_condition: bool = True  # whether it can be asked of some rows alone

    @property
    def takes_column(self) -> bool:
        """Whether it is about a column or several, rather than the table."""
        return self.domain != "table" or self.argument("column") is not None

    def argument(self, name: str) -> Argument | None:
        return next((one for one in self.arguments if one.name == name), None)


@cache
def load() -> dict[str, ExpectationType]:
    """All core expectations by type. Read once per process, at the first call."""
    core = _core()
    found = []
    for stem, class_name in _exported(core):
        schema = core / "schemas" / f"{class_name}.json"
        if schema.exists():
            found.append(_of_schema(json.loads(schema.read_bytes())))
        else:
            one = _of_source(core / f"{stem}.py", core, class_name)
            found += [one] if one else []
    return {one.type: one for one in sorted(found, key=lambda one: one.type)}


def search(words: str) -> list[ExpectationType]:
    """Expectations whose type, title, description or issue has all the words; by title."""
    wanted = words.lower().replace("_", " ").split()
    return sorted(
        (one for one in load().values() if all(word in _haystack(one) for word in wanted)),
        key=lambda one: one.title,
    )


def nearest(word: str, known: Any) -> str:
    """'Did you mean a or b?', or nothing when no known word is near."""
    near = difflib.get_close_matches(word, list(known), n=3, cutoff=0.6)
    return f"Did you mean {' or '.join(near)}?" if near else ""


def _haystack(one: ExpectationType) -> str:
    text = f"{one.type} {one.title} {one.description} {' '.join(one.issues)}"
    return text.lower().replace("_", " ")


def _core() -> Path:
    # Finding a top package's place imports nothing.
    spec = importlib.util.find_spec("great_expectations")
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0]) / "expectations" / "core"


def _exported(core: Path) -> list[tuple[str, str]]:
    """(module, class) of every name that the package exports."""
    tree = ast.parse((core / "__init__.py").read_text("utf-8"))
    return [
        (node.module, alias.name)
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.level == 1 and node.module
        for alias in node.names
    ]


def _of_schema(schema: dict[str, Any]) -> ExpectationType:
    about = schema["properties"]["metadata"]["properties"]
    required = schema.get("required", ())
    return ExpectationType(
        type=about["expectation_type"]["const"],
        title=schema["title"],
        description=about["short_description"]["const"],
        details=schema["description"],
        domain=about["domain_type"]["const"],
        issues=tuple(about["data_quality_issues"]["const"]),
        arguments=_arguments(schema["properties"], required),
        takes_condition="row_condition" in schema["properties"],
    )


def _arguments(properties: dict[str, Any], required: Any) -> tuple[Argument, ...]:
    found = [
        _argument(name, schema, name in required)
        for name, schema in properties.items()
        if name not in COMMON
    ]
    # As a person fills them in: what must be given first, how many rows may fail last.
    return tuple(sorted(found, key=lambda one: (one.name == "mostly", not one.is_required)))


def _argument(name: str, schema: dict[str, Any], is_required: bool) -> Argument:
    kinds: list[Kind] = []
    items: list[Kind] = []
    facts: dict[str, Any] = {}
    takes_parameter = False
    for one in _alternatives(schema):
        if one == {"type": "object"} and one is not schema:
            takes_parameter = True
            continue
        is_date = one.get("format", "").startswith("date")
        kind: Kind = "date" if is_date else one.get("type", "object")
        kinds += [kind] if kind not in kinds else []
        item = one.get("items")
        if isinstance(item, dict) and "type" in item and item["type"] not in items:
            items.append(item["type"])
        for key in ("enum", "minimum", "maximum", "minItems", "maxLength"):
            facts.setdefault(key, one.get(key))
    return Argument(
        name=name,
        title=schema.get("title", name).strip(),
        description=inspect.cleandoc(schema.get("description", "")),
        kinds=tuple(kinds),
        default=schema.get("default"),
        is_required=is_required,
        choices=tuple(facts.get("enum") or ()),
        items=tuple(items),
        minimum=facts.get("minimum"),
        maximum=facts.get("maximum"),
        least_items=facts.get("minItems") or 0,
        max_length=facts.get("maxLength"),
        takes_parameter=takes_parameter,
    )


def _alternatives(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """The plain schemas that a value may fulfil, nested choices opened."""
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return [plain for one in schema[key] for plain in _alternatives(one)]
    return [schema]


def _of_source(path: Path, core: Path, class_name: str) -> ExpectationType | None:
    tree = ast.parse(path.read_text("utf-8"))
    (own,) = (n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == class_name)
    base = ast.unparse(own.bases[0])
    is_usable = any("map_metric" in _targets(node) for node in own.body)
    if base not in _LIKE or not is_usable:
        return None
    like = json.loads((core / "schemas" / f"{_LIKE[base]}.json").read_bytes())
    details = ast.get_docstring(own) or ""
    properties, required = dict(like["properties"]), list(like["required"])
    for node in own.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            properties[node.target.id] = _field(node, details)
            required += [node.target.id] if node.value is None else []
    return ExpectationType(
        type=path.stem,
        title=path.stem.replace("_", " ").capitalize().replace("json", "JSON"),
        description=details.split("\n")[0],
        details=details,
        domain=_DOMAINS[base],
        issues=(next((issue for sign, issue in _ISSUES if sign in path.stem), "Validity"),),
        arguments=_arguments(properties, required),
    )


def _targets(node: ast.stmt) -> list[str]:
    targets = node.targets if isinstance(node, ast.Assign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _field(node: ast.AnnAssign, details: str) -> dict[str, Any]:
    """A JSON schema of an annotated field, as the library's own schemas would have it."""
    assert isinstance(node.target, ast.Name)
    name = node.target.id
    words = [one.id for one in ast.walk(node.annotation) if isinstance(one, ast.Name)]
    kinds: list[dict[str, Any]] = [{"type": _KINDS[word]} for word in words if word in _KINDS]
    choices = [*kinds, {"type": "object"}] if "SuiteParameterDict" in words else kinds
    said = re.search(rf"^\s*{name}\s+\([^)]*\):\s*\\?\n?\s*(.+)$", details, re.MULTILINE)
    field = {
        "title": name.replace("_", " ").title(),
        "description": said[1].strip() if said else "",
        "default": ast.literal_eval(node.value) if node.value else None,
    }
    # One real object must not be taken for the sign of a parameter.
    return field | (choices[0] if kinds == [{"type": "object"}] else {"anyOf": choices})
