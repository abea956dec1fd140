"""Settings of a process: defaults, then a file, then `BEDPLATE_*` variables."""

import difflib
import ipaddress
import json
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

PREFIX = "BEDPLATE_"
SETTINGS_VARIABLE = "BEDPLATE_SETTINGS"
# Variables that the command reads and that are no setting of a server.
COMMAND_VARIABLES = {
    SETTINGS_VARIABLE: "TOML file with settings",
    "BEDPLATE_KEY": "key that `bedplate call` and `bedplate rates` send",
    "BEDPLATE_TARGET": "gRPC address that they call",
    "BEDPLATE_CA": "certificate authority, PEM, that they trust; set: they call over TLS",
    "BEDPLATE_CERTIFICATE": "certificate, PEM, that they show",
    "BEDPLATE_CERTIFICATE_KEY": "its private key, PEM",
    "BEDPLATE_SERVER_NAME": "what the server's certificate must say; left out: the target's host",
}
# Kubernetes puts such variables into every pod when a service is called bedplate.
_KUBERNETES = re.compile(r"_SERVICE_(HOST|PORT(_.+)?)$|_PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?$")
_DATABASE_URL = re.compile(r"(postgres|postgresql|postgresql\+psycopg)://.|sqlite:///(?!:memory:).")
_VALKEY_URL = re.compile(r"(valkeys?|rediss?|unix)://.")
_NOUN = re.compile(r"[a-z][a-z0-9_]*")


class SettingsError(Exception):
    """Settings that cannot be used. The text names each and says what to write."""


class Address(NamedTuple):
    """Where a door listens.

    Attributes:
        host: A name or an IP address, without brackets.
        port: 0 to 65535; 0 takes a free one.
    """

    host: str
    port: int

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str) -> Address:
    """The address of a `host:port` text; an IPv6 host stands in brackets.

    Raises:
        ValueError: It is none; the text says what to write.
    """
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    name = host[1:-1] if bracketed else host
    wrong = not colon or not name or (":" in name) is not bracketed
    if wrong or any(c.isspace() or c in "/@" for c in name) or not re.fullmatch("[0-9]{1,5}", port):
        raise ValueError("write it as host:port, such as 127.0.0.1:8080 or [::1]:8080")
    if int(port) > 65535:
        raise ValueError("a port is 0 to 65535")
    return Address(name, int(port))


