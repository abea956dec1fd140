"""What operators tighten while the process runs holds at the door too."""

from dataclasses import replace

from bedplate.gateway.app import Gateway
from bedplate.gateway.beside import inflate
from bedplate.gateway.exchange import Request
from bedplate.settings import Settings
from bedplate.telemetry.logs import LogWriter
from bedplate.telemetry.recorder import Telemetry
from tests.gateway import shop
from tests.gateway.http_door import Log


def test_a_limit_that_is_lowered_while_the_process_runs_holds_for_the_next_head():
    methods = shop.methods(shop.Handlers(), telemetry := Telemetry(log=LogWriter(Log())), Settings())
    gateway = Gateway(methods.values(), telemetry, features=(inflate.compile,))
    small = methods["tests.shop.v1.ShopService/SmallThing"]
    request = Request("POST", "/v1/small", "", {}, peer="ipv4:127.0.0.1:1", started=0.0)

    assert gateway.open(request) == 64
    small.apply(replace(small.policy, request_bytes=10))
    assert gateway.open(request) == 10
    telemetry.log.close()
