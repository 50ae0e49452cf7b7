"""Reading the forms and URLs of these pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fastapi import Request
from starlette.datastructures import ImmutableMultiDict

from mlpi.vectors.browse.service import Draft
from mlpi.vectors.browse.values import Entry

# A document of several megabytes and thousands of ticked records fit; the door bounds the rest.
_FIELD_BYTES = 32 * 2**20
_FIELDS = 20_000

Form = Mapping[str, Sequence[str]]


async def form_of(request: Request) -> Form:
    """The fields of a form, each with all its values."""
    form = await request.form(max_fields=_FIELDS, max_part_size=_FIELD_BYTES)
    return _lists(form)


def query_of(request: Request) -> Form:
    """The parameters of a URL, each with all its values."""
    return _lists(request.query_params)


def one(form: Form, name: str) -> str:
    """A field's text with one kind of line ends."""
    return (form.get(name) or [""])[-1].replace("\r\n", "\n")


def entries(form: Form) -> list[Entry]:
    """The rows of metadata that a form holds."""
    columns = [list(form.get(name, ())) for name in ("key", "kind", "value")]
    size = max(map(len, columns))
    filled = [[*column, *[""] * (size - len(column))] for column in columns]
    had = frozenset(form.get("had", ()))
    return [
        Entry(key if key in had else key.strip(), kind, value.replace("\r\n", "\n"))
        for key, kind, value in zip(*filled, strict=True)
        if key.strip() or value.strip()
    ]


def draft(form: Form, id_: str) -> Draft:
    """A record as a form describes it, its metadata left for the caller to read."""
    return Draft(
        id=id_,
        document=one(form, "document"),
        vector=one(form, "vector"),
        embeds=bool(one(form, "embeds")),
        had=tuple(form.get("had", ())),
    )


def _lists(values: ImmutableMultiDict[str, object]) -> Form:
    found: dict[str, list[str]] = {}
    for name, value in values.multi_items():
        if isinstance(value, str):
            found.setdefault(name, []).append(value)
    return found
