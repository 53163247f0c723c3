"""Stores of models: one module for each protocol. All of them implement `download.Source`."""

from urllib.parse import urlsplit

from model_loader.download import Source
from model_loader.request import Request, bad_uri_error

AZURE_HOSTS = (".blob.core.windows.net", ".dfs.core.windows.net")


def is_azure_url(uri: str) -> bool:
    """Return True for a URL of an Azure storage account, which has directories and the credentials of Azure."""
    return (urlsplit(uri).hostname or "").endswith(AZURE_HOSTS)


def open_source(request: Request) -> Source:
    """Return the source for the scheme of a URI. Raises LoaderError if the URI is invalid."""
    match request.scheme:
        case "s3" | "gs" | "az" | "abfs" | "abfss":
            from model_loader.sources.object_store import ObjectStoreSource

            return ObjectStoreSource(request)
        case "https" if is_azure_url(request.uri) and not request.environment.get("HTTP_URL"):
            from model_loader.sources.object_store import ObjectStoreSource

            return ObjectStoreSource(request)
        case "https" | "http":
            from model_loader.sources.https import HttpsSource

            return HttpsSource(request)
        case "hf":
            from model_loader.sources.huggingface import HuggingFaceSource

            return HuggingFaceSource(request)
        case "models" | "runs":
            from model_loader.sources.mlflow import open_mlflow_model

            return open_mlflow_model(request)
        case "oci+artifact":
            from model_loader.sources.oci import OciArtifactSource

            return OciArtifactSource(request)
        case _:
            raise bad_uri_error(request.uri, "its scheme is not supported")
