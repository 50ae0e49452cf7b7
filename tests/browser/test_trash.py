"""The trash as a person uses it, on an experiment of 5,000 runs."""

from __future__ import annotations

import re
import sqlite3

import pytest
from playwright.sync_api import Page, expect

from tests.bench.runs_table import make_experiments
from tests.browser.conftest import Watch, Watched
from tests.service import Service

pytestmark = pytest.mark.browser

RUNS = 5_000


@pytest.fixture(scope="module")
def big(service: Service) -> int:
    """The id of an experiment of RUNS runs in lab, all deleted, as if one after the other."""
    path = service.home / "mlflow" / "mlflow.db"
    id_ = make_experiments(f"sqlite:///{path}", [RUNS], long_names=True)[RUNS]
    db = sqlite3.connect(path, timeout=30)
    db.execute("UPDATE experiments SET name = 'trash-5000' WHERE experiment_id = ?", (id_,))
    db.execute(
        "UPDATE runs SET lifecycle_stage = 'deleted', deleted_time = start_time / 2 + 900000000000"
        " WHERE experiment_id = ?",
        (id_,),
    )
    db.commit()
    db.close()
    return id_


def opened(watched: Watched, user: str, big: int) -> Page:
    page = watched.log_in(user)
    page.goto(f"{watched.service.url}/tracking/trash?workspace=lab&experiment={big}")
    return page


def test_some_come_back_and_the_rest_goes_for_good(watch: Watch, big: int) -> None:
    page = opened(watch(), "ana", big)
    expect(page.get_by_text("100 of 5,000 runs")).to_be_visible()
    expect(page.get_by_role("button", name="Restore")).to_be_disabled()
    boxes = page.locator('input[name="run"]')
    expect(boxes).to_have_count(100)
    boxes.nth(0).check()
    boxes.nth(1).check()
    expect(page.get_by_text("2 selected")).to_be_visible()
    page.get_by_role("button", name="Restore").click()
    expect(page.get_by_text("of 4,998 runs")).to_be_visible()
    page.get_by_role("link", name="Next").click()
    expect(page.get_by_role("link", name="First")).to_be_visible()
    page.get_by_role("button", name=re.compile("Delete all 4,998 for good")).click()
    expect(page.get_by_role("heading", name="Delete for good?")).to_be_visible()
    expect(page.get_by_text("4,998 runs")).to_be_visible()
    page.get_by_role("link", name="Cancel").click()
    page.goto(f"{page.url.split('?')[0]}?workspace=lab&experiment={big}")
    page.get_by_role("button", name=re.compile("Delete all 4,998 for good")).click()
    page.get_by_role("button", name="Delete for good").click()
    expect(page.get_by_text("Being removed for good")).to_have_count(0, timeout=90_000)
    expect(page.get_by_text("trash-5000")).to_have_count(0)
    page.goto(f"{page.url.split('/tracking')[0]}/tracking/experiments/{big}?workspace=lab&flat=1")
    expect(page.locator("#runs tbody tr .ran a.t")).to_have_count(2)


@pytest.fixture
def one(service: Service) -> int:
    """The id of a deleted experiment of two runs."""
    path = service.home / "mlflow" / "mlflow.db"
    id_ = make_experiments(f"sqlite:///{path}", [2], long_names=True)[2]
    db = sqlite3.connect(path, timeout=30)
    name = f"trash-one-{id_}"
    db.execute(
        "UPDATE experiments SET name = ?, lifecycle_stage = 'deleted' WHERE experiment_id = ?",
        (name, id_),
    )
    db.execute("UPDATE runs SET lifecycle_stage = 'deleted' WHERE experiment_id = ?", (id_,))
    db.commit()
    db.close()
    return id_


def test_an_experiment_is_restored_by_keyboard(watch: Watch, one: int) -> None:
    watched = watch()
    page = watched.log_in("ana")
    page.goto(f"{watched.service.url}/tracking/trash?workspace=lab")
    box = page.get_by_label(f"Select trash-one-{one}")
    box.focus()
    page.keyboard.press("Space")
    button = page.get_by_role("button", name="Restore")
    expect(button).to_be_enabled()
    button.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label(f"Select trash-one-{one}")).to_have_count(0)
    page.goto(f"{watched.service.url}/tracking?workspace=lab")
    expect(page.get_by_role("link", name=f"trash-one-{one}", exact=True)).to_be_visible()


def test_all_of_a_table_are_ticked_at_once(watch: Watch, one: int) -> None:
    watched = watch()
    page = watched.log_in("ana")
    page.goto(f"{watched.service.url}/tracking/trash?workspace=lab")
    page.get_by_label("Select all experiments shown").check()
    boxes = page.locator('input[name="experiment"]')
    expect(page.get_by_label(f"Select trash-one-{one}")).to_be_checked()
    assert all(box.is_checked() for box in boxes.all())
    page.get_by_label(f"Select trash-one-{one}").uncheck()
    expect(page.get_by_label("Select all experiments shown")).not_to_be_checked()


def test_nothing_overflows_a_telephone_and_viewers_only_look(watch: Watch, one: int) -> None:
    watched = watch(viewport={"width": 360, "height": 740})
    page = watched.log_in("vic")
    page.goto(f"{watched.service.url}/tracking/trash?workspace=lab")
    expect(page.get_by_text(f"trash-one-{one}")).to_be_visible()
    expect(page.locator('input[name="experiment"]')).to_have_count(0)
    expect(page.get_by_role("button", name=re.compile("Empty|Restore"))).to_have_count(0)
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= 360