class Settings(BaseSettings):
    """What an operator decides. Every name is `BEDPLATE_` plus the field in capitals.

    `BEDPLATE_SETTINGS` names a TOML file with the same names in lower case; the
    environment wins over the file. Durations end in `_s` and are seconds, sizes
    end in `_bytes`. docs/configuration.md explains each one.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid")

    http_address: str = "127.0.0.1:8080"
    grpc_address: str = "127.0.0.1:50051"
    # Where probes and scrapers ask without TLS and without a certificate; empty: on http_address only.
    health_address: str = ""
    data_dir: Path = Path(".bedplate")
    database_url: str = Field("", repr=False)  # empty: SQLite in data_dir
    keys_file: Path | None = None  # empty: keys.json in data_dir
    page_key_file: Path | None = None  # 32 random bytes that all replicas share; empty: one made in data_dir
    production: bool = False  # refuse development keys, plaintext and default secrets on any address
    # Such as `staging`; callers who say that they mean another are refused.
    environment: str = Field("", pattern=r"^([a-z0-9][a-z0-9-]{0,62})?$")

    policy_file: Path | None = None  # TOML: what this deployment tightens of its contracts

    tls_certificate: Path | None = None
    tls_key: Path | None = None
    tls_client_ca: Path | None = None  # set: callers must show a certificate signed by it
    # Names in callers' certificates, with commas: who may call, and who is
    # believed when it says for whom it calls. Empty: everybody, and nobody.
    allowed_peers: Annotated[frozenset[str], NoDecode] = frozenset()
    trusted_peers: Annotated[frozenset[str], NoDecode] = frozenset()
    tls_minimum: Literal["1.2", "1.3"] = "1.3"  # of the HTTP door; gRPC core takes both
    tls_elsewhere: bool = False  # something in front encrypts, so that plaintext is meant

    # Addresses or networks of proxies that are believed when they tell whom they
    # were called by, and in which header. Empty: nobody is.
    trusted_proxies: Annotated[frozenset[str], NoDecode] = frozenset()
    trusted_proxy_header: Literal["x-forwarded-for", "forwarded"] = "x-forwarded-for"

    # Where the services of other processes answer, `name=target`, such as
    # `rates=dns:///rates:50051`; a service that runs here needs none.
    upstreams: Annotated[dict[str, str], NoDecode] = Field(default_factory=dict)
    upstream_key: str = Field("", repr=False)  # API key for them
    upstream_ca: Path | None = None  # set: they are called over TLS, with tls_certificate as our own

    drain_wait_s: float = Field(0.0, ge=0, le=300)  # still answering, while load balancers look away
    drain_refuse_s: float = Field(1.0, ge=0, le=60)  # new calls get UNAVAILABLE DRAINING
    stop_grace_s: float = Field(10.0, ge=0, le=300)  # calls that run may finish

    reflection: bool = True  # tell gRPC callers the contract; off: they need the .proto files

    max_concurrent_streams: int = Field(100, ge=1, le=10_000)  # per gRPC connection
    grpc_connections: int = Field(1000, ge=1)
    max_metadata_bytes: int = Field(16 * 1024, ge=1024, le=1024 * 1024)
    connection_age_s: float = Field(600.0, ge=1)
    connection_idle_s: float = Field(300.0, ge=1)
    first_message_s: float = Field(5.0, gt=0, le=60)  # a call must show its first message by then

    load_shedding: bool = True  # off: nothing is refused for the process's load, only counted
    load_lag_s: float = Field(
        0.05, gt=0, le=10
    )  # the event loop may be so late before calls are refused for it
    load_calls: int = Field(
        10_000, ge=1
    )  # gRPC calls at once, above which core refuses; far above what can run

    http_header_s: float = Field(10.0, gt=0, le=60)  # request line and headers must be in by then
    http_body_s: float = Field(25.0, gt=0, le=600)  # the whole request must be in by then, a response taken
    http_idle_s: float = Field(60.0, gt=0, le=600)  # keep-alive without a request
    http_connections: int = Field(4096, ge=1)
    http_connections_per_address: int = Field(256, ge=1)  # not of trusted proxies, nor of this machine
    http_header_bytes: int = Field(32 * 1024, ge=1024, le=1024 * 1024)
    http_protocols: bool = True  # Connect and gRPC-Web, beside HTTP and JSON
    http_compress_bytes: int = Field(1024, ge=0)  # answers from this size on are compressed; 0: none are

    database_pool: int = Field(0, ge=0, le=256)  # 0: 2 x cores on PostgreSQL
    database_queue: int = Field(256, ge=1, le=100_000)  # units of work that wait for a slot

    cache_bytes: int = Field(64 * 1024 * 1024, ge=0)  # answers that are kept; 0: none are

    # Where processes share their rate limits; empty: each counts for itself.
    valkey_url: str = Field("", repr=False)
    valkey_timeout_s: float = Field(0.1, gt=0, le=5)  # a call waits for it at most so long
    valkey_without: Literal["local", "open", "closed"] = "local"  # what holds while it does not answer

    # What one address may try in a second, and at once, without showing who it is:
    # a call that anyone may make takes 1, a failed attempt to authenticate 5. 0: no limit.
    address_rate: float = Field(100.0, ge=0)
    address_burst: int = Field(5000, ge=5)

    log_file: str = "-"  # `-` is standard error
    trace_ratio: float = Field(0.0, ge=0, le=1)  # share of calls without a caller's decision that are sampled
    otlp_endpoint: str = ""  # empty: spans go nowhere and none are made

    @classmethod
    def load(cls, **values: Any) -> "Settings":
        """The settings of this process; `values` win over the environment and the file.

        Raises:
            SettingsError: One is wrong, or unknown.
        """
        _refuse_unknown(os.environ)
        try:
            return cls(**values)
        except ValidationError as error:
            raise SettingsError("\n".join(_explain(dict(part)) for part in error.errors())) from error

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then environment, then the TOML file that BEDPLATE_SETTINGS names."""
        sources: list[PydanticBaseSettingsSource] = [init_settings, env_settings]
        if path := os.environ.get(SETTINGS_VARIABLE):
            sources.append(InitSettingsSource(settings_cls, _read_file(Path(path))))
        return tuple(sources)

    @field_validator("http_address", "grpc_address")
    @classmethod
    def _check_address(cls, value: str) -> str:
        parse_address(value)
        return value

    @field_validator("health_address")
    @classmethod
    def _check_health_address(cls, value: str) -> str:
        if value:
            parse_address(value)
        return value

    @field_validator("database_url")
    @classmethod
    def _check_database_url(cls, value: str) -> str:
        if value and not _DATABASE_URL.match(value):
            raise ValueError("write it as postgresql://user:password@host:5432/name or sqlite:///path")
        return value

    @field_validator("allowed_peers", "trusted_peers", "trusted_proxies", mode="before")
    @classmethod
    def _split_names(cls, value: Any) -> Any:
        return (
            [name.strip() for name in value.split(",") if name.strip()] if isinstance(value, str) else value
        )

    @field_validator("trusted_proxies")
    @classmethod
    def _check_networks(cls, value: frozenset[str]) -> frozenset[str]:
        for text in value:
            try:
                network = ipaddress.ip_network(text)
            except ValueError as error:
                raise ValueError("write addresses or networks, such as 10.0.0.0/8 or 2001:db8::7") from error
            if network.prefixlen == 0:
                raise ValueError(f"{text} is everybody, and whoever calls could write any address")
        return value

    @field_validator("valkey_url")
    @classmethod
    def _check_valkey_url(cls, value: str) -> str:
        if value and not _VALKEY_URL.match(value):
            raise ValueError("write it as valkey://user:password@host:6379/0 or unix:///path")
        return value

    @field_validator("upstreams", mode="before")
    @classmethod
    def _split_upstreams(cls, value: Any) -> Any:
        """`rates=dns:///rates:50051,ledger=...` as it stands in the environment, or a JSON object."""
        if not isinstance(value, str):
            return value
        if value.lstrip().startswith("{"):
            try:
                return json.loads(value)
            except json.JSONDecodeError as error:
                raise ValueError("write it as name=target,name=target, or as a JSON object") from error
        parts = [part.strip().partition("=") for part in value.split(",") if part.strip()]
        if len({name for name, _, _ in parts}) < len(parts):
            raise ValueError("a service stands there twice")
        return {name.strip(): target.strip() for name, _, target in parts}

    @field_validator("upstreams")
    @classmethod
    def _check_upstreams(cls, value: dict[str, str]) -> dict[str, str]:
        for name, target in value.items():
            if not _NOUN.fullmatch(name) or not target:
                raise ValueError("write it as name=target,name=target, such as rates=dns:///rates:50051")
        return value

    @field_validator("policy_file", "upstream_ca", "tls_certificate", "tls_key", "tls_client_ca")
    @classmethod
    def _check_file(cls, value: Path | None) -> Path | None:
        if value is not None and not value.is_file():
            raise ValueError(f"there is no file {value}")
        return value

    @model_validator(mode="after")
    def _check_tls(self) -> "Settings":
        if (self.tls_certificate is None) is not (self.tls_key is None):
            raise ValueError("BEDPLATE_TLS_CERTIFICATE and BEDPLATE_TLS_KEY go together: set both or neither")
        if self.tls_client_ca is not None and self.tls_certificate is None:
            raise ValueError("BEDPLATE_TLS_CLIENT_CA needs BEDPLATE_TLS_CERTIFICATE and BEDPLATE_TLS_KEY")
        if (self.allowed_peers or self.trusted_peers) and self.tls_client_ca is None:
            raise ValueError("BEDPLATE_ALLOWED_PEERS and BEDPLATE_TRUSTED_PEERS need BEDPLATE_TLS_CLIENT_CA")
        return self

    @property
    def database(self) -> str:
        """The database URL in force."""
        return self.database_url or f"sqlite:///{self.data_dir / 'bedplate.db'}"

    @property
    def keys_path(self) -> Path:
        """The key file in force."""
        return self.keys_file or self.data_dir / "keys.json"

    @property
    def exposed(self) -> bool:
        """Whether others can reach a door, or the operator says production: no development defaults."""
        addresses = (parse_address(self.http_address), parse_address(self.grpc_address))
        return self.production or not all(address.loopback for address in addresses)

    def refuse_plaintext(self) -> None:
        """Stop a server that would talk plaintext to others.

        Raises:
            SettingsError: It is exposed, has no certificate, and nobody says that this is meant.
        """
        if self.exposed and self.tls_certificate is None and not self.tls_elsewhere:
            raise SettingsError(
                "This server can be reached from outside or runs in production, and has no certificate. Set "
                "BEDPLATE_TLS_CERTIFICATE and BEDPLATE_TLS_KEY, or BEDPLATE_TLS_ELSEWHERE=true when a load "
                "balancer or mesh in front of it encrypts, or listen on 127.0.0.1."
            )


