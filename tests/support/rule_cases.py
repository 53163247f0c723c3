"""Values on both sides of every CEL rule and pattern of the schema, by the message of the rule.

Each value is for the field that has the rule; a rule that compares fields has a whole object. `rejected` and `accepted`
are tried at each field whose rule has the message.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from modelservice_operator.api.primitives import HARMLESS_ANNOTATIONS, HARMLESS_LABELS
from tests.support.uri_forms import CREDENTIAL_NAMES


@dataclass(frozen=True)
class RuleCase:
    """Values on both sides of a rule."""

    rejected: tuple[Any, ...]
    accepted: tuple[Any, ...]


def spec(**fields: Any) -> dict[str, Any]:
    return {"image": "iris:1", **fields}


def mount(name: str, path: str = "/a") -> dict[str, Any]:
    return {"name": name, "mountPath": path, "emptyDir": {}}


def files(kind: str, *paths: str) -> dict[str, Any]:
    """Return a source of a projected volume: a ConfigMap or Secret with a key for each path."""
    return {kind: {"name": "a", **({"items": [{"key": "k", "path": path} for path in paths]} if paths else {})}}


def downward(*paths: str) -> dict[str, Any]:
    """Return a source of a projected volume with fields of the pod."""
    return {"downwardAPI": {"items": [{"path": path, "fieldRef": {"fieldPath": "metadata.name"}} for path in paths]}}


def metric_target(**fields: Any) -> dict[str, Any]:
    return {"type": "AverageValue", **fields}


_KEY_REFERENCE = {"name": "a", "key": "k"}
_FROM_SECRET = {"secretKeyRef": _KEY_REFERENCE}
_INGRESS = {"host": "a.example.com", "className": "nginx"}
_ROUTE = {"parentRefs": [{"name": "edge"}]}
_PORT = {"name": "grpc", "containerPort": 8001}
_UDP_PORT = {"name": "probe", "containerPort": 8002, "protocol": "UDP"}
_KNOWN_PORT = "must be portName (http, if it is not set) or the name of a TCP port in ports"
_METRIC = {"metric": {"name": "a"}, "target": {"type": "Value", "value": 1}}
_FETCHED = (
    "is only valid for downloaded models: remove it, because models at file://, pvc:// and oci:// are not downloaded"
)
_S3 = {"uri": "s3://models/iris"}
_EXTRA = {"name": "a", "uri": "s3://adapters/a"}
_CREDENTIALS_FIELDS = ("model.credentials", "credentials")
"""Of the model, and of an extra one."""
_LONG = "a" * 64
_TMP = "/tmp"  # noqa: S108 - a path inside the container
_RESERVED = ("kubernetes.io", "apps.kubernetes.io", "k8s.io", "modelservice.dev", "argoproj.io", "toolkit.fluxcd.io")

_PORT_USERS: dict[str, Callable[[str], dict[str, Any]]] = {
    "expose.ingress.port": lambda port: {"expose": {"ingress": {"port": port}}},
    "expose.httpRoute.port": lambda port: {"expose": {"httpRoute": {**_ROUTE, "port": port}}},
    "monitoring.podMonitor.port": lambda port: {"monitoring": {"podMonitor": {"port": port}}},
    "port of a path": lambda port: {"expose": {"ingress": {"rules": [{"paths": [{}, {"port": port}]}]}}},
}

_CONTAINER = {"name": "a", "image": "proxy:1"}
_ADMIN = {"name": "admin", "containerPort": 9000}
_TOKEN_MOUNT = {
    "name": "token",
    "mountPath": "/token",
    "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]},
}


def _named(port: str | int) -> dict[str, Any]:
    return {"httpGet": {"port": port}}


def _sidecar(**fields: Any) -> dict[str, Any]:
    return spec(sidecars=[_CONTAINER | fields])


RULE_CASES: dict[str, RuleCase] = {
    "autoscaling.minReplicas (or replicas, if it is not set) must not be greater than autoscaling.maxReplicas:"
    " raise maxReplicas or lower the minimum": RuleCase(
        (spec(replicas=4, autoscaling={"maxReplicas": 3}), spec(autoscaling={"minReplicas": 4, "maxReplicas": 3})),
        (
            spec(replicas=3, autoscaling={"maxReplicas": 3}),
            spec(replicas=9, autoscaling={"minReplicas": 3, "maxReplicas": 3}),
            spec(replicas=9, autoscaling={"managedBy": "External"}),
        ),
    ),
    "replicas must be at least 1 with autoscaling: set suspend to true to run no replicas": RuleCase(
        (spec(replicas=0, autoscaling={"maxReplicas": 3}),),
        (
            spec(replicas=0),
            spec(replicas=0, autoscaling={"managedBy": "External"}),
            spec(
                replicas=0,
                autoscaling={
                    "minReplicas": 0,
                    "maxReplicas": 3,
                    "metrics": [{"type": "External", "external": _METRIC}],
                },
            ),
        ),
    ),
    "a CPU target requires a CPU request or limit: set resources.requests.cpu": RuleCase(
        (
            spec(
                resources={"limits": {"memory": "1Gi"}},
                autoscaling={"maxReplicas": 3, "targetCPUUtilizationPercentage": 80},
            ),
            spec(resources={}, autoscaling={"maxReplicas": 3}),
        ),
        (
            spec(autoscaling={"maxReplicas": 3}),
            spec(resources={"limits": {"cpu": 1}}, autoscaling={"maxReplicas": 3}),
            spec(
                resources={"requests": {"memory": "1Gi"}},
                autoscaling={"maxReplicas": 3, "targetMemoryUtilizationPercentage": 80},
            ),
            spec(resources={}, autoscaling={"maxReplicas": 3, "metrics": [{"type": "External", "external": _METRIC}]}),
        ),
    ),
    "a memory target requires a memory request or limit: set resources.requests.memory": RuleCase(
        (
            spec(
                resources={"requests": {"cpu": 1}},
                autoscaling={"maxReplicas": 3, "targetMemoryUtilizationPercentage": 80},
            ),
        ),
        (
            spec(
                resources={"requests": {"memory": "1Gi"}},
                autoscaling={"maxReplicas": 3, "targetMemoryUtilizationPercentage": 80},
            ),
        ),
    ),
    "progressDeadlineSeconds must be greater than the maximum startup time of the server (probes.startup:"
    " initialDelaySeconds + periodSeconds * failureThreshold; plus model.loader.timeoutSeconds for the model"
    " and each of model.extra): raise it, or remove it": RuleCase(
        (
            spec(
                model={**_S3, "loader": {"timeoutSeconds": 100}, "extra": [_EXTRA]},
                rollout={"progressDeadlineSeconds": 200},
            ),
            spec(model={**_S3, "loader": {"timeoutSeconds": 100}}, rollout={"progressDeadlineSeconds": 100}),
            spec(probes={"startup": {}}, rollout={"progressDeadlineSeconds": 30}),
            spec(
                probes={"startup": {"initialDelaySeconds": 5, "periodSeconds": 2, "failureThreshold": 10}},
                rollout={"progressDeadlineSeconds": 25},
            ),
            spec(
                probes={"startup": {}},
                model={**_S3, "loader": {"timeoutSeconds": 100}},
                rollout={"progressDeadlineSeconds": 130},
            ),
        ),
        (
            spec(rollout={"progressDeadlineSeconds": 600}),
            spec(
                model={**_S3, "loader": {"timeoutSeconds": 100}, "extra": [_EXTRA]},
                rollout={"progressDeadlineSeconds": 201},
            ),
            spec(model={**_S3, "loader": {"timeoutSeconds": 100}}, rollout={"progressDeadlineSeconds": 101}),
            spec(probes={"startup": {}}, rollout={"progressDeadlineSeconds": 31}),
            spec(
                probes={"startup": {"initialDelaySeconds": 5, "periodSeconds": 2, "failureThreshold": 10}},
                rollout={"progressDeadlineSeconds": 26},
            ),
        ),
    ),
    "must be an image reference without spaces, such as registry.example.com/iris-server:1.4": RuleCase(
        ("has space", "$(IMAGE)", "{{ image }}", "../iris", "iris\n", "īris"),
        ("iris", "Registry.example.com:5000/a/b:v1@sha256:" + "0" * 64),
    ),
    "must be the name of an object: lower-case letters, digits, '-' and '.', beginning and ending with a letter or"
    " digit": RuleCase(("Upper", "a_b", "-a", "a-", "a..b", "a b", "../a", "other/a"), ("a", "0.a-b", "a" * 253)),
    "must be an absolute path without control characters: begin with '/'": RuleCase(
        ("relative", "./a", "/a\nb", "/a\u202eb"), ("/", "/a b", "/modèle")
    ),
    "must not contain '..': write the path of the directory itself": RuleCase(
        ("/a/../b", "/..", "/a/.."), ("/a/..b", "/a..")
    ),
    "set value or valueFrom, not both": RuleCase(
        ({"name": "A", "value": "1", "valueFrom": _FROM_SECRET},),
        ({"name": "A"}, {"name": "A", "value": ""}, {"name": "A", "valueFrom": _FROM_SECRET}),
    ),
    "must be the name of a variable: letters, digits and '_', not beginning with a digit": RuleCase(
        ("1A", "A-B", "A.B", "A B", "Ä", "A="), ("_", "a1", "A" * 253)
    ),
    "the prefix KUBERNETES_ is reserved for Kubernetes: choose another name": RuleCase(
        ("KUBERNETES_X",), ("KUBERNETES", "LD_PRELOAD", "MODEL_PATHS")
    ),
    "MODEL_URI and MODEL_PATH are set from model.uri: remove them from env, or remove model.uri": RuleCase(
        tuple(
            spec(model={"uri": "file:///a"}, env=[{"name": name, "value": "/b"}])
            for name in ("MODEL_URI", "MODEL_PATH")
        ),
        (
            spec(model={"name": "a"}, env=[{"name": "MODEL_URI", "value": "a"}, {"name": "MODEL_PATH", "value": "/b"}]),
            spec(env=[{"name": "MODEL_PATH", "valueFrom": _FROM_SECRET}]),
            spec(model={"uri": "file:///a"}, env=[{"name": "MODEL_PATHS", "value": "/b"}]),
        ),
    ),
    "MODEL_NAME is set from model.name: remove it from env, or remove model.name": RuleCase(
        (spec(model={"name": "a"}, env=[{"name": "MODEL_NAME", "value": "a"}]),),
        (spec(model={"uri": "file:///a"}, env=[{"name": "MODEL_NAME", "value": "a"}]),),
    ),
    "PORT must be equal to containerPort: set containerPort, and remove PORT from env": RuleCase(
        (
            spec(env=[{"name": "PORT", "value": "8081"}]),
            spec(env=[{"name": "PORT"}]),
            spec(containerPort=80, env=[{"name": "PORT", "value": "080"}]),
        ),
        (
            spec(env=[{"name": "PORT", "value": "8080"}]),
            spec(containerPort=80, env=[{"name": "PORT", "value": "80"}]),
            spec(env=[{"name": "PORT", "valueFrom": _FROM_SECRET}]),
        ),
    ),
    "set exactly one of secretKeyRef, configMapKeyRef, fieldRef and resourceFieldRef": RuleCase(
        ({}, {"secretKeyRef": _KEY_REFERENCE, "configMapKeyRef": _KEY_REFERENCE}),
        (
            _FROM_SECRET,
            {"configMapKeyRef": _KEY_REFERENCE},
            {"fieldRef": {"fieldPath": "status.podIP"}},
            {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "1m"}},
        ),
    ),
    "divisor must be 1 or 1m for cpu, and 1 or a unit such as 1Mi for other resources": RuleCase(
        ({"resource": "limits.memory", "divisor": "1m"}, {"resource": "requests.cpu", "divisor": "1Mi"}),
        ({"resource": "limits.memory", "divisor": "1Mi"}, {"resource": "limits.cpu", "divisor": "0"}),
    ),
    "set exactly one of secretRef and configMapRef": RuleCase(
        ({}, {"secretRef": {"name": "a"}, "configMapRef": {"name": "a"}}),
        ({"secretRef": {"name": "a"}}, {"prefix": "A_", "configMapRef": {"name": "a", "optional": True}}),
    ),
    "set exactly one of exec, httpGet and sleep": RuleCase(
        ({}, {"sleep": {"seconds": 1}, "exec": {"command": ["a"]}}),
        ({"sleep": {"seconds": 1}}, {"httpGet": {}}, {"exec": {"command": ["a"]}}),
    ),
    "lifecycle.preStop replaces the drain: remove drainSeconds, or remove lifecycle.preStop": RuleCase(
        (spec(drainSeconds=0, lifecycle={"preStop": {"sleep": {"seconds": 1}}}),),
        (
            spec(drainSeconds=1, lifecycle={"postStart": {"exec": {"command": ["a"]}}}),
            spec(lifecycle={"preStop": {"sleep": {"seconds": 1}}}),
        ),
    ),
    "terminationGracePeriodSeconds includes the drain: it must be greater than drainSeconds and the sleep of"
    " lifecycle.preStop and lifecycle.postStart": RuleCase(
        (
            spec(drainSeconds=30, terminationGracePeriodSeconds=30),
            spec(lifecycle={"preStop": {"sleep": {"seconds": 9}}}, terminationGracePeriodSeconds=9),
            spec(lifecycle={"postStart": {"sleep": {"seconds": 9}}}, terminationGracePeriodSeconds=9),
        ),
        (
            spec(terminationGracePeriodSeconds=0),
            spec(drainSeconds=0, terminationGracePeriodSeconds=0),
            spec(drainSeconds=29, terminationGracePeriodSeconds=30),
            spec(lifecycle={"preStop": {"sleep": {"seconds": 3600}}, "postStart": {"sleep": {"seconds": 3600}}}),
        ),
    ),
    "containers must not run as root: set another UID, such as 1000. Most images that were built for root run as any"
    " user if the directories that they write to are mounts, or with writableRootFilesystem": RuleCase((0,), (1,)),
    "must be a key of the object: letters, digits, '-', '_' and '.', not beginning with '..'": RuleCase(
        ("a/b", "..", ".", "..a", "a b", "ä"), ("a", ".a", "-a", "A.b_c-d")
    ),
    "must be one of metadata.name, metadata.namespace, metadata.uid, spec.nodeName, spec.serviceAccountName,"
    " status.hostIP, status.hostIPs, status.podIP, status.podIPs, metadata.labels['KEY'] or"
    " metadata.annotations['KEY']": RuleCase(
        ("spec.containers", "metadata.labels", "status.podIPx", "metadata.labels['a b']"),
        ("metadata.name", "status.podIPs", "metadata.labels['example.com/a']", "metadata.annotations['a']"),
    ),
    **{
        f"{field} {_FETCHED}": RuleCase(
            ({field: value}, {"uri": "file:///a", field: value}),
            (
                *({"uri": "file:///a"}, {**_S3, field: value}),
                *([{"uri": "file:///a", field: value, "extra": [_EXTRA]}] if field == "loader" else []),
            ),
        )
        for field, value in (
            ("revision", "main"),
            ("credentials", {"secretRef": {"name": "a"}}),
            ("sha256", "0" * 64),
            ("loader", {}),
            ("cache", {"emptyDir": {}}),
        )
    },
    f"updatePolicy Auto {_FETCHED}": RuleCase(
        ({"updatePolicy": "Auto"}, {"uri": "file:///a", "updatePolicy": "Auto"}),
        ({"updatePolicy": "Never"}, {**_S3, "updatePolicy": "Auto"}),
    ),
    "refreshIntervalSeconds requires updatePolicy Auto: set it, or remove refreshIntervalSeconds": RuleCase(
        ({**_S3, "refreshIntervalSeconds": 60},), ({**_S3, "updatePolicy": "Auto", "refreshIntervalSeconds": 60},)
    ),
    "must be a URI without spaces and control characters: percent-encode them (RFC 3986)": RuleCase(
        ("file:///a b", "file:///a\n", "file:///a\u202eb"), ("s3://a/b%20c", "s3://a/modèle")
    ),
    "must begin with one of file, s3, gs, az, abfs, abfss, https, http, hf, models, runs, oci, oci+artifact and pvc,"
    " followed by ':', such as file:///app/model.joblib": RuleCase(
        ("ftp://a/b", "hdfs://a/b", "javascript:alert(1)"), ("file:///a",)
    ),
    "must be downloaded: begin with one of s3, gs, az, abfs, abfss, https, http, hf, models, runs and oci+artifact,"
    " followed by ':', or mount the files with mounts": RuleCase(
        ("file:///a", "pvc://a/b", "oci://a/b:1", "docker://a/b", "/a", "ftp://a/b"), ("s3://a/b", "runs:/0a/b")
    ),
    "must begin with a scheme in lower case, such as s3://BUCKET/PATH": RuleCase(
        ("S3://a/b", "Https://a/b"), ("s3://A/B",)
    ),
    "must name objects of Google Cloud Storage by bucket: write gs://BUCKET/PATH": RuleCase(
        ("gcs://a/b", "https://console.cloud.google.com/storage/browser/a/b", "https://storage.googleapis.com/a/b/"),
        ("gs://a/b", "https://storage.googleapis.com/a/b"),
    ),
    "must name objects of S3 by bucket: write s3://BUCKET/PATH": RuleCase(
        ("s3a://a/b", "https://s3.console.aws.amazon.com/s3/buckets/a", "https://a.s3.amazonaws.com/b/"),
        ("s3://a/b", "https://a.s3.amazonaws.com/b"),
    ),
    **{
        "must name objects of a store with the API of S3 as s3://BUCKET/PATH: put AWS_ENDPOINT_URL into the Secret of"
        f" {field}": RuleCase(("minio://a/b", "cosn://a/b"), ("s3://a/b",))
        for field in _CREDENTIALS_FIELDS
    },
    "must name blobs of Azure by container: write az://CONTAINER/PATH, or"
    " abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/PATH": RuleCase(
        ("wasbs://a@b.blob.core.windows.net/c", "adl://a/b", "abfss://b.dfs.core.windows.net/a/c"),
        ("abfss://a@b.dfs.core.windows.net/c", "az://a/b"),
    ),
    "must name a model of Hugging Face by its repository: write hf://ORGANISATION/REPOSITORY, optionally with"
    " @REVISION": RuleCase(
        ("huggingface://a/b", "https://huggingface.co/a/b", "https://huggingface.co/a/b/tree/main"),
        ("hf://a/b", "https://huggingface.co/a/b/resolve/main/c"),
    ),
    "must name a model of Hugging Face, not a dataset, a Space or a page: write hf://ORGANISATION/REPOSITORY": RuleCase(
        ("hf://datasets/a/b", "https://huggingface.co/spaces/a/b"), ("hf://a/b", "hf://datasets")
    ),
    "must name a model of MLflow, whose server then reads its own files: write models:/NAME/VERSION or"
    " runs:/RUN_ID/PATH": RuleCase(("mlflow-artifacts:/1/a", "dbfs:/a"), ("runs:/0/a",)),
    "must name an image whose directory /models is mounted as oci://REGISTRY/NAME:TAG, or an artifact as"
    " oci+artifact://REGISTRY/NAME:TAG": RuleCase(("docker://a/b", "oras://a/b:1"), ("oci://a/b:1",)),
    "must not name a model of Ollama: write hf://ORGANISATION/REPOSITORY of a repository with the GGUF file": RuleCase(
        ("ollama:llama3", "https://ollama.com/library/llama3"), ("hf://a/b",)
    ),
    "must have a scheme: write file:///PATH for a file of the image, pvc://CLAIM/PATH for one of a claim, or"
    " hf://ORGANISATION/REPOSITORY for Hugging Face": RuleCase(
        ("/app/model", "a/b", "./a:b", "C:\\a", "C:/a"), ("file:///app/model",)
    ),
    "must name a file of the image by its absolute path: write file:///PATH": RuleCase(
        ("file://host/a", "file:a", "file:///"), ("file:///a",)
    ),
    "must name a bucket, and may name a path in it: write s3://BUCKET/PATH (the same for gs, az and abfs)": RuleCase(
        ("s3:///a", "s3://", "gs://a//b", "az://a/b?c", "abfs:a/b", "s3://a/b#c"),
        ("s3://a", "gs://a/", "s3://a/b", "gs://a/b/", "az://a/b", "abfss://box@account.dfs.core.windows.net/a"),
    ),
    "must name a host and a file on it: write https://HOST/PATH": RuleCase(
        ("https://a", "https:///a", "http://a/", "https://a/b#c"), ("https://a/b?c=d", "http://10.0.0.1:8080/a")
    ),
    **{
        f"must name a Hugging Face repository: write hf://ORGANISATION/REPOSITORY, optionally with @REVISION{files}": (
            RuleCase(
                ("hf:a/b", "hf://a/b/c", "hf://a/b@", "hf://-a/b", "hf://a/b:main"),
                ("hf://a", "hf://a@main", "hf://a/b", "hf://a/b.c@main", "hf://a/b@refs/pr/1"),
            )
        )
        for files in ("", ", and name files in loader.allowPatterns")
    },
    "must name a model of MLflow: write models:/NAME/VERSION, models:/NAME@ALIAS, models:/NAME/latest or"
    " models:/m-ID": RuleCase(
        ("models:/a", "models:/a/champion", "models:/a@", "models://a/1", "models:/a/1/b", "models:/m-"),
        ("models:/a/3", "models:/a@b", "models:/a/latest", "models:/a/Production", "models:/m-0a"),
    ),
    "must name a run of MLflow: write runs:/RUN_ID/PATH": RuleCase(
        ("runs:/", "runs://a/b", "runs:/a//b", "runs:/a/b?c"), ("runs:/0a", "runs:/0a/b", "runs:/0a/b/c%20d")
    ),
    "must name a registry and a repository: write oci://REGISTRY/NAME:TAG (the same for oci+artifact)": RuleCase(
        ("oci://a", "oci:///a", "oci+artifact://a/", "oci://a/b?c"),
        ("oci://a/b:1", "oci+artifact://a:5000/b/c@sha256:0"),
    ),
    "must name a registry and a repository: write oci+artifact://REGISTRY/NAME:TAG": RuleCase(
        ("oci+artifact://a/", "oci+artifact:///a", "oci+artifact://a/b?c"), ("oci+artifact://a:5000/b/c@sha256:0",)
    ),
    "must name a claim and a directory in it: write pvc://CLAIM/PATH": RuleCase(
        ("pvc://", "pvc://A/b", "pvc:a/b", "pvc://a/b?c"), ("pvc://a", "pvc://a/b/c")
    ),
    "must not contain '..': write the normalized path": RuleCase(("file:///a/../b", "s3://a/.."), ("s3://a/b..c",)),
    **{
        f"must not contain a user name or password: put them into a Secret and reference it in {field}": RuleCase(
            ("https://me:secret@example.com/a", "s3://key@bucket/a", "abfss://box:secret@account/a", "https://:s@h/a"),
            ("s3://a/b@c",),
        )
        for field in _CREDENTIALS_FIELDS
    },
    **{
        "must not contain a signature or token: put credentials, or a whole presigned URL as HTTP_URL, into a Secret"
        f" and reference it in {field}": RuleCase(
            (
                "https://a/b?sig=0",
                "https://a/b?x=1&X-Amz-Signature=0",
                "https://a/b?Signature=0&Expires=1",
                "gs://a?token=0",
                *(f"https://a/b?c=d&{name}=0" for name in CREDENTIAL_NAMES),
            ),
            ("s3://a/sig=0", "https://a/b?versionId=3&download=true"),
        )
        for field in _CREDENTIALS_FIELDS
    },
    "must be the name of an extra model: lower-case letters, digits and '-', beginning and ending with a letter or"
    " digit": RuleCase(("A", "a.b", "-a", "a-", "a_b"), ("a", "0", "a" * 40)),
    "must be an absolute path such as /mnt/adapters/sql: without ':', '//', control characters and '/' at the"
    " end": RuleCase(("a", "/a:b", "/a/", "//a", "/a//b", "/a\nb", "/"), ("/a", "/a b", "/a/b")),
    "must not contain '.' and '..' as parts: write the normalized path": RuleCase(
        ("/a/../b", "/a/.", "/.."), ("/a/.b", "/..a")
    ),
    "no path of extra may be, contain or be inside the path of another one or of the model, /tmp or /home/model: choose"
    " another path": RuleCase(
        (
            {**_S3, "extra": [_EXTRA | {"path": "/a"}, _EXTRA | {"name": "b", "path": "/a"}]},
            {**_S3, "extra": [_EXTRA | {"path": "/a"}, _EXTRA | {"name": "b", "path": "/a/b"}]},
            {**_S3, "extra": [_EXTRA, _EXTRA | {"name": "b", "path": "/mnt/models-extra"}]},
            *({**_S3, "extra": [_EXTRA | {"path": path}]} for path in ("/mnt/models", "/mnt/models/a", "/mnt")),
            *({**_S3, "extra": [_EXTRA | {"path": path}]} for path in (_TMP, f"{_TMP}/a", "/home", "/home/model/a")),
            *({**_S3, "path": path, "extra": [_EXTRA | {"path": "/a/b"}]} for path in ("/a/", "/a//b", "/")),
            {"uri": "file:///a/b", "extra": [_EXTRA | {"path": "/a"}]},
        ),
        (
            {**_S3, "extra": [_EXTRA, _EXTRA | {"name": "a-b"}]},
            {**_S3, "extra": [_EXTRA | {"path": "/mnt/models2"}, _EXTRA | {"name": "b", "path": "/mnt/models3"}]},
            {"uri": "file:///a/b", "extra": [_EXTRA | {"path": "/mnt/models"}]},
            {"extra": [_EXTRA]},
        ),
    ),
    "must be a commit, branch or version: letters, digits, '-', '_', '.' and '/'": RuleCase(
        ("-rf", "a b", "../a", "$(A)"), ("main", "refs/pr/1", "0123abc")
    ),
    "must be a SHA-256 digest: 64 digits 0-9 and letters a-f": RuleCase(("0" * 63, "A" * 64, "sha256:0"), ("0a" * 32,)),
    "a request must not be greater than its limit: raise the limit or lower the request": RuleCase(
        (
            {"requests": {"cpu": 2}, "limits": {"cpu": "1999m"}},
            {"requests": {"memory": "1Gi"}, "limits": {"memory": "1G"}},
        ),
        (
            {"requests": {"cpu": 2}, "limits": {"cpu": "2000m"}},
            {"requests": {"memory": "1G"}, "limits": {"memory": "1Gi"}},
            {"requests": {"memory": "1Gi"}, "limits": {"cpu": 1}},
        ),
    ),
    "must be cpu, memory, ephemeral-storage, hugepages such as hugepages-2Mi, or a device such as"
    " nvidia.com/gpu": RuleCase(
        ({"gpu": 1}, {"kubernetes.io/batch-cpu": 1}, {"nvidia.com/g p u": 1}), ({"cpu": 1, "ephemeral-storage": "1Gi"},)
    ),
    "must be a quantity of at least 0, such as 500m, 2 or 1.5Gi": RuleCase(
        ("lots", "-1", -1, "1 Gi", "1K", "", "$(A)"), (0, 2, "1e0", "+1", "1n", "0.1u")
    ),
    "set exactly one of emptyDir and persistentVolumeClaim": RuleCase(
        ({}, {"emptyDir": {}, "persistentVolumeClaim": {"claimName": "a"}}),
        ({"emptyDir": {}}, {"persistentVolumeClaim": {"claimName": "a"}}),
    ),
    "must be a relative path without control characters: do not begin with '/'": RuleCase(
        ("/a", "a\nb", "\u200ea"), ("a", "a/b", "a b")
    ),
    "must be relative, without '..'": RuleCase(("..", "../a", "a/../b"), ("..a", "a/..b")),
    "managedBy External means that another controller scales: remove all other fields of autoscaling": RuleCase(
        tuple(
            {"managedBy": "External", field: value}
            for field, value in (
                ("minReplicas", 1),
                ("maxReplicas", 3),
                ("targetCPUUtilizationPercentage", 80),
                ("targetMemoryUtilizationPercentage", 80),
                ("metrics", []),
                ("behavior", {}),
            )
        ),
        ({"managedBy": "External"}, {"managedBy": "Operator", "maxReplicas": 3}),
    ),
    "maxReplicas is required, unless managedBy is External": RuleCase(
        ({}, {"minReplicas": 1}, {"managedBy": "Operator"}), ({"maxReplicas": 1}, {"managedBy": "External"})
    ),
    "minReplicas 0 requires a metric of type External or Object: without pods there are no CPU or memory"
    " metrics": RuleCase(
        ({"minReplicas": 0, "maxReplicas": 3}, {"minReplicas": 0, "maxReplicas": 3, "metrics": []}),
        ({"minReplicas": 0, "maxReplicas": 3, "metrics": [{"type": "External", "external": _METRIC}]},),
    ),
    "set only the field that matches type: resource, containerResource, pods, object or external": RuleCase(
        ({"type": "External"}, {"type": "Pods", "external": _METRIC}), ({"type": "External", "external": _METRIC},)
    ),
    "set only the field that matches type: averageValue or averageUtilization": RuleCase(
        (
            metric_target(),
            metric_target(averageValue=1, averageUtilization=1),
            {"type": "Utilization", "averageValue": 1},
        ),
        (metric_target(averageValue=1), {"type": "Utilization", "averageUtilization": 1}),
    ),
    "set only the field that matches type: value or averageValue": RuleCase(
        (metric_target(), metric_target(value=1), metric_target(averageValue=1, value=1)),
        (metric_target(averageValue=1), {"type": "Value", "value": 1}),
    ),
    "must be the name of a metric: no spaces, '/' or '%', and not beginning with '.'": RuleCase(
        ("a/b", "a%2fb", "..", "a b", "a\n"), ("requests_per_second", "s0-queue|a.b", "7")
    ),
    "must be a group and version such as networking.k8s.io/v1": RuleCase(
        ("../v1", "a/b/v1", "networking.k8s.io", "v"), ("v1", "networking.k8s.io/v1beta1")
    ),
    "must be a kind such as Ingress, of letters and digits": RuleCase(
        ("a/b", "In gress", "7", "A-B"), ("Ingress", "a1")
    ),
    "must be the name of a container: lower-case letters, digits and '-', beginning and ending with a letter or"
    " digit": RuleCase(("A", "a.b", "-a", "a-", "a_b"), ("a", "0", "a" * 63)),
    "matchLabelKeys and mismatchLabelKeys require a labelSelector: add one, or remove them": RuleCase(
        ({"topologyKey": "a", "matchLabelKeys": ["b"]}, {"topologyKey": "a", "mismatchLabelKeys": ["b"]}),
        ({"topologyKey": "a"}, {"topologyKey": "a", "labelSelector": {}, "matchLabelKeys": ["b"]}),
    ),
    "keys must be names such as example.com/name: an optional domain and '/', then at most 63 letters, digits, '-',"
    " '_' and '.'": RuleCase(
        ({"": "a"}, {"a b": "a"}, {"a/b/c": "a"}, {"/a": "a"}, {_LONG: "a"}, {"$(A)": "a"}, {"ä": "a"}),
        ({"a": "a", "example.com/A_b.c": "a", "b" * 63: "a"}, {}),
    ),
    "must be a label value: at most 63 letters, digits, '-', '_' and '.', beginning and ending with a letter or"
    " digit": RuleCase(("a b", "-a", "a/b", "ä", "$(A)"), ("a", "A_b.c-d", "7")),
    "all operators except Exists and DoesNotExist require at least one value": RuleCase(
        ({"key": "a", "operator": "In"}, {"key": "a", "operator": "NotIn", "values": []}),
        ({"key": "a", "operator": "In", "values": ["b"]}, {"key": "a", "operator": "Exists"}),
    ),
    "Exists and DoesNotExist must not have values": RuleCase(
        (
            {"key": "a", "operator": "Exists", "values": ["b"]},
            {"key": "a", "operator": "DoesNotExist", "values": ["b"]},
        ),
        ({"key": "a", "operator": "DoesNotExist"},),
    ),
    "must be a name such as example.com/name: an optional domain and '/', then at most 63 letters, digits, '-', '_'"
    " and '.'": RuleCase(("/a", "a/b/c", "Example.com/a", _LONG, "a b", "$(A)"), ("a", "example.com/A_b.c", "b" * 63)),
    "liveness.successThreshold must be 1: remove it": RuleCase(
        ({"liveness": {"successThreshold": 2}},), ({"liveness": {"successThreshold": 1}}, {"liveness": {}})
    ),
    "startup.successThreshold must be 1: remove it": RuleCase(
        ({"startup": {"successThreshold": 2}},),
        ({"startup": {"successThreshold": 1}}, {"readiness": {"successThreshold": 2}}),
    ),
    "set at most one of httpGet, tcpSocket, grpc and exec": RuleCase(
        ({"tcpSocket": {}, "grpc": {}}, {"httpGet": {}, "exec": {"command": ["a"]}}),
        ({}, {"grpc": {}}, {"httpGet": {}}),
    ),
    "must be a path such as /health: begin with '/', use no spaces": RuleCase(
        ("health", "/a b", "/a\n", "http://a/"), ("/", "/a?b=c#d", "/ä")
    ),
    "must be the name of a header: letters, digits and '-'": RuleCase(("a b", "A:", "A\r\nB", "ä"), ("X-A", "a")),
    "externalTrafficPolicy needs type NodePort or LoadBalancer: change type, or remove it": RuleCase(
        ({"externalTrafficPolicy": "Local"}, {"type": "Headless", "externalTrafficPolicy": "Local"}),
        ({"type": "NodePort", "externalTrafficPolicy": "Local"}, {"type": "LoadBalancer"}),
    ),
    "loadBalancerClass needs type LoadBalancer: change type, or remove it": RuleCase(
        ({"loadBalancerClass": "a"}, {"type": "NodePort", "loadBalancerClass": "a"}),
        ({"type": "LoadBalancer", "loadBalancerClass": "a"},),
    ),
    "loadBalancerSourceRanges needs type LoadBalancer: change type, or remove it; networkPolicy.from restricts the"
    " clients of every type": RuleCase(
        ({"loadBalancerSourceRanges": ["192.0.2.0/24"]},),
        ({"type": "LoadBalancer", "loadBalancerSourceRanges": ["192.0.2.0/24", "198.51.100.0/24"]},),
    ),
    "nodePort needs type NodePort or LoadBalancer: change type, or remove it": RuleCase(
        ({"nodePort": 30080}, {"type": "Headless", "nodePort": 30080}),
        ({"type": "NodePort", "nodePort": 30080}, {"type": "LoadBalancer", "nodePort": 30080}),
    ),
    "sessionAffinityTimeoutSeconds needs sessionAffinity ClientIP: set it, or remove"
    " sessionAffinityTimeoutSeconds": RuleCase(
        ({"sessionAffinityTimeoutSeconds": 60}, {"sessionAffinity": "None", "sessionAffinityTimeoutSeconds": 60}),
        ({"sessionAffinity": "ClientIP", "sessionAffinityTimeoutSeconds": 60},),
    ),
    "two ipFamilies need ipFamilyPolicy PreferDualStack or RequireDualStack: set it, or remove one family": RuleCase(
        ({"ipFamilies": ["IPv4", "IPv6"]}, {"ipFamilyPolicy": "SingleStack", "ipFamilies": ["IPv4", "IPv6"]}),
        ({"ipFamilies": ["IPv4"]}, {"ipFamilies": []}, {"ipFamilyPolicy": "PreferDualStack", "ipFamilies": ["IPv4"]}),
    ),
    "each IP family must be named once: remove one": RuleCase((["IPv4", "IPv4"],), (["IPv4"], [])),
    "must be the name of a Service: lower-case letters, digits and '-', beginning with a letter and ending with a"
    " letter or digit (RFC 1035)": RuleCase(("A", "a.b", "1a", "a-", "a_b", "-a"), ("a", "a-1", "a" * 63)),
    "must be the name of a namespace: lower-case letters, digits and '-', beginning and ending with a letter or"
    " digit": RuleCase(("A", "a.b", "-a", "a-", "*"), ("a", "0", "a" * 63)),
    "must be a duration such as 30s or 1m30s (GEP-2257)": RuleCase(
        ("30", "1.5s", "-1s", "1d", "1m 30s", "123456s"), ("0s", "1h2m3s4ms", "10s")
    ),
    "must be a duration of Prometheus such as 30s or 1m": RuleCase(("30", "1.5s", "-1s", "1m 30s"), ("30s", "1h30m")),
    "must be the name of a port: lower-case letters, digits and single '-', beginning and ending with a letter or digit"
    " (RFC 6335)": RuleCase(("A", "a--b", "-a", "a-", "a.b", "a_b"), ("http",)),
    "must contain a letter, because a number would name no port": RuleCase(("80", "8-0"), ("http",)),
    "each containerPort must be used once: choose another number": RuleCase(
        ([_PORT, {"name": "other", "containerPort": 8001}],),
        ([_PORT, {"name": "other", "containerPort": 8001, "protocol": "UDP"}], [_PORT, _UDP_PORT], []),
    ),
    "each port of the Service must be used once: set servicePort to another number": RuleCase(
        ([_PORT, {"name": "other", "containerPort": 8002, "servicePort": 8001}],),
        ([_PORT, {"name": "other", "containerPort": 8002, "servicePort": 8001, "protocol": "UDP"}],),
    ),
    "names in ports must differ from portName (http, if it is not set): choose another name": RuleCase(
        (
            spec(ports=[{"name": "http", "containerPort": 8001}]),
            spec(portName="grpc", ports=[_PORT]),
        ),
        (spec(portName="grpc", ports=[{"name": "http", "containerPort": 8001}]), spec(portName="a-1", ports=[])),
    ),
    "ports must not repeat containerPort, which is a port of the container already: set portName to rename"
    " it": RuleCase(
        (spec(ports=[{"name": "grpc", "containerPort": 8080}]), spec(containerPort=8001, ports=[_PORT])),
        (spec(ports=[{"name": "grpc", "containerPort": 8080, "protocol": "UDP"}]),),
    ),
    "ports must not repeat service.port (80, if it is not set): set servicePort to another number": RuleCase(
        (
            spec(ports=[_PORT | {"servicePort": 80}]),
            spec(ports=[{"name": "grpc", "containerPort": 80}]),
            spec(service={"port": 8001}, ports=[_PORT]),
        ),
        (
            spec(service={"port": 8001}, ports=[_PORT | {"servicePort": 9000}]),
            spec(service={"type": "Headless"}, ports=[_PORT | {"servicePort": 80}]),
            spec(ports=[_UDP_PORT | {"servicePort": 80}]),
        ),
    ),
    "nodePort in ports needs service.type NodePort or LoadBalancer: change service.type, or remove nodePort": RuleCase(
        (
            spec(ports=[_PORT | {"nodePort": 30001}]),
            spec(service={"type": "Headless"}, ports=[_PORT | {"nodePort": 30001}]),
        ),
        (spec(service={"type": "NodePort"}, ports=[_PORT | {"nodePort": 30001}]),),
    ),
    **{
        f"{path} {_KNOWN_PORT}": RuleCase(
            (spec(**fields("grpc")), spec(**fields("probe"), ports=[_UDP_PORT]), spec(portName="a", **fields("http"))),
            (spec(**fields("http")), spec(**fields("grpc"), ports=[_PORT]), spec(**fields("grpc"), portName="grpc")),
        )
        for path, fields in _PORT_USERS.items()
    },
    "set rules, or host, path, pathType and port, not both": RuleCase(
        tuple(
            {"rules": [{"paths": [{}]}], field: value}
            for field, value in (("host", "a"), ("path", "/"), ("pathType", "Exact"), ("port", "http"))
        ),
        ({"rules": [{"host": "a.example.com", "paths": [{}, {"path": "/b"}]}, {"paths": [{}]}]}, {}, _INGRESS),
    ),
    "must be a path such as /iris or a regular expression such as /iris(/|$)(.*): begin with '/', use no"
    " spaces": RuleCase(("iris", "/a b", "/a\n", "http://a/"), ("/", "/iris/v1")),
    "set tls or tlsSecretName, not both": RuleCase(
        ({"tls": [], "tlsSecretName": "a"},),
        ({"tls": [{"hosts": ["a.example.com"], "secretName": "a"}, {}]}, {"tlsSecretName": "a"}),
    ),
    "path of pathType Prefix or Exact must be a normalized URL path, without '//', '/./', '/../' and encoded slashes:"
    " percent-encode other characters than letters and digits (RFC 3986), or set pathType to ImplementationSpecific for"
    " a regular expression": RuleCase(
        (
            *({"path": path} for path in ("/a(/|$)(.*)", "//", "/a/../b", "/%zz", "/a%2Fb", "/ä")),
            {"path": "/a.*{2}", "pathType": "Exact"},
        ),
        (
            {},
            {"path": "/a/b%20c", "pathType": "Exact"},
            {"path": "/a(/|$)(.*)", "pathType": "ImplementationSpecific"},
            {"path": "/[a-z]+/v[0-9]{1,2}//", "pathType": "ImplementationSpecific"},
        ),
    ),
    "set ingress or httpRoute, not both": RuleCase(
        ({"ingress": _INGRESS, "httpRoute": _ROUTE},), ({"ingress": _INGRESS}, {"httpRoute": _ROUTE}, {})
    ),
    "must be a host name such as iris.example.com, or with a wildcard *.example.com": RuleCase(
        ("Upper.example.com", "a..b", "a_b", "*", "a.*.b", "https://a", "a:80"), ("a", "*.example.com", "0.a-b")
    ),
    "must be a path such as /iris: begin with '/', percent-encode other characters than letters and digits (RFC"
    " 3986)": RuleCase(("iris", "/a b", "/%zz", "/a?b", "/ä", "/a\n"), ("/", "/a/b", "/a%20b", "/~a=b;c")),
    "must not contain '//', '/./', '/../' or an encoded slash: write the normalized path": RuleCase(
        ("//", "/a//b", "/a/./b", "/a/../b", "/a/..", "/.", "/a%2fb", "/a%2Fb"), ("/a/..b", "/a.b/")
    ),
    "maxSurge 0 requires a maxUnavailable above 0: otherwise no replica could be replaced": RuleCase(
        ({"maxSurge": 0}, {"maxSurge": "0%", "maxUnavailable": 0}, {"maxSurge": 0, "maxUnavailable": "0%"}),
        ({"maxSurge": 0, "maxUnavailable": 1}, {"maxUnavailable": 0}, {"maxSurge": 1, "maxUnavailable": 0}),
    ),
    "progressDeadlineSeconds must be greater than minReadySeconds: raise it, or remove it": RuleCase(
        ({"progressDeadlineSeconds": 2000, "minReadySeconds": 2000},),
        ({"progressDeadlineSeconds": 2001, "minReadySeconds": 2000}, {"minReadySeconds": 86_400}),
    ),
    "must be a number of replicas such as 1, or a percentage such as 25%": RuleCase(
        ("lots", "1", -1, 10_001), (1, "1%", "100%", 10_000)
    ),
    "set exactly one of minAvailable and maxUnavailable": RuleCase(
        ({}, {"minAvailable": 1, "maxUnavailable": 1}), ({"minAvailable": 1}, {"maxUnavailable": "50%"})
    ),
    "set ipBlock, or podLabels and namespaceLabels": RuleCase(
        ({}, {"ipBlock": {"cidr": "192.0.2.0/24"}, "podLabels": {}}),
        ({"ipBlock": {"cidr": "192.0.2.0/24"}}, {"podLabels": {}, "namespaceLabels": {}}, {"namespaceLabels": {}}),
    ),
    "must be an address range such as 192.0.2.0/24, without bits set after the prefix": RuleCase(
        ("192.0.2.1", "192.0.2.1/24", "0/0", "example.com/24", "192.0.2.0/33"), ("0.0.0.0/0", "2001:db8::/32")
    ),
    "each mountPath must be used once: choose another path": RuleCase(
        ([mount("a"), mount("b")],), ([mount("a"), mount("b", "/b")], [])
    ),
    "each mountPath in a container must be used once: choose another path": RuleCase(
        ([{"name": "labels", "mountPath": "/a"}, {"name": "tmp", "mountPath": "/a"}],),
        ([{"name": "labels", "mountPath": "/a"}, {"name": "tmp", "mountPath": "/b"}], []),
    ),
    "set exactly one of configMap, secret, persistentVolumeClaim, emptyDir, csi, ephemeral, projected and"
    " downwardAPI": RuleCase(
        (
            {"name": "a", "mountPath": "/a"},
            {"name": "a", "mountPath": "/a", "secret": {"name": "a"}, "configMap": {"name": "a"}},
        ),
        (mount("a"), {"name": "a", "mountPath": "/a", "persistentVolumeClaim": {"claimName": "a"}}),
    ),
    "must be the name of a volume: lower-case letters, digits and '-', beginning and ending with a letter or"
    " digit": RuleCase(("A", "a.b", "-a", "a-", "a_b"), ("a", "0", "a" * 63)),
    "the names tmp, home, model, model-credentials, model-ca-bundle and those beginning with model-extra- or"
    " model-credentials- are reserved: choose another name": RuleCase(
        ("tmp", "home", "model", "model-credentials", "model-ca-bundle", "model-extra-a", "model-credentials-a"),
        ("tmp2", "homes", "models", "model-store", "model-extra"),
    ),
    "must be an absolute path without ':' and control characters: begin with '/'": RuleCase(
        ("a", "/a:b", "/a\nb"), ("/a", "/a b", f"{_TMP}/a")
    ),
    "the root directory belongs to the image: mount a directory below it": RuleCase(
        ("/",), ("/a", _TMP, f"{_TMP}/", "/home/model")
    ),
    **{
        f"keys of the domains kubernetes.io, k8s.io, modelservice.dev, argoproj.io, fluxcd.io are reserved: use another"
        f" domain (allowed are {', '.join(allowed)})": RuleCase(
            tuple({f"{domain}/a": "a"} for domain in _RESERVED),
            (
                {"kubernetes.io": "a", "notkubernetes.io/a": "a", "kubernetes.io.example.com/a": "a"},
                dict.fromkeys(allowed, "1"),
            ),
        )
        for allowed in (HARMLESS_LABELS, HARMLESS_ANNOTATIONS)
    },
    "port must be a number, portName (http, if it is not set) or the name of a port in ports": RuleCase(
        (
            spec(probes={"readiness": _named("grpc")}, lifecycle={"preStop": _named("grpc")}),
            spec(portName="api", probes={"liveness": _named("http")}, lifecycle={"postStart": _named("8080")}),
            spec(probes={"startup": {"tcpSocket": {"port": "a"}}}, lifecycle={"preStop": _named("a")}),
        ),
        (
            spec(probes={"readiness": _named("http")}, lifecycle={"preStop": _named("http")}),
            spec(portName="api", probes={"readiness": _named("api"), "liveness": _named(9000)}),
            spec(ports=[{"name": "admin", "containerPort": 9000}], probes={"liveness": _named("admin")}),
        ),
    ),
    "terminationGracePeriodSeconds must be greater than each sleep in lifecycle of sidecars": RuleCase(
        (_sidecar(lifecycle={"preStop": {"sleep": {"seconds": 9}}}) | {"terminationGracePeriodSeconds": 9},),
        (
            _sidecar(lifecycle={"preStop": {"sleep": {"seconds": 9}}}) | {"terminationGracePeriodSeconds": 10},
            _sidecar(lifecycle={"preStop": {"sleep": {"seconds": 3600}}}),
        ),
    ),
    "initContainers and sidecars must have different names: choose another name": RuleCase(
        (_sidecar() | {"initContainers": [_CONTAINER]},),
        (_sidecar() | {"initContainers": [_CONTAINER | {"name": "b"}]},),
    ),
    **{
        f"each name in mounts of {containers} must be a name in spec.mounts, tmp, home, or model if model.uri names a"
        " model outside of the image": RuleCase(
            tuple(
                spec(**{containers: [_CONTAINER | {"mounts": [{"name": name, "mountPath": "/m"}]}]}, **fields)
                for name, fields in (
                    ("other", {"mounts": [mount("files")]}),
                    ("model", {}),
                    ("model", {"model": {"uri": "file:///a"}}),
                )
            ),
            tuple(
                spec(**{containers: [_CONTAINER | {"mounts": [{"name": name, "mountPath": "/m"}]}]}, **fields)
                for name, fields in (
                    ("files", {"mounts": [mount("files")]}),
                    ("model", {"model": _S3}),
                    ("tmp", {}),
                    ("home", {}),
                )
            ),
        )
        for containers in ("initContainers", "sidecars")
    },
    "ports of a sidecar must differ from those of the model container, in name and number": RuleCase(
        (
            _sidecar(ports=[{"name": "http", "containerPort": 9000}]),
            _sidecar(ports=[{"name": "admin", "containerPort": 8080}]),
            _sidecar(ports=[{"name": "admin", "containerPort": 9}])
            | {"ports": [{"name": "admin", "containerPort": 9000}]},
        ),
        (_sidecar(ports=[{"name": "admin", "containerPort": 9000}]),),
    ),
    "automountServiceAccountToken requires serviceAccountName: name the account whose token is mounted": RuleCase(
        (spec(automountServiceAccountToken=True),),
        (
            spec(automountServiceAccountToken=False),
            spec(automountServiceAccountToken=True, serviceAccountName="a"),
        ),
    ),
    "serviceAccountToken in mounts requires serviceAccountName: name the account of the token": RuleCase(
        (spec(mounts=[_TOKEN_MOUNT]),), (spec(mounts=[_TOKEN_MOUNT], serviceAccountName="a"), spec(mounts=[mount("a")]))
    ),
    "each name in resources.claims must be a name in resourceClaims: add it there": RuleCase(
        (
            spec(resources={"claims": [{"name": "gpu"}]}),
            spec(resources={"claims": [{"name": "gpu"}]}, resourceClaims=[{"name": "a", "resourceClaimName": "a"}]),
        ),
        (spec(resources={"claims": [{"name": "a"}]}, resourceClaims=[{"name": "a", "resourceClaimName": "a"}]),),
    ),
    "dnsPolicy None requires dnsConfig.nameservers: set at least one address, or another policy": RuleCase(
        (spec(dnsPolicy="None"), spec(dnsPolicy="None", dnsConfig={"searches": ["a"]})),
        (spec(dnsPolicy="None", dnsConfig={"nameservers": ["192.0.2.1"]}), spec(dnsPolicy="Default")),
    ),
    "the names model, model-loader, model-resolver and those beginning with model-loader- are reserved: choose another"
    " name": RuleCase(
        ("model", "model-loader", "model-resolver", "model-loader-a"), ("models", "proxy", "model-loaders")
    ),
    "probes and httpGet hooks of a sidecar need ports: list the port that they connect to": RuleCase(
        (
            _CONTAINER | {"probes": {"readiness": {}}},
            _CONTAINER | {"ports": [], "probes": {"startup": {"httpGet": {"port": 80}}}},
            _CONTAINER | {"lifecycle": {"preStop": {"httpGet": {}}}},
        ),
        (
            _CONTAINER | {"probes": {"liveness": {"exec": {"command": ["a"]}}}},
            _CONTAINER | {"ports": [{"name": "admin", "containerPort": 9000}], "probes": {"readiness": {}}},
        ),
    ),
    "a port of probes and hooks of a sidecar must be a number or the name of a port in its ports": RuleCase(
        (_CONTAINER | {"ports": [_ADMIN], "probes": {"readiness": _named("http")}},),
        (
            _CONTAINER | {"ports": [_ADMIN], "probes": {"readiness": _named("admin"), "liveness": _named(9001)}},
            _CONTAINER | {"ports": [_ADMIN], "lifecycle": {"preStop": _named("admin")}},
        ),
    ),
    "must be Memory, HugePages or HugePages-SIZE such as HugePages-2Mi, or not set": RuleCase(
        ("Disk", "HugePages-", "HugePages-0Mi", "memory"), ("", "Memory", "HugePages")
    ),
    "hugepages cannot be overcommitted: set the same request and limit": RuleCase(
        ({"requests": {"hugepages-2Mi": "2Mi"}}, {"requests": {"hugepages-1Gi": "1Gi"}, "limits": {"cpu": 1}}),
        ({"requests": {"cpu": 1, "hugepages-2Mi": "2Mi"}, "limits": {"hugepages-2Mi": "2Mi"}},),
    ),
    "hugepages require CPU or memory: set resources.requests.memory": RuleCase(
        ({"limits": {"hugepages-2Mi": "2Mi"}},),
        (
            {"limits": {"memory": "1Gi", "hugepages-2Mi": "2Mi"}},
            {"requests": {"cpu": 1}, "limits": {"hugepages-2Mi": "2Mi"}},
        ),
    ),
    "must be the name of a claim: lower-case letters, digits and '-', beginning and ending with a letter or"
    " digit": RuleCase(("A", "a.b", "-a"), ("gpu",)),
    "type Recreate stops all replicas before it starts new ones: remove maxSurge and maxUnavailable": RuleCase(
        ({"type": "Recreate", "maxSurge": 1}, {"type": "Recreate", "maxUnavailable": "50%"}),
        ({"type": "Recreate", "minReadySeconds": 1}, {"type": "RollingUpdate", "maxSurge": 1}, {"maxSurge": 2}),
    ),
    "a path of the node cannot be mounted (Pod Security baseline): use persistentVolumeClaim, a csi driver, or"
    " model.uri for a model": RuleCase(
        (
            {"name": "a", "mountPath": "/a", "hostPath": {"path": "/data", "type": "Directory"}},
            mount("a") | {"hostPath": {}},
        ),
        (mount("a"),),
    ),
    "must be a relative path such as certs/ca.pem: no control characters, no part that begins with '..'": RuleCase(
        ("/a", "..", "a/..", "..a", "a//b", "a/", "a\nb"), ("a", ".a/b..c", "a b")
    ),
    "must be the name of a driver such as csi.example.com: letters, digits, '-' and '.'": RuleCase(
        ("a_b", "-a", "a.", "a/b"), ("a", "Csi.example.com")
    ),
    "set exactly one of configMap, secret, downwardAPI and serviceAccountToken": RuleCase(
        ({}, {"secret": {"name": "a"}, "configMap": {"name": "a"}}),
        ({"secret": {"name": "a"}}, {"downwardAPI": {"items": []}}),
    ),
    "each path must be used once in all sources: choose another path": RuleCase(
        (
            [files("configMap", "a", "a")],
            [files("secret", "a"), files("configMap", "b", "a")],
            [{"serviceAccountToken": {"path": "a"}}, downward("b", "a")],
            [downward("a", "a")],
        ),
        (
            [files("configMap", "a", "b"), files("secret", "c"), {"serviceAccountToken": {"path": "d"}}, downward("e")],
            [{"secret": {"name": "a"}}, {"secret": {"name": "a"}}],
            [files("configMap"), downward()],
        ),
    ),
    "ReadWriteOncePod must be the only access mode": RuleCase(
        (["ReadWriteOncePod", "ReadWriteOnce"], ["ReadOnlyMany", "ReadWriteOncePod"]),
        (["ReadWriteOncePod"], ["ReadWriteOnce", "ReadOnlyMany"]),
    ),
    "set exactly one of fieldRef and resourceFieldRef": RuleCase(
        (
            {"path": "a"},
            {"path": "a", "fieldRef": {"fieldPath": "metadata.name"}, "resourceFieldRef": {"resource": "limits.cpu"}},
        ),
        ({"path": "a", "fieldRef": {"fieldPath": "metadata.name"}},),
    ),
    "must be one of metadata.name, metadata.namespace, metadata.uid, metadata.labels, metadata.annotations,"
    " metadata.labels['KEY'] or metadata.annotations['KEY']": RuleCase(
        ("spec.nodeName", "metadata.label", "metadata.labels['a b']"),
        ("metadata.uid", "metadata.labels", "metadata.annotations['example.com/a']"),
    ),
    "minDomains requires whenUnsatisfiable DoNotSchedule: change it, or remove minDomains": RuleCase(
        ({"maxSkew": 1, "topologyKey": "a", "whenUnsatisfiable": "ScheduleAnyway", "minDomains": 2},),
        ({"maxSkew": 1, "topologyKey": "a", "whenUnsatisfiable": "DoNotSchedule", "minDomains": 2},),
    ),
    "app.kubernetes.io/name and app.kubernetes.io/instance select the pods already: remove them": RuleCase(
        (["app.kubernetes.io/name"], ["a", "app.kubernetes.io/instance"]), (["pod-template-hash"], [])
    ),
    "must be the name of a scheduler such as volcano: lower-case letters, digits, '-' and '.'": RuleCase(
        ("A", "-a", "a b"), ("volcano", "default-scheduler")
    ),
    "set exactly one of resourceClaimName and resourceClaimTemplateName": RuleCase(
        ({"name": "a"}, {"name": "a", "resourceClaimName": "a", "resourceClaimTemplateName": "a"}),
        ({"name": "a", "resourceClaimName": "a"}, {"name": "a", "resourceClaimTemplateName": "a"}),
    ),
    "must be an IP address such as 192.0.2.1 or 2001:db8::1": RuleCase(
        ("192.0.2", "192.0.2.1/24", "example.com"), ("192.0.2.1", "2001:db8::1")
    ),
    "must be a host name such as models.example.com: lower-case letters, digits, '-' and '.', no wildcard": RuleCase(
        ("*.example.com", "-a", "a b", "a_b"), ("a", "models.example.com")
    ),
    "must be a domain such as example.com: lower-case letters, digits, '-' and '.'": RuleCase(
        ("-a", "a b", "a..b", "_a"), ("a", "a.example.com.")
    ),
    **{
        f"{what} (Pod Security baseline): {instead}": RuleCase((True,), (False,))
        for what, instead in (
            (
                "the network of the node is not available to pods",
                "use service.type LoadBalancer or NodePort, or expose, to reach the model from outside",
            ),
            ("the processes of the node are not visible to pods", "run what needs them as a DaemonSet"),
            (
                "the shared memory of the node is not available to pods",
                "mount an emptyDir with medium Memory at /dev/shm",
            ),
            (
                "privileged containers are not allowed",
                "request a device in resources.limits instead, such as nvidia.com/gpu",
            ),
        )
    },
    "a toleration without a key matches every taint: set operator to Exists, or set key": RuleCase(
        ({}, {"operator": "Equal", "value": "a"}), ({"operator": "Exists"}, {"key": "a"})
    ),
    "operator Exists must not have a value: remove value, or set operator to Equal": RuleCase(
        ({"key": "a", "operator": "Exists", "value": "b"},),
        ({"key": "a", "operator": "Equal", "value": "b"}, {"key": "a", "value": "b"}),
    ),
    "tolerationSeconds requires effect NoExecute: set effect, or remove tolerationSeconds": RuleCase(
        ({"key": "a", "tolerationSeconds": 1}, {"key": "a", "effect": "NoSchedule", "tolerationSeconds": 1}),
        ({"key": "a", "effect": "NoExecute", "tolerationSeconds": 1},),
    ),
}

_NOT_QUANTITIES = ("lots", "-1", "1 Gi", "1K", "1e999", "+1", "$(A)")
PATTERN_CASES: dict[str, RuleCase] = {
    "quantity": RuleCase(_NOT_QUANTITIES, ("0", "1.5Gi", "1e0", ".5", "100n")),
    "quantity above 0": RuleCase((*_NOT_QUANTITIES, "0", "0m", "0.0"), ("1", "1m", "0.5Gi", "10")),
    "percentage": RuleCase(("1.5%", "-1%", "1000%"), ("0%", "999%")),
    "percentage up to 100": RuleCase(("101%", "999%", "1.5%", "-1%"), ("0%", "100%")),
}
"""Values on both sides of each pattern of the schema without a message, by what it describes."""
