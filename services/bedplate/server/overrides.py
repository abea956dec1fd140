"""Overrides of policies while a process runs: set by operators, kept in the database, ended in time.

They are the last layer over a contract (policy/layers.py) and only tighten it.
Every process on the database takes up what another one was told, a moment later.
"""

import asyncio
import contextlib
import json
import logging
from collections.abc import Mapping, Sequence
from itertools import count

import sqlalchemy as sa
from google.protobuf import json_format

from bedplate import clock
from bedplate.clock import Clock
from bedplate.contract.policy import MethodPolicy, PolicyError
from bedplate.errors import Kind, Refusal, Violation
from bedplate.pipeline.compile import Method
from bedplate.policy.layers import Layer, LooseningError, in_force, parse_options
from bedplate.policy.tighten import STATIC
from bedplate.records import overrides as store
from bedplate.records.apart import Store
from bedplate.records.overrides import StoredOverride
from bedplate.v1 import policy_pb2

# What was set or cleared through another process, and what has expired, counts
# here at most so much later, seconds.
LOOK_EVERY_S = 2.0
# Longest life of an override: what is to stay belongs into the policy file.
LIFE_MAX_S = 7 * 24 * 3600.0

_log = logging.getLogger("bedplate.server")


class Overrides:
    """The overrides of a process.

    Args:
        database: Where they are kept.
        methods: The process's methods, by full name.
        layers: What lies between their contracts and the overrides.
        clock: Tells the time.
    """

    def __init__(
        self,
        database: Store,
        methods: Mapping[str, Method],
        layers: Sequence[Layer],
        *,
        clock: Clock = clock.now_us,
    ) -> None:
        self._database = database
        self._methods = methods
        self._layers = tuple(layers)
        self._clock = clock
        self._active: tuple[StoredOverride, ...] = ()
        self._looks = count(1)
        self._seen = 0  # the look that `_active` is from
        self._looking: asyncio.Task[None] | None = None

    async def set(
        self,
        override_id: str,
        target: str,
        options: policy_pb2.MethodPolicy,
        *,
        life_s: float,
        note: str,
        by: str,
    ) -> StoredOverride:
        """Put an override into force, here at once and in other processes a moment later.

        Args:
            override_id: Its id. The same one again, with the same content, has no second effect.
            target: Full name of a service or a method of this process.
            options: What it sets.
            life_s: How long it lasts, seconds, at most LIFE_MAX_S.
            note: Why.
            by: The principal who sets it.

        Raises:
            Refusal: INVALID_REQUEST (no such target, no option, no life),
                OVERRIDE_EXISTS (another content under this id), or
                OVERRIDE_REFUSED: it would loosen a contract; the metadata names
                the line that forbids it.
        """
        now_us = self._clock()
        made = StoredOverride(
            override_id,
            target,
            json_format.MessageToJson(options, indent=None),
            note,
            by,
            now_us,
            now_us + int(life_s * 1e6),
        )
        self._check(made, options, life_s)
        await self.refresh()
        known = [one for one in self._active if one.override_id == override_id]
        if not known:
            self._policies((*self._active, made), strict=made)
        found = await self._database.transact(lambda connection: store.insert(connection, made))
        if (found.target, found.options, found.note) != (made.target, made.options, made.note):
            raise Refusal(
                Kind.EXISTS,
                "OVERRIDE_EXISTS",
                f"There is another override {override_id}; choose another id.",
            )
        await self.refresh()
        return found

    async def clear(self, override_id: str, *, by: str) -> StoredOverride:
        """End an override; one that has ended stays as it is.

        Raises:
            Refusal: OVERRIDE_NOT_FOUND.
        """
        now_us = self._clock()

        def work(connection: sa.Connection) -> StoredOverride | None:
            return store.clear(connection, override_id, cleared_by=by, now_us=now_us)

        found = await self._database.transact(work)
        if found is None:
            raise Refusal(
                Kind.NOT_FOUND,
                "OVERRIDE_NOT_FOUND",
                f"There is no override {override_id}; list them to see which there are.",
            )
        await self.refresh()
        return found

    async def list(self, *, after: tuple[int, str], limit: int) -> list[StoredOverride]:
        """All overrides that were ever set, by time, after a place."""
        return await self._database.read(
            lambda connection: store.list_after(connection, after=after, limit=limit)
        )

    def in_force(self, override: StoredOverride) -> bool:
        """Whether it counts now."""
        return override.clear_us is None and override.expire_us > self._clock()

    async def refresh(self) -> None:
        """Take up what is in force now.

        Raises:
            Refusal: The database does not tell; what is known goes on until it expires.
        """
        now_us, look = self._clock(), next(self._looks)
        try:
            found = await self._database.read(lambda connection: store.active(connection, now_us))
        except BaseException:
            self._use(tuple(one for one in self._active if one.expire_us > now_us))
            raise
        if look > self._seen:  # one that began later knows better
            self._seen = look
            self._use(found)

    async def start(self) -> None:
        """Take up what is in force, and look again now and then until `stop`.

        Raises:
            Refusal: The database does not tell.
        """
        await self.refresh()
        self._looking = asyncio.get_running_loop().create_task(self._look())

    async def stop(self) -> None:
        """Look no more."""
        task, self._looking = self._looking, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                await self.refresh()
            except Exception as error:
                # What is known goes on; the next look tries again.
                why = error.sentence if isinstance(error, Refusal) else type(error).__name__
                _log.warning("overrides are not read: %s", why)

    def _use(self, found: tuple[StoredOverride, ...]) -> None:
        if found == self._active:
            return
        self._active = found
        for name, policy in self._policies(found).items():
            method = self._methods[name]
            if method.policy == policy:
                continue
            try:
                method.apply(policy)
            except PolicyError as error:
                # Two that fit alone, set at one moment in two processes, may not
                # fit together (two methods of one bucket); that ends no start.
                _log.error("the overrides of %s do not count: %s", name, error)
        _log.info("%d overrides are in force", len(found))

    def _policies(
        self, found: Sequence[StoredOverride], *, strict: StoredOverride | None = None
    ) -> dict[str, MethodPolicy]:
        """The policy of every method under these overrides.

        One that does not fit (any more) is passed over and told of; with
        `strict`, that one is refused.
        """
        layers = list(self._layers)
        for override in found:
            try:
                layer = _layer(override)
                for name, method in self._methods.items():
                    if layer.covers(name):
                        method.check(in_force(method.descriptor, [*layers, layer]))
            except PolicyError as error:
                if override is strict:
                    raise _refused(error) from error
                _log.error("the override %s does not count: %s", override.override_id, error)
            else:
                layers.append(layer)
        return {name: in_force(method.descriptor, layers) for name, method in self._methods.items()}

    def _check(self, made: StoredOverride, options: policy_pb2.MethodPolicy, life_s: float) -> None:
        layer = Layer(made.override_id, made.target, options)
        if not any(layer.covers(name) for name in self._methods):
            raise _invalid(
                "override.target", "Name a service or a method of this server, such as a.v1.S or a.v1.S/Do."
            )
        if not 0 < life_s <= LIFE_MAX_S:
            raise _invalid("duration", "An override lasts more than nothing and at most 7 days.")
        given = options.ListFields()
        if not given:
            raise _invalid("override.options", "Set at least one option.")
        for field, value in given:
            if field.message_type is not None and not field.is_repeated and not value.ListFields():
                raise _invalid(
                    f"override.options.{field.name}", "Set at least one value of it, other than 0."
                )
            if field.name in STATIC:
                raise _invalid(
                    f"override.options.{field.name}",
                    "This takes effect at start only; set it in the policy file.",
                )


def _layer(override: StoredOverride) -> Layer:
    source = f"override {override.override_id}"
    return Layer(source, override.target, parse_options(json.loads(override.options), where=source))


def _refused(error: PolicyError) -> Refusal:
    if isinstance(error, LooseningError):
        return Refusal(
            Kind.STATE, "OVERRIDE_REFUSED", str(error), option=error.option, forbidden_by=error.line
        )
    return _invalid("override.options", str(error))


def _invalid(field: str, sentence: str) -> Refusal:
    return Refusal(
        Kind.INVALID, "INVALID_REQUEST", f"{field}: {sentence}", violations=[Violation(field, sentence)]
    )
