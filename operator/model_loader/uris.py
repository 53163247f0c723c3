"""URIs that are written differently elsewhere, and URIs that contain credentials: the right form of both.

The CRD refuses them before anything is stored (modelservice_operator/api/v1alpha1/uri.py). The two programs share no
code; tests/unit/loader/test_uris.py compares their tables.
"""

import re
from functools import cache
from urllib.parse import unquote

SCHEMES = ("s3", "gs", "az", "abfs", "abfss", "https", "http", "hf", "models", "runs", "oci+artifact")
"""Schemes of URIs that are downloaded. oci, pvc and file are volumes or parts of the image."""
_ALL_SCHEMES = (*SCHEMES, "file", "oci", "pvc")

_ABFSS = "write abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/PATH"
_ARTIFACTS = "write models:/NAME/VERSION for a registered model, or runs:/RUN_ID/PATH for the artifacts of a run"
_AWS_CONSOLE = r"https?://(?:[\w-]+\.)*console\.(?:aws\.amazon\.com|amazonaws\.cn|amazonaws-us-gov\.com)/"
_AWS_HOST = r"s3[.-](?:[\w-]+\.)*amazonaws\.com(?:\.cn)?"
_HUB = r"(?:https?://)?(?:www\.)?(?:huggingface\.co|hf\.co)/"
_REPOSITORY = r"(?P<repository>[\w.-]+/[\w.-]+|[\w.-]+)"
_HUB_PAGES = r"(?:datasets|spaces|buckets|docs|blog|collections|papers|models|api)\b"
_CREDENTIALS = r"(?:[^/?#]*@)?"
_MLFLOW_RUN = r"(?:[^?#]*/)?(?P<run>[0-9a-f]{32})/artifacts(?P<path>/[^?#]*)?"
_MLFLOW_MODEL = r"(?:[^?#]*/)?(?P<model>m-[0-9a-f]{32})/artifacts(?:/.*)?"

