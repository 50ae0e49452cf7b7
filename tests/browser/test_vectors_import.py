"""A person imports a CSV: uploads it, says what its columns are, watches it, takes it out again."""

from __future__ import annotations

import json
import re
from pathlib import Path

from playwright.sync_api import expect

from tests.browser.conftest import Watch
from tests.vectors_files import as_csv

PATIENCE_MS = 60_000


def test_a_csv_becomes_a_collection_and_comes_out_again(watch: Watch, tmp_path: Path) -> None:
    rows = [
        {
            "key": f"k{n}",
            "words": f"about {n}",
            "kind": "ab"[n % 2],
            **{f"v{i}": n + i for i in range(6)},
        }
        for n in range(700)
    ]
    rows[650]["v3"] = "broken"
    (tmp_path / "birds.csv").write_bytes(as_csv(rows))
    watched = watch()
    page = watched.log_in("eve")
    page.set_default_timeout(PATIENCE_MS)
    page.goto(f"{watched.service.url}/vectors?workspace=lab")
    page.get_by_role("link", name="Import into a new collection").click()
    page.get_by_label("File").set_input_files(tmp_path / "birds.csv")
    page.get_by_label("Name of the collection").fill("from-a-browser")
    page.get_by_role("button", name="Upload").click()
    page.wait_for_url("**/vectors/imports/*")

    expect(page.get_by_label("v* becomes")).to_have_value("vector")
    expect(page.get_by_label("key becomes")).to_have_value("id")
    expect(page.get_by_label("kind becomes")).to_have_value("metadata")
    page.get_by_label("words becomes").select_option("document")
    page.get_by_label("Key of kind").fill("letter")
    page.get_by_label("Distance").select_option("l2")
    page.get_by_role("button", name="Import").click()
    page.wait_for_url("**/data?*")

    # It stops at the bad row; the page says so by itself, and leads back to the mapping.
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("line 652, column 'v*'", timeout=PATIENCE_MS)
    expect(alert).to_contain_text("650 records before it are in the collection")
    expect(page.locator("#transfers")).not_to_have_attribute("hx-trigger", re.compile("every"))
    page.get_by_role("link", name="Change how it is imported").click()
    expect(page.get_by_label("words becomes")).to_have_value("document")
    expect(page.get_by_label("Key of kind")).to_have_value("letter")
    page.get_by_label("Bad rows").select_option("skip")
    page.get_by_role("button", name="Import").click()
    left_out = page.get_by_text("1 row left out")
    expect(left_out).to_be_visible(timeout=PATIENCE_MS)
    page.get_by_text("Rows left out").click()
    expect(page.get_by_role("cell", name="652", exact=True)).to_be_visible()

    page.get_by_text("Only some records").click()
    page.get_by_label("Metadata, as JSON").fill('{"letter": "a"}')
    with page.expect_download() as download:
        page.get_by_role("button", name="JSON Lines", exact=True).click()
    lines = Path(download.value.path()).read_text().splitlines()
    assert len(lines) == 349
    assert json.loads(lines[1]) == {
        "id": "k2",
        "document": "about 2",
        "metadata": {"letter": "a"},
        "embedding": [2.0, 3.0, 4.0, 5.0, 6.0, 7.0],
    }
    page.get_by_role("button", name="Parquet").click()
    page.get_by_role("link", name="Download").wait_for(timeout=PATIENCE_MS)
