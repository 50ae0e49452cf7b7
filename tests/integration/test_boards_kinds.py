"""Pages of images, sounds, histograms, texts and hyperparameters over a real socket."""

from __future__ import annotations

import csv
import io
import re
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from tensorboard.plugins.histogram.summary_v2 import histogram_pb
from tensorboard.plugins.hparams.summary_v2 import hparams_pb

from mlpi.boards.tree import natural
from tests.board_files import gif, old_image, png, tensor_value, wav
from tests.event_files import event, header, simple, write
from tests.service import Service, until

SVG = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"
TAG = 'deep/"quoted" <b>ü&amp;/tag'
PAGES = ("images", "audio", "histograms", "text", "hparams")


def log(service: Service, workspace: str, *values: tuple[int, Any]) -> str:
    """A new run with these values; its name, once the service has read it."""
    name = f"kinds/{uuid.uuid4().hex[:10]}"
    folder = service.home / "tensorboard" / workspace / name
    write(folder, [header(), *(event(step, value) for step, value in values)])
    with service.browser("ana" if workspace == "lab" else "otto") as client:
        path = "/boards/tree"
        until(lambda: name in client.get(path, params={"workspace": workspace}).text, 30)
    return name


@pytest.fixture
def ana(service: Service) -> Iterator[httpx.Client]:
    with service.browser("ana") as client:
        yield client


def got(client: httpx.Client, path: str, **query: Any) -> httpx.Response:
    return client.get(f"/boards/{path}", params={"workspace": "lab", **query})


def refusal(client: httpx.Client, **query: Any) -> httpx.Response:
    """Why an image is not given out, as a script is told."""
    params = {"workspace": "lab", **query}
    return client.get("/boards/images/one", params=params, headers={"Accept": "application/json"})


def ready(client: httpx.Client, path: str, part: str, **query: Any) -> httpx.Response:
    """The page, once it holds a part: the run is read a moment after it is found."""
    until(lambda: part in got(client, path, **query).text, 30)
    return got(client, path, **query)


