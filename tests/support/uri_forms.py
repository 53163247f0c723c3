"""URIs as other programs write them and as pages of consoles show them, with what to write instead."""

from typing import NamedTuple

_HEX = "0123456789abcdef" * 2


class UriForm(NamedTuple):
    """A URI that is refused, and the right form that the loader's message contains."""

    uri: str
    right: str

    @property
    def scheme(self) -> str:
        """Scheme of the right form, which the rule of the CRD names too."""
        return self.right.partition(":")[0].rpartition(" ")[2] + ":"


_S3 = "s3://models/iris/v3"
_GS = "gs://models/iris/v3"
_ABFSS = "abfss://box@account.dfs.core.windows.net/iris"
_HF = "hf://org/iris"
_RUN = f"runs:/{_HEX}/model"

OTHER_FORMS = tuple(
    UriForm(uri, right)
    for right, uris in {
        _GS: (
            "gcs://models/iris/v3",
            "gcs:/models/iris/v3",
            "https://storage.cloud.google.com/models/iris/v3",
            "https://console.cloud.google.com/storage/browser/models/iris/v3;tab=objects?project=p&prefix=",
            "https://console.cloud.google.com/storage/browser/_details/models/iris/v3",
        ),
        f"{_GS}/": (
            "https://storage.googleapis.com/models/iris/v3/",
            "https://models.storage.googleapis.com/iris/v3/",
        ),
        _S3: (
            "s3a://models/iris/v3",
            "s3n://models/iris/v3",
            "s3a://key:secret@models/iris/v3",
            "minio://models/iris/v3",
            "r2://models/iris/v3",
            "oss://models/iris/v3",
            "cosn://models/iris/v3",
            "https://s3.console.aws.amazon.com/s3/buckets/models?region=eu-central-1&prefix=iris/v3&showversions=false",
            "https://eu-central-1.console.aws.amazon.com/s3/object/models?region=eu-central-1&prefix=iris/v3",
        ),
        "s3://models/": ("https://s3.console.aws.amazon.com/s3/buckets/models",),
        "s3://BUCKET/PATH": ("https://console.aws.amazon.com/console/home",),
        f"{_S3}/": (
            "https://s3.amazonaws.com/models/iris/v3/",
            "https://s3.eu-central-1.amazonaws.com/models/iris/v3/",
            "https://s3-eu-west-1.amazonaws.com/models/iris/v3/",
            "https://models.s3.amazonaws.com/iris/v3/",
            "https://models.s3.dualstack.eu-central-1.amazonaws.com/iris/v3/",
            "https://models.s3.cn-north-1.amazonaws.com.cn/iris/v3/",
        ),
        _ABFSS: (
            "wasb://box@account.blob.core.windows.net/iris",
            "wasbs://box@account.blob.core.windows.net/iris",
            "abfs://account.dfs.core.windows.net/box/iris",
            "abfss://account.dfs.core.windows.net/box/iris",
            "abfss://account.blob.core.windows.net/box/iris",
        ),
        "abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/PATH": (
            "adl://account.azuredatalakestore.net/iris",
            "adls://account/iris",
            "azureml://subscriptions/s/paths/iris",
            "wasbs://iris",
            "https://portal.azure.com/#view/storage",
        ),
        "az://box/iris": ("azure://box/iris",),
        _HF: (
            "hf:org/iris",
            "hf:/org/iris",
            "hf:///org/iris",
            "huggingface://org/iris",
            "huggingface:org/iris",
            "hf-hub:org/iris",
            "https://huggingface.co/org/iris",
            "https://huggingface.co/org/iris/",
            "https://hf.co/org/iris?library=transformers",
            "https://www.huggingface.co/org/iris",
        ),
        f"{_HF}@dev": (
            "hf:org/iris@dev",
            "hf://org/iris:dev",
            "huggingface://org/iris@dev",
            "https://huggingface.co/org/iris/tree/dev",
            "https://huggingface.co/org/iris/tree/dev/onnx",
            "https://huggingface.co/org/iris/commit/dev",
        ),
        "hf://org/iris@dev, and onnx/model.onnx in model.loader.allowPatterns": (
            "https://huggingface.co/org/iris/blob/dev/onnx/model.onnx",
        ),
        "hf://org/iris, and onnx/model.onnx in model.loader.allowPatterns": ("hf://org/iris/onnx/model.onnx",),
        "hf://ORGANISATION/REPOSITORY": (
            "hf://datasets/org/iris",
            "hf://spaces/org/iris",
            "https://huggingface.co/datasets/org/iris",
            "https://huggingface.co/spaces/org/iris",
            "ollama://llama3",
            "ollama:llama3",
            "https://ollama.com/library/llama3",
            "org/iris",
            "model.bin",
            "./model",
            "~/model",
            "C:\\models\\iris",
            "C:/models/iris",
        ),
        _RUN: (
            f"mlflow-artifacts:/1/{_HEX}/artifacts/model",
            f"mlflow-artifacts://server:5000/mlartifacts/1/{_HEX}/artifacts/model",
            f"dbfs:/databricks/mlflow-tracking/1/{_HEX}/artifacts/model",
            f"runs://{_HEX}/model",
        ),
        f"models:/m-{_HEX}": (f"mlflow-artifacts:/1/models/m-{_HEX}/artifacts",),
        "models:/NAME/VERSION": ("mlflow-artifacts:/x", "dbfs:/models/iris", "dbfs://x/iris"),
        "models:/iris/3": ("models://iris/3",),
        "oci://REGISTRY/NAME:TAG": (
            "docker://registry.example.com/iris:1",
            "docker-daemon:iris:1",
            "containers-storage:iris",
        ),
        "oci+artifact://registry.example.com/iris:1": ("oras://registry.example.com/iris:1",),
        "file:///models/iris": ("/models/iris",),
        "s3:": ("S3://models/iris",),
        "https:": ("HTTPS://example.com/iris",),
    }.items()
    for uri in uris
)

