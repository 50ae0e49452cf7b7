"""mlpi tracking import, export."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Annotated, Protocol, cast

import typer

tracking = typer.Typer(help="Move experiments in and out.", no_args_is_help=True)

Source = Annotated[
    str,
    typer.Argument(
        help="An mlruns folder, an mlflow.db (or sqlite:///…), or the http address of a server.",
        show_default=False,
    ),
]
Only = Annotated[
    list[str] | None,
    typer.Option("--experiment", metavar="NAME", help="Only this one; may be given again."),
]
NoArtifacts = Annotated[
    bool, typer.Option("--no-artifacts", help="Leave files out; a later import brings them.")
]
Url = Annotated[str, typer.Option("--url", envvar="MLPI_URL", help="Where mlpi is.")]
Token = Annotated[
    str,
    typer.Option(
        "--token", envvar="MLPI_TOKEN", help="A token of the workspace.", show_envvar=True
    ),
]
WORK = "mlpi.tracking.transfer.work"
HERE = "http://127.0.0.1:9000"


@tracking.command("import")
def import_(
    source: Source,
    experiment: Only = None,
    no_artifacts: NoArtifacts = False,
    url: Url = HERE,
    token: Token = "",
) -> None:
    """Copy experiments, runs, metrics, files and models into the token's workspace.

    The source is only read. Doing it again copies what is new or was left unfinished. For a server
    that asks who you are: MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and _PASSWORD.
    Exits with 1 when something could not be copied.
    """
    is_whole = _work().move_in(
        source,
        url=url,
        token=token,
        names=experiment or (),
        with_artifacts=not no_artifacts,
        say=typer.echo,
    )
    if not is_whole:
        raise typer.Exit(1)


@tracking.command("export")
def export(
    experiment: Annotated[str, typer.Argument(help="Its name.", show_default=False)],
    to: Annotated[Path, typer.Option("--to", help="A folder, new or of an earlier export.")],
    url: Url = HERE,
    token: Token = "",
) -> None:
    """Copy one experiment into a folder that stock MLflow opens.

    The folder holds an mlflow.db and the files. Doing it again brings it up to date.
    """
    if not _work().move_out(experiment, to, url=url, token=token, say=typer.echo):
        raise typer.Exit(1)


class Work(Protocol):
    """What mlpi.tracking.transfer.work offers."""

    def move_in(
        self,
        source: str,
        *,
        url: str,
        token: str,
        names: Sequence[str],
        with_artifacts: bool,
        say: Callable[[str], None],
    ) -> bool: ...

    def move_out(
        self, experiment: str, folder: Path, *, url: str, token: str, say: Callable[[str], None]
    ) -> bool: ...


def _work() -> Work:
    """Commands know components by name alone, as the demo does."""
    return cast(Work, import_module(WORK))
