"""What is deployed fits the program: settings, ports, probes and commands there are, and pods that may do little."""

import re
from collections.abc import Iterator
from typing import Any

import kubernetes_validate
import pytest
import typer
import yaml

from service.cli.children import patience_of_api
from service.cli.main import cli
from service.observability.health import router
from service.settings import Settings

from .manifests import (
    BASE,
    DEPLOY,
    base,
    compose,
    containers,
    documents,
    kustomization,
    of_numbergate,
    overlays,
    pods,
    settings_of,
)

# Those that clusters of today have, from the oldest whose pods may sleep before they stop.
KUBERNETES = ("1.30", "1.34")
# Defined by whoever installs the Gateway API, and no part of Kubernetes' own schemas.
GATEWAY = "gateway.networking.k8s.io/v1"
KNOWN = {f"{field.alias}{end}" for field in Settings.model_fields.values() for end in ("", "_FILE")}


def test_every_file_can_be_read():
    files = [path for path in DEPLOY.rglob("*.y*ml") if "secrets" not in path.parts]
    assert len(files) >= 10
    for path in files:
        assert documents(path), path


def test_the_base_names_every_manifest_there_is():
    there = {path.name for path in BASE.glob("*.yaml")} - {"kustomization.yaml"}
    assert set(kustomization(BASE)["resources"]) == there


@pytest.mark.parametrize("version", KUBERNETES)
def test_every_manifest_is_one_that_kubernetes_takes(version: str):
    own = [one for one in base() if one["apiVersion"] != GATEWAY]
    assert len(own) > 12
    for one in own:
        kubernetes_validate.validate(one, version, strict=True)


