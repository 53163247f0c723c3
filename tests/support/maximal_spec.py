"""The largest ModelService that fits into one request: CEL rules cost most for it."""

from typing import Any

from tests.support.builders import ModelServiceBuilder, model_service

REFERENCE_COUNT = 24
_LABEL = "v" * 63


def _labels(count: int) -> dict[str, str]:
    return {f"{'d' * 60}.example.com/{'k' * 59}{number:04}": _LABEL for number in range(count)}


def _path(number: int) -> str:
    return "/" + "p" * 1019 + f"{number:04}"


def _secret(number: int) -> dict[str, Any]:
    return {"secretKeyRef": {"name": "s" * 249 + f"{number:04}", "key": "k" * 253}}


def _variables() -> list[dict[str, Any]]:
    named = [{"name": "N" * 249 + f"{number:04}", "value": "v" * 2000} for number in range(256 - REFERENCE_COUNT)]
    return named + [
        {"name": "S" * 249 + f"{number:04}", "valueFrom": _secret(number)} for number in range(REFERENCE_COUNT)
    ]


def _requirements() -> list[dict[str, Any]]:
    return [{"key": key, "operator": "In", "values": [_LABEL] * 8} for key in _labels(8)]


def _pod_affinity() -> dict[str, Any]:
    term = {"topologyKey": "a", "labelSelector": {"matchLabels": _labels(16), "matchExpressions": _requirements()}}
    return {"requiredDuringSchedulingIgnoredDuringExecution": [term] * 4}


def _container(name: str) -> dict[str, Any]:
    """Return a container with many small values: few large ones would not fit into a request."""
    return {
        "name": name,
        "image": "i" * 100,
        "env": [{"name": f"N{number}", "value": "v" * 100} for number in range(32)],
        "mounts": [{"name": f"m{number:04}", "mountPath": f"/m{number}"} for number in range(8)],
    }


def _extra(number: int) -> dict[str, Any]:
    return {
        "name": "e" * 39 + str(number),
        "uri": "s3://bucket/" + "a/" * 1018,
        "path": "/" + "p" * 254 + str(number),
        "credentials": {"secretRef": {"name": _secret(number)["secretKeyRef"]["name"]}},
    }


def maximal_spec() -> ModelServiceBuilder:
    """Return a ModelService with every list and map at its maximum size, as far as the request limit allows."""
    metric = {"type": "Pods", "pods": {"metric": {"name": "m"}, "target": {"type": "AverageValue", "averageValue": 1}}}
    terms = [{"matchExpressions": _requirements()}] * 4
    return model_service().with_spec(
        image="i" * 1024,
        command=["c" * 1000] * 64,
        args=["a" * 1000] * 256,
        env=_variables(),
        model={"uri": "file:///" + "a/" * 1020, "name": "n" * 253, "extra": [_extra(number) for number in range(8)]},
        replicas=2,
        autoscaling={"maxReplicas": 10_000, "metrics": [metric] * 8},
        resources={block: {"cpu": 1, **{f"example.com/d{n}": 1 for n in range(7)}} for block in ("requests", "limits")},
        mounts=[{"name": f"m{n:04}", "mountPath": _path(n), "subPath": "s/" * 500, "emptyDir": {}} for n in range(16)],
        portName="p" * 15,
        ports=[{"name": f"port-{n}", "containerPort": 10_000 + n, "appProtocol": "a" * 63} for n in range(15)],
        service={
            "name": "s" * 63,
            "type": "LoadBalancer",
            "labels": _labels(64),
            "annotations": dict.fromkeys(_labels(32), "x" * 1000),
            "loadBalancerSourceRanges": [f"192.0.2.{n}/32" for n in range(32)],
        },
        expose={"httpRoute": {"parentRefs": [{"name": "g" * 253}] * 8, "hostnames": ["h" * 63 + ".example.com"] * 16}},
        networkPolicy={"enabled": True, "from": [{"podLabels": _labels(16)}] * 32},
        podLabels=_labels(64),
        podAnnotations=dict.fromkeys(_labels(32), "x" * 1000),
        nodeSelector=_labels(64),
        tolerations=[{"key": key, "value": _LABEL} for key in _labels(32)],
        affinity={
            "nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}},
            "podAffinity": _pod_affinity(),
            "podAntiAffinity": _pod_affinity(),
        },
        topologySpreadConstraints=[
            {"maxSkew": 1, "topologyKey": key, "whenUnsatisfiable": "ScheduleAnyway"} for key in _labels(8)
        ],
    )
