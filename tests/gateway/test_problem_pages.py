"""What the type of a problem leads to: JSON for programs, a page for people."""

import re

import pytest

from bedplate.gateway import problem_pages
from tests.gateway.wire import call

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"


@pytest.mark.parametrize(
    "accept", ["-", "*/*", "application/json", "", "image/png", "not an accept", "text/html;q=0"]
)
async def test_a_program_gets_json(served, accept):
    reply = await call(served.address, "GET", "/problems/SOLD_OUT", key=None, accept=accept)

    assert (reply.status, reply["content-type"]) == (200, "application/json")
    assert reply["vary"] == "accept"
    assert reply.json["meanings"][0]["help"] == "Take another."


@pytest.mark.parametrize("accept", [BROWSER, "text/html", "text/html, application/json;q=0.9"])
async def test_a_browser_gets_a_page_that_loads_and_runs_nothing(served, accept):
    reply = await call(served.address, "GET", "/problems/SOLD_OUT", key=None, accept=accept)

    text = reply.body.decode()
    assert (reply.status, reply["content-type"]) == (200, "text/html; charset=utf-8")
    assert reply["content-security-policy"] == problem_pages.SECURITY_POLICY
    assert reply["x-content-type-options"] == "nosniff"
    assert "<h1>Sold out</h1>" in text
    assert "Take another." in text
    assert not re.search(r"<script|<link|<img|\son\w+=|://", text)


async def test_the_type_of_a_failure_leads_to_its_page(served):
    failed = await call(served.address, "GET", "/nowhere")
    page = await call(served.address, "GET", failed.json["type"], accept="text/html")

    assert b"<code>ROUTE_NOT_FOUND</code>" in page.body


async def test_a_reason_that_nobody_has_has_no_page(served):
    assert (await call(served.address, "GET", "/problems/NOPE", accept="text/html")).status == 404


def test_what_a_contract_says_is_text_on_the_page():
    meaning = {"domain": "a.b", "code": "ABORTED", "status": 409, "retryable": True, "help": "<b>&{}</b>"}
    text = problem_pages.html({"reason": "X", "title": "A <i>", "meanings": [meaning]}).decode()

    assert "&lt;b&gt;&amp;{}&lt;/b&gt;" in text
    assert "<title>A &lt;i&gt;</title>" in text
