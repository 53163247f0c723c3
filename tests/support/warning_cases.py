"""Specs that the admission policy for warnings warns about, with its sentences, and specs that it does not."""

from typing import Any

from tests.support.builders import model_service

RESOURCES = {"requests": {"cpu": "500m"}, "limits": {"memory": "512Mi"}}
GPU = {"limits": {"memory": "512Mi", "nvidia.com/gpu": 1}}
CLAIMED = RESOURCES | {"claims": [{"name": "gpu"}]}
CLAIM = {"resourceClaims": [{"name": "gpu", "resourceClaimTemplateName": "gpu"}], "resources": CLAIMED}
READINESS = {"readiness": {"httpGet": {"path": "/isAlive"}}}
QUIET = model_service().with_spec(image="registry.example.com:5000/iris:1.4", resources=RESOURCES, probes=READINESS)

TAG = (
    "image has no tag or the tag latest, so replicas may run different versions: use the tag of a version, or a digest"
)
MEMORY = (
    "resources.limits.memory is not set, so one replica can use up the memory of its node: set it to the most that the"
    " server needs"
)
PROBE = (
    "probes.readiness only checks that the port accepts connections, which is true before the model is loaded: set"
    " probes.readiness.httpGet, grpc or exec"
)
BUDGET = (
    "disruptionBudget has no effect with one replica: set replicas (with autoscaling: minReplicas) to 2 or more, or"
    " remove disruptionBudget"
)
TARGET = (
    "autoscaling never adds a replica: the CPU usage would have to exceed 1.1 times 100 % of resources.requests.cpu,"
    " but resources.limits.cpu is not above that: raise the limit, or lower autoscaling.targetCPUUtilizationPercentage"
)
DEVICE = (
    "a rollout of the only replica waits for a second device, because the old pod keeps its device until the new one is"
    " ready: set rollout.type to Recreate, or rollout.maxSurge to 0 and rollout.maxUnavailable to 1"
)
AMOUNTS = (
    "resources has neither requests nor limits, so pods start on full nodes and are evicted first: set"
    " resources.requests, or remove resources to request the defaults"
)


def cpu(request: str | int | None, limit: str | int | None, *, target: int = 80, **autoscaling: Any) -> dict[str, Any]:
    """Return an autoscaled spec with these amounts of CPU."""
    limits = {"memory": "1Gi"} | ({} if limit is None else {"cpu": limit})
    requests = {} if request is None else {"requests": {"cpu": request}}
    scaling = {"maxReplicas": 5, "targetCPUUtilizationPercentage": target}
    return {"autoscaling": scaling | autoscaling, "resources": {"limits": limits, **requests}}


WARNED: dict[str, tuple[dict[str, Any], list[str]]] = {
    "latest": ({"image": "registry.example.com/iris:latest"}, [TAG]),
    "no tag": ({"image": "iris"}, [TAG]),
    "no tag, but a port": ({"image": "registry.example.com:5000/iris"}, [TAG]),
    "loader": (
        {"model": {"uri": "s3://models/iris", "loader": {"image": "loader"}}},
        [TAG.replace("image", "model.loader.image", 1)],
    ),
    "other containers": (
        {
            "initContainers": [{"name": "warm-up", "image": "helper"}, {"name": "check", "image": "helper:1.0"}],
            "sidecars": [{"name": "proxy", "image": "proxy:latest"}],
        },
        [TAG.replace("image", "initContainers[warm-up].image, sidecars[proxy].image", 1)],
    ),
    "default resources": ({"resources": None}, [MEMORY]),
    "no memory limit": ({"resources": {"requests": {"memory": "1Gi"}, "limits": {"cpu": 1}}}, [MEMORY]),
    "default readiness": ({"probes": None}, [PROBE]),
    "no readiness": ({"probes": {"liveness": READINESS["readiness"]}}, [PROBE]),
    "TCP readiness": ({"probes": {"readiness": {"tcpSocket": {"port": 8080}}}}, [PROBE]),
    "readiness without action": ({"probes": {"readiness": {"periodSeconds": 5}}}, [PROBE]),
    "budget": ({"disruptionBudget": {"minAvailable": 1}}, [BUDGET]),
    "budget of one autoscaled replica": (
        {"disruptionBudget": {"maxUnavailable": 1}, "autoscaling": {"minReplicas": 1, "maxReplicas": 5}, "replicas": 3},
        [BUDGET],
    ),
    "limit at target": (cpu("1", 1, target=100), [TARGET]),
    "limit within the tolerance": (cpu(1, "1", target=95), [TARGET.replace("100", "95")]),
    "limit below another tolerance": (
        cpu(1, "1400m", target=120, behavior={"scaleUp": {"tolerance": "0.2"}}),
        [TARGET.replace("1.1", "1.2").replace("100", "120")],
    ),
    "limit as request": (cpu(None, "500m", target=100), [TARGET]),
    "device": ({"resources": GPU}, [DEVICE]),
    "device and percentages": ({"resources": GPU, "rollout": {"maxSurge": "25%", "maxUnavailable": "25%"}}, [DEVICE]),
    "device claim": (CLAIM, [DEVICE]),
    "no amounts": ({"resources": {}}, [MEMORY, AMOUNTS]),
    "empty amounts": ({"resources": {"requests": {}, "limits": {}}}, [MEMORY, AMOUNTS]),
    "all": (
        {
            "image": "iris:latest",
            "resources": {"limits": {"cpu": 1, "example.com/npu": 2}},
            "probes": None,
            "disruptionBudget": {"minAvailable": "50%"},
            "autoscaling": {"maxReplicas": 2, "targetCPUUtilizationPercentage": 100},
        },
        [TAG, MEMORY, PROBE, BUDGET, TARGET, DEVICE],
    ),
}
"""Changes of a spec without warnings, and the sentences that they cause."""

QUIET_SPECS: dict[str, dict[str, Any]] = {
    "version": {},
    "digest": {"image": f"iris@sha256:{'0' * 64}"},
    "tag and digest": {"image": f"iris:latest@sha256:{'0' * 64}"},
    "gRPC readiness": {"probes": {"readiness": {"grpc": {"port": 9000}}}},
    "readiness command": {"probes": {"readiness": {"exec": {"command": ["/app/healthy"]}}}},
    "two replicas with a budget": {"replicas": 2, "disruptionBudget": {"minAvailable": 1}},
    "autoscaled replicas with a budget": {
        "disruptionBudget": {"minAvailable": 1},
        "autoscaling": {"minReplicas": 2, "maxReplicas": 5},
    },
    "limit above target": cpu("1", 1),
    "limit above tolerance": cpu("1", "1150m", target=104),
    "no CPU limit": cpu("1", None, target=200),
    "memory target": {
        "autoscaling": {"maxReplicas": 5, "targetMemoryUtilizationPercentage": 80},
        "resources": {"limits": {"cpu": 1, "memory": "1Gi"}},
    },
    "external autoscaler": {"autoscaling": {"managedBy": "External"}},
    "two devices": {"resources": GPU, "replicas": 2},
    "device without surge": {"resources": GPU, "rollout": {"maxSurge": 0, "maxUnavailable": 1}},
    "device and Recreate": {"resources": GPU, "rollout": {"type": "Recreate"}},
    "shared device claim": {"resourceClaims": [{"name": "gpu", "resourceClaimName": "gpu"}], "resources": CLAIMED},
    "device and unavailable replica": {"resources": GPU, "rollout": {"maxUnavailable": "100%"}},
}
