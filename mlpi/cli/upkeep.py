"""mlpi migrate, doctor, service."""

from __future__ import annotations

import typer

from mlpi.cli.common import Home

service = typer.Typer(help="Run mlpi as a systemd service.", no_args_is_help=True)


def migrate(home: Home = None) -> None:
    """Bring the database up to date. The service does this itself at start."""
    from mlpi import settings  # noqa: PLC0415
    from mlpi.house import House, prepare_home  # noqa: PLC0415

    house = House.build(settings.load(home=home))
    try:
        prepare_home(house.settings)
        applied = house.db.migrate()
    finally:
        house.close()
    typer.echo(f"Applied {', '.join(applied)}." if applied else "Up to date.")


def doctor(home: Home = None) -> None:
    """Check this machine and this home, and explain what is wrong."""
