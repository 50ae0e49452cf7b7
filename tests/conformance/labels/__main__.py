"""Run Label Studio's own tests of its API against `mlpi serve`.

    python -m tests.conformance.labels --upstream <folder with label_studio/tests>

See tests/conformance/README.md.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from contextlib import suppress
from functools import partial
from pathlib import Path

from mlpi.auth.audit import Actor
from mlpi.auth.roles import Role
from mlpi.errors import Conflict
from mlpi.house import House
from mlpi.settings import Settings
from tests.conformance.labels import tavern
from tests.conformance.labels.driving import Driver
from tests.conformance.mlflow.verdicts import Outcome, known_differences
from tests.service import PASSWORD, running_service

DIFFERENCES = Path(__file__).parent / "differences.txt"
ACTOR = Actor("conformance", "127.0.0.1")


def main() -> int:
    """0 when every test passes that is not listed, and every listed one does not."""
    parser = argparse.ArgumentParser(prog="python -m tests.conformance.labels")
    parser.add_argument(
        "--upstream", type=Path, required=True, help="A checkout or unpacked wheel of label-studio."
    )
    parser.add_argument("--only", default="", help="Only tests with this in their name.")
    parser.add_argument("--outcomes", type=Path, help="A file for all outcomes, in lines of JSON.")
    options = parser.parse_args()
    root = options.upstream / "label_studio"
    if not (root / "tests" / "shared_stages.yml").is_file():
        parser.error(f"{options.upstream} has no label_studio/tests/shared_stages.yml")
    tests = [one for one in tavern.read(root / "tests") if options.only in one.name]
    with tempfile.TemporaryDirectory(prefix="conformance-") as folder:
        outcomes = driven(tests, root, Path(folder))
    if options.outcomes:
        lines = (json.dumps([name, one.word, one.reason]) for name, one in outcomes.items())
        options.outcomes.write_text("\n".join(lines) + "\n")
    return judge(outcomes)


def driven(tests: list[tavern.Test], root: Path, folder: Path) -> dict[str, Outcome]:
    """Each test in a workspace of its own."""
    outcomes: dict[str, Outcome] = {}
    with running_service(folder) as service:
        service.wait_ready()
        house = House.build(Settings(home=service.home))
        for number, test in enumerate(tests):
            workspace = f"test-{number}"
            house.workspaces.add(workspace, owner=None, actor=ACTOR)
            admit = partial(admitted, house, workspace)
            outcomes[test.name] = Driver(service.url, root, admit).run(test)
        house.close()
    return outcomes


def admitted(house: House, workspace: str, email: str) -> str:
    """A token for an account of this name, owner of the test's workspace."""
    with suppress(Conflict):  # an earlier test's
        house.users.add(email, PASSWORD, actor=ACTOR)
    house.workspaces.set_member(workspace, email, Role.OWNER, actor=ACTOR)
    _, token = house.tokens.add(email, workspace, actor=ACTOR)
    return token


def judge(outcomes: dict[str, Outcome]) -> int:
    """Held against the list, in which a name that ends in * stands for all that begin so."""
    known = known_differences(DIFFERENCES)
    whole = {name for name in known if not name.endswith("*")}
    parts = tuple(name[:-1] for name in known if name.endswith("*"))
    failed = {name: one for name, one in outcomes.items() if one.word != "passed"}
    listed = {name for name in failed if name in whole or name.startswith(parts)}
    unlisted = {name: one for name, one in failed.items() if name not in listed}
    outdated = [name for name in whole if name in outcomes and name not in failed]
    print(  # noqa: T201
        f"{len(outcomes)} tests, passed: {len(outcomes) - len(failed)}, "
        f"differ and listed: {len(failed) - len(unlisted)}, unlisted: {len(unlisted)}"
    )
    for name, one in unlisted.items():
        print(f"UNLISTED {name}\n    {one.reason}")  # noqa: T201
    for name in outdated:
        print(f"LISTED BUT PASSES {name}")  # noqa: T201
    return 1 if unlisted or outdated else 0


if __name__ == "__main__":
    sys.exit(main())
