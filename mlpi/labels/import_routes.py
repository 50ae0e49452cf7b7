"""The page of imports: files, media and pasted tasks; and small copies of pictures."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Annotated, BinaryIO
from urllib.parse import parse_qs, urlsplit

import anyio.to_thread
from anyio import CapacityLimiter
from fastapi import APIRouter, File, Request, Response, UploadFile
from starlette.responses import FileResponse

from mlpi.auth.audit import Actor
from mlpi.errors import Conflict, Invalid, MlpiError, NotFound
from mlpi.labels.bringing.bringing import How
from mlpi.labels.bringing.carrying import Carried
from mlpi.labels.bringing.intake import PURPOSE, outcome_of, told
from mlpi.labels.bringing.local import AT as LOCAL
from mlpi.labels.bringing.rows import LISTS, MEDIA, TEXTS
from mlpi.labels.bringing.types import type_of
from mlpi.labels.bringing.zips import ENDING
from mlpi.labels.models import LabelFile, LabelProject
from mlpi.labels.projects import config_of
from mlpi.labels.room import Room
from mlpi.uploads import Arrived, Upload, Uploads, plain_name
from mlpi.web import tus
from mlpi.web.forms import Text
from mlpi.web.render import back_to, principal_of, render, wants_part, workspace_of

ONE = "/labels/{project_id}"
KEPT = "private, max-age=86400"
MOST_PASTED = 4 << 20  # characters
MOST_MEDIA = 1000  # files of one form


def router(room: Room, uploads: Uploads) -> APIRouter:
    """Everything under a project's tab "Import"."""
    pages = APIRouter(include_in_schema=False)
    _add_uploads(pages, room, uploads)
    _add_page(pages, room, uploads)
    _add_waiting(pages, room)
    _add_pictures(pages, room)
    return pages


def _add_uploads(pages: APIRouter, room: Room, uploads: Uploads) -> None:
    def project_in(details: dict[str, str]) -> int:
        text = details.get("project", "")
        if not text.isdecimal() or len(text) > 9:
            raise Invalid("An upload names the number of its project.", field="project")
        return int(text)

    def check(details: dict[str, str]) -> None:
        room.intake.check_name(details["filename"])
        project_in(details)

    def finish(upload: Upload, arrived: Arrived, actor: Actor) -> dict[str, str]:
        project_id = project_in(dict(upload.details))
        kept = room.bringing.files.take(
            upload.workspace, project_id, upload.file_name, arrived.path, actor.name
        )
        return {"Content-Location": f"/labels/{project_id}/imports/{kept.id}"}

    api = APIRouter(prefix="/api/mlpi")
    tus.add_routes(
        api, uploads, purpose=PURPOSE, path="/uploads/labels", check=check, finish=finish
    )
    pages.include_router(api)


def _add_page(pages: APIRouter, room: Room, uploads: Uploads) -> None:
    def page(
        request: Request,
        project_id: int,
        status: int = 200,
        error: MlpiError | None = None,
        pasted: str = "",
    ) -> Response:
        workspace = workspace_of(request)
        project = room.projects.get(workspace, project_id)
        jobs = room.intake.lately(workspace, project_id)
        is_part = wants_part(request) and status == 200
        return render(
            request,
            "labels/_imports.html" if is_part else "labels/import.html",
            status,
            project=project,
            jobs=jobs,
            outcomes={job.id: outcome_of(job) for job in jobs},
            there={one.id for one in room.bringing.files.of(workspace, project_id)},
            is_active=any(not job.is_final for job in jobs),
            fields=config_of(project).fields,
            waiting=() if is_part else room.intake.waiting(workspace, project_id),
            endings=",".join(LISTS),
            media=",".join([*MEDIA, *TEXTS, ENDING]),
            error=error,
            pasted=pasted,
            done=request.query_params.get("done", ""),
        )

    @pages.get(ONE + "/import")
    def imports(request: Request, project_id: int) -> Response:
        return page(request, project_id)

    @pages.post(ONE + "/import")
    def upload(
        request: Request,
        project_id: int,
        file: Annotated[list[UploadFile] | None, File()] = None,
        pasted: Text = "",
    ) -> Response:
        """Lists of tasks, as files or pasted: they wait to be looked at."""
        workspace = workspace_of(request)
        try:
            sent: list[tuple[str, BinaryIO]] = [
                (plain_name(one.filename), one.file) for one in file or () if one.filename
            ]
            if not sent and pasted.strip():
                sent = [_pasted(pasted)]
            if not sent:
                raise Invalid("Choose a file, or paste tasks.", field="file")
            for name, _ in sent:
                room.intake.check_name(name)
            kept = [
                room.bringing.files.keep(workspace, project_id, name, source, principal_of(request))
                for name, source in sent
            ]
        except Invalid as error:
            return page(request, project_id, 422, error, pasted)
        if len(kept) > 1:
            return back_to(request, f"/labels/{project_id}/import")
        return back_to(request, f"/labels/{project_id}/imports/{kept[0].id}")

    @pages.post(ONE + "/import/media")
    def add_media(
        request: Request,
        project_id: int,
        files: Annotated[list[UploadFile] | None, File()] = None,
    ) -> Response:
        """Pictures, sounds, pages: each is a task."""
        workspace = workspace_of(request)
        try:
            sent: list[tuple[str, BinaryIO]] = [
                (plain_name(one.filename), one.file) for one in files or () if one.filename
            ]
            if not sent:
                raise Invalid("Choose files.", field="files")
            if len(sent) > MOST_MEDIA:
                raise Invalid(f"A form may have {MOST_MEDIA:,} files.", field="files")
            brought = room.bringing.bring_files(
                workspace, project_id, sent, principal_of(request), How()
            )
        except Invalid as error:
            error.field = "files"
            return page(request, project_id, 422, error)
        return back_to(request, f"/labels/{project_id}/import", done=str(brought.tasks))


