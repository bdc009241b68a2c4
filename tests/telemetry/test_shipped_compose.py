"""The Compose file and what it mounts fit each other, the repository, and Roost's settings."""

import fnmatch
import re
from typing import Any

import pytest

from docs import generate
from roost.telemetry.options import TelemetryOptions
from tests.docs import pages
from tests.telemetry import shipped
from tests.telemetry.shipped import DEPLOY, read_yaml

ROOT = DEPLOY.parent
COMPOSE = read_yaml(DEPLOY / "compose.yaml")
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
COLLECTOR = read_yaml(DEPLOY / "otel-collector" / "config.yaml")
DOCKERFILE = (DEPLOY / "Dockerfile").read_text("utf-8")
COMMANDS = dict(generate.commands())
PINNED = re.compile(r"[\w./-]+:v?\d+\.\d+[\w.-]*")
each_service = pytest.mark.parametrize("name", sorted(SERVICES))


def mounts(name: str) -> list[list[str]]:
    """Give a service's mounts: from where, to where, and how."""
    return [mount.split(":") for mount in SERVICES[name].get("volumes", [])]


def test_the_lot_is_roost_and_what_looks_at_it() -> None:
    assert set(SERVICES) == {"roost", "otel-collector", "prometheus", "grafana"}
    for service in SERVICES.values():
        assert set(service.get("depends_on", [])) <= set(SERVICES)


@each_service
def test_every_image_has_a_version(name: str) -> None:
    if "build" in SERVICES[name]:
        build = SERVICES[name]["build"]
        assert (DEPLOY / build["context"]).resolve() == ROOT
        assert ROOT / build["dockerfile"] == DEPLOY / "Dockerfile"
        images = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    else:
        images = [SERVICES[name]["image"]]
    assert images
    assert all(PINNED.fullmatch(image) for image in images), images


@each_service
def test_every_port_is_bound_to_loopback(name: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name]["ports"])
    assert "network_mode" not in SERVICES[name]


@each_service
def test_nobody_has_more_rights_than_it_needs(name: str) -> None:
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "cap_add", "pid", "devices"} & set(service)
    assert not any("docker.sock" in source for source, *_ in mounts(name))


@each_service
def test_what_is_mounted_exists_and_files_are_only_read(name: str) -> None:
    for source, target, *how in mounts(name):
        assert target.startswith("/"), target
        if source.startswith("."):
            assert (DEPLOY / source).exists(), source
            assert how == ["ro"], source
        else:
            assert source in COMPOSE["volumes"], source


def test_no_volume_is_declared_in_vain() -> None:
    used = {source for name in SERVICES for source, *_ in mounts(name)}
    assert set(COMPOSE["volumes"]) <= used


def test_secrets_come_from_the_environment_and_must_be_set() -> None:
    found = 0
    for name, service in SERVICES.items():
        for variable, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD|SECRET|TOKEN|KEY", variable):
                assert re.fullmatch(r"\$\{\w+:\?.+\}", value), f"{name}: {variable}"
                found += 1
    assert found


def test_roosts_variables_are_in_the_reference() -> None:
    text = pages.text_of(pages.REFERENCE / "settings.md")
    cells = re.findall(r"^\| (.*?) \| ", text, re.MULTILINE)
    documented = {name for cell in cells for name in re.findall(r"`([A-Z_]+)`", cell)}
    named = set(SERVICES["roost"]["environment"])
    [line] = re.findall(r"^ENV PATH=(.*)$", DOCKERFILE, re.MULTILINE)
    named |= set(re.findall(r"\b(ROOST_\w+)=", line))
    assert named <= documented


def test_roost_sends_traces_to_the_collector_and_is_scraped_for_metrics() -> None:
    options = TelemetryOptions.from_environment(SERVICES["roost"]["environment"], "1")
    http = COLLECTOR["receivers"]["otlp"]["protocols"]["http"]["endpoint"]
    assert options.traces is not None
    assert options.traces.url == f"http://otel-collector:{_port(http)}/v1/traces"
    assert options.metrics is None, "a Roost that is scraped and sends counts twice"


