"""Envoy's grpc_json_transcoder in front of a gRPC server in another process.

This process only starts Envoy, finds its port out and ends it; BENCH_ENVOY is
the program.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path
from typing import Any

from tests.bench import contract
from tests.bench.servers.process import serve

ALIVE: list[subprocess.Popen[bytes]] = []
START_MAX_S = 20.0

_HTTP = (
    "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
)
_TRANSCODER = "type.googleapis.com/envoy.extensions.filters.http.grpc_json_transcoder.v3.GrpcJsonTranscoder"
_ROUTER = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
_OPTIONS = "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def configuration(descriptors: Path, port: int) -> dict[str, Any]:
    """Envoy's: one listener on a free port, one cluster, the transcoder between them; no access log."""
    here: dict[str, Any] = {"socket_address": {"address": "127.0.0.1", "port_value": 0}}
    there = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    transcoder = {
        "@type": _TRANSCODER,
        "proto_descriptor": str(descriptors),
        "services": [contract.SERVICE.full_name],
        "convert_grpc_status": True,
    }
    routes = [{"match": {"prefix": "/"}, "route": {"cluster": "service", "timeout": "5s"}}]
    manager = {
        "@type": _HTTP,
        "stat_prefix": "http",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
        "http_filters": [
            {"name": "envoy.filters.http.grpc_json_transcoder", "typed_config": transcoder},
            {"name": "envoy.filters.http.router", "typed_config": {"@type": _ROUTER}},
        ],
    }
    filters = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]
    http2 = {"@type": _OPTIONS, "explicit_http_config": {"http2_protocol_options": {}}}
    cluster = {
        "name": "service",
        "type": "STATIC",
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": http2},
        "load_assignment": {
            "cluster_name": "service",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": there}}]}],
        },
    }
    listener = {"name": "http", "address": here, "filter_chains": [{"filters": filters}]}
    return {
        "admin": {"address": here},
        "static_resources": {"listeners": [listener], "clusters": [cluster]},
    }


async def start() -> int:
    """Serve on a free port, in front of the service whose port is the first argument."""
    folder = Path(os.environ.get("BENCH_DIR") or tempfile.mkdtemp())
    descriptors, config, admin = (folder / name for name in ("bench.binpb", "envoy.json", "admin"))
    descriptors.write_bytes(contract.descriptors())
    config.write_text(json.dumps(configuration(descriptors, int(sys.argv[1]))))
    options = ["-c", str(config), "--concurrency", "1", "--admin-address-path", str(admin)]
    options += ["--disable-hot-restart", "--log-level", "error"]
    # Not asyncio's: it must be ended when the loop is gone.
    ALIVE.append(subprocess.Popen([os.environ["BENCH_ENVOY"], *options]))
    async with asyncio.timeout(START_MAX_S):
        while not (port := _port(admin)):
            await asyncio.sleep(0.05)
    return port


def _port(admin: Path) -> int:
    """Where it listens; 0: not yet."""
    if not admin.exists() or not (address := admin.read_text().strip()):
        return 0
    try:
        with urllib.request.urlopen(f"http://{address}/listeners?format=json", timeout=2) as response:
            listeners = json.load(response).get("listener_statuses", [])
    except OSError:
        return 0
    for listener in listeners:
        return int(listener["local_address"]["socket_address"]["port_value"])
    return 0


if __name__ == "__main__":
    try:
        serve(start)
    finally:
        for process in ALIVE:
            process.kill()
            process.wait()
