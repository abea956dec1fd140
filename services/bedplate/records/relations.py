"""Who has which relation to which object: the interface, and a table that keeps them for now."""

from typing import Protocol

import sqlalchemy as sa

from bedplate.contract.promises import Relation
from bedplate.records.apart import Store

_HAS = sa.text(
    "SELECT 1 FROM bedplate_relations WHERE tenant_id = :tenant_id AND object_type = :object_type"
    " AND object_id = :object_id AND relation = :relation AND principal_id = :principal_id"
)
_ADD = sa.text(
    "INSERT INTO bedplate_relations"
    " (tenant_id, object_type, object_id, relation, principal_id, create_time_us) VALUES"
    " (:tenant_id, :object_type, :object_id, :relation, :principal_id, :create_time_us)"
    " ON CONFLICT DO NOTHING"
)
_REMOVE = sa.text(
    "DELETE FROM bedplate_relations WHERE tenant_id = :tenant_id AND object_type = :object_type"
    " AND object_id = :object_id AND relation = :relation AND principal_id = :principal_id"
)


class Relations(Protocol):
    """Where relations are known. A table now; the access service later."""

    async def has(self, tenant_id: str, principal_id: str, relation: Relation, object_id: str) -> bool:
        """Whether a principal has the relation to an object of its tenant.

        Raises:
            Refusal: Nobody can tell now.
        """
        ...


class TableRelations:
    """Relations in the table `bedplate_relations`, each as it was granted: none follows from another."""

    def __init__(self, database: Store) -> None:
        self._database = database

    async def has(self, tenant_id: str, principal_id: str, relation: Relation, object_id: str) -> bool:
        """See `Relations.has`."""
        values = _values(tenant_id, principal_id, relation, object_id)
        return await self._database.read(
            lambda connection: connection.execute(_HAS, values).first() is not None
        )


def grant(
    connection: sa.Connection,
    tenant_id: str,
    principal_id: str,
    relation: Relation,
    object_id: str,
    *,
    now_us: int,
) -> bool:
    """Give a principal the relation to an object; False: it had it.

    For handlers too: who creates an object can be made its owner in the same transaction.
    """
    values = _values(tenant_id, principal_id, relation, object_id) | {"create_time_us": now_us}
    return bool(connection.execute(_ADD, values).rowcount)


def revoke(
    connection: sa.Connection, tenant_id: str, principal_id: str, relation: Relation, object_id: str
) -> bool:
    """Take the relation away; False: there was none."""
    values = _values(tenant_id, principal_id, relation, object_id)
    return bool(connection.execute(_REMOVE, values).rowcount)


def _values(tenant_id: str, principal_id: str, relation: Relation, object_id: str) -> dict[str, object]:
    return {
        "tenant_id": tenant_id,
        "principal_id": principal_id,
        "object_type": relation.object_type,
        "relation": relation.relation,
        "object_id": object_id,
    }