def test_prometheus_scrapes_the_ports_that_are_there() -> None:
    config = read_yaml(shipped.CONFIG)
    reader = COLLECTOR["service"]["telemetry"]["metrics"]["readers"][0]["pull"]["exporter"]
    default = {name: value for name, value, *_ in generate.parameters(COMMANDS["roost serve"])}
    assert {
        job["job_name"]: target
        for job in config["scrape_configs"]
        for one in job["static_configs"]
        for target in one["targets"]
    } == {
        "roost": f"roost:{default['--port'].strip('`')}",
        "pushed": f"otel-collector:{_port(COLLECTOR['exporters']['prometheus']['endpoint'])}",
        "otel-collector": f"otel-collector:{reader['prometheus']['port']}",
    }
    [folder] = [target for source, target, *_ in mounts("prometheus") if source == "./prometheus"]
    assert f"--config.file={folder}/{shipped.CONFIG.name}" in SERVICES["prometheus"]["command"]


def test_grafana_finds_prometheus_and_the_dashboard() -> None:
    provisioning = DEPLOY / "grafana" / "provisioning"
    [source] = read_yaml(provisioning / "datasources" / "prometheus.yaml")["datasources"]
    host, _, port = source["url"].removeprefix("http://").partition(":")
    assert any(bound.endswith(f":{port}") for bound in SERVICES[host]["ports"])
    interval = read_yaml(shipped.CONFIG)["global"]["scrape_interval"]
    assert source["jsonData"]["timeInterval"] == interval
    [provider] = read_yaml(provisioning / "dashboards" / "roost.yaml")["providers"]
    places = {target: origin for origin, target, *_ in mounts("grafana")}
    assert places[f"{provider['options']['path']}/roost.json"] == "./grafana/roost.json"


def test_the_collectors_pipelines_name_what_is_defined_and_leave_nothing_out() -> None:
    pipelines = COLLECTOR["service"]["pipelines"]
    assert set(pipelines) == {"traces", "metrics", "logs"}
    for kind in ("receivers", "processors", "exporters"):
        used = {name for pipeline in pipelines.values() for name in pipeline[kind]}
        assert used == set(COLLECTOR[kind]), kind
    for pipeline in pipelines.values():
        assert pipeline["processors"] == ["memory_limiter", "batch"]
    assert set(COLLECTOR["receivers"]["otlp"]["protocols"]) == {"http", "grpc"}


def test_the_image_is_built_from_what_its_context_has_by_the_lock() -> None:
    let_in = (DEPLOY / "Dockerfile.dockerignore").read_text("utf-8").splitlines()
    patterns = [line.removeprefix("!") for line in let_in if line.startswith("!")]
    copied = [
        source
        for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE)
        for source in line.split()[:-1]
    ]
    assert copied
    for source in copied:
        assert (ROOT / source).exists(), source
        assert any(fnmatch.fnmatch(source, pattern) for pattern in patterns), source
    assert sorted(copied) == sorted(patterns)
    installs = re.findall(r"pip install (.+)$", DOCKERFILE, re.MULTILINE)
    assert all("--require-hashes" in line or "--no-deps" in line for line in installs)


def test_the_image_serves_without_being_root() -> None:
    last = DOCKERFILE.split("\nFROM ")[-1]
    assert re.findall(r"^USER (.+)$", last, re.MULTILINE) == ["roost"]
    [words] = re.findall(r"^CMD \[(.+)\]$", last, re.MULTILINE)
    program, command, *options = [word.strip(' "') for word in words.split(",")]
    known = {one[0] for one in generate.parameters(COMMANDS[f"{program} {command}"])}
    assert {option for option in options if option.startswith("--")} <= known
    [volume] = [target for source, target, *_ in mounts("roost") if source == "roost-data"]
    assert f"ROOST_DATA_DIR={volume} " in last


def _port(endpoint: str) -> str:
    return endpoint.rpartition(":")[2]
