"""Findings for people, programs and workflows."""

import json

from bedplate.lint.finding import Finding, Place, Severity
from bedplate.lint.report import lines

METHOD = "acme.shop.v1.ShopService.GetPrice"
FINDINGS = [
    Finding(Place("protos/a.proto", 7, 3), "BP101", Severity.ERROR, METHOD, "Says 50 %\nof it."),
    Finding(Place("protos/a,b.proto"), "BP501", Severity.WARNING, "", "Has no comment."),
    Finding(Place("protos/a.proto", 9, 1), "BB401", Severity.ADVICE, METHOD, "Tell them."),
]


def test_a_line_is_as_editors_and_terminals_take_it():
    assert list(lines(FINDINGS[1:], "text", command="")) == [
        "protos/a,b.proto: warning BP501: Has no comment.",
        "protos/a.proto:9:1: advice BB401: Tell them.",
    ]


def test_annotations_escape_what_would_end_them():
    assert list(lines(FINDINGS, "github", command="explain")) == [
        "::error file=protos/a.proto,line=7,col=3,title=BP101::Says 50 %25%0Aof it. (explain BP101)",
        "::warning file=protos/a%2Cb.proto,title=BP501::Has no comment. (explain BP501)",
        "::notice file=protos/a.proto,line=9,col=1,title=BB401::Tell them. (explain BB401)",
    ]


def test_the_document_holds_every_part_of_a_finding():
    (text,) = lines(FINDINGS[2:], "json", command="bedplate breaking --explain")

    assert json.loads(text) == {
        "findings": [
            {
                "code": "BB401",
                "severity": "advice",
                "file": "protos/a.proto",
                "line": 9,
                "column": 1,
                "element": METHOD,
                "sentence": "Tell them.",
                "explain": "bedplate breaking --explain BB401",
            }
        ]
    }


def test_without_findings_the_document_is_still_one():
    assert json.loads(next(lines([], "json", command=""))) == {"findings": []}
