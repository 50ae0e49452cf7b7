"""The pages of images and of sounds."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from mlpi.boards.kinds import media
from mlpi.boards.kinds.errors import ContentBroken
from mlpi.boards.kinds.media import Sample
from mlpi.boards.kinds.timeline import AUDIO, IMAGES, Timeline
from mlpi.boards.pages.answer import cards_page
from mlpi.boards.pages.cards import stops
from mlpi.boards.pages.served import served
from mlpi.boards.pages.view import View
from mlpi.boards.room import query_of
from mlpi.boards.service import BoardsService
from mlpi.errors import Invalid, NotFound
from mlpi.web.render import workspace_of

SIZES = ("", "actual")
LONGEST_NAME = 5000  # characters of a tag in an address


class Kind(NamedTuple):
    """every: encoded samples of a value's bytes and form; checked: one that may be given out."""

    plugin: str
    every: Callable[[bytes, str], list[bytes]]
    checked: Callable[[bytes], Sample]


KINDS = (
    Kind(IMAGES, media.images, media.image),
    Kind(AUDIO, media.clips, media.sound),
)


def router(service: BoardsService) -> APIRouter:
    pages = APIRouter(include_in_schema=False)
    for kind in KINDS:
        _add(pages, service, kind)
    return pages


def _add(pages: APIRouter, service: BoardsService, kind: Kind) -> None:
    at = f"/boards/{kind.plugin}"

    @pages.get(at)
    def cards(request: Request) -> Response:
        view = View.of(query_of(request), sizes=SIZES)
        return cards_page(request, service, kind.plugin, view)

    @pages.get(at + "/stops.json")
    def its_stops(request: Request, run: str = "", tag: str = "") -> Response:
        line = timeline(service, request, run, tag, kind.plugin)
        newest = len(line) - 1
        try:
            samples = len(line.read(newest, kind.every))
        except ContentBroken:
            samples = 1
        return JSONResponse({**stops(line), "samples": samples})

    @pages.get(at + "/one")
    def one(
        request: Request, run: str = "", tag: str = "", index: int = 0, sample: int = 0, v: str = ""
    ) -> Response:
        line = timeline(service, request, run, tag, kind.plugin)

        def decode(data: bytes, form: str) -> Sample | None:
            every = kind.every(data, form)
            if not 0 <= sample < len(every):
                return None
            return kind.checked(every[sample])

        found = line.read(index, decode)
        if found is None:
            raise NotFound(f"There is no sample {sample} at step {line.entry(index).step}.")
        key = line.key(index)
        return served(request, found, f"{key}-{sample}", f"{v}-{sample}")


def timeline(service: BoardsService, request: Request, run: str, tag: str, plugin: str) -> Timeline:
    """A tag of a run of this workspace. Raises NotFound, Invalid."""
    if not run or len(tag) > LONGEST_NAME:
        raise Invalid("A run and a tag must be named.", field="run")
    return Timeline(service.library.run(workspace_of(request), run), tag, plugin)