def test_images_are_shown_and_given_as_they_were_written(
    service: Service, ana: httpx.Client
) -> None:
    values = [(step, old_image("pic", png(3, step + 1))) for step in (0, 5)]
    two = tensor_value("two", [b"2", b"2", png(2, 2), gif(2, 2)], "images")
    name = log(service, "lab", *values, (1, two))
    page = ready(ana, "images", "tag-", run=name)
    sources = [
        source.replace("&amp;", "&") for source in re.findall(r'src="(/boards/[^"]+)"', page.text)
    ]
    assert len(sources) == 2
    newest = ana.get(sources[0])
    assert newest.content == png(3, 6)
    assert newest.headers["content-type"] == "image/png"
    assert newest.headers["x-content-type-options"] == "nosniff"
    assert "immutable" in newest.headers["cache-control"]
    again = ana.get(sources[0], headers={"If-None-Match": newest.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = got(ana, "images/one", run=name, tag="two", index=0, sample=1, v="old")
    assert other.headers["content-type"] == "image/gif"
    assert "immutable" not in other.headers["cache-control"]
    assert got(ana, "images/one", run=name, tag="two", sample=2).status_code == 404
    assert got(ana, "images/one", run=name, tag="pic", index=2).status_code == 404
    stops = got(ana, "images/stops.json", run=name, tag="two").json()
    assert (stops["steps"], stops["samples"]) == ([1], 2)


def test_a_step_in_the_address_holds_for_all_cards_and_a_cards_own_for_it_alone(
    service: Service, ana: httpx.Client
) -> None:
    values = [(step, old_image(tag, png(3, step + 1))) for step in (0, 5, 9) for tag in "ab"]
    name = log(service, "lab", *values)
    page = ready(ana, "images", "tag-", run=name, step=6)
    assert re.findall(r'data-step="(\d+)"', page.text) == ["5", "5"]
    (card, _) = re.findall(r'data-card="(\w+)"', page.text)
    page = got(ana, "images", run=name, step=6, at=f"{card}:0:0")
    assert re.findall(r'data-step="(\d+)"', page.text) == ["0", "5"]
    page = got(ana, "images", run=name, tags="^b$")
    assert len(re.findall(r'data-card="', page.text)) == 1
    wrong = got(ana, "images", run=name, tags="[")
    assert "not a regular expression" in wrong.text
    assert len(re.findall(r'data-card="', wrong.text)) == 2


@pytest.mark.parametrize("content", [SVG, b"<html><script>alert(1)</script>", b""])
def test_what_is_no_picture_is_not_given_out(
    service: Service, ana: httpx.Client, content: bytes
) -> None:
    name = log(service, "lab", (4, old_image("pic", content)))
    ready(ana, "images", "tag-", run=name)
    answer = refusal(ana, run=name, tag="pic")
    assert answer.status_code == 422
    assert b"<svg" not in answer.content
    for part in (name, "step 4", "tfevents", "byte"):
        assert part in answer.json()["message"]


def test_a_picture_of_giant_dimensions_is_not_given_out(
    service: Service, ana: httpx.Client
) -> None:
    name = log(service, "lab", (4, old_image("pic", png(60_000, 60_000, is_whole=False))))
    ready(ana, "images", "tag-", run=name)
    answer = refusal(ana, run=name, tag="pic")
    assert answer.status_code == 422
    assert "60,000 × 60,000" in answer.json()["message"]


def test_any_tag_can_be_named_and_none_becomes_html(service: Service, ana: httpx.Client) -> None:
    name = log(
        service,
        "lab",
        (1, old_image(TAG, png(2, 2))),
        (1, tensor_value(TAG + "t", "# hi <script>alert(1)</script>", "text")),
        (1, histogram_pb(TAG + "h", [1.0, 2.0]).value[0]),
        (1, tensor_value(TAG + "a", [[wav(), b""]], "audio")),
    )
    for path, tag in (
        ("images", TAG),
        ("text", TAG + "t"),
        ("histograms", TAG + "h"),
        ("audio", TAG + "a"),
    ):
        page = ready(ana, path, "tag-", run=name)
        assert "<b>ü" not in page.text
        assert "<script>alert" not in page.text
        asked = "data.json" if path == "histograms" else "one"
        answer = got(ana, f"{path}/{asked}", run=name, tag=tag)
        assert answer.status_code == 200
    assert "<h3>hi &lt;script&gt;" in got(ana, "text", run=name).text


def test_a_sound_is_given_in_parts(service: Service, ana: httpx.Client) -> None:
    name = log(service, "lab", (1, tensor_value("a", [[wav(), b""]], "audio")))
    ready(ana, "audio", "tag-", run=name)

    def part(asked: str) -> httpx.Response:
        query = {"workspace": "lab", "run": name, "tag": "a"}
        return ana.get("/boards/audio/one", params=query, headers={"Range": asked})

    whole = got(ana, "audio/one", run=name, tag="a")
    assert whole.content == wav()
    assert whole.headers["content-type"] == "audio/wav"
    size = len(wav())
    for asked, expected in (
        ("bytes=0-9", wav()[:10]),
        ("bytes=-4", wav()[-4:]),
        ("bytes=40-", wav()[40:]),
    ):
        answer = part(asked)
        assert (answer.status_code, answer.content) == (206, expected)
    assert part("bytes=0-9").headers["content-range"] == f"bytes 0-9/{size}"
    assert part(f"bytes={size}-").status_code == 416
    assert part("bytes=x").status_code == 200


def test_histograms_are_thinned_and_those_that_cannot_be_read_are_told_of(
    service: Service, ana: httpx.Client
) -> None:
    rng = np.random.default_rng(0)
    values = [(step, histogram_pb("w", rng.normal(size=99)).value[0]) for step in range(120)]
    values.append((120, tensor_value("w", np.zeros((2, 2)), "histograms")))
    name = log(service, "lab", *values)
    ready(ana, "histograms", "tag-", run=name)
    until(lambda: got(ana, "histograms/data.json", run=name, tag="w").json()["count"] == 121)
    data = got(ana, "histograms/data.json", run=name, tag="w").json()
    assert len(data["steps"]) == 49
    assert data["steps"][0] == 0
    assert "[2, 2]" in data["problem"]
    for row in data["counts"]:
        assert sum(row) == pytest.approx(99, rel=1e-4)
    assert all(bands == sorted(bands) and len(bands) == 9 for bands in data["bands"])


def test_hyperparameters_are_sorted_filtered_and_downloaded(
    service: Service, ana: httpx.Client
) -> None:
    names = [
        log(
            service,
            "lab",
            (0, hparams_pb({"lr": lr, "opt": opt, "same": 1.0}).value[0]),
            (1, simple("loss", loss)),
        )
        for lr, opt, loss in ((0.1, "adam", 3.0), (0.01, "=cmd()", 1.0), (0.5, "sgd", 2.0))
    ]

    def rows(**query: Any) -> list[str]:
        page = got(ana, "hparams", run=names, **query)
        return re.findall(r'<tr data-run="([^"]+)"', page.text)

    until(lambda: len(rows()) == 3)
    a, b, c = names
    assert rows(sort="metric.loss") == [b, c, a]
    assert rows(sort="hparam.lr", dir="desc") == [c, a, b]
    assert rows(sort="hparam.nothing") == sorted(names, key=natural)
    assert rows(where="hparam.lr:0.05..0.2") == [a]
    assert rows(where="hparam.opt=sgd") == [c]
    assert rows(field="hparam.lr", given="..0.1", sort="hparam.lr") == [b, a]
    assert rows(find="^ad") == [a]
    assert len(rows(find="[")) == 3
    assert "no range of numbers" in got(ana, "hparams", run=names, where="hparam.lr:x..y").text
    page = got(ana, "hparams", run=names, pick=1, col="hparam.opt")
    assert 'title="hyperparameter opt"' in page.text
    assert 'title="hyperparameter lr"' not in page.text
    data = got(ana, "hparams/values.json", run=names, sort="metric.loss").json()
    assert data["fields"] == ["hparam.lr", "hparam.opt", "metric.loss"]
    assert data["runs"][0] == {"id": b, "values": [pytest.approx(0.01), "=cmd()", 1.0]}
    answer = got(ana, "hparams/data.csv", run=names, sort="metric.loss")
    assert "attachment" in answer.headers["content-disposition"]
    lines = list(csv.reader(io.StringIO(answer.text)))
    assert lines[0] == ["run", "status", "hparam.lr", "hparam.opt", "hparam.same", "metric.loss"]
    assert lines[1] == [b, "", "0.01", "'=cmd()", "1.0", "1.0"]


def test_another_workspaces_runs_are_not_there(service: Service, ana: httpx.Client) -> None:
    name = log(
        service,
        "other",
        (1, old_image("pic", png(2, 2))),
        (1, hparams_pb({"lr": 1.0}).value[0]),
        (1, tensor_value("t", "secret words", "text")),
    )
    with service.browser("otto") as otto:
        query = {"workspace": "other", "run": name, "tag": "pic"}
        until(lambda: otto.get("/boards/images/one", params=query).status_code == 200)
    for path in (
        "images/one",
        "images/stops.json",
        "text/one",
        "histograms/data.json",
        "audio/one",
    ):
        assert got(ana, path, run=name, tag="pic").status_code == 404
        asked = ana.get(f"/boards/{path}", params={"workspace": "other", "run": name, "tag": "pic"})
        assert asked.status_code == 404
    for path in PAGES:
        assert name not in re.sub(r'(value|href)="[^"]*"', "", got(ana, path, run=name).text)
    with httpx.Client(base_url=service.url) as nobody:
        answer = nobody.get("/boards/images/one", params={"run": name, "tag": "pic"})
        assert answer.status_code in (401, 303)


@pytest.mark.parametrize("path", PAGES)
def test_a_page_without_such_content_says_how_to_log_it(
    service: Service, ana: httpx.Client, path: str
) -> None:
    name = log(service, "lab", (1, simple("loss", 1)))
    page = got(ana, path, run=name)
    assert page.status_code == 200
    assert "writer.add_" in page.text
    assert "data-copy" in page.text


def test_a_run_with_a_thousand_pictures_has_pages_of_cards(
    service: Service, ana: httpx.Client
) -> None:
    values = [(1, old_image(f"p{number}", png(2, 2))) for number in range(80)]
    name = log(service, "lab", *values)
    page = ready(ana, "images", "Page 1 of 3", run=name)
    assert len(re.findall('data-card="', page.text)) == 36
    last = got(ana, "images", run=name, page=3)
    assert len(re.findall('data-card="', last.text)) == 8
