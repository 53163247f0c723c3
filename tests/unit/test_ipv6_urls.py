"""Every URL that the operator builds has an IPv6 address in brackets (RFC 3986, 3.2.2)."""

import ast
from collections.abc import Iterator
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

import modelservice_operator
from modelservice_operator.client.service_account import load_service_account
from modelservice_operator.resources import build_children
from modelservice_operator.status.exposure import outside_url
from modelservice_operator.status.snapshot import Snapshot, load_balancer_address
from tests.support.builders import model_service

PACKAGE = Path(modelservice_operator.__file__).parent
HOST_FUNCTIONS = {"url_host"}
PROBES = {"liveness": {"httpGet": {"path": "/"}}}
ADDRESSES = st.ip_addresses(v=6)
PORTS = st.integers(1, 65_535)


def names_a_host(value: ast.expr) -> bool:
    """Return True if the value comes from a function that adds the brackets."""
    return isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id in HOST_FUNCTIONS


def unbracketed_hosts(source: str) -> Iterator[str]:
    """Yield the f-strings in which a value follows `://`, and may be an IPv6 address without brackets."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.JoinedStr):
            continue
        for before, after in zip(node.values, node.values[1:], strict=False):
            text = str(before.value) if isinstance(before, ast.Constant) else ""
            ends_scheme = text.endswith("://") and "^" not in text  # a pattern is not a URL
            if ends_scheme and isinstance(after, ast.FormattedValue) and not names_a_host(after.value):
                yield ast.unparse(node)


def test_every_url_is_built_from_a_host_in_brackets() -> None:
    assert [*unbracketed_hosts("f'http://{address}:{port}'")] != []
    found = {
        f"{path.relative_to(PACKAGE)}: {text}"
        for path in PACKAGE.rglob("*.py")
        for text in unbracketed_hosts(path.read_text())
    }
    assert found == set()


def host_and_port(url: str) -> tuple[object, int]:
    """Return the address and the port of a URL; other programs read them in the same way."""
    parts = urlsplit(url)
    return ip_address(parts.hostname or ""), parts.port or {"http": 80, "https": 443}[parts.scheme]


def with_address(address: IPv6Address) -> dict[str, Any]:
    """Return an object with the status of a load balancer."""
    return {"status": {"loadBalancer": {"ingress": [{"ip": str(address)}]}}}


@given(ADDRESSES, PORTS)
def test_load_balancer_url_has_the_address(address: IPv6Address, port: int) -> None:
    service = model_service().with_spec(service={"type": "LoadBalancer", "port": port}).parsed()
    url = outside_url(Snapshot(service=service, load_balancer=load_balancer_address(with_address(address))))
    assert host_and_port(url or "") == (address, port)


@given(ADDRESSES, st.booleans())
def test_ingress_url_has_the_address(address: IPv6Address, is_encrypted: bool) -> None:  # noqa: FBT001
    options = {"tls": [{"secretName": "tls"}]} if is_encrypted else {}
    service = model_service().with_spec(expose={"ingress": options}).parsed()
    url = outside_url(Snapshot(service=service, ingress_address=load_balancer_address(with_address(address))))
    assert host_and_port(url or "")[0] == address


@given(ADDRESSES, PORTS)
def test_api_server_url_has_the_address(address: IPv6Address, port: int) -> None:
    with pytest.MonkeyPatch.context() as patch, TemporaryDirectory() as directory:
        patch.setenv("KUBERNETES_SERVICE_HOST", str(address))
        patch.setenv("KUBERNETES_SERVICE_PORT", str(port))
        (Path(directory) / "token").write_text("secret")
        assert host_and_port(load_service_account(Path(directory)).server) == (address, port)


@given(ADDRESSES)
def test_probes_connect_to_the_address_of_the_pod(address: IPv6Address) -> None:
    """Probes have no host: the kubelet connects to the address of the pod, of whatever family."""
    uri = f"https://[{address}]/models/iris.bin"
    children = build_children(model_service().with_spec(model={"uri": uri}, probes=PROBES).parsed())
    [container] = children[0].body["spec"]["template"]["spec"]["containers"]
    probes = [container[name] for name in ("startupProbe", "readinessProbe", "livenessProbe")]
    assert all("host" not in check for probe in probes for check in probe.values() if isinstance(check, dict))
    [loader] = children[0].body["spec"]["template"]["spec"]["initContainers"]
    assert {"name": "MODEL_URI", "value": uri} in loader["env"]
