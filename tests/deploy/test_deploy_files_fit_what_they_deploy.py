"""What is in ``deploy/`` says what the command, the app and the files beside it really have."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from holdfast.cli.apps import load
from holdfast.cli.demand import address
from holdfast.records.worker import Demand
from holdfast.runtime import STORE_VARIABLE
from holdfast.settings import Settings
from holdfast.wire.house import demand_json
from tests.deploy.reading import (
    MANIFESTS,
    ROOT,
    commands,
    compose,
    container,
    dockerfile,
    documents,
    manifests,
    parsed,
)

COMMANDS = dict(commands())
(KUSTOMIZATION,) = [one for path in MANIFESTS for one in documents(path) if one["kind"] == "Kustomization"]
SCALER = manifests()["ScaledObject", "holdfast-worker"]["spec"]


@pytest.mark.parametrize("where", COMMANDS)
def test_each_command_line_is_understood(where: str) -> None:
    parsed(COMMANDS[where])


def test_a_command_line_that_is_not_understood_is_found() -> None:
    with pytest.raises(Exception, match="--gracious"):
        parsed(["worker", "a:b", "--gracious", "5"])


def test_the_app_that_is_hosted_exists() -> None:
    places = {parsed(words)["place"] for words in COMMANDS.values() if words[0] == "worker"}
    assert places == {"examples.claims.agent:app"}
    assert load(places.pop()).name == "claims"


def test_three_workers_share_a_postgresql() -> None:
    services = compose()["services"]
    assert services["worker"]["deploy"]["replicas"] == 3
    assert services["worker"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    store = urlsplit(services["worker"]["environment"][STORE_VARIABLE].replace(":?set a password first", ""))
    assert (store.scheme, store.hostname, store.path) == ("postgresql", "postgres", "/holdfast")
    assert services["postgres"]["image"].startswith("postgres:")
    assert services["postgres"]["environment"]["POSTGRES_DB"] == "holdfast"


def test_processes_have_the_time_that_workers_are_given_to_stop() -> None:
    spec = manifests()["Deployment", "holdfast-worker"]["spec"]["template"]["spec"]
    assert parsed(container("holdfast-worker")["args"])["grace"] + 10 <= spec["terminationGracePeriodSeconds"]
    assert compose()["services"]["worker"]["stop_grace_period"] == "1m"
    assert parsed(COMMANDS["compose worker"])["grace"] + 10 <= 60


def test_the_scaler_reaches_zero_and_asks_what_answers() -> None:
    (trigger,) = SCALER["triggers"]
    asked = urlsplit(trigger["metadata"]["url"])
    service = manifests()["Service", asked.hostname.split(".")[0]]["spec"]
    (port,) = service["ports"]
    assert asked.port == port["port"]
    assert asked.hostname == f"holdfast-demand.{KUSTOMIZATION['namespace']}.svc.cluster.local"
    demand = container("holdfast-demand")
    assert port["targetPort"] in [one["name"] for one in demand["ports"]]
    assert address(parsed(demand["args"])["listen"]) == ("0.0.0.0", demand["ports"][0]["containerPort"])
    labels = manifests()["Deployment", "holdfast-demand"]["spec"]["template"]["metadata"]["labels"]
    assert service["selector"].items() <= labels.items()
    assert SCALER["minReplicaCount"] == 0 < SCALER["fallback"]["replicas"] <= SCALER["maxReplicaCount"]
    nothing = demand_json(Demand(queued=0, due=0, orphaned=0, at_work=0))
    assert nothing[trigger["metadata"]["valueLocation"]] == 0 == int(trigger["metadata"]["activationTargetValue"])
    for need in ("queued", "due", "orphaned", "at_work"):
        some = {"queued": 0, "due": 0, "orphaned": 0, "at_work": 0, need: 1}
        assert demand_json(Demand(**some))[trigger["metadata"]["valueLocation"]] == 1


def test_the_scaler_scales_the_workers_and_nobody_else_does() -> None:
    assert SCALER["scaleTargetRef"]["name"] == "holdfast-worker"
    assert "replicas" not in manifests()["Deployment", "holdfast-worker"]["spec"]
    worker = {one["name"]: one for one in container("holdfast-worker")["env"]}
    per_worker = int(SCALER["triggers"][0]["metadata"]["targetValue"])
    assert per_worker <= int(worker["HOLDFAST_CONCURRENCY"]["value"])


def test_every_variable_is_one_that_is_read() -> None:
    known = {STORE_VARIABLE, *(f"HOLDFAST_{name.upper()}" for name in Settings.__slots__)}
    for name in ("holdfast-worker", "holdfast-demand"):
        assert {one["name"] for one in container(name)["env"]} <= known


def test_metrics_are_served_where_they_are_looked_for() -> None:
    worker = container("holdfast-worker")
    given, (port,) = parsed(worker["args"]), worker["ports"]
    assert (given["metrics_host"], given["metrics_port"]) == ("0.0.0.0", port["containerPort"])
    assert worker["readinessProbe"]["httpGet"] == {"path": "/metrics", "port": port["name"]}


def test_all_manifests_are_applied_with_the_image_that_is_built() -> None:
    assert sorted(KUSTOMIZATION["resources"]) == sorted(path.name for path in MANIFESTS if "kustom" not in path.name)
    (image,) = KUSTOMIZATION["images"]
    assert {container(name)["image"] for name in ("holdfast-worker", "holdfast-demand")} == {image["name"]}


def test_the_image_is_made_of_files_that_are_there_and_sent() -> None:
    sent = (ROOT / "deploy" / "Dockerfile.dockerignore").read_text().splitlines()
    copied = [words[:-1] for verb, words in dockerfile() if verb == "COPY" and not words[0].startswith("--from")]
    sources = [source.removeprefix("./") for words in copied for source in words]
    assert sources and all((ROOT / source).exists() for source in sources)
    assert {f"!{source}" for source in sources} == {line for line in sent if line.startswith("!")}


def test_containers_run_as_the_user_of_the_image_and_change_nothing() -> None:
    (user,) = {words[0] for verb, words in dockerfile() if verb == "USER"}
    for name in ("holdfast-worker", "holdfast-demand"):
        pod = manifests()["Deployment", name]["spec"]["template"]["spec"]
        assert str(pod["securityContext"]["runAsUser"]) == user
        assert container(name)["securityContext"]["readOnlyRootFilesystem"] is True
        assert [mount["mountPath"] for mount in container(name)["volumeMounts"]] == ["/tmp"]
