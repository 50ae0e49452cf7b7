"""Records and searches as a person uses them, on handwritten digits."""

from __future__ import annotations

import base64
import re
import struct
import uuid
import zlib
from array import array
from dataclasses import dataclass

import pytest
from playwright.sync_api import Page, expect

from mlpi.vectors.records import Record
from mlpi.vectors.relay import connected
from tests.browser.conftest import Watch, Watched
from tests.service import Service

pytestmark = pytest.mark.browser

COUNT = 120


@dataclass
class Digits:
    """A collection of lab with COUNT handwritten digits, their pictures in the metadata."""

    id: str
    service: Service

    @property
    def at(self) -> str:
        return f"{self.service.url}/vectors/{self.id}"

    def count(self) -> int:
        with connected(self.service.home, "lab") as shelf:
            return shelf.count(self.id)

    def one(self, id_: str) -> Record:
        from mlpi.vectors.records import Condition

        with connected(self.service.home, "lab") as shelf:
            return shelf.get(self.id, Condition(ids=[id_]), vectors=True)[0]


@pytest.fixture
def digits(service: Service) -> Digits:
    from sklearn.datasets import load_digits

    found = load_digits()
    records = [
        Record(
            f"digit-{n:03}",
            f"a handwritten {found.target[n]}",
            {
                "digit": int(found.target[n]),
                "split": "test" if n % 5 == 0 else "train",
                "image": picture(found.images[n]),
            },
            array("f", found.data[n]),
        )
        for n in range(COUNT)
    ]
    with connected(service.home, "lab") as shelf:
        made = shelf.create(f"digits-{uuid.uuid4().hex[:8]}", space="l2")
        shelf.write("add", made, records)
    return Digits(made, service)


def picture(rows: object) -> str:
    """An 8 by 8 PNG as a data URI."""
    raw = b"".join(b"\0" + bytes(int(255 - 15 * value) for value in row) for row in rows)  # type: ignore[attr-defined]
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(raw)),
        (b"IEND", b""),
    )
    packed = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    return "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n" + packed).decode()


def opened(watched: Watched, user: str, digits: Digits, path: str = "") -> Page:
    page = watched.log_in(user)
    page.goto(f"{digits.at}{path}{'&' if '?' in path else '?'}workspace=lab")
    return page


def ids(page: Page) -> list[str]:
    return page.locator(".records tbody .ran a, #hits b").all_inner_texts()


def test_a_filter_is_built_turned_to_json_and_shared_as_a_link(
    watch: Watch, digits: Digits
) -> None:
    watched = watch()
    page = opened(watched, "vic", digits)
    expect(page.get_by_text(f"{COUNT} records", exact=True)).to_be_visible()
    page.locator("summary").filter(has_text="Filter").click()
    page.get_by_label("Field").first.fill("digit")
    page.get_by_label("Value").first.fill("3")
    page.get_by_role("button", name="Another condition").first.click()
    page.get_by_label("Field").last.fill("split")
    page.get_by_label("Value").last.fill("test")
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_text(re.compile(rf"\d+ of {COUNT} records match"))).to_be_visible()
    few = ids(page)
    assert 0 < len(few) < 20
    page.reload()
    assert ids(page) == few
    page.get_by_label("JSON").check(force=True)
    where = page.get_by_label("where, of metadata")
    expect(where).to_have_value('{"$and": [{"digit": {"$eq": 3}}, {"split": {"$eq": "test"}}]}')
    where.fill('{"digit": {"$gte": 3}')
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_role("alert")).to_contain_text("line 1, column 22")
    expect(where).to_have_value('{"digit": {"$gte": 3}')
    where.fill('{"digit": {"$in": [3, 8]}}')
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_role("alert")).to_have_count(0)
    page.get_by_label("Conditions").check(force=True)
    expect(page.get_by_label("Value").first).to_have_value("3, 8")
    expect(page.get_by_label("Operator").first).to_have_value("$in")
    page.get_by_role("link", name="Clear").click()
    expect(page.get_by_text(f"{COUNT} records", exact=True)).to_be_visible()
    watched.wrong = [line for line in watched.wrong if "422" not in line]


def test_a_record_is_edited(watch: Watch, digits: Digits) -> None:
    watched = watch()
    page = opened(watched, "eve", digits)
    page.get_by_role("link", name="digit-007", exact=True).click()
    expect(page.get_by_role("heading", name="digit-007")).to_be_visible()
    page.get_by_role("link", name="Edit").click()
    page.get_by_label("Document").fill("surely a seven")
    page.get_by_label("Key").last.fill("checked")
    page.get_by_label("Kind").last.select_option("flag")
    page.get_by_label("Value").last.fill("yes")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("is not true or false")).to_be_visible()
    page.locator('[name="key"][value="checked"] ~ [name="value"]').fill("true")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("surely a seven")).to_be_visible()
    changed = digits.one("digit-007")
    assert changed.document == "surely a seven"
    assert changed.metadata["checked"] is True
    assert changed.metadata["digit"] == 7
    watched.wrong = [line for line in watched.wrong if "422" not in line]


