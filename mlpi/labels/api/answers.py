"""Answers of Label Studio's API, and pages of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
from starlette.datastructures import URL
from starlette.requests import Request
from starlette.responses import Response

from mlpi.errors import NotFound


def answer(value: Any, status: int = 200) -> Response:
    """JSON."""
    return Response(orjson.dumps(value), status, media_type="application/json")


def nothing() -> Response:
    """204: done, and there is nothing to say."""
    return Response(status_code=204)


def numbered(
    request: Request, results: Sequence[Any], *, total: int, page: int, size: int
) -> Response:
    """{"count", "next", "previous", "results"}. Raises NotFound for a page past the last."""
    if page > 1 and (page - 1) * size >= total:
        raise NotFound("Invalid page.")
    here = request.url

    def at(number: int) -> str:
        return str(_without(here) if number == 1 else here.include_query_params(page=number))

    return answer(
        {
            "count": total,
            "next": at(page + 1) if page * size < total else None,
            "previous": at(page - 1) if page > 1 else None,
            "results": results,
        }
    )


def _without(here: URL) -> URL:
    return here.remove_query_params("page")