ACCEPTED_URIS = (
    "s3://models/iris/v3",
    "gs://models/iris/",
    "az://box/iris",
    "abfs://box/iris",
    "abfss://box@account.dfs.core.windows.net/iris",
    "https://account.blob.core.windows.net/box/iris/",
    "https://example.com/iris?download=true&version=3",
    "https://example.com/iris?monkey=1&keyboard=2&author=3&design=4",
    "https://s3.amazonaws.com/models/iris.tar.gz",
    "https://models.s3.eu-central-1.amazonaws.com/iris.tar.gz?versionId=3",
    "https://storage.googleapis.com/models/iris.tar.gz",
    "https://huggingface.co/org/iris/resolve/main/model.safetensors",
    "https://cas.example.com/huggingface.co/org/iris",
    "http://10.0.0.1:8080/iris",
    "hf://org/iris",
    "hf://gpt2",
    "hf://gpt2@main",
    "hf://org/iris@refs/pr/1",
    "hf://org/iris@v1.0",
    "models:/iris/3",
    "models:/iris@champion",
    "models:/iris/latest",
    "models:/iris/Production",
    "models:/iris/staging",
    "models:/wein%20güte+rot/3",
    f"models:/m-{_HEX}",
    f"runs:/{_HEX}/model",
    f"runs:/{_HEX}/path/to/model",
    f"runs:/{_HEX}",
    "oci+artifact://registry.example.com/iris:1",
)

CREDENTIAL_NAMES = (
    *(
        "access_token",
        "private_token",
        "token",
        "api_key",
        "apikey",
        "api-key",
        "key",
        "auth",
        "auth_token",
        "password",
    ),
    *("passwd", "pwd", "secret", "client_secret", "jwt", "sig", "signature", "Signature", "SIGNATURE", "sas"),
    *("q-signature", "q-ak", "q-sign-time", "Policy", "Key-Pair-Id", "AWSAccessKeyId", "GoogleAccessId"),
    *("x-amz-security-token", "X-Amz-Signature", "X-Amz-Credential", "X-Amz-Date", "X-Goog-Signature"),
    *("X-Goog-Credential", "x-oss-signature", "OSSAccessKeyId", "security-token", "session", "id_token"),
)
