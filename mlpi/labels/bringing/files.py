"""Files of labeling projects: media that tasks name, and files that tasks were read from.

They lie under labels/files/<project>/<key>; a key is random and ends in a plain form of the name.
"""

from __future__ import annotations

import re
import secrets
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import BinaryIO

from sqlalchemy import delete, select, update

from mlpi.auth.models import User
from mlpi.auth.roles import Principal
from mlpi.clock import Clock
from mlpi.db import Database
from mlpi.errors import NotFound
from mlpi.labels.bringing.zips import Zip, is_zip
from mlpi.labels.models import LabelFile, LabelProject, LabelTask
from mlpi.labels.projects import project_of
from mlpi.uploads import BLOCK_BYTES, plain_name, require_space, settle

AT = "/data/upload"
ORPHAN_S = 3600.0  # a file without a row may be on its way to get one
PART = 500  # rows of one statement
_STRANGE = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class Stored:
    """A file and where it lies."""

    path: Path
    name: str


class Files:
    """The files of all projects; each call names the workspace that it is for."""

    def __init__(self, db: Database, home: Path, clock: Clock) -> None:
        self._db, self._clock = db, clock
        self._folder = home / "labels" / "files"

    def keep(
        self,
        workspace: str,
        project_id: int,
        name: str,
        source: BinaryIO,
        principal: Principal,
    ) -> LabelFile:
        """Copy a file in, synced to the disk. Raises NotFound, Invalid, DiskFull."""
        name = plain_name(name)
        with self._db.read() as session:
            project_of(session, workspace, project_id)
        key, size_bytes = self._put(project_id, name, source)
        return self._note(workspace, project_id, key, name, size_bytes, principal.user_id)

    def unpacked(self, sent: Sequence[tuple[str, BinaryIO]]) -> Iterator[tuple[str, BinaryIO]]:
        """Files by name, those of a zip one by one. All zips are looked at before the first file.

        Raises FileBroken, Invalid, DiskFull.
        """
        zips = {at: Zip(name, file) for at, (name, file) in enumerate(sent) if is_zip(name)}
        if zips:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            require_space(self._folder, sum(one.size_bytes for one in zips.values()))
        for at, one in enumerate(sent):
            if at in zips:
                yield from zips[at].files()
            else:
                yield one

    def take(self, workspace: str, project_id: int, name: str, path: Path, user: str) -> LabelFile:
        """Move a file in that lies on the same disk; user: whose, by name. Raises as keep."""
        name = plain_name(name)
        with self._db.read() as session:
            project_of(session, workspace, project_id)
            user_id = session.scalar(select(User.id).where(User.name == user)) or 0
        key, size_bytes = _key(name), path.stat().st_size
        settle(path, self._folder / str(project_id) / key)
        return self._note(workspace, project_id, key, name, size_bytes, user_id)

    def replace(self, workspace: str, file_id: int, name: str, source: BinaryIO) -> LabelFile:
        """Another content under the same number, at a new address. Raises as keep."""
        name = plain_name(name)
        before = self.get(workspace, file_id)
        key, size_bytes = self._put(before.project_id, name, source)
        with self._db.write() as session:
            kept = session.get(LabelFile, file_id)
            if kept is not None:
                kept.key, kept.name, kept.size_bytes = key, name, size_bytes
        if kept is None:
            (self._folder / str(before.project_id) / key).unlink(missing_ok=True)
            raise NotFound(f"There is no file {file_id} in this workspace.")
        self.path(before).unlink(missing_ok=True)
        return kept

    def _note(
        self, workspace: str, project_id: int, key: str, name: str, size_bytes: int, user_id: int
    ) -> LabelFile:
        """The row of a file that is in its place; without one the file does not stay."""
        kept = LabelFile(
            project_id=project_id,
            key=key,
            name=name,
            size_bytes=size_bytes,
            created_by_id=user_id,
            created_at=self._clock(),
        )
        try:
            with self._db.write() as session:
                project_of(session, workspace, project_id)
                session.add(kept)
        except BaseException:
            (self._folder / str(project_id) / key).unlink(missing_ok=True)
            raise
        return kept

    def _put(self, project_id: int, name: str, source: BinaryIO) -> tuple[str, int]:
        """Copy a file to its place; its key and its size in bytes."""
        key = _key(name)
        target = self._folder / str(project_id) / key
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        source.seek(0, 2)
        size_bytes = source.tell()
        source.seek(0)
        require_space(target.parent, size_bytes)
        part = target.with_name(f".{secrets.token_hex(8)}")
        try:
            with part.open("xb") as file:
                shutil.copyfileobj(source, file, BLOCK_BYTES)
            settle(part, target)
        finally:
            part.unlink(missing_ok=True)
        return key, size_bytes

    def of(
        self, workspace: str, project_id: int, ids: Sequence[int] | None = None
    ) -> Sequence[LabelFile]:
        """A project's files, oldest first; ids: only these. Raises NotFound for the project."""
        asked = select(LabelFile).where(LabelFile.project_id == project_id).order_by(LabelFile.id)
        if ids is not None:
            asked = asked.where(LabelFile.id.in_(ids))
        with self._db.read() as session:
            project_of(session, workspace, project_id)
            return session.scalars(asked).all()

    def get(self, workspace: str, file_id: int) -> LabelFile:
        """Raises NotFound."""
        asked = (
            select(LabelFile)
            .join(LabelProject, LabelProject.id == LabelFile.project_id)
            .where(LabelFile.id == file_id, LabelProject.workspace == workspace)
        )
        with self._db.read() as session:
            found = session.scalar(asked)
        if found is None:
            raise NotFound(f"There is no file {file_id} in this workspace.")
        return found

    def stored(self, project_id: int, key: str, principal: Principal) -> Stored:
        """A file by its address, for a member of its project's workspace. Raises NotFound."""
        asked = (
            select(LabelFile.name, LabelProject.workspace)
            .join(LabelProject, LabelProject.id == LabelFile.project_id)
            .where(LabelFile.key == key, LabelFile.project_id == project_id)
        )
        with self._db.read() as session:
            found = session.execute(asked).one_or_none()
        # A picture's address names no workspace, and another tab may have switched to another.
        if found is not None and found.workspace in principal.roles:
            path = self._folder / str(project_id) / key
            if path.is_file():
                return Stored(path, found.name)
        raise NotFound("There is no such file.")

    def path(self, file: LabelFile) -> Path:
        return self._folder / str(file.project_id) / file.key

    def url(self, file: LabelFile) -> str:
        """What tasks call it."""
        return f"{AT}/{file.project_id}/{file.key}"

    def remove(self, workspace: str, project_id: int, ids: Sequence[int] | None = None) -> int:
        """Remove a project's files, or these of them; how many. Tasks stay. Raises NotFound."""
        gone = self.of(workspace, project_id, ids)
        for at in range(0, len(gone), PART):
            part = [one.id for one in gone[at : at + PART]]
            with self._db.write() as session:
                session.execute(
                    update(LabelTask)
                    .where(LabelTask.project_id == project_id, LabelTask.file_id.in_(part))
                    .values(file_id=None)
                )
                session.execute(delete(LabelFile).where(LabelFile.id.in_(part)))
        for one in gone:
            self.path(one).unlink(missing_ok=True)
        return len(gone)

    def drop_project(self, project_id: int) -> None:
        """Remove what lies there of a project that is gone."""
        shutil.rmtree(self._folder / str(project_id), ignore_errors=True)

    def sweep(self) -> int:
        """Remove files that no row speaks of, as a killed service leaves them; how many."""
        if not self._folder.exists():
            return 0
        limit, removed = time.time() - ORPHAN_S, 0
        for folder in self._folder.iterdir():
            there = {one.name: one for one in folder.iterdir() if one.stat().st_mtime < limit}
            if folder.name.isdecimal():
                with self._db.read() as session:
                    asked = select(LabelFile.key).where(LabelFile.project_id == int(folder.name))
                    for key in session.scalars(asked):
                        there.pop(key, None)
            for orphan in there.values():
                orphan.unlink(missing_ok=True)
                removed += 1
            if not any(folder.iterdir()):
                folder.rmdir()
        return removed


def _key(name: str) -> str:
    path = PurePath(name)
    stem = _STRANGE.sub("_", path.stem)[:36].strip("._") or "file"
    return f"{secrets.token_hex(8)}-{stem}{_STRANGE.sub('', path.suffix)[:10].lower()}"
