"""mlpi serve, mlpi demo."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mlpi.cli.common import Home, actor, opened

if TYPE_CHECKING:
    from mlpi.demo import Demo
    from mlpi.house import House


def serve(
    host: Annotated[
        str | None, typer.Option(help="Address to listen on.", show_default="0.0.0.0")
    ] = None,
    port: Annotated[int | None, typer.Option(help="TCP port.", show_default="9000")] = None,
    home: Home = None,
    demo: Annotated[
        bool,
        typer.Option("--demo", help="Fill the workspace demo in the background, as mlpi demo does."),
    ] = False,
) -> None:
    """Run the service until it is stopped."""
    from mlpi import settings  # noqa: PLC0415
    from mlpi.server import serve as run  # noqa: PLC0415

    chosen = settings.load(host=host, port=port, home=home)
    if not demo:
        run(chosen)
        return
    from mlpi.demo_companion import DemoCompanion  # noqa: PLC0415

    run(chosen, companion=DemoCompanion(typer.echo, actor()))


def demo(
    remove: Annotated[bool, typer.Option("--remove", help="Take the demo away again.")] = False,
    home: Home = None,
) -> None:
    """Fill the workspace demo with real models trained on real data, in half a minute.

    It goes through the running service, or through one of its own for as long as it takes. To
    repeat it is safe: what is there stays, what is half-done is redone. With --remove, the
    demo's experiments and models go, with whatever was added to them; other work stays.
    """
    from mlpi.demo import Demo  # noqa: PLC0415
