"""The scopes that contracts ask for."""


def known_scopes() -> frozenset[str]:
    """Every scope that a method of any service asks for."""
    from bedplate.cli.methods import all_methods
    from bedplate.contract.policy import resolve

    found: set[str] = set()
    for _, method in all_methods():
        if auth := resolve(method).auth:
            found |= auth.all_scopes | auth.any_scopes
    return frozenset(found)
