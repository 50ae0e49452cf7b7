"""What the commands call, by the name of this module: mlpi tracking import and export."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from mlpi.errors import Invalid
from mlpi.tracking.transfer import EXPORT, IMPORT, EndUnusable, Interrupted, ends
from mlpi.tracking.transfer.access import Access, Login
from mlpi.tracking.transfer.lease import Holding
from mlpi.tracking.transfer.moving import Move
from mlpi.tracking.transfer.report import Report

Say = Callable[[str], None]


def move_in(
    source: str,
    *,
    url: str,
    token: str,
    names: Sequence[str],
    with_artifacts: bool,
    say: Say,
) -> bool:
    """Copy from a source into the workspace of a token; whether everything came along.

    names: only these experiments; all when empty. Raises EndUnusable and Interrupted.
    """
    theirs, ours, access = Login.of_environment(), _login(token), Access()
    with _reporting(say) as report:
        ends.prepare(access)
        target = ends.opened_server(url, access, ours)
        access.require_writing(target.uri)
        if source.startswith("http") and ends.without_password(source) == target.uri:
            raise EndUnusable(f"{target.uri} is both the source and the target.")
        with (
            ends.opened_source(source, access, theirs) as opened,
            Holding(target.uri, ours.headers(), opened.name, say),
        ):
            Move(opened, target, IMPORT, report, names, with_artifacts).run()
    return not report.troubles


def move_out(experiment: str, folder: Path, *, url: str, token: str, say: Say) -> bool:
    """Copy one experiment into a folder; whether everything came along.

    Raises EndUnusable and Interrupted.
    """
    ours, access = _login(token), Access()
    with _reporting(say) as report:
        ends.prepare(access)
        source = ends.opened_server(url, access, ours)
        with ends.opened_target_folder(folder) as target:
            Move(source, target, EXPORT, report, [experiment]).run()
    say(f"Open it: mlflow ui --backend-store-uri {target.uri}")
    return not report.troubles


def _login(token: str) -> Login:
    if not token:
        raise Invalid(
            "A token is needed: --token or MLPI_TOKEN.", advice="Settings, Tokens makes one."
        )
    return Login(token=token)


@contextmanager
def _reporting(say: Say) -> Iterator[Report]:
    """A report that is shown at the end, also of a transfer that was interrupted."""
    report = Report(say)
    try:
        yield report
    except KeyboardInterrupt:
        raise Interrupted from None
    finally:
        report.end()
