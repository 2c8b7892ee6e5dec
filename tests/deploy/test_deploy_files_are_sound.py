"""What is in ``deploy/`` passes the linters of its formats; each linter is shown to find a fault."""

from __future__ import annotations

import copy
import subprocess
import sys
from pathlib import Path

import jsonschema
import kubernetes_validate
import pytest
import yaml

from tests.deploy.keda import SCALED_OBJECT
from tests.deploy.reading import DEPLOY, ROOT, YAML, compose, manifests

BIN = Path(sys.executable).parent
OLDEST, NEWEST = "1.30", kubernetes_validate.latest_version()
RULES = "{extends: default, rules: {line-length: {max: 130}, document-start: disable, comments: disable}}"
COMPOSE = ("check-jsonschema", "--builtin-schema", "vendor.compose-spec")


def linted(*command: str | Path, stdin: str | None = None) -> tuple[int, str]:
    tool, *rest = command
    done = subprocess.run([BIN / tool, *rest], cwd=ROOT, input=stdin, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def test_yaml_is_well_formed() -> None:
    assert len(YAML) >= 5
    assert linted("yamllint", "--strict", "-d", RULES, *YAML) == (0, "")
    assert linted("yamllint", "--strict", "-d", RULES, "-", stdin="a: 1\na: 2\n")[0] == 1


def test_the_dockerfile_has_no_fault() -> None:
    assert linted("hadolint", "--failure-threshold", "style", DEPLOY / "Dockerfile") == (0, "")
    assert "DL3006" in linted("hadolint", "-", stdin="FROM python\n")[1]


def test_the_compose_file_fits_its_schema(tmp_path: Path) -> None:
    code, said = linted(*COMPOSE, DEPLOY / "compose.yaml")
    assert code == 0, said
    broken = compose()
    broken["services"]["worker"]["stop_graceperiod"] = "1m"
    (tmp_path / "compose.yaml").write_text(yaml.safe_dump(broken))
    assert "stop_graceperiod" in linted(*COMPOSE, "--verbose", tmp_path / "compose.yaml")[1]


@pytest.mark.parametrize("version", [OLDEST, NEWEST], ids=["oldest", "newest"])
def test_manifests_fit_the_schemas_of_kubernetes(version: str) -> None:
    native = [one for (kind, _), one in manifests().items() if kind != "ScaledObject"]
    assert len(native) == 3
    for manifest in native:
        kubernetes_validate.validate(manifest, version, strict=True)
    broken = copy.deepcopy(native[0])
    broken["spec"]["template"]["spec"]["terminationGracePeriod"] = 60
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, version, strict=True)


def test_the_scaler_fits_the_schema_of_keda() -> None:
    scaler = manifests()["ScaledObject", "holdfast-worker"]
    jsonschema.validate(scaler, SCALED_OBJECT)
    broken = copy.deepcopy(scaler)
    broken["spec"]["minReplicas"] = broken["spec"].pop("minReplicaCount")
    with pytest.raises(jsonschema.ValidationError, match="minReplicas"):
        jsonschema.validate(broken, SCALED_OBJECT)
