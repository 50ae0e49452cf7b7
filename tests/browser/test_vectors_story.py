"""A person's way through 20,000 real vectors: import, search, more like this, map, delete."""

from __future__ import annotations

import csv
import json
import re
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from mlpi.vectors.demo import paragraphs, picture
from tests.browser.conftest import Watch, Watched

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(400)]

# In pixels; each makes a vector of its own.
SHIFTS = ((0, 0), (0, 1), (1, 0), (0, -1), (-1, 0), (1, 1), (-1, -1))
PATIENCE_MS = 60_000


def write_digits(path: Path) -> int:
    """Each of scikit-learn's digits at each shift, as JSON Lines with its picture; how many."""
    import numpy as np
    from sklearn.datasets import load_digits

    found = load_digits()
    with path.open("w") as file:
        for number, (image, digit) in enumerate(zip(found.images, found.target, strict=True)):
            for place, shift in enumerate(SHIFTS):
                moved = np.roll(image, shift, (0, 1))
                row = {
                    "id": f"{number:04}-{place}",
                    "embedding": (moved.ravel() / 16).tolist(),
                    "digit": int(digit),
                    "image": picture(moved.ravel().astype(int).tolist()),
                }
                file.write(json.dumps(row) + "\n")
    return len(found.target) * len(SHIFTS)


def write_texts(path: Path, most: int) -> int:
    """Paragraphs of scikit-learn's docstrings as CSV, without vectors; how many."""
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("module", "kind", "paragraph"))
        rows = list(islice(paragraphs(), most))
        table.writerows(rows)
    return len(rows)


def imported(page: Page, watched: Watched, file: Path, name: str, **choices: str) -> None:
    """Upload a file into a new collection, and wait until all of it is in."""
    page.goto(f"{watched.service.url}/vectors?workspace=lab")
    page.get_by_role("link", name="Import into a new collection").click()
    page.get_by_label("File").set_input_files(file)
    page.get_by_label("Name of the collection").fill(name)
    page.get_by_role("button", name="Upload").click()
    page.wait_for_url("**/vectors/imports/*")
    for label, choice in choices.items():
        page.get_by_label(label.replace("_", " ")).select_option(choice)
    page.get_by_role("button", name="Import").click()
    page.wait_for_url("**/data?*")
    expect(page.locator("#transfers")).not_to_have_attribute(
        "hx-trigger", re.compile("every"), timeout=4 * PATIENCE_MS
    )


def counted(page: Page) -> Any:
    return page.locator("#collection-facts")


def test_twenty_thousand_vectors_are_lived_with(watch: Watch, tmp_path: Path) -> None:
    digits = write_digits(tmp_path / "digits.jsonl")
    texts = write_texts(tmp_path / "texts.csv", 20_000 - digits)
    assert digits + texts == 20_000
    watched = watch()
    page = watched.log_in("ana")
    page.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    try:
        live(page, watched, tmp_path, digits, texts)
    finally:
        expect.set_options(timeout=5_000)


def live(page: Page, watched: Watched, folder: Path, digits: int, texts: int) -> None:
    imported(page, watched, folder / "digits.jsonl", "story-digits")
    expect(counted(page)).to_contain_text(f"{digits:,} records · 64 dimensions")
    at = page.url.split("/data")[0]

    # More like this: the nearest of a digit, itself left out, are of its kind, shown as pictures.
    page.goto(f"{at}?workspace=lab")
    page.get_by_label("More like 0000-0", exact=True).click()
    hits = page.locator("#hits > li")
    expect(hits).to_have_count(10)
    expect(hits.first).to_contain_text("digit 0")
    expect(page.locator("#hits")).not_to_contain_text("0000-0")
    expect(hits.first.locator("img")).to_have_js_property("naturalWidth", 32)
    kinds = [hit.inner_text() for hit in hits.all()]
    assert sum(bool(re.search(r"digit\s*0\b", text)) for text in kinds) >= 8

    # The map, coloured by what they are.
    page.get_by_role("link", name="Map").click()
    expect(page.locator("#map")).to_have_attribute("data-painted", re.compile(r"\d+"))
    page.get_by_label("Colour by").select_option("digit")
    expect(page.locator(".legend button, .legend .ramp").first).to_be_visible()

    # Texts get their vectors here, and are searched by their words.
    imported(
        page,
        watched,
        folder / "texts.csv",
        "story-texts",
        Texts_become_vectors_by="lexical",
        paragraph_becomes="document",
    )
    expect(counted(page)).to_contain_text(f"{texts:,} records · 384 dimensions")
    page.get_by_role("link", name="Search", exact=True).click()
    page.get_by_label("Text embedded with lexical").fill("split arrays into random train and test")
    page.get_by_role("button", name="Search").click()
    expect(page.locator("#hits > li").first).to_contain_text(re.compile("train|split", re.I))

    # Deleting says what goes: first what a filter matches, then the collection.
    page.goto(f"{at}?workspace=lab&where=%7B%22digit%22%3A%207%7D")
    page.get_by_role("link", name=re.compile("Delete all that match")).click()
    sevens = 179 * len(SHIFTS)
    expect(page.locator("main")).to_contain_text(f"{sevens:,}")
    page.get_by_role("button", name=re.compile("Delete")).click()
    expect(counted(page)).to_contain_text(f"{digits - sevens:,} records")
    page.goto(f"{at}/about?workspace=lab")
    page.get_by_role("button", name="Delete…").click()
    expect(page.get_by_role("dialog")).to_contain_text(f"{digits - sevens:,} records")
    page.get_by_role("button", name="Delete it").click()
    page.wait_for_url(re.compile(r"/vectors\?"))
    expect(page.get_by_role("link", name="story-digits")).to_have_count(0)
    expect(page.get_by_role("link", name="story-texts", exact=True)).to_be_visible()
