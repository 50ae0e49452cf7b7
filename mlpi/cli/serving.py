"""mlpi serve, mlpi demo."""

from __future__ import annotations

import logging
import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from mlpi.cli.common import Home, actor, opened

if TYPE_CHECKING:
    from pathlib import Path

    from mlpi.settings import Settings

ADDRESS_S = 60  # a service that starts with a migration has no address yet


def serve(
    host: Annotated[
        str | None, typer.Option(help="Address to listen on.", show_default="0.0.0.0")  # noqa: S104
    ] = None,
    port: Annotated[int | None, typer.Option(help="TCP port.", show_default="9000")] = None,
    home: Home = None,
    demo: Annotated[
        bool, typer.Option("--demo", help="Fill the workspace demo once it runs; see mlpi demo.")
    ] = False,
) -> None:
    """Run the service until it is stopped."""
    from mlpi import settings  # noqa: PLC0415
    from mlpi.demo import DemoCompanion  # noqa: PLC0415
    from mlpi.server import serve as run  # noqa: PLC0415

    chosen = settings.load(host=host, port=port, home=home)
    run(chosen, companion=DemoCompanion(typer.echo, actor()) if demo else None)


def demo(
    remove: Annotated[bool, typer.Option("--remove", help="Take the demo away again.")] = False,
    home: Home = None,
) -> None:
    """Fill the workspace demo with real models, trained on real data in less than a minute.

    It goes through the service that runs on this home, or through one of its own for as long as
    it takes. It is safe to repeat: what is complete stays, what is half-done is redone.

    --remove deletes the demo's experiments and models for good, with whatever was added to them,
    and the workspace if nothing else is in it.
    """
    from mlpi.demo import Demo, admin_token, page  # noqa: PLC0415

    with opened(home) as house:
        if house.settings.log_level == "debug":
            logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
        one = Demo(house, typer.echo, actor())
        if remove:
            one.remove()
            return
        url = _service_url(house.settings.home)
        if url is None and one.is_complete():
            typer.echo("The demo is complete already. To look at it: mlpi serve")
            return
        if url is not None:
            started = time.monotonic()
            is_new = one.fill(url, admin_token)
            after = f" after {time.monotonic() - started:.0f} s" if is_new else " already"
            typer.echo(f"The demo is complete{after}: {page(url)}")
            return
        settings = house.settings
    _fill_through_own_service(settings)


def _fill_through_own_service(settings: Settings) -> None:
    from mlpi.demo import DemoCompanion  # noqa: PLC0415
    from mlpi.server import serve as run  # noqa: PLC0415

    quiet = settings.log_level if settings.log_level == "debug" else "warning"
    private = settings.model_copy(update={"host": "127.0.0.1", "port": 0, "log_level": quiet})
    companion = DemoCompanion(typer.echo, actor(), stops_service=True)
    started = time.monotonic()
    run(private, companion=companion, invites=False)
    if companion.failure is not None:
        raise companion.failure
    typer.echo(f"The demo is complete after {time.monotonic() - started:.0f} s.")
    typer.echo("To look at it: mlpi serve")


def _service_url(home: Path) -> str | None:
    """The address of the service that runs on a home, None when there is none."""
    from mlpi.errors import NotReady  # noqa: PLC0415
    from mlpi.lock import running_service  # noqa: PLC0415

    deadline = time.monotonic() + ADDRESS_S
    while (service := running_service(home)) is not None:
        if service.url is not None:
            return service.url
        if time.monotonic() > deadline:
            raise NotReady(f"The service of this home (process {service.pid}) does not answer yet.")
        time.sleep(0.1)
    return None
