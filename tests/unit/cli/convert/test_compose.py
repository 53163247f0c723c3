"""from-compose: each key of a service is a field of the ModelService, or has a sentence."""

from typing import Any

import pytest
import yaml

from modelservice_cli.convert.compose import _HANDLERS, _LEFT_OUT, convert_compose
from modelservice_cli.convert.conversion import Conversion, Options
from modelservice_cli.errors import CliError, ExitCode

Object = dict[str, Any]
SHARED_MEMORY = "/dev/shm"  # noqa: S108 - a path of the container
SERVICE: Object = {"image": "registry.example.com/iris:1", "ports": ["8000:5000"]}
EXAMPLES: dict[str, tuple[Any, Object]] = {
    "command": ("serve --workers 2", {"args": ["serve", "--workers", "2"]}),
    "configs": (
        ["labels"],
        {
            "mounts": [
                {"name": "labels-config", "mountPath": "/labels", "subPath": "labels", "configMap": {"name": "labels"}}
            ]
        },
    ),
    "cpus": (1.5, {"resources": {"limits": {"cpu": "1.5"}}}),
    "deploy": ({"replicas": 3}, {"replicas": 3}),
    "dns": (["192.0.2.53"], {"dnsConfig": {"nameservers": ["192.0.2.53"]}}),
    "dns_opt": (["ndots:2"], {"dnsConfig": {"options": [{"name": "ndots", "value": "2"}]}}),
    "dns_search": ("example.com", {"dnsConfig": {"searches": ["example.com"]}}),
    "entrypoint": (["/serve", "$(X)"], {"command": ["/serve", "$$(X)"]}),
    "env_file": (".env", {"envFrom": [{"configMapRef": {"name": "iris-env"}}]}),
    "environment": (
        {"LEVEL": "info", "DEBUG": True},
        {"env": [{"name": "LEVEL", "value": "info"}, {"name": "DEBUG", "value": "true"}]},
    ),
    "expose": (["5001"], {"ports": [{"name": "port-5001", "containerPort": 5001}]}),
    "extra_hosts": (
        ["db.example.com:192.0.2.7"],
        {"hostAliases": [{"ip": "192.0.2.7", "hostnames": ["db.example.com"]}]},
    ),
    "gpus": ("2", {"resources": {"limits": {"nvidia.com/gpu": "2"}}}),
    "healthcheck": (
        {
            "test": ["CMD", "curl", "-f", "http://localhost:5000/health"],
            "interval": "5s",
            "timeout": "2s",
            "start_period": "1m",
        },
        {
            "probes": {
                "readiness": {"httpGet": {"path": "/health"}, "periodSeconds": 5, "timeoutSeconds": 2},
                "startup": {
                    "httpGet": {"path": "/health"},
                    "periodSeconds": 5,
                    "timeoutSeconds": 2,
                    "failureThreshold": 15,
                },
            }
        },
    ),
    "image": ("registry.example.com/rose:2", {"image": "registry.example.com/rose:2"}),
    "mem_limit": ("2gb", {"resources": {"limits": {"memory": "2Gi"}}}),
    "mem_reservation": ("512m", {"resources": {"requests": {"memory": "512Mi"}}}),
    "platform": ("linux/arm64", {"nodeSelector": {"kubernetes.io/arch": "arm64"}}),
    "ports": (["9000:9001"], {"containerPort": 9001, "service": {"port": 9000}}),
    "pull_policy": ("always", {"imagePullPolicy": "Always"}),
    "read_only": (True, {}),
    "restart": ("no", {}),
    "scale": (2, {"replicas": 2}),
    "secrets": (
        ["token"],
        {
            "mounts": [
                {
                    "name": "token-secret",
                    "mountPath": "/run/secrets/token",
                    "subPath": "token",
                    "secret": {"name": "token"},
                }
            ]
        },
    ),
    "shm_size": (
        "1gb",
        {"mounts": [{"name": "shm", "mountPath": SHARED_MEMORY, "emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}}]},
    ),
    "stop_grace_period": ("1m30s", {"terminationGracePeriodSeconds": 90}),
    "tmpfs": ("/run", {"mounts": [{"name": "run", "mountPath": "/run", "emptyDir": {"medium": "Memory"}}]}),
    "user": ("1000:1001", {"runAsUser": 1000, "runAsGroup": 1001}),
    "volumes": (
        ["data:/data:ro"],
        {
            "mounts": [
                {"name": "data", "mountPath": "/data", "readOnly": True, "persistentVolumeClaim": {"claimName": "data"}}
            ]
        },
    ),
    "working_dir": ("/srv", {"workingDir": "/srv"}),
}
"""A value of each key, and the fields that it becomes."""


def service(**keys: Any) -> tuple[Object, str]:
    """Return the spec of a service with these keys, and all sentences."""
    [conversion], common = convert_compose([{"services": {"iris": SERVICE | keys}}])
    return conversion.model_service["spec"], "\n".join(map(str, (*conversion.notes, *common)))


def convert(text: str, **options: Any) -> tuple[dict[str, Object], str]:
    conversions, common = convert_compose([yaml.safe_load(text)], Options(**options))
    notes = [note for conversion in conversions for note in conversion.notes]
    specs = {item.model_service["metadata"]["name"]: item.model_service["spec"] for item in conversions}
    return specs, "\n".join(map(str, (*notes, *common)))


@pytest.mark.parametrize("key", sorted(_HANDLERS))
def test_key_becomes_fields(key: str) -> None:
    value, expected = EXAMPLES[key]
    without, _ = service()
    spec, _ = service(**{key: value})
    for field, wanted in expected.items():
        assert spec[field] == wanted
    assert {name for name in spec if spec[name] != without.get(name)} >= set(expected)


@pytest.mark.parametrize("key", sorted(_LEFT_OUT))
def test_key_without_counterpart_has_a_sentence(key: str) -> None:
    without, _ = service()
    spec, said = service(**{key: {"some": "value"}})
    assert spec == without
    assert f"left out: service/iris {key}: " in said


def test_unknown_key_has_a_sentence() -> None:
    assert "left out: service/iris cpux: this command does not know the key of a Compose service" in service(cpux=1)[1]


def test_extension_keys_say_nothing() -> None:
    assert service(**{"x-note": "y"}) == service()


@pytest.mark.parametrize(
    ("port", "container", "offered"),
    [
        ("5000", 5000, 5000),
        ("80:5000", 5000, None),
        ("127.0.0.1:8080:5000/tcp", 5000, 8080),
        ("[::1]:8080:5000", 5000, 8080),
        ({"target": 5000, "published": "8080", "protocol": "tcp"}, 5000, 8080),
        (5000, 5000, 5000),
    ],
    ids=str,
)
def test_forms_of_ports_are_read(port: Any, container: int, offered: int | None) -> None:
    spec, _ = service(ports=[port])
    assert spec["containerPort"] == container
    assert spec.get("service", {}).get("port") == offered


def test_range_of_ports_is_a_port_each() -> None:
    spec, _ = service(ports=["9000-9001:7000-7001"])
    assert (spec["containerPort"], spec["service"]) == (7000, {"port": 9000})
    assert spec["ports"] == [{"name": "port-7001", "containerPort": 7001, "servicePort": 9001}]


@pytest.mark.parametrize("source", ["./model", "/srv/model", "~/model", "$PWD/model", "$(pwd)/model", "C:\\model"])
def test_paths_of_the_host_are_left_out(source: str) -> None:
    spec, said = service(volumes=[{"type": "bind", "source": source, "target": "/model"}])
    assert "mounts" not in spec
    assert "volumes[/model]" in said
    if ":" not in source:
        assert service(volumes=[f"{source}:/model"])[0] == spec


def test_named_volume_needs_a_claim() -> None:
    assert "create it, and copy the files into it" in service(volumes=["data:/data"])[1]


def test_variables_of_the_shell_have_a_sentence() -> None:
    spec, said = service(image="${REGISTRY:-registry.example.com}/iris:${TAG}", command="echo $$HOME")
    assert spec["image"] == "registry.example.com/iris:TAG"
    assert spec["args"] == ["echo", "$HOME"]
    assert "its default 'registry.example.com' is used" in said
    assert "replace TAG" in said


def test_secret_in_the_environment_has_a_warning() -> None:
    assert "keep it in a Secret" in service(environment=["API_KEY=abc"])[1]


def test_health_command_without_http_is_executed() -> None:
    spec, _ = service(healthcheck={"test": "pg_isready || exit 1", "interval": "10s", "timeout": "1s"})
    assert spec["probes"] == {"readiness": {"exec": {"command": ["/bin/sh", "-c", "pg_isready || exit 1"]}}}


@pytest.mark.parametrize("check", [{"disable": True}, {"test": ["NONE"]}])
def test_disabled_check_is_none(check: Object) -> None:
    assert "probes" not in service(healthcheck=check)[0]


def test_resources_of_deploy_are_requests_and_limits() -> None:
    devices = [{"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}]
    resources = {"limits": {"cpus": "2", "memory": "4G"}, "reservations": {"memory": "1G", "devices": devices}}
    spec, _ = service(deploy={"resources": resources, "update_config": {"order": "stop-first"}})
    assert spec["resources"] == {
        "limits": {"cpu": "2", "memory": "4Gi", "nvidia.com/gpu": "1"},
        "requests": {"memory": "1Gi"},
    }
    assert spec["rollout"] == {"maxSurge": 0, "maxUnavailable": 1}


def test_root_is_refused_with_a_sentence() -> None:
    spec, said = service(user="root")
    assert "runAsUser" not in spec
    assert "a ModelService does not run as root" in said


def test_services_without_port_are_left_out() -> None:
    text = "services: {iris: {image: a, ports: ['5000']}, worker: {image: b}}"
    specs, said = convert(text)
    assert list(specs) == ["iris"]
    assert "left out: service/worker: it has no port" in said
    assert list(convert(text, only=("worker",))[0]) == ["worker"]


def test_later_files_complete_earlier_ones() -> None:
    conversions, _ = convert_compose(
        [{"services": {"iris": SERVICE}}, {"services": {"iris": {"image": "registry.example.com/iris:2"}}}]
    )
    assert conversions[0].model_service["spec"]["image"] == "registry.example.com/iris:2"
    assert conversions[0].model_service["spec"]["containerPort"] == 5000


def test_sentences_are_about_the_compose_file() -> None:
    """A Compose file has no Deployment: a difference of its defaults is not a change."""
    [conversion], common = convert_compose([{"services": {"iris": SERVICE}}])
    assert isinstance(conversion, Conversion)
    assert {note.subject for note in (*conversion.notes, *common)} == {"service/iris"}
    assert not any("revisionHistoryLimit" in field for note in conversion.notes for field in note.fields)
    assert any("the pods run as a user without privileges" in note.text for note in conversion.notes)


@pytest.mark.parametrize(
    ("body", "options", "message", "code"),
    [
        ({"kind": "Deployment"}, {}, "The input has no services, so that it is not a Compose file.", ExitCode.NEGATIVE),
        ({"services": {"a": {"image": "x"}}}, {}, "No service of the Compose file has a port", ExitCode.NEGATIVE),
        ({"services": {"a": SERVICE}}, {"only": ("b",)}, "has no service b: its services are a.", ExitCode.NOT_FOUND),
        ({"services": {"a": SERVICE, "b": SERVICE}}, {"name": "c"}, "--name is for one", ExitCode.NEGATIVE),
    ],
    ids=["no-services", "no-port", "unknown", "two"],
)
def test_input_without_a_service_is_an_error(body: Object, options: Object, message: str, code: ExitCode) -> None:
    with pytest.raises(CliError, match=message) as caught:
        convert_compose([body], Options(**options))
    assert caught.value.code == code


def test_values_of_any_type_are_converted_or_refused() -> None:
    """A wrong value is one sentence, never a traceback."""
    refused = []
    for key, (value, _) in EXAMPLES.items():
        wrong = [7, True, "text", ["a"], [{}], {"a": 1}, [[value]], {"a": value}, {key: {"b": value}}]
        for other in wrong:
            try:
                service(**{key: other})
            except CliError as error:
                refused.append(str(error))
    assert len(refused) > 30
    beginnings = ("service/iris ", "Deployment/iris cannot become a ModelService that the API server accepts: image: ")
    assert {message for message in refused if not message.startswith(beginnings) or "\n" in message} == set()


def test_service_that_is_a_text_is_refused() -> None:
    with pytest.raises(CliError, match="service/iris is not an object"):
        convert_compose([{"services": {"iris": "x"}}], Options(only=("iris",)))
