"""A person brings tasks in: drops a file, sees what does not fit, pastes, drops pictures."""

from __future__ import annotations

import base64
import io
import re

from PIL import Image
from playwright.sync_api import Page, expect

from mlpi.labels.bringing.intake import AT_ONCE_BYTES
from tests.browser.conftest import Watch, Watched

PATIENCE_MS = 60_000
TEXT = '<View><Text name="t" value="$text"/></View>'
PICTURES = '<View><Image name="i" value="$image"/></View>'
# What a person's hand does, which no test has.
DROP = """(area, files) => {
  const data = new DataTransfer();
  for (const [name, content] of files) {
    const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
    data.items.add(new File([bytes], name));
  }
  area.dispatchEvent(new DragEvent("drop", {bubbles: true, cancelable: true, dataTransfer: data}));
}"""


def made(watched: Watched, title: str, config: str) -> int:
    with watched.service.client(watched.service.token("eve", "lab")) as client:
        answer = client.post("/api/projects/", json={"title": title, "label_config": config})
        return int(answer.json()["id"])


def count(watched: Watched, number: int) -> int:
    with watched.service.client(watched.service.token("eve", "lab")) as client:
        return int(client.get(f"/api/projects/{number}/").json()["task_number"])


def drop(page: Page, label: str, files: dict[str, bytes]) -> None:
    area = page.locator("[data-drop]", has_text=label)
    sent = [[name, base64.b64encode(raw).decode()] for name, raw in files.items()]
    area.evaluate(DROP, sent)


def png() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (64, 48), "teal").save(file, "PNG")
    return file.getvalue()


def test_a_dropped_file_is_looked_at_and_its_good_rows_imported(watch: Watch) -> None:
    watched = watch()
    number = made(watched, "Dropped", TEXT)
    page = watched.log_in("eve")
    page.set_default_timeout(PATIENCE_MS)
    page.goto(f"{watched.service.url}/labels/{number}?workspace=lab")
    page.get_by_role("link", name="Import tasks").click()
    drop(page, "Choose one file", {"rows.csv": b"text,n\none,1\ntwo\nthree,3\n"})
    page.get_by_role("button", name="Upload").click()
    page.wait_for_url("**/imports/*")
    expect(page.get_by_role("cell", name="three")).to_be_visible()
    expect(page.get_by_role("cell", name="it has 1 cell,")).to_be_visible()
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("2 rows fit")
    page.get_by_role("button", name="Import the 2 good ones").click()
    expect(page.get_by_role("status").first).to_contain_text("2 tasks imported")
    page.get_by_label("Tasks as JSON").fill("one more\nand another")
    page.get_by_role("button", name="Look at it").click()
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_role("status").first).to_contain_text("2 tasks imported")
    assert count(watched, number) == 4


def test_several_files_of_tasks_wait_side_by_side_and_a_refused_one_is_named(watch: Watch) -> None:
    watched = watch()
    number = made(watched, "Several", TEXT)
    page = watched.log_in("eve")
    page.set_default_timeout(PATIENCE_MS)
    page.goto(f"{watched.service.url}/labels/{number}/import?workspace=lab")
    drop(page, "Choose one file", {"a.csv": b"text\none\n", "b.txt": b"two\n", "c.jsonl": b"{}\n"})
    page.get_by_role("button", name="Upload").click()
    for name in ("a.csv", "b.txt", "c.jsonl"):
        expect(page.get_by_role("link", name=name)).to_be_visible()
    drop(page, "Choose one file", {"d.csv": b"text\nfour\n", "e.exe": b"MZ"})
    page.get_by_role("button", name="Upload").click()
    expect(page.locator("[data-upload-state] p")).to_contain_text("1 of 2 files are here. e.exe:")
    watched.wrong = [line for line in watched.wrong if "400" not in line]  # e.exe
    page.reload()
    expect(page.get_by_role("link", name="d.csv")).to_be_visible()
    expect(page.get_by_role("link", name="e.exe")).to_have_count(0)


def test_a_large_file_is_followed_to_its_end(watch: Watch) -> None:
    watched = watch()
    number = made(watched, "Large", TEXT)
    rows = AT_ONCE_BYTES // 100 + 1
    page = watched.log_in("eve")
    page.set_default_timeout(PATIENCE_MS)
    page.goto(f"{watched.service.url}/labels/{number}/import?workspace=lab")
    drop(page, "Choose one file", {"large.txt": b"".join(b"%0100d\n" % one for one in range(rows))})
    page.get_by_role("button", name="Upload").click()
    page.wait_for_url("**/imports/*")
    page.get_by_role("button", name="Import", exact=True).click()
    done = page.locator("#imports").get_by_text(re.compile(rf"^{rows:,} tasks"))  # no "of" before
    expect(done).to_be_visible(timeout=PATIENCE_MS)
    assert count(watched, number) == rows


def test_pictures_become_tasks_and_bad_files_are_named(watch: Watch) -> None:
    watched = watch()
    number = made(watched, "Pictures", PICTURES)
    page = watched.log_in("eve")
    page.set_default_timeout(PATIENCE_MS)
    page.goto(f"{watched.service.url}/labels/{number}/import?workspace=lab")
    drop(page, "Choose files", {f"{one}.png": png() for one in range(12)})
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_role("status").first).to_contain_text("12 tasks imported")
    assert count(watched, number) == 12
    with watched.service.client(watched.service.token("eve", "lab")) as client:
        found = client.get("/api/tasks/", params={"project": number}).json()["tasks"]
    page.goto(f"{watched.service.url}{found[0]['data']['image']}")
    expect(page.locator("img")).to_be_visible()
    assert page.locator("img").evaluate("one => one.naturalWidth") == 64