def test_ticked_records_are_marked_and_deleted(watch: Watch, digits: Digits) -> None:
    page = opened(watch(), "eve", digits, "?size=25")
    bulk = page.locator("#chosen")
    expect(bulk).to_be_hidden()
    page.get_by_label("Select digit-002").check()
    page.get_by_label("Select digit-005").click(modifiers=["Shift"])
    expect(page.get_by_text("4 selected")).to_be_visible()
    page.get_by_role("button", name="Metadata…").click()
    dialog = page.get_by_role("dialog", name="Metadata of the selected records")
    dialog.get_by_label("Key").fill("batch")
    dialog.get_by_label("Value").fill("first")
    dialog.get_by_label("Value").press("Enter")
    expect(page.get_by_text("batch first").first).to_be_visible()
    assert digits.one("digit-004").metadata["batch"] == "first"
    page.get_by_label("Select all records shown").check()
    expect(page.get_by_text("25 selected")).to_be_visible()
    page.get_by_label("Select digit-000").uncheck()
    page.get_by_role("button", name="Delete…").click()
    dialog = page.get_by_role("dialog", name="Delete the selected records?")
    expect(dialog).to_contain_text("24 records will go for good")
    dialog.get_by_role("button", name="Delete them").click()
    expect(page.get_by_text(f"{COUNT - 24} records", exact=True)).to_be_visible()
    assert digits.count() == COUNT - 24


def test_all_that_match_are_deleted_after_a_question(watch: Watch, digits: Digits) -> None:
    page = opened(watch(), "eve", digits, "?where=%7B%22split%22%3A%22test%22%7D")
    page.get_by_role("link", name="Delete all that match…").click()
    expect(page.get_by_role("heading", name="Delete 24 records for good?")).to_be_visible()
    assert digits.count() == COUNT
    page.get_by_role("button", name="Delete 24 records").click()
    expect(page.get_by_text(f"{COUNT - 24} records", exact=True)).to_be_visible()
    assert digits.count() == COUNT - 24


def test_a_vector_is_searched_and_hits_are_walked_by_keyboard(watch: Watch, digits: Digits) -> None:
    page = opened(watch(), "vic", digits, "/search")
    field = page.get_by_role("textbox", name=re.compile("Vector"))
    field.fill(", ".join(str(value) for value in digits.one("digit-011").vector or ()))
    page.get_by_label("Results").fill("5")
    page.get_by_role("button", name="Search", exact=True).click()
    hits = page.locator("#hits > li > a:first-child")
    expect(hits).to_have_count(5)
    assert ids(page)[0] == "digit-011"
    assert page.locator("#hits img").first.evaluate("image => image.naturalWidth") == 8
    page.locator("body").click(position={"x": 5, "y": 5})
    page.keyboard.press("j")
    expect(hits.nth(0)).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(hits.nth(1)).to_be_focused()
    page.keyboard.press("k")
    expect(hits.nth(0)).to_be_focused()
    page.keyboard.press("/")
    expect(field).to_be_focused()
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="digit-011")).to_be_visible()


def test_more_like_a_record_are_found_from_anywhere(watch: Watch, digits: Digits) -> None:
    page = opened(watch(), "vic", digits)
    page.get_by_role("link", name="More like digit-003").click()
    expect(page.locator("#hits li")).to_have_count(10)
    first = ids(page)
    assert "digit-003" not in first
    page.get_by_role("link", name=f"More like {first[0]}").click()
    expect(page.get_by_label("Id of a record")).to_have_value(first[0])
    assert "digit-003" in ids(page)
    page.get_by_text("The same in code").click()
    expect(page.locator("#console-python")).to_contain_text(f"ids=['{first[0]}']")
    page.goto(f"{digits.at}/record?id=digit-003&workspace=lab")
    expect(page.locator(".near li")).to_have_count(8)
    page.get_by_role("link", name="More like this").click()
    assert ids(page) == first


def test_without_script_the_same_forms_work(watch: Watch, digits: Digits) -> None:
    page = opened(watch(java_script_enabled=False), "eve", digits)
    page.locator("summary").filter(has_text="Filter").click()
    page.get_by_label("Field").first.fill("digit")
    page.get_by_label("Value").first.fill("4")
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_text(re.compile(rf"\d+ of {COUNT} records match"))).to_be_visible()
    assert "&f=" not in page.url
    assert page.get_by_label("where, of metadata").is_hidden()
    page.get_by_label("JSON").check(force=True)
    expect(page.get_by_label("where, of metadata")).to_have_value('{"digit": {"$eq": 4}}')
    page.get_by_label("Select digit-004").check()
    page.get_by_role("button", name="Delete…").click()
    page.get_by_role("button", name="Delete them").click()
    expect(page.get_by_label("Select digit-004")).to_have_count(0)
    assert digits.count() == COUNT - 1


@pytest.mark.parametrize("path", ["", "/search?like=digit-003", "/record?id=digit-003", "/new"])
def test_nothing_overflows_a_telephone(watch: Watch, digits: Digits, path: str) -> None:
    page = opened(watch(viewport={"width": 360, "height": 740}), "eve", digits, path)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
