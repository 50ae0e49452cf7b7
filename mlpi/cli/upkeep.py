"""mlpi migrate, doctor, service."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from typing import Annotated

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


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="For machines: one object.")] = False,
    home: Home = None,
) -> None:
    """Check this machine and this home, and explain what is wrong.

    Each check is one line: ok, warn (will hurt some day) or bad (keeps mlpi from working), with
    what to do about it. Changes nothing. The exit code is 1 when something is bad.
    """
    from mlpi.system.doctor import examine  # noqa: PLC0415
    from mlpi.system.findings import Verdict  # noqa: PLC0415

    findings = []
    for finding in examine(home):
        findings.append(finding)
        if not as_json:
            colour = {Verdict.OK: "green", Verdict.WARN: "yellow", Verdict.BAD: "red"}
            word = typer.style(f"{finding.verdict:4}", fg=colour[finding.verdict])
            typer.echo(f"{word}  {finding.check:9} {finding.line()}")
    is_well = all(one.verdict is not Verdict.BAD for one in findings)
    if as_json:
        report = {"is_well": is_well, "checks": [asdict(one) for one in findings]}
        typer.echo(json.dumps(report, indent=2))
    if not is_well:
        raise typer.Exit(1)


Users = Annotated[
    bool, typer.Option("--user", help="A service of your own account instead of the system's.")
]
Rehearsal = Annotated[
    bool, typer.Option("--dry-run", help="Print every command and the unit; change nothing.")
]


@service.command("install")
def service_install(users: Users = False, rehearsal: Rehearsal = False, home: Home = None) -> None:
    """Write the unit for this interpreter and home, enable it and start it.

    The system's service runs as its own user "mlpi" with its home in /var/lib/mlpi, or in --home.
    Doing it again is safe.
    """
    from mlpi import settings  # noqa: PLC0415
    from mlpi.system import unit  # noqa: PLC0415

    is_given = home is not None or "MLPI_HOME" in os.environ
    chosen = settings.chosen_home(home) if is_given or users else unit.SYSTEM_HOME
    settings.load(home=chosen)  # what it could not start with is better said now
    target = unit.Target.of_this_process(chosen, is_users=users)
    unit.Service(typer.echo, is_users=users, is_rehearsal=rehearsal).install(target)


@service.command("uninstall")
def service_uninstall(users: Users = False, rehearsal: Rehearsal = False) -> None:
    """Stop the service and remove its unit. Data and user stay."""
    from mlpi.system import unit  # noqa: PLC0415

    unit.Service(typer.echo, is_users=users, is_rehearsal=rehearsal).uninstall()


@service.command("status")
def service_status(users: Users = False) -> None:
    """Say whether the service runs and where it answers. The exit code is 3 when it does not."""
    from mlpi.system import unit  # noqa: PLC0415

    is_active, lines = unit.Service(typer.echo, is_users=users).status()
    for line in lines:
        typer.echo(line)
    if not is_active:
        raise typer.Exit(3)
