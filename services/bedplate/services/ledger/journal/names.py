"""Names of accounts and commodities as ids and codes of our ledger, and back.

An account of a journal may hold many commodities, ours holds one: the id is
the account's name with the currency's code as its last part. Both are made of
the name alone, so that every import makes the same ones.
"""

import hashlib
import re

ACCOUNT_ID_MAX = 128
DISPLAY_NAME_MAX = 256
# Accounts of ours, which no journal has: the part `_` is never made of a name.
TRADING = "equity:trading"
VIRTUAL = "equity:virtual"
_MARK = "_"

_CODE = re.compile(r"[A-Z][A-Z0-9]{1,11}")
_MADE_CODE = "X0"
_CODE_BYTES_MAX = 5  # two digits each, after X0, within 12 characters
_SHORTENED = "Z"
_OTHER = re.compile(r"[^A-Za-z0-9 -]+")
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


def currency_code(commodity: str) -> str:
    """The currency code of a commodity.

    What is a code already stays (`EUR`). Anything else of up to 5 bytes is X0
    and the bytes in hexadecimal (`$`: X024), what is longer X0Z and 9
    characters of its hash.
    """
    if _CODE.fullmatch(commodity) and not commodity.startswith(_MADE_CODE):
        return commodity
    data = commodity.encode()
    if len(data) <= _CODE_BYTES_MAX:
        return f"{_MADE_CODE}{data.hex().upper()}"
    number = int.from_bytes(hashlib.sha256(data).digest()[:8])
    hashed = "".join(_ALPHABET[number >> 5 * place & 31] for place in range(9))
    return f"{_MADE_CODE}{_SHORTENED}{hashed}"


def account_id(account: str, commodity: str) -> str:
    """The id of an account's share of one commodity.

    Letters, digits and - stay, a space becomes a dot, and other characters
    their numbers in hexadecimal between underscores; an id that would be too
    long ends with a hash instead. The code of the commodity is the last part.
    """
    parts = [_encode(part) for part in account.split(":")]
    if parts[0].startswith("-"):
        parts[0] = f"_2d_{parts[0][1:]}"
    code = currency_code(commodity)
    made = ":".join((*parts, code))
    if len(made) <= ACCOUNT_ID_MAX:
        return made
    hashed = hashlib.sha256(account.encode()).hexdigest()[:32]
    kept = made[: ACCOUNT_ID_MAX - len(hashed) - len(code) - 3].rstrip(":")
    return f"{kept}--{hashed}:{code}"


def technical_id(account: str, commodity: str) -> str:
    """The id of an account that the import itself needs."""
    return f"{account}:{_MARK}:{currency_code(commodity)}"


def is_technical(account_id: str) -> bool:
    """Whether an account was made for the import's own needs and stands in no journal."""
    parts = account_id.split(":")
    return len(parts) > 2 and parts[-2] == _MARK


def display_name(account: str, commodity: str) -> str:
    """Both names as they are written in a journal: two spaces between them, as there."""
    return f"{account}  {commodity}"


def original_names(account_id_: str, code: str, display: str) -> tuple[str, str]:
    """The account's name and the commodity's, as the journal has them.

    An account that no import has made keeps its id and its currency's code.
    """
    account, separator, commodity = display.partition("  ")
    made = (account_id(account, commodity), technical_id(account, commodity))
    if separator and currency_code(commodity) == code and account_id_ in made:
        return account, commodity
    return account_id_, code


def _encode(part: str) -> str:
    if not part:
        return "__"
    return _OTHER.sub(_numbers, part).replace(" ", ".")


def _numbers(found: re.Match[str]) -> str:
    return f"_{'-'.join(f'{ord(character):x}' for character in found[0])}_"
