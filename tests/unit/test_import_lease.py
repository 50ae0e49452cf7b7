"""One import into a workspace at a time."""

from __future__ import annotations

import pytest

from mlpi.errors import Conflict
from mlpi.tracking.transfer.lease import LEASE_S, RENEW_S, Leases
from tests.conftest import TurnedClock


def test_the_second_is_refused_and_told_who_is_first(clock: TurnedClock) -> None:
    leases = Leases(clock)
    leases.take("lab", "first", "from mlruns by ana")
    leases.take("other", "second", "from mlruns by eve")
    clock.advance(seconds=LEASE_S - 1)
    with pytest.raises(Conflict) as refused:
        leases.take("lab", "second", "from old.db by eve")
    assert "into lab is running: from mlruns by ana, begun 12:00 UTC" in refused.value.message
    assert refused.value.advice == "Wait for its end."


def test_a_lease_that_is_renewed_lasts_and_one_that_is_not_ends(clock: TurnedClock) -> None:
    leases = Leases(clock)
    assert RENEW_S * 3 < LEASE_S
    for _ in range(10):
        leases.take("lab", "first", "from mlruns by ana")
        clock.advance(seconds=LEASE_S - 1)
        with pytest.raises(Conflict):
            leases.take("lab", "second", "from old.db by eve")
    clock.advance(seconds=1)
    leases.take("lab", "second", "from old.db by eve")
    with pytest.raises(Conflict):
        leases.take("lab", "first", "from mlruns by ana")


def test_only_the_holder_gives_it_back(clock: TurnedClock) -> None:
    leases = Leases(clock)
    leases.take("lab", "first", "from mlruns by ana")
    leases.give_back("lab", "second")
    with pytest.raises(Conflict):
        leases.take("lab", "second", "from old.db by eve")
    leases.give_back("lab", "first")
    leases.take("lab", "second", "from old.db by eve")
