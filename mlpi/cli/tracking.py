"""mlpi tracking import, export."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from mlpi.tracking.transfer.access import Login
    from mlpi.tracking.transfer.report import Report

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
    from mlpi.tracking.transfer import IMPORT, EndUnusable, ends  # noqa: PLC0415
    from mlpi.tracking.transfer.access import Access, Login  # noqa: PLC0415
    from mlpi.tracking.transfer.moving import Move  # noqa: PLC0415

    login, access = Login.of_environment(), Access()
    here = _login(token)
    with _reporting() as report:
        ends.prepare(access)
        target = ends.opened_server(url, access, here)
        access.require_writing(target.uri)
        if source.startswith("http") and ends.without_password(source) == target.uri:
            raise EndUnusable(f"{target.uri} is both the source and the target.")
        with ends.opened_source(source, access, login) as opened:
            names = experiment or ()
            Move(opened, target, IMPORT, report, names, with_artifacts=not no_artifacts).run()


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
    from mlpi.tracking.transfer import EXPORT, ends  # noqa: PLC0415
    from mlpi.tracking.transfer.access import Access  # noqa: PLC0415
    from mlpi.tracking.transfer.moving import Move  # noqa: PLC0415

    access = Access()
    here = _login(token)
    with _reporting() as report:
        ends.prepare(access)
        source = ends.opened_server(url, access, here)
        with ends.opened_target_folder(to) as target:
            Move(source, target, EXPORT, report, [experiment]).run()
    typer.echo(f"Open it: mlflow ui --backend-store-uri {target.uri}")


def _login(token: str) -> Login:
    from mlpi.errors import Invalid  # noqa: PLC0415
    from mlpi.tracking.transfer.access import Login  # noqa: PLC0415

    if not token:
        raise Invalid(
            "A token is needed: --token or MLPI_TOKEN.", advice="Settings, Tokens makes one."
        )
    return Login(token=token)


@contextmanager
def _reporting() -> Iterator[Report]:
    """A report that is shown at the end, also of a transfer that was interrupted."""
    from mlpi.tracking.transfer.report import Report  # noqa: PLC0415

    report = Report(typer.echo)
    try:
        yield report
    except KeyboardInterrupt:
        report.line("Stopped. Run it again: it goes on from there.")
        raise typer.Exit(130) from None
    finally:
        report.end()
    if report.troubles:
        raise typer.Exit(1)
