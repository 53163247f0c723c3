"""The stores: one module for each way to speak to them, all behind `fetching.Source`."""

from urllib.parse import urlsplit

from model_loader.download import Source
from model_loader.request import Request, bad_uri

AZURE_HOSTS = (".blob.core.windows.net", ".dfs.core.windows.net")


def is_azure(uri: str) -> bool:
    """Whether an https URL names a storage account of Azure: then its credentials are Azure's, and folders are too."""
    return (urlsplit(uri).hostname or "").endswith(AZURE_HOSTS)


def source_of(request: Request) -> Source:
    """The store that a URI names. A store's client is imported only where it is needed: that is its memory."""
    match request.scheme:
        case "s3" | "gs" | "az" | "abfs" | "abfss":
            from model_loader.sources.object_store import ObjectStore  # noqa: PLC0415

            return ObjectStore(request)
        case "https" if is_azure(request.uri):
            from model_loader.sources.object_store import ObjectStore  # noqa: PLC0415

            return ObjectStore(request)
        case "https" | "http":
            from model_loader.sources.https import Web  # noqa: PLC0415

            return Web(request)
        case "hf":
            from model_loader.sources.huggingface import Hub  # noqa: PLC0415

            return Hub(request)
        case "models":
            from model_loader.sources.mlflow import source_of_version  # noqa: PLC0415

            return source_of_version(request)
        case "oci+artifact":
            from model_loader.sources.oci import Artifact  # noqa: PLC0415

            return Artifact(request)
        case _:
            raise bad_uri(request.uri, "its scheme is not one that is fetched")
