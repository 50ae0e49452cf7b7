"""The pages of experiments and runs over a real socket: roles, deeds, downloads, views."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.service import Service

API = "/api/2.0/mlflow"


class Lab:
    """An experiment of lab with runs in it."""

    def __init__(self, service: Service, name: str) -> None:
        self.service = service
        self.client = service.client(service.token("ana", "lab"))
        self.experiment = self.ask("experiments/create", name=name)["experiment_id"]
        self.at = f"/tracking/experiments/{self.experiment}"

    def ask(self, path: str, **body: Any) -> dict[str, Any]:
        answer = self.client.post(f"{API}/{path}", json=body)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def run(self, name: str, parent: str = "", **params: str) -> str:
        made = self.ask("runs/create", experiment_id=self.experiment, run_name=name, start_time=9)
        id_: str = made["run"]["info"]["run_id"]
        tags = [{"key": "mlflow.parentRunId", "value": parent}] if parent else []
        metrics = [{"key": "loss", "value": len(name), "timestamp": 1, "step": 0}]
        values = [{"key": key, "value": value} for key, value in params.items()]
        self.ask("runs/log-batch", run_id=id_, params=values, metrics=metrics, tags=tags)
        return id_

    def stored(self, run_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.client.get(f"{API}/runs/get", params={"run_id": run_id}).json()
        return found["run"]  # type: ignore[no-any-return]


@pytest.fixture
def lab(service: Service, request: pytest.FixtureRequest) -> Iterator[Lab]:
    made = Lab(service, f"pages {request.node.name}")
    yield made
    made.client.close()


def posted(browser: httpx.Client, path: str, **form: Any) -> httpx.Response:
    return browser.post(path, params={"workspace": "lab"}, data=form)


def cookies(browser: httpx.Client) -> str:
    return "; ".join(f"{c.name}={c.value}" for c in browser.cookies.jar if c.name != "mlpi_runs")


def names(html: str) -> list[str]:
    return re.findall(r'<tr id="run-.*?<a class="t"[^>]*>([^<]*)</a>', html, re.DOTALL)


def test_a_filter_narrows_and_a_wrong_one_is_shown_at_its_place(lab: Lab) -> None:
    lab.run("one", model="cnn")
    lab.run("three", model="svc")
    with lab.service.browser("vic") as browser:
        query = {"workspace": "lab", "q": "metrics.loss > 3 and params.model = 'svc'"}
        assert names(browser.get(lab.at, params=query).text) == ["three"]
        wrong = browser.get(lab.at, params={"workspace": "lab", "q": "metrics.loss > 'a'"})
        assert wrong.status_code == 422
        assert "<mark>&#39;a&#39;</mark>" in wrong.text
        assert " " * 15 + "^^^" in wrong.text
        assert 'value="metrics.loss &gt; &#39;a&#39;"' in wrong.text


def test_bad_addresses_say_what_is_wrong(lab: Lab) -> None:
    with lab.service.browser("vic") as browser:
        for query, words in (
            ({"col": "loss"}, "is not a column"),
            ({"sort": "nothing.x"}, "is not a column"),
            ({"after": "xx"}, "page marker"),
            ({"state": "odd"}, "is not a state"),
        ):
            answer = browser.get(lab.at, params={"workspace": "lab", **query})
            assert answer.status_code == 422
            assert words in answer.text
        assert browser.get(f"{lab.at}9999", params={"workspace": "lab"}).status_code == 404


def test_nested_runs_fold_out_by_a_plain_link(lab: Lab) -> None:
    parent = lab.run("parent")
    lab.run("child", parent)
    with lab.service.browser("vic") as browser:
        page = browser.get(lab.at, params={"workspace": "lab"})
        assert names(page.text) == ["parent"]
        page = browser.get(lab.at, params={"workspace": "lab", "open": parent})
        assert names(page.text) == ["parent", "child"]
        page = browser.get(lab.at, params={"workspace": "lab", "flat": "1"})
        assert sorted(names(page.text)) == ["child", "parent"]


def test_bulk_deeds_go_through_mlflow_and_leave_a_trace(lab: Lab) -> None:
    first, second = lab.run("first"), lab.run("second")
    with lab.service.browser("eve") as eve, lab.service.browser("ana") as ana:
        tagged = posted(
            eve, f"{lab.at}/runs/tag", run=[first, second], key="team", value="a b", flat="1"
        )
        assert tagged.status_code == 303
        for id_ in (first, second):
            tags = {tag["key"]: tag["value"] for tag in lab.stored(id_)["data"]["tags"]}
            assert tags["team"] == "a b"
        assert posted(eve, f"{lab.at}/runs/delete", run=[first]).status_code == 403
        assert posted(ana, f"{lab.at}/runs/delete", run=[first]).status_code == 303
        assert lab.stored(first)["info"]["lifecycle_stage"] == "deleted"
        assert names(ana.get(lab.at, params={"workspace": "lab"}).text) == ["second"]
        deleted = ana.get(lab.at, params={"workspace": "lab", "stage": "deleted"})
        assert names(deleted.text) == ["first"]
        assert posted(ana, f"{lab.at}/runs/restore", run=[first]).status_code == 303
        assert lab.stored(first)["info"]["lifecycle_stage"] == "active"
    with lab.service.browser("admin") as admin:
        audit = admin.get("/settings/audit", params={"q": first}).text
    for deed in ("run tagged", "run deleted", "run restored"):
        assert deed in audit


def test_a_deed_mlflow_refuses_says_why(lab: Lab, service: Service) -> None:
    run_id = lab.run("only")
    with service.browser("ana") as ana, service.browser("otto") as otto:
        assert "No run is selected" in posted(ana, f"{lab.at}/runs/tag", key="a").text
        refused = posted(ana, f"{lab.at}/runs/tag", run=[run_id], key="bad\tkey", value="x")
        assert refused.status_code == 422
        assert "Names may only contain" in refused.text
        strange = otto.post(
            f"{lab.at}/runs/delete", params={"workspace": "other"}, data={"run": [run_id]}
        )
        assert strange.status_code == 404
    assert lab.stored(run_id)["info"]["lifecycle_stage"] == "active"


def test_marks_are_for_viewers_too_and_for_oneself_alone(lab: Lab) -> None:
    first = lab.run("first")
    lab.run("second")
    with lab.service.browser("vic") as vic, lab.service.browser("ana") as ana:
        assert posted(vic, f"{lab.at}/marks", run=[first], deed="hide").status_code == 303
        assert names(vic.get(lab.at, params={"workspace": "lab"}).text) == ["second"]
        shown = vic.get(lab.at, params={"workspace": "lab", "hidden": "1"})
        assert sorted(names(shown.text)) == ["first", "second"]
        assert sorted(names(ana.get(lab.at, params={"workspace": "lab"}).text)) == [
            "first",
            "second",
        ]
        assert posted(vic, f"{lab.at}/marks", run=[first], deed="eat").status_code == 422
        assert posted(vic, f"{lab.at}/marks", run=[first], deed="colour-4").status_code == 303
        assert posted(vic, f"{lab.at}/marks", run=[first], deed="pin").status_code == 303
        html = vic.get(lab.at, params={"workspace": "lab"}).text
        assert names(html) == ["first", "second"]
        assert "dot c4" in html


def test_a_saved_view_opens_by_its_link_for_all(lab: Lab) -> None:
    lab.run("one", depth="3")
    lab.run("three", depth="4")
    with lab.service.browser("eve") as eve, lab.service.browser("vic") as vic:
        saved = eve.post(
            f"{lab.at}/views",
            params={"workspace": "lab", "q": "metrics.loss > 3", "col": "params.depth"},
            data={"name": "good ones"},
        )
        link = saved.headers["location"]
        html = vic.get(link).text
        assert names(html) == ["three"]
        assert "good ones" in html
        assert "tags.other" not in html
        number = re.search(r"view=(\d+)", link)
        assert number is not None
        path = f"{lab.at}/views/{number[1]}/remove"
        assert posted(vic, path).status_code == 403
        assert posted(eve, path).status_code == 303
        assert vic.get(link).status_code == 404


def test_how_runs_are_shown_is_remembered_and_reset(lab: Lab) -> None:
    lab.run("one", depth="3", width="4")
    with lab.service.browser("vic") as vic:
        vic.get(lab.at, params={"workspace": "lab", "col": "params.width", "q": "one"})
        again = vic.get(lab.at, params={"workspace": "lab"})
        assert again.status_code == 303
        assert "col=params.width" in again.headers["location"]
        assert "q=one" not in again.headers["location"]
        for strange in ("target=x", "col=loss", "%ff", "col=metrics.%00"):
            cookie = {"Cookie": f"mlpi_runs={strange}; {cookies(vic)}"}
            assert vic.get(lab.at, params={"workspace": "lab"}, headers=cookie).status_code == 200
        reset = vic.get(lab.at, params={"workspace": "lab", "reset": "1"})
        assert reset.status_code == 303
        assert vic.get(lab.at, params={"workspace": "lab"}).status_code == 200


def test_csv_has_every_run_of_the_view(lab: Lab) -> None:
    lab.run("one", depth="3")
    lab.run('a "quoted", name', depth="4")
    lab.run("gone")
    with lab.service.browser("vic") as vic:
        path = f"{lab.at}/runs.csv"
        answer = vic.get(path, params={"workspace": "lab", "q": "params.depth IS NOT NULL"})
        rows = list(csv.DictReader(io.StringIO(answer.text)))
        assert {row["run_name"]: row["params.depth"] for row in rows} == {
            "one": "3",
            'a "quoted", name': "4",
        }
        assert rows[0]["metrics.loss"] in ("3.0", "16.0")
        assert answer.headers["content-type"].startswith("text/csv")
        assert "attachment" in answer.headers["content-disposition"]
        chosen = vic.get(path, params={"workspace": "lab", "col": "metrics.loss"}).text
        assert chosen.splitlines()[0].endswith("user_id,metrics.loss")
        wrong = vic.get(path, params={"workspace": "lab", "q": "metrics.loss > 'x'"})
        assert wrong.status_code == 422


def test_runs_side_by_side_with_their_differences(lab: Lab) -> None:
    ids = [lab.run("one", depth="3", same="x"), lab.run("three", depth="4", same="x")]
    with lab.service.browser("vic") as vic, lab.service.browser("otto") as otto:
        html = vic.get("/tracking/compare", params={"workspace": "lab", "run": ids}).text
        differing = re.findall(r'<tr class="differs"><td class="stick" title="([^"]*)"', html)
        assert {"loss", "depth"} <= set(differing)
        assert "same" not in differing
        query = {"workspace": "lab", "runs": ",".join(ids), "same": "no"}
        assert 'title="same"' not in vic.get("/tracking/compare", params=query).text
        strange = otto.get("/tracking/compare", params={"workspace": "other", "run": ids})
        assert strange.status_code == 404
        none = vic.get("/tracking/compare", params={"workspace": "lab"})
        assert none.status_code == 422


def test_an_experiment_is_made_renamed_tagged_deleted_and_restored(service: Service) -> None:
    with (
        service.browser("eve") as eve,
        service.browser("vic") as vic,
        service.browser("ana") as ana,
    ):
        assert posted(vic, "/tracking/experiments", name="x").status_code == 403
        made = posted(eve, "/tracking/experiments", name="made on a page")
        assert made.status_code == 303
        at = made.headers["location"].split("?")[0]
        twice = posted(eve, "/tracking/experiments", name="made on a page")
        assert twice.status_code == 422
        assert "already exists" in twice.text
        assert posted(eve, f"{at}/rename", name="renamed on a page").status_code == 303
        assert posted(eve, f"{at}/tags", key="colour", value="blue").status_code == 303
        found = vic.get("/tracking", params={"workspace": "lab", "q": "blue"}).text
        assert "renamed on a page" in found
        assert posted(eve, f"{at}/tags/remove", key="colour").status_code == 303
        assert posted(eve, f"{at}/rename", name=" ").status_code == 422
        assert posted(eve, f"{at}/delete").status_code == 403
        assert posted(ana, f"{at}/delete").status_code == 303
        query = {"workspace": "lab", "q": "renamed on a page"}
        assert at not in vic.get("/tracking", params=query).text
        assert at in vic.get("/tracking", params={**query, "stage": "deleted"}).text
        assert "is deleted" in vic.get(at, params={"workspace": "lab"}).text
        assert posted(ana, f"{at}/restore").status_code == 303
        assert at in vic.get("/tracking", params=query).text
    with service.browser("admin") as admin:
        audit = admin.get("/settings/audit", params={"q": "experiment"}).text
    for deed in ("created", "renamed", "tagged", "deleted", "restored"):
        assert f"experiment {deed}" in audit


def test_completion_is_offered_keys_and_operators(lab: Lab) -> None:
    lab.run("one", depth="3")
    with lab.service.browser("vic") as vic:
        found = json.loads(vic.get(f"{lab.at}/keys.json", params={"workspace": "lab"}).text)
    assert {"metrics.loss", "params.depth", "attributes.status", "datasets.name"} <= set(
        found["keys"]
    )
    assert "IS NULL" in found["comparators"]["params"]
    assert "LIKE" not in found["comparators"]["metrics"]


def test_an_experiment_elsewhere_leads_to_its_workspace(lab: Lab) -> None:
    with lab.service.browser("admin") as admin, lab.service.browser("otto") as otto:
        led = admin.get(lab.at)
        assert led.status_code == 303
        assert led.headers["location"] == f"{lab.at}?workspace=lab"
        assert otto.get(lab.at).status_code == 404
