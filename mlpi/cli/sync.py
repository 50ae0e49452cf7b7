"""mlpi sync: send a folder of TensorBoard logs to a running mlpi, as it grows."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from mlpi.cli.checks import TOKEN, Token, Url

if TYPE_CHECKING:
    from mlpi.sync.follow import Follower

ONCE_S = 30.0  # without any progress, before --once gives up

Folder = Annotated[
    Path,
    typer.Argument(
        metavar="DIR", help="Holds event files; its sub folders are runs.", show_default=False
    ),
]
Workspace = Annotated[
    str, typer.Option("--workspace", help="The workspace; else the token's.", show_default=False)
]
RunPrefix = Annotated[
    str, typer.Option("--run", help="The run, or the first part of its name.", show_default=False)
]
Once = Annotated[bool, typer.Option("--once", help="Send what is there, and end.")]
Interval = Annotated[
    float,
    typer.Option("--interval", min=0.1, max=3600, help="Most seconds between looks at the folder."),
]


def sync(
    folder: Folder,
    url: Url = "http://127.0.0.1:9000",
    token: Token = "",
    workspace: Workspace = "",
    run: RunPrefix = "",
    once: Once = False,
    interval: Interval = 2,
) -> None:
    """Send the event files of a folder and go on as they grow, until Ctrl-C.

    Exits 0 when all was sent or it was stopped, 1 when something could not be sent or the quota is
    reached, 2 when the token, the address or the folder is wrong.
    """
    from mlpi.sync.follow import Follower  # noqa: PLC0415 - quick to start
    from mlpi.sync.remote import Remote, Stopped  # noqa: PLC0415

    if not token:
        _stop(f"A token is needed: --token or {TOKEN}. Settings, Tokens makes one.", 2)
    folder = folder.expanduser().resolve()
    if once and not folder.is_dir():
        _stop(f"{folder} is no folder.", 2)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        remote = Remote(url, token, workspace)
        follower = Follower(
            folder,
            remote,
            typer.echo,
            prefix=run.strip("/"),
            patience_s=ONCE_S if once else None,
        )
    except Stopped as stopped:
        _stop(str(stopped), stopped.exit_code)
    try:
        _run(follower, folder, url, interval_s=interval, is_once=once)
    except KeyboardInterrupt:
        typer.echo(f"Stopped. {follower.sent_bytes / 1e6:,.1f} MB were sent.")
        if once:
            raise typer.Exit(1) from None
    except Stopped as stopped:
        _stop(str(stopped), stopped.exit_code)
    finally:
        remote.close()
    if once and follower.problems:
        raise typer.Exit(1)


def _run(follower: Follower, folder: Path, url: str, *, interval_s: float, is_once: bool) -> None:
    follower.begin()
    follower.catch_up()
    count = follower.file_count
    files = "1 file is" if count == 1 else f"{count:,} files are"
    typer.echo(
        f"{files} in workspace {follower.workspace} at {url}; "
        f"{follower.sent_bytes / 1e6:,.1f} MB were sent."
    )
    if is_once:
        return
    waits = "" if folder.is_dir() else " It is not there yet."
    typer.echo(f"Follows {folder} until Ctrl-C.{waits}")
    follower.follow(interval_s)


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def _stop(words: str, code: int) -> NoReturn:
    typer.echo(words, err=True)
    raise typer.Exit(code)
