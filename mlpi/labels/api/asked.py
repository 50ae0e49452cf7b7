"""What clients of Label Studio's API send: JSON or forms in the body, words in the query."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from starlette.requests import Request

from mlpi.errors import Invalid, MlpiError, NotFound
from mlpi.labels.flags import flag, number_in

MOST_BODY_BYTES = 64 << 20  # of one request's JSON; files have their own bound


class Malformed(MlpiError):
    """The body is no JSON."""

    status = 400
    code = "MALFORMED_REQUEST"


class TooLarge(MlpiError):
    """The body is too large."""

    status = 413
    code = "REQUEST_TOO_LARGE"


async def body_of(request: Request) -> Any:
    """The body as JSON says it, or a form's fields. Raises Malformed, TooLarge."""
    kind = request.headers.get("content-type", "")
    if kind.startswith(("application/x-www-form-urlencoded", "multipart/form-data")):
        async with request.form() as form:
            return {name: value for name, value in form.items() if isinstance(value, str)}
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BODY_BYTES:
            raise TooLarge(
                f"A request may have {MOST_BODY_BYTES >> 20} MB.",
                advice="Send less at a time, or as a file.",
            )
    if not body.strip():
        return {}
    try:
        return orjson.loads(bytes(body))
    except orjson.JSONDecodeError as error:
        raise Malformed(f"JSON parse error - {error}") from None


async def fields_of(request: Request) -> dict[str, Any]:
    """The body, which must be an object. Raises Malformed, TooLarge, Invalid."""
    body = await body_of(request)
    if not isinstance(body, dict):
        kind = type(body).__name__
        raise Invalid(
            f"Invalid data. Expected a dictionary, but got {kind}.", field="non_field_errors"
        )
    return body


def required_number(fields: Mapping[str, Any], name: str) -> int:
    """Raises Invalid."""
    number = number_in(fields, name)
    if number is None:
        raise Invalid("This field is required.", field=name)
    return number


def flag_in(fields: Mapping[str, Any], name: str, *, default: bool) -> bool:
    """As Label Studio reads booleans in queries."""
    value = fields.get(name)
    if value is None or value == "":
        return default
    return flag(value, name)


def page_in(request: Request, *, size: int, most: int) -> tuple[int, int]:
    """(page, its size), counted from 1. Raises NotFound for a page that cannot be."""
    try:
        page = int(request.query_params.get("page", 1))
    except ValueError:
        page = 0
    if page < 1:
        raise NotFound("Invalid page.")
    asked = request.query_params.get("page_size", "")
    chosen = int(asked) if asked.isdecimal() and 0 < len(asked) < 9 else size
    return page, max(1, min(chosen or size, most))
