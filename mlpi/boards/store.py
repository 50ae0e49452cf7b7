"""Rows about runs in mlpi's own database."""

from __future__ import annotations

from sqlalchemy import delete, select

from mlpi.boards.models import BoardRun
from mlpi.db import Session


def notes(session: Session, workspace: str) -> dict[str, BoardRun]:
    """What is kept of a workspace's runs, by name."""
    found = session.scalars(select(BoardRun).where(BoardRun.workspace == workspace))
    return {note.name: note for note in found}


def note(session: Session, workspace: str, name: str) -> BoardRun | None:
    return session.get(BoardRun, (workspace, name))


def put(session: Session, workspace: str, name: str) -> BoardRun:
    """A run's row, made if it has none."""
    kept = note(session, workspace, name)
    if kept is None:
        kept = BoardRun(workspace=workspace, name=name, archived_at=None, mlflow_run_id=None)
        session.add(kept)
    return kept


def tidy(session: Session, kept: BoardRun) -> None:
    """Remove a row that says nothing."""
    if kept.archived_at is None and kept.mlflow_run_id is None:
        if kept in session.new:
            session.expunge(kept)
        else:
            session.delete(kept)


def forget(session: Session, workspace: str, name: str) -> None:
    session.execute(delete(BoardRun).where(BoardRun.workspace == workspace, BoardRun.name == name))


def rename(session: Session, workspace: str, name: str, new_name: str) -> None:
    forget(session, workspace, new_name)
    kept = note(session, workspace, name)
    if kept is not None:
        kept.name = new_name


def named_by(session: Session, workspace: str, mlflow_run_id: str) -> list[str]:
    """Names of runs that are tied to an MLflow run."""
    return list(
        session.scalars(
            select(BoardRun.name)
            .where(BoardRun.workspace == workspace, BoardRun.mlflow_run_id == mlflow_run_id)
            .order_by(BoardRun.name)
        )
    )