def _read_file(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            values = tomllib.load(file)
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise SettingsError(f"{SETTINGS_VARIABLE} names {path}, which cannot be read: {why}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not TOML: {error}.") from error
    for name in values:
        if name not in Settings.model_fields:
            raise SettingsError(
                f"{path}: there is no setting {name}.{_suggest(name, list(Settings.model_fields))}"
            )
    return values


def _refuse_unknown(environment: Mapping[str, str]) -> None:
    """Refuse a misspelt variable: it would be passed over, and nobody would know."""
    known = {PREFIX + name.upper() for name in Settings.model_fields} | set(COMMAND_VARIABLES)
    upper = {name.upper(): name for name in environment if name.upper().startswith(PREFIX)}
    for name in sorted(upper):
        if name not in known and not _KUBERNETES.search(name):
            raise SettingsError(f"There is no setting {upper[name]}.{_suggest(name, sorted(known))}")


def _suggest(name: str, known: list[str]) -> str:
    ends = {one.removeprefix(PREFIX): one for one in known}
    close = difflib.get_close_matches(name.removeprefix(PREFIX), ends, n=1)
    return f" Did you mean {ends[close[0]]}?" if close else " docs/configuration.md lists them."


def _explain(part: dict[str, Any]) -> str:
    """One mistake in the words of the operator. Never the value: it may be a secret."""
    message = str(part["msg"]).removeprefix("Value error, ")
    if not part["loc"]:
        return message + "."
    return f"{PREFIX}{str(part['loc'][0]).upper()}: {message[0].lower()}{message[1:]}."
