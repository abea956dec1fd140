"""The manifests agree with the code and with each other, and keep the rules for pods."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.protobuf.descriptor import MethodDescriptor

from bedplate.client.channel import RESOLVE_EVERY_MS
from bedplate.contract.bindings import bindings
from bedplate.contract.policy import Visibility, resolve
from bedplate.gateway import pages, reference
from bedplate.services.registry import NAMES, contract
from tests.deploy.manifests import (
    CONTAINERFILE,
    KUBERNETES,
    ROOT,
    certified,
    deployed,
    documents,
    of_kind,
    project_version,
    resources,
    variables,
)

PODS = {each.name: each for each in deployed() if each.origin in ("overlays", "migrate")}
RUNNING = {name: each for name, each in PODS.items() if each.origin == "overlays"}
ENVIRONMENTS = {name: each.environment for name, each in RUNNING.items()}


def container(name: str) -> dict[str, Any]:
    (found,) = PODS[name].spec["containers"]
    return found


def labels(name: str) -> dict[str, str]:
    return of_kind("Deployment")[name]["spec"]["template"]["metadata"]["labels"]


# Rules for every pod.


@pytest.mark.parametrize("name", PODS)
def test_a_pod_keeps_the_restricted_profile_and_can_write_nowhere_else(name):
    spec, only = PODS[name].spec, container(name)
    (owner,) = re.findall(r"^USER (\d+):(\d+)$", CONTAINERFILE.read_text(), re.M)

    assert spec["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": int(owner[0]),
        "runAsGroup": int(owner[1]),
        "fsGroup": int(owner[1]),
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert only["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert spec["automountServiceAccountToken"] is False
    assert spec["enableServiceLinks"] is False
    writable = [mount["mountPath"] for mount in only["volumeMounts"] if not mount.get("readOnly")]
    assert set(writable) <= {"/var/lib/bedplate"}
    assert not [mount for mount in only["volumeMounts"] if "subPath" in mount], "it would never change"


@pytest.mark.parametrize("name", PODS)
def test_a_pod_says_what_it_needs_and_what_it_may_take(name):
    asked = container(name)["resources"]

    assert set(asked["requests"]) == set(asked["limits"]) == {"cpu", "memory", "ephemeral-storage"}


@pytest.mark.parametrize("name", PODS)
def test_the_image_is_that_of_this_version(name):
    assert container(name)["image"] == f"bedplate:{project_version()}"


@pytest.mark.parametrize("name", PODS)
def test_every_file_that_is_named_is_in_a_secret_that_is_mounted(name):
    only = container(name)
    mounted = {mount["mountPath"]: mount["name"] for mount in only["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in PODS[name].spec["volumes"]}
    named = {v for v in PODS[name].environment.values() if v.startswith("/etc/")}

    assert {str(Path(path).parent) for path in named} == {
        path for path in mounted if path.startswith("/etc/")
    }
    for path, volume in mounted.items():
        if path.startswith("/etc/"):
            assert volumes[volume]["secret"]["defaultMode"] == 0o440
    assert set(mounted.values()) == set(volumes)
    if "tls" in volumes:
        assert volumes["tls"]["secret"]["secretName"].removesuffix("-tls") == name
        assert name in certified()


@pytest.mark.parametrize("name", RUNNING)
def test_probes_ask_the_pages_that_there_are_at_the_door_for_health(name):
    only = container(name)
    known = pages.pages(None, bool)  # type: ignore[arg-type]

    for probe, path in (("startup", "/healthz"), ("liveness", "/healthz"), ("readiness", "/readyz")):
        assert only[f"{probe}Probe"]["httpGet"] == {"path": path, "port": "health"}
        assert path in known
    # A pod that is late is not a dead one: it is taken out long before it is ended.
    slow, dead = (only[f"{probe}Probe"] for probe in ("readiness", "liveness"))
    assert (
        dead["periodSeconds"] * dead["failureThreshold"]
        >= 4 * slow["periodSeconds"] * slow["failureThreshold"]
    )


@pytest.mark.parametrize("name", RUNNING)
def test_a_deployment_has_all_that_belongs_to_it(name):
    selector = {"app.kubernetes.io/name": name}
    deployment = of_kind("Deployment")[name]

    assert deployment["spec"]["selector"]["matchLabels"] == selector
    assert deployment["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    assert "replicas" not in deployment["spec"], "the autoscaler's would be overwritten by every rollout"
    assert labels(name)["app.kubernetes.io/name"] == name
    assert of_kind("PodDisruptionBudget")[name]["spec"] == {
        "maxUnavailable": 1,
        "selector": {"matchLabels": selector},
    }
    scaler = of_kind("HorizontalPodAutoscaler")[name]["spec"]
    assert scaler["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
    assert 2 <= scaler["minReplicas"] < scaler["maxReplicas"]
    spread = PODS[name].spec["topologySpreadConstraints"]
    assert {each["topologyKey"] for each in spread} == {
        "kubernetes.io/hostname",
        "topology.kubernetes.io/zone",
    }
    assert all(each["labelSelector"]["matchLabels"] == selector for each in spread)
    account = PODS[name].spec["serviceAccountName"]
    assert of_kind("ServiceAccount")[account]["automountServiceAccountToken"] is False
    service = of_kind("Service")[name]["spec"]
    assert service["selector"] == selector
    assert {port["targetPort"] for port in service["ports"]} <= set(RUNNING[name].ports)


def test_the_gateways_differ_in_nothing_but_names():
    one, other = (
        (KUBERNETES / "base" / f"{noun}-gateway.yaml").read_text().replace(noun, "NOUN") for noun in NAMES
    )

    assert one == other


@pytest.mark.parametrize("name", [name for name, each in RUNNING.items() if each.words[0] == "serve"])
def test_a_rollout_goes_on_when_callers_know_the_new_pod(name):
    waits_s = sum(float(ENVIRONMENTS[name][f"BEDPLATE_DRAIN_{part}_S"]) for part in ("WAIT", "REFUSE"))

    assert of_kind("Deployment")[name]["spec"]["minReadySeconds"] > waits_s + RESOLVE_EVERY_MS / 1000
    down = of_kind("HorizontalPodAutoscaler")[name]["spec"]["behavior"]["scaleDown"]["policies"]
    assert down == [{"type": "Pods", "value": 1, "periodSeconds": 60}]
    assert down[0]["periodSeconds"] > waits_s


# Who calls whom.


def calls() -> list[tuple[str, str, int]]:
    """Every call between pods: who, whom, and on which port."""
    found = []
    for name, process in RUNNING.items():
        targets = re.findall(r"=(dns:///[^,]+)", process.environment.get("BEDPLATE_UPSTREAMS", ""))
        if process.words[0] == "gateway":
            targets.append(process.words[process.words.index("--target") + 1])
        for target in targets:
            host, port = re.fullmatch(r"dns:///([\w-]+):(\d+)", target).groups()
            found.append((name, host, int(port)))
    return found


def allows(
    policy: dict[str, Any], direction: str, peer: dict[str, str], port: int, ports: dict[str, int]
) -> bool:
    for rule in policy["spec"].get(direction, ()):
        sides = rule.get({"ingress": "from", "egress": "to"}[direction], ())
        peers = [each["podSelector"]["matchLabels"] for each in sides if set(each) == {"podSelector"}]
        numbers = [ports.get(each["port"], each["port"]) for each in rule["ports"]]
        if any(wanted.items() <= peer.items() for wanted in peers) and port in numbers:
            return True
    return False


def test_there_are_calls():
    assert len(calls()) == 3


@pytest.mark.parametrize(("caller", "target", "port"), calls())
def test_a_call_finds_its_service_is_let_through_and_has_a_certificate_that_is_welcome(caller, target, port):
    service = of_kind("Service")[target]["spec"]
    policies = of_kind("NetworkPolicy")

    assert service["clusterIP"] == "None", "one address would hold each caller on one pod"
    assert [each["port"] for each in service["ports"]] == [port]
    assert RUNNING[target].ports[service["ports"][0]["targetPort"]] == port, "no address translates it"
    assert target in certified()[target]
    assert caller in certified()[caller]
    assert caller in ENVIRONMENTS[target]["BEDPLATE_ALLOWED_PEERS"].split(",")
    ports = dict(RUNNING[target].ports)
    assert allows(policies[caller], "egress", labels(target), port, ports)
    assert allows(policies[target], "ingress", labels(caller), port, ports)


def test_no_peer_is_on_a_list_that_has_no_certificate():
    for environment in ENVIRONMENTS.values():
        for name in ("BEDPLATE_ALLOWED_PEERS", "BEDPLATE_TRUSTED_PEERS"):
            assert set(environment.get(name, "operator").split(",")) <= set(certified())


def test_only_gateways_are_believed_about_whom_they_call_for():
    for name, environment in ENVIRONMENTS.items():
        assert environment.get("BEDPLATE_TRUSTED_PEERS", "") in ("", f"{name}-gateway")


def test_whatever_no_policy_names_is_closed():
    spec = of_kind("NetworkPolicy", folder="base")["nobody"]["spec"]

    assert spec == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


# The way in.


def routed(path: str) -> str:
    """Which Service a path goes to, as the Gateway API says; empty: none."""
    best, found = (-1, -1), ""
    for rule in of_kind("HTTPRoute")["bedplate"]["spec"]["rules"]:
        (backend,) = rule["backendRefs"]
        for match in rule["matches"]:
            kind, value = match["path"]["type"], match["path"]["value"]
            exact = kind == "Exact" and path == value
            within = kind == "PathPrefix" and (path == value or path.startswith(f"{value}/"))
            if (exact or within) and (int(exact), len(value)) > best:
                best, found = (int(exact), len(value)), backend["name"]
    return found


def public_paths() -> list[tuple[str, str]]:
    def paths(noun: str, method: MethodDescriptor) -> list[tuple[str, str]]:
        if resolve(method).visibility is Visibility.INTERNAL:
            return []
        made = [(re.sub(r"\{[^}]+\}", "x", binding.path), noun) for binding in bindings(method)]
        by_name = f"/{method.containing_service.full_name}/{method.name}"  # Connect and gRPC-Web
        return [*made, (by_name, noun)] if made else []

    return [each for noun in NAMES for method in contract(noun).methods for each in paths(noun, method)]


@pytest.mark.parametrize(("path", "noun"), sorted(set(public_paths())))
def test_every_public_path_of_a_service_leads_to_its_gateway(path, noun):
    assert routed(path) == f"{noun}-gateway"


def test_pages_about_the_api_are_reached_and_those_about_the_process_are_not():
    about = reference.pages([method for noun in NAMES for method in contract(noun).methods])

    assert any(path.startswith("/problems/") for path in about)
    assert [path for path in about if not routed(path)] == []
    assert [path for path in pages.pages(None, bool) if routed(path)] == []  # type: ignore[arg-type]


@pytest.mark.parametrize("policy", of_kind("BackendTLSPolicy").values(), ids=lambda p: p["metadata"]["name"])
def test_the_way_to_a_gateway_asks_for_the_certificate_that_it_has(policy):
    (target,) = policy["spec"]["targetRefs"]

    assert policy["spec"]["validation"]["hostname"] in certified()[target["name"]]
    assert target["name"] in of_kind("Service")


# What is watched.


def test_alerts_ask_for_metrics_that_there_are():
    source = "".join(path.read_text() for path in (ROOT / "services").rglob("*.py"))
    known = set(re.findall(r'"(bedplate_[a-z_]+)"', source))

    for rule in of_kind("PrometheusRule")["bedplate"]["spec"]["groups"][0]["rules"]:
        asked = set(re.findall(r"bedplate_[a-z_]+", rule["expr"]))
        assert asked
        assert {
            name for name in asked if name not in known and name.removesuffix("_total") not in known
        } == set()
        assert rule["annotations"]["summary"]
        assert rule["expr"].count("(") == rule["expr"].count(")")


def test_no_contract_that_ships_has_a_goal_that_the_alerts_leave_out():
    """Alerts of single methods are to be made once one has: see the comment in alerts.yaml."""
    assert [m.full_name for noun in NAMES for m in contract(noun).methods if resolve(m).slo is not None] == []


def test_metrics_are_fetched_where_they_are():
    (monitor,) = of_kind("PodMonitor").values()
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]

    assert endpoint["path"] in pages.pages(None, bool)  # type: ignore[arg-type]
    assert all(endpoint["port"] in each.ports for each in RUNNING.values())
    assert {labels(name)["app.kubernetes.io/component"] for name in RUNNING} == {
        value for each in monitor["spec"]["selector"]["matchExpressions"] for value in each["values"]
    }


# As documents.


def test_every_file_is_yaml_and_part_of_a_kustomization():
    parts = {path for path in KUBERNETES.rglob("*.yaml") if path.name != "kustomization.yaml"}
    named = set()
    for path in KUBERNETES.rglob("kustomization.yaml"):
        (kustomization,) = documents(path)
        named |= {path.parent / name for name in kustomization["resources"] if name.endswith(".yaml")}

    assert parts == named
    for path in parts:
        assert all({"apiVersion", "kind", "metadata"} <= set(each) for each in documents(path))


def test_no_two_resources_have_one_name():
    for folder in ("overlays/production", "migrate"):
        names = [(each["kind"], each["metadata"]["name"]) for each in resources(KUBERNETES / folder)]
        assert len(names) == len(set(names))


def test_env_files_set_nothing_twice():
    for path in KUBERNETES.rglob("*.env"):
        lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
        assert len(lines) == len(variables(path))


def render(folder: str) -> list[dict[str, Any]]:
    """What is applied; skipped where there is no kubectl."""
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not on the path; it renders the manifests")
    done = subprocess.run(
        ["kubectl", "kustomize", str(KUBERNETES / folder)], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    return list(yaml.safe_load_all(done.stdout))


def test_the_overlay_is_rendered_with_its_own_image_and_settings():
    found = {(each["kind"], each["metadata"]["name"]): each for each in render("overlays/production")}

    pods = [each["spec"]["template"]["spec"] for (kind, _), each in found.items() if kind == "Deployment"]
    maps = {name: each["data"] for (kind, name), each in found.items() if kind == "ConfigMap"}
    assert len(pods) == len(RUNNING)
    for pod in pods:
        (only,) = pod["containers"]
        assert only["image"].startswith("registry.example.com/")
        assert only["envFrom"][0]["configMapRef"]["name"] in maps
    (gateway,) = (data for name, data in maps.items() if name.startswith("gateway-"))
    assert gateway["BEDPLATE_TRUSTED_PROXIES"]
    assert found["HorizontalPodAutoscaler", "ledger"]["spec"]["minReplicas"] == 3
    assert {each["metadata"].get("namespace") for each in found.values()} == {None, "bedplate"}


@pytest.mark.soak
@pytest.mark.parametrize("folder", ["base", "migrate"])
def test_what_is_rendered_is_what_kubernetes_takes(folder):
    validate = pytest.importorskip("kubernetes_validate").validate

    for document in render(folder):
        validate(document, "1.37", strict=True)
