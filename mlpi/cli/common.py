"""What commands share: the --home option, an opened house, plain tables."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from mlpi.auth.audit import Actor
    from mlpi.house import House

Home = Annotated[
    Path | None,
    typer.Option("--home", help="Folder that holds everything.", show_default=False),
]


@contextmanager
def opened(home: Path | None) -> Iterator[House]:
    """The house of a home, migrated; works beside a running service."""
    from mlpi import settings  # noqa: PLC0415
    from mlpi.house import House  # noqa: PLC0415

    house = House.build(settings.load(home=home))
    try:
        house.open()
        with house.db.explaining():
            yield house
    finally:
        house.close()


def actor() -> Actor:
    """Whoever runs the command, for the audit trail."""
    from mlpi.auth.audit import Actor  # noqa: PLC0415

    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = str(os.getuid())
    return Actor(f"{name} (terminal)", "terminal")


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns as wide as they need to be, on stdout."""
    widths = [
        max(len(line[column]) for line in [headings, *rows]) for column in range(len(headings))
    ]
    for line in [headings, *rows]:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        typer.echo("  ".join(cells).rstrip())