def _pasted(text: str) -> tuple[str, BinaryIO]:
    """Text from a form, as a file: JSON where it looks so, else a text a line."""
    if len(text) > MOST_PASTED:
        raise Invalid(
            f"Up to {MOST_PASTED:,} characters may be pasted.",
            advice="Send more as a file.",
            field="pasted",
        )
    is_json = text.lstrip()[:1] in ("[", "{")
    raw = io.BytesIO(text.encode(errors="replace"))
    return ("pasted.json" if is_json else "pasted.txt"), raw


def _add_waiting(pages: APIRouter, room: Room) -> None:
    def page(
        request: Request,
        project: LabelProject,
        file: LabelFile,
        status: int = 200,
        error: MlpiError | None = None,
        carried: Carried | None = None,
    ) -> Response:
        return render(
            request,
            "labels/import_file.html",
            status,
            project=project,
            file=file,
            preview=room.intake.look(project, file),
            error=error,
            outcome=told(carried) if carried else None,
        )

    def found(request: Request, project_id: int, file_id: int) -> tuple[LabelProject, LabelFile]:
        workspace = workspace_of(request)
        project = room.projects.get(workspace, project_id)
        for one in room.bringing.files.of(workspace, project_id, [file_id]):
            return project, one
        raise NotFound("This file was imported, and is gone.", advice="Upload it again.")

    @pages.get(ONE + "/imports/{file_id}")
    def look(request: Request, project_id: int, file_id: int) -> Response:
        project, file = found(request, project_id, file_id)
        room.intake.check_name(file.name)
        return page(request, project, file)

    @pages.post(ONE + "/imports/{file_id}")
    def begin(request: Request, project_id: int, file_id: int, bad_rows: Text = "stop") -> Response:
        project, file = found(request, project_id, file_id)
        try:
            became = room.intake.begin(
                project, file, principal_of(request), skips_bad=bad_rows == "skip"
            )
        except (Invalid, Conflict) as error:
            return page(request, project, file, 422, error)
        if isinstance(became, Carried):
            if became.is_kept_back:
                return page(request, project, file, carried=became)
            return back_to(request, f"/labels/{project_id}/import", done=str(became.tasks))
        return back_to(request, f"/labels/{project_id}/import")

    @pages.post(ONE + "/imports/{file_id}/remove")
    def remove(request: Request, project_id: int, file_id: int) -> Response:
        project, _ = found(request, project_id, file_id)
        room.intake.forget(project, file_id)
        return back_to(request, f"/labels/{project_id}/import")


def _add_pictures(pages: APIRouter, room: Room) -> None:
    # One at a time, and outside of the threads that answer all else: the rest waits in line.
    limiter: list[CapacityLimiter] = []

    @pages.get(ONE + "/picture")
    async def picture(request: Request, project_id: int, src: str, size: str = "small") -> Response:
        """A task's picture, small or upright. src: as tasks name it."""
        if not limiter:
            limiter.append(CapacityLimiter(1))

        def made() -> Path:
            room.projects.get(workspace_of(request), project_id)
            path = _source(request, room, src)
            if size == "small":
                return room.pictures.small(project_id, path)
            return room.pictures.upright(project_id, path)

        path = await anyio.to_thread.run_sync(made, limiter=limiter[0])
        kind, is_shown = type_of(path.name)
        return FileResponse(
            path,
            media_type=kind,
            content_disposition_type="inline" if is_shown else "attachment",
            filename=path.name,
            headers={"Cache-Control": KEPT},
        )


def _source(request: Request, room: Room, src: str) -> Path:
    """Where a picture lies that a task names. Raises NotFound for one that is elsewhere."""
    parts = urlsplit(src)
    if not parts.scheme and not parts.netloc:
        if parts.path == LOCAL:
            return room.local.find(parse_qs(parts.query).get("d", [""])[0])
        words = parts.path.split("/")
        if words[:3] == ["", "data", "upload"] and len(words) == 5 and words[3].isdecimal():
            return room.bringing.files.stored(
                int(words[3][:9]), words[4], principal_of(request)
            ).path
    raise NotFound("This picture does not lie on this server.")
