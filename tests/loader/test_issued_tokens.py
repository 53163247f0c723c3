"""Tokens that a service issues during a load are removed from all output, as the credentials of the Secret are.

Each store repeats the credential of the request in the name of a file, which the loader refuses and quotes.
"""

import json
from base64 import b64encode
from dataclasses import replace
from http.server import BaseHTTPRequestHandler

import pytest

from tests.loader.conftest import Loader
from tests.loader.test_egress_sweep import (
    AZURE_LISTING,
    DIGEST,
    MODEL,
    OBJECT,
    S3_LISTING,
    SCHEMES,
    Scheme,
    Server,
    encode,
    run_server,
    start,
)

NAME = "iris/\\MARK"
"""A backslash makes it a name that the loader refuses."""
LAYER = {"digest": DIGEST, "size": len(MODEL), "annotations": {"org.opencontainers.image.title": NAME}}
PAGES = {
    "/models": S3_LISTING.replace(b"iris/a", NAME.encode()),
    "/models/": S3_LISTING.replace(b"iris/a", NAME.encode()),
    "/v2/team/iris/manifests/v3": encode({"layers": [LAYER]}),
    "/storage/v1/b/models/o": encode({"kind": "storage#objects", "items": [{**OBJECT, "name": NAME}]}),
}
AZURE_PAGES = {"/models": AZURE_LISTING.replace(b"iris/a", NAME.encode())}
ISSUED = {
    "s3 with a web identity": "canary-issued-session",
    "az with a client secret": "canary-issued-token",
    "az with a federated token": "canary-issued-token",
    "gs with a key": "eyJ",
    "oci with a password": "token-of-the-store",
    "oci with an identity token": "token-of-the-store",
}
"""Text in the token that is issued."""


class ReflectingServer(Server):
    """A server that repeats the token of a request."""

    reflected = ""

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        headers = handler.headers
        token = headers.get("x-amz-security-token") or headers.get("Authorization", "").removeprefix("Bearer ")
        pages = AZURE_PAGES if "x-ms-version" in headers else PAGES
        if self.scheme is not None and handler.path.partition("?")[0] in pages and token:
            self.reflected = token
            marked = {path: page.replace(b"MARK", token.encode()) for path, page in pages.items()}
            self.scheme = replace(self.scheme, pages={**self.scheme.pages, **marked})
        super().answer(handler)


@pytest.mark.parametrize("name", ISSUED)
def test_issued_token_is_in_no_output(load: Loader, name: str) -> None:
    scheme: Scheme = SCHEMES[name]
    with run_server(ReflectingServer("127.0.0.1", scheme)) as store:
        run = start(load, scheme, store, "reflected")
        output, errors = run.process.communicate(timeout=60)
    assert isinstance(store, ReflectingServer)
    assert ISSUED[name] in store.reflected
    report = json.loads(output.splitlines()[-1])
    assert report["reason"] == "UnsupportedKey", report
    assert "[hidden]" in report["message"]
    for text in (ISSUED[name], store.reflected, b64encode(store.reflected.encode()).decode()):
        assert text not in output + errors
