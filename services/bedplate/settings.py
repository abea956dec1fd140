"""Settings of a process: defaults, then a file, then `BEDPLATE_*` variables."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)


class Settings(BaseSettings):
    """What an operator decides. Every name is `BEDPLATE_` plus the field in capitals.

    `BEDPLATE_SETTINGS` names a TOML file with the same names in lower case; the
    environment wins over the file. Durations end in `_s` and are seconds, sizes
    end in `_bytes`.
    """

    model_config = SettingsConfigDict(env_prefix="BEDPLATE_", extra="forbid")

    http_address: str = "127.0.0.1:8080"
    grpc_address: str = "127.0.0.1:50051"
    data_dir: Path = Path(".bedplate")
    database_url: str = ""  # empty: SQLite in data_dir
    keys_file: Path | None = None  # empty: keys.json in data_dir
    production: bool = False  # refuse development keys, plaintext and default secrets on any address

    tls_certificate: Path | None = None
    tls_key: Path | None = None
    tls_client_ca: Path | None = None  # set: callers must show a certificate signed by it

    # Where the services of other processes answer, `name=target`, such as
    # `{"rates": "dns:///rates:50051"}`; a service that runs here needs none.
    upstreams: dict[str, str] = Field(default_factory=dict)
    upstream_key: str = ""  # API key for them

    drain_wait_s: float = Field(0.0, ge=0, le=300)  # still answering, while load balancers look away
    drain_refuse_s: float = Field(1.0, ge=0, le=60)  # new calls get UNAVAILABLE DRAINING
    stop_grace_s: float = Field(10.0, ge=0, le=300)  # calls that run may finish

    max_concurrent_streams: int = Field(100, ge=1, le=10_000)  # per gRPC connection
    max_metadata_bytes: int = Field(16 * 1024, ge=1024, le=1024 * 1024)
    connection_age_s: float = Field(600.0, ge=1)
    connection_idle_s: float = Field(300.0, ge=1)
    first_message_s: float = Field(5.0, gt=0, le=60)  # a call must show its first message by then

    http_header_s: float = Field(10.0, gt=0, le=60)  # request line and headers must be in by then
    http_body_s: float = Field(30.0, gt=0, le=600)  # the body must be in by then
    http_idle_s: float = Field(60.0, gt=0, le=600)  # keep-alive without a request
    http_connections: int = Field(1000, ge=1)
    http_header_bytes: int = Field(32 * 1024, ge=1024, le=1024 * 1024)

    database_pool: int = Field(0, ge=0, le=256)  # 0: 2 x cores on PostgreSQL
    database_queue: int = Field(256, ge=1, le=100_000)  # units of work that wait for a slot

    log_file: str = "-"  # `-` is standard error
    trace_ratio: float = Field(0.0, ge=0, le=1)  # share of calls without a caller's decision that are sampled
    otlp_endpoint: str = ""  # empty: spans go nowhere and none are made

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
        import os

        sources: list[PydanticBaseSettingsSource] = [init_settings, env_settings]
        if path := os.environ.get("BEDPLATE_SETTINGS"):
            sources.append(TomlConfigSettingsSource(settings_cls, toml_file=path))
        return tuple(sources)

    @property
    def database(self) -> str:
        """The database URL in force."""
        return self.database_url or f"sqlite:///{self.data_dir / 'bedplate.db'}"
