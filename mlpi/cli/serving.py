"""mlpi serve, mlpi demo."""

from __future__ import annotations

from typing import Annotated

import typer

from mlpi.cli.common import Home


def serve(
    host: Annotated[
        str | None, typer.Option(help="Address to listen on.", show_default="all")
    ] = None,
    port: Annotated[int | None, typer.Option(help="TCP port.", show_default="9000")] = None,
    home: Home = None,
    demo: Annotated[
        bool, typer.Option("--demo", help="Fill a workspace with demo data once it runs.")
    ] = False,
) -> None:
    """Run the service until it is stopped."""
    from mlpi import settings  # noqa: PLC0415
    from mlpi.server import serve as run  # noqa: PLC0415

    chosen = settings.load(host=host, port=port, home=home)
    run(chosen)


def demo(
    remove: Annotated[bool, typer.Option("--remove", help="Take the demo away again.")] = False,
    home: Home = None,
) -> None:
    """Fill the workspace "demo" with real models trained on real data."""
