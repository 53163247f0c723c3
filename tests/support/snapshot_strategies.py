"""Hypothesis strategies for snapshots: whatever a cluster may report, also missing and null fields."""

from typing import Any

from hypothesis import strategies as st

from modelservice_operator.controller.transforms import transform_pod, transform_replica_set
from modelservice_operator.errors import ApiStatus, InvalidRequestError, OperatorError, StatusCause, UnreachableError
from modelservice_operator.status.pods import Pod
from modelservice_operator.status.snapshot import Snapshot
from tests.support.pods import HASH, OLD_HASH, new_replica_set
from tests.support.snapshots import IRIS, deployment_status

SERVICES = [
    IRIS.parsed(),
    IRIS.autoscaled(min_replicas=2, max_replicas=5).parsed(),
    IRIS.externally_scaled().parsed(),
    IRIS.suspended().parsed(),
    IRIS.with_spec(imagePullSecrets=[{"name": "login"}], probes={"readiness": {"httpGet": {"path": "/"}}}).parsed(),
]
TIMES = st.sampled_from(["2026-01-02T03:00:00Z", "2026-01-02T03:03:50Z"])
NAMES = st.sampled_from([f"iris-{revision}-{end}" for revision in (HASH, OLD_HASH) for end in ("aaaaa", "bbbbb", "c2")])
NOISE = st.sampled_from(
    [
        "2026-01-02T03:04:05Z ",
        f"iris-{HASH}-x2x7k ",
        f'pods "iris-{HASH}-" is forbidden: ',
        "back-off 5m0s ",
        "request id: 4442587FB7D0A2F9, ",
        '{"reason": "ModelNotFound", "message": "no"}',
        '{"reason": [1], "message": {"a": null}}',
        "[" * 3000,
        'Back-off pulling image "x": ErrImagePull: ',
        "exceeded quota: q",
        "\n",
        "exec: ",
        "OSError: [Errno 30] Read-only file system: '/app/$path/x' ",
        "PermissionError: [Errno 13] Permission denied: '/root/.cache' ",
        "FileNotFoundError: /mnt/models/x ",
    ]
)
TEXTS = st.lists(st.one_of(NOISE, st.text(max_size=8)), max_size=4).map(" ".join)  # volatile parts are separate words


