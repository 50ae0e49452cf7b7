"""Finding things by what people call them, or saying that they are not there."""

from __future__ import annotations

from mlpi.checks import store
from mlpi.checks.models import Checkpoint, Dataset, DatasetVersion
from mlpi.db import Session
from mlpi.errors import Invalid, NotFound


def find_dataset(session: Session, workspace: str, key: int | str) -> Dataset:
    """A dataset by id or name. Raises NotFound."""
    found = store.dataset(session, workspace, key)
    if found is None:
        shown = f"number {key}" if isinstance(key, int) else repr(key[:100])
        raise NotFound(f"There is no dataset {shown} in this workspace.", field="dataset")
    return found


def find_version(session: Session, dataset: Dataset, number: int | None) -> DatasetVersion:
    """A version by its number, or the newest. Raises NotFound."""
    found = store.numbered(session, dataset.id, number)
    if found is None:
        which = f"version {number}" if number is not None else "version yet"
        raise NotFound(f"{dataset.name!r} has no {which}.", field="version")
    return found


def split_reference(text: str) -> tuple[str, int | None]:
    """ "wine@3" is version 3 of wine, "wine" its newest. Raises Invalid."""
    name, at, number = text.rpartition("@")
    if not at:
        return text, None
    if not number.isdecimal():
        raise Invalid(
            f"{text[:120]!r} names no version.", advice="Write NAME or NAME@3.", field="dataset"
        )
    return name, int(number)


def find_checkpoint(session: Session, workspace: str, key: int | str) -> Checkpoint:
    """A checkpoint by id or name. Raises NotFound."""
    found = store.checkpoint(session, workspace, key)
    if found is None:
        shown = f"number {key}" if isinstance(key, int) else repr(key[:100])
        raise NotFound(f"There is no checkpoint {shown} in this workspace.", field="checkpoint")
    return found