_FORMS: tuple[tuple[str, str], ...] = (
    # Google Cloud Storage. storage.cloud.google.com is for browsers: it asks for a login.
    (rf"gcs:/*{_CREDENTIALS}(?P<rest>[^?#]*)", r"write gs://\g<rest>"),
    (r"https?://storage\.cloud\.google\.com/(?P<rest>[^?#]*)", r"write gs://\g<rest>"),
    (
        r"https?://console\.cloud\.google\.com/storage/browser/(?:_details/)?(?P<rest>[^?#;]+).*",
        r"this is a page of a console: write gs://\g<rest>",
    ),
    (
        (
            r"https?://(?:storage\.googleapis\.com/(?P<rest>[^?#]+/)|(?P<bucket>[\w.-]+)\.storage\.googleapis\.com"
            r"/(?P<path>[^?#]*/))"
        ),
        r"https downloads a single file: write gs://\g<rest>\g<bucket>/\g<path>",
    ),
    # S3, and stores with its API.
    (rf"s3[an]:/*{_CREDENTIALS}(?P<rest>[^?#]*)", r"write s3://\g<rest>"),
    (
        _AWS_CONSOLE + r"s3/(?:buckets|object)/(?P<bucket>[^/?#]+)/?(?:\?(?:[^#]*&)?prefix=(?P<path>[^&#]*).*|.*)",
        r"this is a page of a console: write s3://\g<bucket>/\g<path>",
    ),
    (_AWS_CONSOLE + r".*", r"this is a page of a console: write s3://BUCKET/PATH"),
    (
        rf"https?://(?:{_AWS_HOST}/(?P<rest>[^?#]+/)|(?P<bucket>[\w.-]+?)\.{_AWS_HOST}/(?P<path>[^?#]*/))",
        r"https downloads a single file: write s3://\g<rest>\g<bucket>/\g<path>",
    ),
    (
        rf"(?:minio|r2|b2|oss|cos|cosn):/*{_CREDENTIALS}(?P<rest>[^?#]*)",
        r"write s3://\g<rest>, and put AWS_ENDPOINT_URL into the Secret of model.credentials",
    ),
    # Azure.
    (
        r"wasbs?://(?P<container>[^/?#@:]+)@(?P<account>[\w-]+)\.blob\.core\.windows\.net(?P<path>/[^?#]*)?",
        r"write abfss://\g<container>@\g<account>.dfs.core.windows.net\g<path>",
    ),
    (
        r"abfss?://(?P<account>[\w-]+)\.(?:dfs|blob)\.core\.windows\.net/(?P<container>[^/?#]+)(?P<path>/[^?#]*)?",
        r"write abfss://\g<container>@\g<account>.dfs.core.windows.net\g<path>",
    ),
    (r"azure:/*(?P<rest>[^?#@]*)", r"write az://\g<rest>"),
    (r"https?://portal\.azure\.com/.*", f"this is a page of a console: {_ABFSS}"),
    (r"(?:wasbs?|adls?|azureml):.*", _ABFSS),
    # Hugging Face.
    (
        rf"(?:hf|huggingface|hf-hub|hf_hub):/*(?:datasets|spaces|buckets)/.*|{_HUB}{_HUB_PAGES}.*",
        "it does not name a model of Hugging Face: write hf://ORGANISATION/REPOSITORY",
    ),
    (rf"{_HUB}{_REPOSITORY}/?(?:[?#].*)?", r"write hf://\g<repository>"),
    (rf"{_HUB}{_REPOSITORY}/(?:tree|commit)/(?P<revision>[^/?#]+).*", r"write hf://\g<repository>@\g<revision>"),
    (
        rf"{_HUB}{_REPOSITORY}/blob/(?P<revision>[^/?#]+)/(?P<path>[^?#]+).*",
        r"write hf://\g<repository>@\g<revision>, and \g<path> in model.loader.allowPatterns",
    ),
    (
        r"(?:hf|huggingface|hf-hub|hf_hub):/*(?P<repository>[\w.-]+/[\w.-]+):(?P<revision>[\w./-]+)",
        r"write hf://\g<repository>@\g<revision>",
    ),
    (
        r"(?:hf|huggingface):/*(?P<repository>[\w.-]+/[\w.-]+)/(?P<path>[^?#@]+)",
        r"write hf://\g<repository>, and \g<path> in model.loader.allowPatterns",
    ),
    (
        rf"(?:hf:/?(?!/)|hf:///+|(?:huggingface|hf-hub|hf_hub):/*){_REPOSITORY}(?P<revision>@[^@?#]+)?",
        r"write hf://\g<repository>\g<revision>",
    ),
    (r"(?:huggingface|hf-hub|hf_hub):.*", "write hf://ORGANISATION/REPOSITORY"),
    # MLflow.
    (rf"(?:mlflow-artifacts|dbfs):{_MLFLOW_RUN}", r"write runs:/\g<run>\g<path>"),
    (rf"(?:mlflow-artifacts|dbfs):{_MLFLOW_MODEL}", r"write models:/\g<model>"),
    (r"mlflow-artifacts:.*", _ARTIFACTS),
    (
        r"dbfs:.*|https?://[^/?#]+/dbfs/.*",
        f"only Databricks reads its own files: copy them to a store, or {_ARTIFACTS}",
    ),
    (r"(?P<scheme>models|runs)://+(?P<rest>[^?#@]+(?:@[^/?#@]+)?)", r"write \g<scheme>:/\g<rest>"),
    # Images and artifacts of registries.
    (
        r"(?:docker|docker-daemon|docker-archive|containers-storage|image|modelcar):/*(?P<rest>[^?#]*)",
        "write oci://REGISTRY/NAME:TAG for an image whose directory /models is mounted",
    ),
    (r"oras:/*(?P<rest>[^?#]*)", r"write oci+artifact://\g<rest>"),
    (
        r"ollama:.*|https?://(?:registry\.)?ollama\.(?:ai|com)/.*",
        "models of Ollama cannot be loaded: write hf://ORGANISATION/REPOSITORY of a repository with the GGUF file",
    ),
    # Paths.
    (
        r"(?P<path>/[^/?#][^?#]*)",
        r"write file://\g<path> for a file of the image, or pvc://CLAIM/PATH for one of a claim",
    ),
    (
        r"[^:]*|[.~].*|[A-Za-z]:[\\/].*",
        (
            "it has no scheme: write file:///PATH for a file of the image, pvc://CLAIM/PATH for one of a claim, or"
            " hf://ORGANISATION/REPOSITORY for Hugging Face"
        ),
    ),
)
"""Pattern of a URI that cannot be loaded, and what to write; the first match counts."""
_UNAMBIGUOUS_SCHEMES = ("s3://", "gs://", "az://", "oci+artifact://")
"""Begins that no pattern has: most URIs need none of them, and to compile all takes as long as a small download."""
_SCHEME = re.compile(r"([A-Za-z0-9+]+):(.*)", re.DOTALL)

_CREDENTIAL_NAME = (
    "(?i).*(token|secret|passw|signature|credential|api[-_]?key|access[-_]?key|accessid|key-pair-id|jwt).*"
    "|x-(amz|goog|oss|cos|obs|ms)-.*|q-(sign|ak|signature).*"
    "|sig|sign|key|auth|authorization|bearer|pwd|pass|sas|policy|session|sessionid"
)
"""Names in a query whose value is a credential or belongs to a signature: of AWS, Google, Azure, Alibaba Cloud, Tencent
Cloud, CloudFront, GitLab, and of common APIs."""


@cache
def _compile_forms() -> tuple[tuple[re.Pattern[str], str], ...]:
    return tuple((re.compile(rf"(?:{pattern})(?:[?#].*)?", re.DOTALL), advice) for pattern, advice in _FORMS)


def find_right_form(uri: str) -> str | None:
    """Return what to write instead of a URI that is written differently here, without credentials, or None."""
    found = _SCHEME.fullmatch(uri)
    if found is not None and found[1] != found[1].lower() and found[1].lower() in _ALL_SCHEMES:
        return f"write its scheme in lower case: {found[1].lower()}:"
    if uri.startswith(_UNAMBIGUOUS_SCHEMES):
        return None
    for pattern, advice in _compile_forms():
        if (match := pattern.fullmatch(uri)) is not None:
            return match.expand(advice)
    return None


def find_credential(uri: str) -> str | None:
    """Return the name of a parameter behind the path of a URI whose value is a credential, or None."""
    for pair in re.split("[?#&;]", uri)[1:]:
        name = unquote(pair.partition("=")[0], errors="replace")
        if re.fullmatch(_CREDENTIAL_NAME, name.strip().replace(" ", "")):
            return name
    return None
