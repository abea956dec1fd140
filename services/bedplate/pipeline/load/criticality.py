"""How much a call matters, as the caller says it."""

from bedplate.contract.promises import Criticality

_BY_NAME = {level.name.lower(): level for level in Criticality}


def lowered(declared: Criticality, wish: object) -> Criticality:
    """The criticality of a call whose caller wishes one.

    Nobody knows whether a caller tells the truth, so it can make its call
    matter less than the contract says, never more. A name that this version
    does not know changes nothing.
    """
    wanted = _BY_NAME.get(wish) if isinstance(wish, str) else None
    return wanted if wanted is not None and wanted.value > declared.value else declared
