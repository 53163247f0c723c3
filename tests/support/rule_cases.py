"""Values on both sides of every CEL rule and pattern of the schema, by the message of the rule.

Each value is for the field that has the rule; a rule that compares fields has a whole object. `rejected` and `accepted`
are tried at each field whose rule has the message.
"""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class RuleCase:
    """Values on both sides of a rule."""

    rejected: tuple[Any, ...]
    accepted: tuple[Any, ...]


def spec(**fields: Any) -> dict[str, Any]:
    return {"image": "iris:1", **fields}


def secret_variables(count: int) -> list[dict[str, Any]]:
    return [{"name": f"A{i}", "valueFrom": {"secretKeyRef": {"name": "a", "key": "k"}}} for i in range(count)]


def mount(name: str, path: str = "/a") -> dict[str, Any]:
    return {"name": name, "mountPath": path, "emptyDir": {}}


def metric_target(**fields: Any) -> dict[str, Any]:
    return {"type": "AverageValue", **fields}


_KEY_REFERENCE = {"name": "a", "key": "k"}
_FROM_SECRET = {"secretKeyRef": _KEY_REFERENCE}
_INGRESS = {"host": "a.example.com", "className": "nginx"}
_ROUTE = {"parentRefs": [{"name": "edge"}]}
_METRIC = {"metric": {"name": "a"}, "target": {"type": "Value", "value": 1}}
_FETCHED = (
    "is only valid for downloaded models: remove it, because models at file://, pvc:// and oci:// are not downloaded"
)
_S3 = {"uri": "s3://models/iris"}
_LONG = "a" * 64
_TMP = "/tmp"  # noqa: S108 - a path inside the container
_RESERVED = ("kubernetes.io", "apps.kubernetes.io", "k8s.io", "modelservice.dev", "argoproj.io", "toolkit.fluxcd.io")

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
    " initialDelaySeconds + periodSeconds * failureThreshold, 1800 if not set; plus model.loader.timeoutSeconds):"
    " raise it, or remove it": RuleCase(
        (
            spec(rollout={"progressDeadlineSeconds": 1800}),
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
            spec(rollout={"progressDeadlineSeconds": 1801}),
            spec(probes={"startup": {}}, rollout={"progressDeadlineSeconds": 31}),
            spec(
                probes={"startup": {"initialDelaySeconds": 5, "periodSeconds": 2, "failureThreshold": 10}},
                rollout={"progressDeadlineSeconds": 26},
            ),
        ),
    ),
    "at most 24 references to Secrets, ConfigMaps, claims and ServiceAccounts: combine objects that belong"
    " together": RuleCase(
        (
            spec(env=secret_variables(25)),
            spec(env=secret_variables(24), serviceAccountName="a"),
            spec(env=secret_variables(24), imagePullSecrets=[{"name": "a"}]),
            spec(env=secret_variables(24), mounts=[{"name": "a", "mountPath": "/a", "secret": {"name": "a"}}]),
            spec(env=secret_variables(24), expose={"ingress": {**_INGRESS, "tlsSecretName": "a"}}),
            spec(env=secret_variables(24), model={**_S3, "credentials": {"secretRef": {"name": "a"}}}),
            spec(env=secret_variables(24), model={**_S3, "cache": {"persistentVolumeClaim": {"claimName": "a"}}}),
        ),
        (
            spec(env=secret_variables(24)),
            spec(env=secret_variables(24), mounts=[mount("a")], model={"uri": "file:///a"}),
            spec(env=[*secret_variables(24), {"name": "N", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}]),
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
    "the names MODEL_NAME, MODEL_URI, MODEL_PATH and PORT and the prefixes KUBERNETES_ and LD_ are reserved: choose"
    " another name": RuleCase(
        ("MODEL_NAME", "MODEL_URI", "MODEL_PATH", "PORT", "KUBERNETES_X", "LD_PRELOAD"), ("MODEL_NAMES", "PORTS", "LD")
    ),
    "set exactly one of secretKeyRef, configMapKeyRef and fieldRef": RuleCase(
        ({}, {"secretKeyRef": _KEY_REFERENCE, "configMapKeyRef": _KEY_REFERENCE}),
        (_FROM_SECRET, {"configMapKeyRef": _KEY_REFERENCE}, {"fieldRef": {"fieldPath": "status.podIP"}}),
    ),
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
            ({field: value}, {"uri": "file:///a", field: value}), ({"uri": "file:///a"}, {**_S3, field: value})
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
        ("file:///a b", "file:///a\n", "file:///a\u202eb"), ("file:///a%20b", "file:///modèle")
    ),
    "must begin with one of file, s3, gs, az, abfs, abfss, https, http, hf, models, oci, oci+artifact and pvc,"
    " followed by ':', such as file:///app/model.joblib": RuleCase(
        ("ftp://a/b", "/app/model", "S3://a", "javascript:alert(1)"), ("file:///a",)
    ),
    "must name a file of the image by its absolute path: write file:///PATH": RuleCase(
        ("file://host/a", "file:a", "file:///"), ("file:///a",)
    ),
    "must name a bucket and a path in it: write s3://BUCKET/PATH (the same for gs, az and abfs)": RuleCase(
        ("s3://a", "s3://a/", "s3:///a", "gs://a//b", "az://a/b?c", "abfs:a/b", "s3://a/b#c"),
        ("s3://a/b", "gs://a/b/", "az://a/b", "abfss://box@account.dfs.core.windows.net/a"),
    ),
    "must name a host and a file on it: write https://HOST/PATH": RuleCase(
        ("https://a", "https:///a", "http://a/", "https://a/b#c"), ("https://a/b?c=d", "http://10.0.0.1:8080/a")
    ),
    "must name a Hugging Face repository: write hf://ORGANISATION/REPOSITORY, optionally with @REVISION": RuleCase(
        ("hf://a", "hf:a/b", "hf://a/b/c", "hf://a/b@", "hf://-a/b"),
        ("hf://a/b", "hf://a/b.c@main", "hf://a/b@refs/pr/1"),
    ),
    "must name a version or an alias of a registered model: write models:/NAME/VERSION or models:/NAME@ALIAS": RuleCase(
        ("models:/a", "models:/a/latest", "models:/a@", "models://a/1", "models:/a/1/b"), ("models:/a/3", "models:/a@b")
    ),
    "must name a registry and a repository: write oci://REGISTRY/NAME:TAG (the same for oci+artifact)": RuleCase(
        ("oci://a", "oci:///a", "oci+artifact://a/", "oci://a/b?c"),
        ("oci://a/b:1", "oci+artifact://a:5000/b/c@sha256:0"),
    ),
    "must name a claim and a directory in it: write pvc://CLAIM/PATH": RuleCase(
        ("pvc://", "pvc://A/b", "pvc:a/b", "pvc://a/b?c"), ("pvc://a", "pvc://a/b/c")
    ),
    "must not contain '..': write the normalized path": RuleCase(("file:///a/../b", "file:///.."), ("file:///a..b",)),
    "must not contain a user name or password: put them into a Secret and reference it in model.credentials": RuleCase(
        ("https://me:secret@example.com/a", "s3://key@bucket/a", "abfss://box:secret@account/a", "https://:s@h/a"),
        ("file:///a@b",),
    ),
    "must not contain a signature or token: put credentials into a Secret and reference it in"
    " model.credentials": RuleCase(
        (
            "https://a/b?sig=0",
            "https://a/b?x=1&X-Amz-Signature=0",
            "https://a/b?Signature=0&Expires=1",
            "gs://a?token=0",
        ),
        ("file:///sig=0",),
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
    "devices cannot be overcommitted: set the same request and limit": RuleCase(
        (
            {"requests": {"nvidia.com/gpu": 1}},
            {"requests": {"nvidia.com/gpu": 1}, "limits": {"nvidia.com/gpu": 2}},
        ),
        ({"limits": {"nvidia.com/gpu": 1}}, {"requests": {"nvidia.com/gpu": 1}, "limits": {"nvidia.com/gpu": "1"}}),
    ),
    "requests of devices must be whole numbers": RuleCase(
        ({"requests": {"nvidia.com/gpu": "500m"}, "limits": {"nvidia.com/gpu": "500m"}},),
        ({"requests": {"nvidia.com/gpu": 2}, "limits": {"nvidia.com/gpu": 2}},),
    ),
    "limits of devices must be whole numbers": RuleCase(
        ({"limits": {"nvidia.com/gpu": "0.5"}},), ({"limits": {"nvidia.com/gpu": "2"}},)
    ),
    "must be cpu, memory, ephemeral-storage, or a device such as nvidia.com/gpu": RuleCase(
        ({"gpu": 1}, {"kubernetes.io/batch-cpu": 1}, {"nvidia.com/g p u": 1}), ({"cpu": 1, "ephemeral-storage": "1Gi"},)
    ),
    "must be a quantity of at least 0, such as 500m, 2 or 1.5Gi": RuleCase(
        ("lots", "-1", -1, "1 Gi", "1e999", "+1", "1n", "$(A)"), (0, 2, "1e0")
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
    "must be a quantity above 0, such as 500m or 10": RuleCase(
        (0, "0", "0m", "lots", -1, "-1", "1e999", "$(A)"), (1, "1m", "0.5Gi")
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
        ("lots", "1", -1, 10_001, "1.5%", "-1%"), (1, "1%", "100%", 10_000)
    ),
    "must be at most 100%": RuleCase(("101%", "999%"), ("100%", 10_000)),
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
    "set exactly one of configMap, secret, persistentVolumeClaim and emptyDir": RuleCase(
        (
            {"name": "a", "mountPath": "/a"},
            {"name": "a", "mountPath": "/a", "secret": {"name": "a"}, "configMap": {"name": "a"}},
        ),
        (mount("a"), {"name": "a", "mountPath": "/a", "persistentVolumeClaim": {"claimName": "a"}}),
    ),
    "must be the name of a volume: lower-case letters, digits and '-', beginning and ending with a letter or"
    " digit": RuleCase(("A", "a.b", "-a", "a-", "a_b"), ("a", "0", "a" * 63)),
    "the names tmp and model are reserved: choose another name": RuleCase(("tmp", "model"), ("tmp2", "models")),
    "must be an absolute path without ':' and control characters: begin with '/'": RuleCase(
        ("a", "/a:b", "/a\nb"), ("/a", "/a b", f"{_TMP}/a")
    ),
    "/ and /tmp are reserved: choose another path": RuleCase(("/", _TMP, f"{_TMP}/"), (f"{_TMP}2",)),
    "keys of the domains kubernetes.io, k8s.io, modelservice.dev, argoproj.io, fluxcd.io are reserved: use another"
    " domain": RuleCase(
        tuple({f"{domain}/a": "a"} for domain in _RESERVED),
        ({"kubernetes.io": "a", "notkubernetes.io/a": "a", "kubernetes.io.example.com/a": "a"},),
    ),
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