def test_a_manifest_with_a_slip_would_be_noticed():
    [pod] = [one for one in base() if one["metadata"]["name"] == "numbergate-migrate"]
    pod["spec"]["template"]["spec"]["containers"][0]["securtyContext"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(pod, KUBERNETES[0], strict=True)


def test_overlays_change_what_the_base_has():
    there = {(one["apiVersion"], one["kind"], one["metadata"]["name"]) for one in base()}
    by_name = {(kind, name) for _, kind, name in there}
    assert [folder.name for folder in overlays()] == ["production", "small"]
    for folder in overlays():
        for patch in kustomization(folder)["patches"]:
            if "target" in patch:
                assert (patch["target"]["kind"], patch["target"]["name"]) in by_name
            else:
                for one in documents(folder / patch["path"]):
                    assert (one["apiVersion"], one["kind"], one["metadata"]["name"]) in there


def variables() -> Iterator[tuple[str, str]]:
    """Of every process that is deployed: the name and the value."""
    for folder in (BASE, *overlays()):
        yield from settings_of(folder).items()
    for container in containers():
        yield from ((one["name"], one["value"]) for one in container.get("env", ()))
    for service in of_numbergate().values():
        yield from service["environment"].items()


def test_every_variable_is_a_setting():
    assert {name for name, _ in variables()} <= KNOWN


def test_nothing_secret_is_a_variable():
    secret = ("DATABASE_URL", "REDIS_URL", "TELI_API_KEY", "NUMBERGATE_SECRET", "NUMBERGATE_ACCOUNT_KEYS")
    assert not {name for name, _ in variables()} & set(secret)


def test_the_settings_of_each_process_are_enough_to_start():
    required = {str(field.alias) for field in Settings.model_fields.values() if field.is_required()}
    of_all = set(settings_of(BASE))
    for name in ("numbergate-api", "numbergate-worker"):
        [container] = pods()[name]["containers"]
        given = of_all | {one["name"] for one in container["env"]}
        assert {one.removesuffix("_FILE") for one in given} >= required
    for name in ("api", "worker"):
        assert {one.removesuffix("_FILE") for one in of_numbergate()[name]["environment"]} >= required


def test_every_secret_that_is_named_is_mounted():
    for pod in pods().values():
        [projected] = [one["projected"] for one in pod["volumes"] if one["name"] == "secrets"]
        mounted = {
            f"/run/secrets/numbergate/{item['path']}" for one in projected["sources"] for item in one["secret"]["items"]
        }
        [container] = pod["containers"]
        named = {one["value"] for one in container["env"]}
        if "envFrom" in container:
            named |= {value for name, value in settings_of(BASE).items() if name.endswith("_FILE")}
        assert named == mounted

    secrets = compose()["secrets"]
    for service in compose()["services"].values():
        assert set(service.get("secrets", ())) <= set(secrets)
    for service in of_numbergate().values():
        named = {value for name, value in service["environment"].items() if name.endswith("_FILE")}
        assert named == {f"/run/secrets/{name}" for name in service["secrets"]}
    made = (DEPLOY / "compose" / "make-secrets").read_text()
    for name in secrets:
        assert name in made or re.sub("(migrate|api|worker)", "$role", name) in made


def commands() -> list[list[str]]:
    return [
        *([str(one) for one in container["args"]] for container in containers()),
        *([str(one) for one in service["command"]] for service in of_numbergate().values()),
    ]


def test_every_command_is_one_there_is_with_options_that_it_has():
    known: Any = typer.main.get_command(cli)
    assert sorted(command[0] for command in commands()) == ["migrate"] * 2 + ["serve"] * 2 + ["worker"] * 2
    for verb, *options in commands():
        takes = {option for parameter in known.commands[verb].params for option in parameter.opts}
        assert {option for option in options if option.startswith("--")} <= takes


def test_probes_ask_what_the_process_answers():
    health = {getattr(route, "path", "") for route in router.routes}
    answers = {"numbergate-api": (health, "http"), "numbergate-worker": ({"/metrics"}, "metrics")}
    for name, (paths, port) in answers.items():
        [container] = pods()[name]["containers"]
        asked = [container[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")]
        assert {one["port"] for one in asked} == {port}
        assert {one["path"] for one in asked} <= paths
    [api] = pods()["numbergate-api"]["containers"]
    assert (api["livenessProbe"]["httpGet"]["path"], api["readinessProbe"]["httpGet"]["path"]) == (
        "/healthz",
        "/readyz",
    )


def test_ports_are_those_that_the_processes_listen_on():
    [serve] = [command for command in typer.main.get_command(cli).commands.items() if command[0] == "serve"]  # type: ignore[attr-defined]
    [default] = [parameter.default for parameter in serve[1].params if parameter.name == "port"]
    metrics = int(settings_of(BASE)["NUMBERGATE_METRICS_PORT"])
    for container in containers():
        for port in container.get("ports", ()):
            assert port["containerPort"] == {"http": default, "metrics": metrics}[port["name"]]
    [service] = [one for one in base() if one["kind"] == "Service"]
    [route] = [one for one in base() if one["kind"] == "HTTPRoute"]
    [behind] = route["spec"]["rules"][0]["backendRefs"]
    assert (behind["name"], behind["port"]) == (service["metadata"]["name"], service["spec"]["ports"][0]["port"])
    assert of_numbergate()["api"]["ports"][0].endswith(f":{default}")


def test_a_process_has_time_to_finish_what_is_under_way():
    patience = patience_of_api(Settings.model_fields["answer_within"].default)
    for name in ("numbergate-api", "numbergate-worker"):
        [container] = pods()[name]["containers"]
        asleep = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        assert pods()[name]["terminationGracePeriodSeconds"] >= patience + asleep
    for name in ("api", "worker"):
        assert of_numbergate()[name]["stop_grace_period"] == f"{patience:g}s"


def test_two_exports_fit_where_they_are_written():
    exports = 2 * int(settings_of(BASE)["NUMBERGATE_EXPORT_MEBIBYTES"])
    for name in ("numbergate-api", "numbergate-worker"):
        [temporary] = [one["emptyDir"] for one in pods()[name]["volumes"] if one["name"] == "temporary"]
        assert exports < int(temporary["sizeLimit"].removesuffix("Gi")) * 1024
    api = of_numbergate()["api"]
    [size] = re.findall(r"size=(\d+)m", api["tmpfs"][0])
    assert 2 * int(api["environment"]["NUMBERGATE_EXPORT_MEBIBYTES"]) < int(size)


def test_no_more_replicas_than_the_settings_count_with():
    for folder in (BASE, *overlays()):
        counted = int(settings_of(folder).get("NUMBERGATE_REPLICAS", Settings.model_fields["replicas"].default))
        there = (
            base()
            if folder == BASE
            else [
                one
                for patch in kustomization(folder)["patches"]
                if "path" in patch
                for one in documents(folder / patch["path"])
            ]
        )
        [most] = [
            one["spec"]["maxReplicas"]
            for one in there
            if one["kind"] == "HorizontalPodAutoscaler" and one["metadata"]["name"] == "numbergate-api"
        ]
        assert most <= counted


def test_pods_may_do_as_little_as_the_restricted_rules_let_them():
    [namespace] = [one for one in base() if one["kind"] == "Namespace"]
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    [account] = [one for one in base() if one["kind"] == "ServiceAccount"]
    assert account["automountServiceAccountToken"] is False
    for pod in pods().values():
        assert pod["serviceAccountName"] == account["metadata"]["name"]
        assert (pod["automountServiceAccountToken"], pod["enableServiceLinks"]) == (False, False)
        assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers"} & set(pod)
        user = pod["securityContext"]
        assert (user["runAsNonRoot"], user["runAsUser"]) == (True, 10001)
        assert user["seccompProfile"] == {"type": "RuntimeDefault"}
        assert {next(kind for kind in one if kind != "name") for one in pod["volumes"]} == {"projected", "emptyDir"}
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["resources"]["limits"]["memory"]


def test_nothing_goes_in_or_out_that_no_policy_names():
    policies = {one["metadata"]["name"]: one["spec"] for one in base() if one["kind"] == "NetworkPolicy"}
    assert policies.pop("default-deny") == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    for policy in policies.values():
        for rule in [*policy.get("ingress", ()), *policy.get("egress", ())]:
            assert rule["ports"]
            assert rule.get("from") or rule.get("to")


def test_services_on_one_host_are_confined_alike():
    for name, service in compose()["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["user"].split(":")[0] != "0", name
        assert service["deploy"]["resources"]["limits"]["memory"], name
        assert "healthcheck" in service or name == "api", name  # The image's own.
        assert service["restart"] == ("no" if name == "migrate" else "unless-stopped"), name
    reachable = {name for name, one in compose()["services"].items() if "ports" in one}
    assert reachable == {"api"}
    assert compose()["networks"]["inside"]["internal"] is True


def test_the_example_names_every_variable_that_compose_needs():
    text = (DEPLOY / "compose" / "compose.yaml").read_text()
    asked = set(re.findall(r"\$\{(\w+)", text))
    given = {
        line.split("=")[0] for line in (DEPLOY / "compose" / "example.env").read_text().splitlines() if "=" in line
    }
    assert asked == given - {line for line in given if line.startswith("#")}


def test_the_roles_are_those_of_the_page():
    written = (DEPLOY / "compose" / "roles.sql").read_text()
    page = (DEPLOY.parent / "docs" / "operate.md").read_text()
    [told] = re.findall(r"^```sql\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    for statement in re.findall(r"^(?:CREATE|GRANT) .*?;", told, re.MULTILINE):
        assert statement.partition(" PASSWORD ")[0] in written


def test_yaml_is_read_as_it_was_meant():
    # An unquoted `no` or `off` is false in YAML, and 0440 is a number in base eight.
    assert (
        yaml.safe_load((BASE / "migrate.yaml").read_text())["spec"]["template"]["spec"]["volumes"][0]["projected"][
            "defaultMode"
        ]
        == 0o440
    )
