"""What pages' forms send."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated

from fastapi import Form, Request

Text = Annotated[str, Form()]
Tick = Annotated[bool, Form()]
Fields = dict[str, str]


def fields(given: Mapping[str, str]) -> Callable[[Request], Awaitable[Fields]]:
    """For Depends: a form's texts by these names, whole, to be shown again where they are wrong.

    given: what a field is that did not come.
    """

    async def read(request: Request) -> Fields:
        async with request.form() as form:
            found = {name: form.get(name) for name in given}
        return {
            name: value if isinstance(value, str) else given[name] for name, value in found.items()
        }

    return read
