"""The page that shows the OpenAPI document."""

import hashlib
import re
from importlib.resources import files
from pathlib import Path

import orjson

from bedplate.gateway import reference
from bedplate.gateway.exchange import Request
from bedplate.ledger.v1 import ledger_pb2


def test_the_reference_page_loads_nothing_from_elsewhere_and_runs_no_inline_script():
    pages = reference.pages(ledger_pb2.DESCRIPTOR.services_by_name["LedgerService"].methods)
    request = Request("GET", "/reference", "", {}, peer="", started=0.0)
    page = pages["/reference"](request)
    html = page.body.decode()

    assert b"content-security-policy: default-src 'none'; script-src 'self'" in page.fields
    assert "://" not in html
    assert "<script>" not in html
    assert not re.search(r"\son\w+=", html)
    loaded = re.findall(r'(?:src|href|spec-url)="(/[^"]*)"', html)
    assert len(loaded) == 4
    assert all(pages[path](request).status == 200 for path in loaded)
    assert orjson.loads(pages["/openapi.json"](request).body)["openapi"] == "3.1.0"


def test_the_viewer_is_the_one_that_its_readme_names():
    folder = Path(str(files("bedplate.gateway"))) / "static"
    readme = (folder / "README.md").read_text()

    assert hashlib.sha256((folder / "rapidoc-min.js").read_bytes()).hexdigest() in readme
    assert "RapiDoc 9.3.8" in readme
    assert "rapidoc-9.3.8.js" in (folder / "reference.html").read_text()
