"""Pod settings on a real API server: created with a single write each, and switched off and on without leftovers."""

from typing import Any

import pytest
import yaml

from tests.environment.audit import STATUS, AuditTrail
from tests.support.builders import ModelServiceBuilder, golden, model_service
from tests.support.namespace import NamespaceFixture

GROUPS = ("volumes", "sidecars", "placed")
"""Golden files with the settings, by topic."""
NAME = "switched"


@pytest.fixture(scope="module")
def plain(ns: NamespaceFixture) -> ModelServiceBuilder:
    return model_service().named(NAME, namespace=ns.namespace)


def is_observed(ns: NamespaceFixture, name: str) -> bool:
    found = ns.get_model_service(name)
    return bool(found["status"].get("observedGeneration") == found["metadata"]["generation"])


def settled_deployment(ns: NamespaceFixture, name: str) -> Any:
    """Return spec of the Deployment once the operator has processed the ModelService."""
    ns.wait(lambda: is_observed(ns, name), "status", name=name)
    return ns.get("deployment", name)["spec"]


def lines_of(spec: Any) -> list[str]:
    """Return a spec as YAML, for a readable difference."""
    return yaml.safe_dump(spec, sort_keys=True).splitlines()


def test_settings_need_no_second_write(ns: NamespaceFixture, audit: AuditTrail) -> None:
    """Values that the API server defaults or drops are not treated as drift."""
    for name in GROUPS:
        ns.apply(golden(name))
    for name in GROUPS:
        settled_deployment(ns, name)
        assert "unchanged" in ns.apply(golden(name))
    ns.apply(model_service().named("marker"))
    ns.wait_ready("marker")
    for name in GROUPS:
        writes = audit.writes_of(name)
        del writes[STATUS]
        assert audit.status_writes_of(name).problems(at_most=3) == []
        assert set(writes.values()) == {1}, name
        assert all(write.startswith("create ") for write in writes), name


def test_settings_leave_nothing_behind(ns: NamespaceFixture, plain: ModelServiceBuilder) -> None:
    ns.apply(plain)
    before = settled_deployment(ns, NAME)
    for name in GROUPS:
        fresh = settled_deployment(ns, name)
        ns.apply(plain.with_spec(**golden(name).spec))
        assert lines_of(without_name(settled_deployment(ns, NAME), NAME)) == lines_of(without_name(fresh, name))
        ns.apply(plain)
        assert lines_of(settled_deployment(ns, NAME)) == lines_of(before), name


def without_name(spec: Any, name: str) -> Any:
    """Return a spec with another name of its ModelService."""
    match spec:
        case dict():
            return {key: without_name(value, name) for key, value in spec.items()}
        case list():
            return [without_name(value, name) for value in spec]
    return "NAME" if spec == name else spec


def test_strategy_switches_with_limits_of_another_client(ns: NamespaceFixture, plain: ModelServiceBuilder) -> None:
    """The API server rejects type Recreate with the limits of a rolling update, which an apply would not remove."""
    service = plain.named("strategy", namespace=ns.namespace)
    ns.apply(service)
    settled_deployment(ns, "strategy")
    ns.kubectl(
        "patch",
        "deployment",
        "strategy",
        "--type=merge",
        "-p",
        '{"spec": {"strategy": {"rollingUpdate": {"maxSurge": 3}}}}',
    )
    ns.wait(lambda: limits(ns) == {"maxSurge": 1, "maxUnavailable": 0}, "corrected limits", name="strategy")
    ns.apply(service.with_spec(rollout={"type": "Recreate"}))
    assert settled_deployment(ns, "strategy")["strategy"] == {"type": "Recreate"}
    ns.apply(service)
    settled_deployment(ns, "strategy")
    assert limits(ns) == {"maxSurge": 1, "maxUnavailable": 0}


def limits(ns: NamespaceFixture) -> Any:
    return ns.get("deployment", "strategy")["spec"]["strategy"].get("rollingUpdate")