def optional_fields(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Return objects in which each field may be missing or null."""
    return st.fixed_dictionaries({}, optional={name: st.none() | values for name, values in fields.items()})


REASONS = st.sampled_from(
    [
        *("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "CreateContainerConfigError", "RunContainerError"),
        *("CrashLoopBackOff", "ContainerCreating", "PodInitializing", "OOMKilled", "Error", "StartError", "", "Odd"),
    ]
)
TERMINATIONS = optional_fields(
    reason=REASONS, message=TEXTS, exitCode=st.sampled_from([0, 1, 137, 143, -1]), finishedAt=TIMES
)
STATES = optional_fields(
    waiting=optional_fields(reason=REASONS, message=TEXTS),
    running=optional_fields(startedAt=TIMES),
    terminated=TERMINATIONS,
)
STATUSES = optional_fields(
    name=st.sampled_from(["model", "model-loader", "proxy"]),
    ready=st.booleans(),
    started=st.booleans(),
    state=STATES,
    lastState=optional_fields(terminated=TERMINATIONS),
)
CONDITIONS = st.lists(
    optional_fields(
        type=st.sampled_from(
            [
                *("Ready", "PodScheduled", "PodReadyToStartContainers", "ReplicaFailure"),
                *("AbleToScale", "ScalingActive", "ScalingLimited"),
            ]
        ),
        status=st.sampled_from(["True", "False", "Unknown"]),
        reason=REASONS
        | st.sampled_from(
            ["ReadinessGatesNotReady", "SchedulingGated", "ScalingDisabled", "FailedGetScale", "TooManyReplicas"]
        ),
        message=TEXTS,
    ),
    max_size=4,
)
PODS = st.builds(
    lambda name, metadata, spec, status: {"metadata": metadata | {"name": name}, "spec": spec, "status": status},
    NAMES,
    optional_fields(
        labels=optional_fields(**{"pod-template-hash": st.sampled_from([HASH, HASH, OLD_HASH])}),
        deletionTimestamp=st.none() | TIMES,
        ownerReferences=st.lists(optional_fields(controller=st.booleans(), uid=st.just("u")), max_size=2),
    ),
    st.none() | optional_fields(schedulingGates=st.lists(optional_fields(name=st.just("gate")), max_size=2)),
    st.none()
    | optional_fields(
        phase=st.sampled_from(["Pending", "Running", "Failed", "Succeeded", "Unknown"]),
        reason=REASONS,
        message=TEXTS,
        conditions=CONDITIONS,
        initContainerStatuses=st.lists(STATUSES, max_size=2),
        containerStatuses=st.lists(STATUSES, max_size=2),
    ),
)
REPLICA_SETS = st.builds(
    lambda revision, number, text: new_replica_set(revision, number=number, refused=text),
    st.sampled_from([HASH, OLD_HASH]),
    st.integers(1, 3),
    st.none() | TEXTS,
)
AUTOSCALERS = optional_fields(
    metadata=optional_fields(uid=st.just("u"), creationTimestamp=TIMES),
    spec=optional_fields(minReplicas=st.integers(0, 3), maxReplicas=st.integers(1, 5)),
    status=optional_fields(conditions=CONDITIONS, currentReplicas=st.integers(0, 5), lastScaleTime=TIMES),
)
COUNTS = st.integers(0, 3)
ROLLOUTS = st.builds(
    deployment_status,
    desired=COUNTS,
    replicas=COUNTS,
    ready=COUNTS,
    updated=COUNTS,
    available=COUNTS,
    observed=st.booleans(),
    revision=st.sampled_from(["", "2"]),
    paused=st.booleans(),
    min_ready_seconds=st.sampled_from([0, 60]),
    conditions=st.dictionaries(
        st.sampled_from(["Progressing", "ReplicaFailure"]),
        st.fixed_dictionaries(
            {
                "status": st.sampled_from(["True", "False", "Unknown"]),
                "reason": st.sampled_from(
                    ["ProgressDeadlineExceeded", "NewReplicaSetAvailable", "ReplicaSetUpdated", "DeploymentPaused"]
                ),
            },
            optional={"message": TEXTS},
        ),
    ),
)
NO_ZERO = ApiStatus(
    422,
    kind="HorizontalPodAutoscaler",
    causes=(StatusCause("FieldValueInvalid", "Invalid value: 0", "spec.minReplicas"),),
)
FAILURES: st.SearchStrategy[OperatorError | None] = st.sampled_from(
    [
        None,
        None,
        None,
        UnreachableError("no answer"),
        InvalidRequestError("HorizontalPodAutoscaler: no", status=NO_ZERO),
    ]
)


def unique_pods(pods: list[Pod]) -> tuple[Pod, ...]:
    """Keep one pod of each name: the API server does, too."""
    return tuple({pod.name: pod for pod in pods}.values())


def unique_replica_sets(bodies: list[dict[str, Any]]) -> tuple[dict[str, Any], ...]:
    """Keep one ReplicaSet of each name."""
    return tuple({body["metadata"]["name"]: body for body in bodies}.values())


SNAPSHOTS = st.builds(
    Snapshot,
    service=st.sampled_from(SERVICES),
    rollout=st.none() | ROLLOUTS,
    failure=FAILURES,
    pods=st.lists(PODS.map(transform_pod).map(Pod.of), max_size=4).map(unique_pods),
    replica_sets=st.lists(REPLICA_SETS.map(transform_replica_set), max_size=2).map(unique_replica_sets),
    autoscaler=st.none() | AUTOSCALERS,
    ages=st.dictionaries(st.just("u"), st.sampled_from([0.0, 59.5, 60.0, 400.0])),
    foreign_autoscalers=st.lists(st.sampled_from(["theirs", "hers"]), max_size=2).map(tuple),
    pod_event_messages=st.lists(
        TEXTS | st.sampled_from(["Readiness probe failed: no", "Startup probe failed: no", "MountVolume.SetUp failed"]),
        max_size=3,
    ).map(tuple),
)
