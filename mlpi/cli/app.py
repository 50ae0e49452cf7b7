"""All commands, in the order of the help."""

from __future__ import annotations

import typer

from mlpi.cli import accounts, checks, serving, sync, tracking, upkeep

app = typer.Typer(
    name="mlpi",
    help="mlpi: the machine-learning workbench in one process.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

app.command("serve")(serving.serve)
app.command("migrate")(upkeep.migrate)
app.command("doctor")(upkeep.doctor)
app.command("demo")(serving.demo)
app.command("check")(checks.check)
app.command("sync")(sync.sync)
app.add_typer(accounts.user, name="user")
app.add_typer(accounts.workspace, name="workspace")
app.add_typer(accounts.member, name="member")
app.add_typer(accounts.token, name="token")
app.add_typer(tracking.tracking, name="tracking")
app.add_typer(upkeep.service, name="service")
