"""A contract that says no promises is taken as its authors are used to."""


async def test_unknown_fields_and_parameters_are_passed_over(edge):
    posted = await edge.ask("POST", "/v1/books", b'{"name": "Emma", "unknown": 1}')
    got = await edge.get("/v1/books/Emma?unknown=1")

    assert (posted.status, posted.json["name"]) == (200, "Emma")
    assert (got.status, got.json["name"]) == (200, "Emma")
