"""Every request of every scheme is redirected in turn, and none gains anything.

The targets are an address that is not allowed, a metadata service, and another origin. An audit hook in the loader
lists all its connections, and no credential may reach another origin: neither those of a Secret and a ServiceAccount,
nor those that a token service issues for them. One store has TLS.
"""

import json
import ssl
import subprocess
import threading
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.environment.cluster.pki import Authority
from tests.loader.conftest import Loader

LIBRARIES_WITH_CONNECTIONS = (
    "obstore",
    "httpx",
    "httpx2",
    "httpcore2",
    "huggingface_hub",
    "requests",
    "urllib3",
    "aiohttp",
    "hf_xet",
    "http",
)
"""Packages that connect without `model_loader.connections`; native code would also escape the audit hook."""
PROGRAM = """
import json, runpy, sys
log = open({log!r}, "a", buffering=1)
def hook(event, arguments):
    if event == "socket.connect":
        log.write(json.dumps(["connect", arguments[1][:2]]) + "\\n")
    elif event == "socket.getaddrinfo":
        log.write(json.dumps(["resolve", str(arguments[0])]) + "\\n")
    elif event in ("socket.sendto", "socket.sendmsg"):
        log.write(json.dumps(["send", event]) + "\\n")
sys.addaudithook(hook)
try:
    runpy.run_module("model_loader", run_name="__main__", alter_sys=True)
finally:
    log.write(json.dumps(["modules", sorted(sys.modules)]) + "\\n")
"""
MODEL = b"weights"
INNER = b"content of an inner server"
SHA = "0123456789abcdef0123456789abcdef01234567"
DIGEST = "sha256:9a129038d9a00aed0cf6a7ea059ca50a813449061ab87848cf1a13eafdf33b2c"
S3_LISTING = (
    b"<?xml version='1.0'?><ListBucketResult><Name>models</Name><Prefix>iris/</Prefix><KeyCount>1</KeyCount>"
    b"<MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated><Contents><Key>iris/a</Key>"
    b"<LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>&quot;1&quot;</ETag><Size>7</Size>"
    b"<StorageClass>STANDARD</StorageClass></Contents></ListBucketResult>"
)
AZURE_LISTING = (
    b"<?xml version='1.0'?><EnumerationResults><Prefix>iris/</Prefix><Blobs><Blob><Name>iris/a</Name><Properties>"
    b"<Last-Modified>Thu, 01 Jan 2026 00:00:00 GMT</Last-Modified><Etag>1</Etag><Content-Length>7</Content-Length>"
    b"<Content-Type>application/octet-stream</Content-Type><BlobType>BlockBlob</BlobType></Properties></Blob></Blobs>"
    b"<NextMarker/></EnumerationResults>"
)
OBJECT = {"kind": "storage#object", "name": "iris/a", "bucket": "models", "size": "7", "etag": "1", "generation": "1"}
GCS_LISTING = json.dumps({"kind": "storage#objects", "items": [{**OBJECT, "updated": "2026-01-01T00:00:00.000Z"}]})


def encode(value: Any) -> bytes:
    return json.dumps(value).encode()


@dataclass(frozen=True)
class Scheme:
    """A scheme with a model of one file, and one kind of credentials."""

    uri: str
    pages: Mapping[str, bytes]
    environment: Mapping[str, str]
    """Values with {url} for the URL of the store."""


MLFLOW_PAGES = {
    "/api/2.0/mlflow/registered-models/alias": encode({"model_version": {"version": "1"}}),
    "/api/2.0/mlflow/model-versions/get-download-uri": encode({"artifact_uri": "mlflow-artifacts:/0/run"}),
    "/api/2.0/mlflow-artifacts/artifacts": encode({"files": [{"path": "a", "file_size": len(MODEL)}]}),
    "/api/2.0/mlflow-artifacts/artifacts/0/run/a": MODEL,
}
HUB_PAGES = {
    "/api/models/org/iris/revision/main": encode(
        {"id": "org/iris", "sha": SHA, "siblings": [{"rfilename": "a", "size": len(MODEL)}]}
    ),
    f"/org/iris/resolve/{SHA}/a": MODEL,
}
LAYER = {"digest": DIGEST, "size": len(MODEL), "annotations": {"org.opencontainers.image.title": "a"}}
OCI_PAGES = {
    "/v2/team/iris/manifests/v3": encode({"layers": [LAYER]}),
    f"/v2/team/iris/blobs/{DIGEST}": MODEL,
    "/token": encode({"token": "token-of-the-store"}),
}
AWS = {"AWS_ENDPOINT_URL": "{url}", "AWS_ACCESS_KEY_ID": "AKIACANARYKEYID00000", "AWS_REGION": "eu-west-1"}
AWS |= {"AWS_SECRET_ACCESS_KEY": "canary-secret-key", "AWS_SESSION_TOKEN": "canary-session-token"}
OBJECT_PAGES = {"/models": S3_LISTING, "/models/": S3_LISTING, "/models/iris/a": MODEL}
GCS_PAGES = {"/storage/v1/b/models/o": GCS_LISTING.encode(), "/storage/v1/b/models/o/iris%2Fa": MODEL} | OBJECT_PAGES
AZURE_PAGES = {"/models": AZURE_LISTING, "/models/iris/a": MODEL}
AZURE = {"AZURE_STORAGE_ENDPOINT": "{url}", "AZURE_STORAGE_ACCOUNT_NAME": "canary"}
STS_PAGES = {
    "/": b"<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>"
    b"<AccessKeyId>ASIACANARYISSUED0000</AccessKeyId><SecretAccessKey>canary-issued-secret</SecretAccessKey>"
    b"<SessionToken>canary-issued-session</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration>"
    b"</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
}
AAD_PAGES = {"/tenant/oauth2/v2.0/token": encode({"access_token": "canary-issued-token", "expires_in": 3600})}
AZURE_CLIENT = {"AZURE_TENANT_ID": "tenant", "AZURE_CLIENT_ID": "client", "AZURE_AUTHORITY_HOST": "{url}"}


@cache
def google_key() -> str:
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    key = {"type": "service_account", "client_email": "canary@example.iam", "private_key_id": "canary-key-id"}
    return json.dumps({**key, "private_key": pem.decode()})


DOCKER = {"auths": {"HOST": {"auth": b64encode(b"user:canary-password").decode()}}}
IDENTITY = {"auths": {"HOST": {"identitytoken": "canary-identity-token"}}}
SCHEMES = {
    "https": Scheme("{url}/a", {"/a": MODEL}, {"HTTP_BEARER_TOKEN": "canary-bearer-token"}),
    "hf": Scheme("hf://org/iris", HUB_PAGES, {"HF_ENDPOINT": "{url}", "HF_TOKEN": "hf_canarytoken0000000"}),
    "models with a token": Scheme(
        "models:/iris@champion",
        MLFLOW_PAGES,
        {"MLFLOW_TRACKING_URI": "{url}", "MLFLOW_TRACKING_TOKEN": "canary-mlflow-token"},
    ),
    "models with a password": Scheme(
        "models:/iris/1",
        MLFLOW_PAGES,
        {
            "MLFLOW_TRACKING_URI": "{url}",
            "MLFLOW_TRACKING_USERNAME": "user",
            "MLFLOW_TRACKING_PASSWORD": "canary-password",
        },
    ),
    "oci with a password": Scheme(
        "oci+artifact://{host}/team/iris:v3",
        OCI_PAGES,
        {"OCI_PLAIN_HTTP": "true", ".dockerconfigjson": json.dumps(DOCKER)},
    ),
    "oci with an identity token": Scheme(
        "oci+artifact://{host}/team/iris:v3",
        OCI_PAGES,
        {"OCI_PLAIN_HTTP": "true", ".dockerconfigjson": json.dumps(IDENTITY)},
    ),
    "s3": Scheme("s3://models/iris", OBJECT_PAGES, AWS),
    "gs": Scheme("gs://models/iris", GCS_PAGES, {"STORAGE_EMULATOR_HOST": "{url}"}),
    "az": Scheme(
        "az://models/iris",
        AZURE_PAGES,
        {**AZURE, "AZURE_STORAGE_SAS_TOKEN": "sv=2022-11-02&se=2099-01-01T00:00:00Z&sig=canary-signature"},
    ),
    "s3 with a web identity": Scheme(
        "s3://models/iris",
        STS_PAGES | OBJECT_PAGES,
        {
            "AWS_ENDPOINT_URL": "{url}",
            "AWS_ENDPOINT_URL_STS": "{url}",
            "AWS_REGION": "eu-west-1",
            "AWS_ROLE_ARN": "arn:aws:iam::000000000000:role/tests",
            "AWS_WEB_IDENTITY_TOKEN_FILE": "{token_file}",
        },
    ),
    "gs with a key": Scheme(
        "gs://models/iris", GCS_PAGES, {"GOOGLE_BASE_URL": "{url}", "GOOGLE_SERVICE_ACCOUNT_KEY": "{google_key}"}
    ),
    "az with a client secret": Scheme(
        "az://models/iris",
        AZURE_PAGES | AAD_PAGES,
        AZURE | AZURE_CLIENT | {"AZURE_CLIENT_SECRET": "canary-client-secret"},
    ),
    "az with a federated token": Scheme(
        "az://models/iris",
        AZURE_PAGES | AAD_PAGES,
        AZURE | AZURE_CLIENT | {"AZURE_FEDERATED_TOKEN_FILE": "{token_file}"},
    ),
    "az with a key": Scheme(
        "az://models/iris", AZURE_PAGES, {**AZURE, "AZURE_STORAGE_ACCOUNT_KEY": b64encode(b"canary-key").decode()}
    ),
}
TLS = "hf"
"""Scheme whose store also has TLS."""
CANARIES = (b"canary", b"CANARY", b64encode(b"user:canary-password"), b"token-of-the-store", b"eyJ")
"""Parts of credentials; eyJ begins the tokens that a Google key signs."""


@dataclass
class Server:
    """A server that redirects one of its requests."""

    address: str
    scheme: Scheme | None = None
    redirected: int = -1
    location: str = ""
    requests: list[bytes] = field(default_factory=list)
    url: str = ""
    port: int = 0
    tls: ssl.SSLContext | None = None

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        number = len(self.requests)
        self.requests.append(f"{handler.path}\n{handler.headers}".encode("latin-1"))
        path = handler.path.partition("?")[0]
        if number == self.redirected:
            self._send(handler, 307 if number % 2 else 302, Location=self.location)
        elif self.scheme is None:
            self._send(handler, 200, INNER)
        elif path not in self.scheme.pages:
            self._send(handler, 404)
        elif path.startswith("/v2/") and "Bearer" not in handler.headers.get("Authorization", ""):
            self._send(handler, 401, WWW_Authenticate=f'Bearer realm="{self.url}/token",service="tests"')
        else:
            extra = {"ETag": '"1"', "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT"}
            self._send(handler, 200, self.scheme.pages[path], **extra)

    def _send(self, handler: BaseHTTPRequestHandler, status: int, body: bytes = b"", **headers: str) -> None:
        length = int(handler.headers.get("Content-Length", 0))
        self.requests[-1] += handler.rfile.read(length)
        found = (handler.headers.get("Range") or "").removeprefix("bytes=").partition("-")
        if status == 200 and found[0] and self.scheme is not None:
            start, total = int(found[0]), len(body)
            body, status = body[start : int(found[2]) + 1 if found[2] else total], 206
            headers["Content-Range"] = f"bytes {start}-{start + len(body) - 1}/{total}"
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(body)


@contextmanager
def run_server(server: Server) -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            server.answer(self)

        do_POST = do_PUT = do_HEAD = do_GET  # noqa: N815

        def log_message(self, *_: Any) -> None:
            pass

    running = ThreadingHTTPServer((server.address, 0), Handler)
    running.daemon_threads = True
    server.port = running.server_port
    server.url = f"{'https' if server.tls else 'http'}://{server.address}:{server.port}"
    if server.tls is not None:
        running.socket = server.tls.wrap_socket(running.socket, server_side=True, do_handshake_on_connect=False)
    # It polls whether it is to end: with the default of 0.5 s, a sweep would wait for that most of its time.
    threading.Thread(target=running.serve_forever, args=(0.1,), daemon=True).start()
    try:
        yield server
    finally:
        running.shutdown()
        running.server_close()


@dataclass
class Run:
    """A run of the loader, with what its audit hook has seen."""

    store: Server
    process: subprocess.Popen[str]
    log: Path
    report: Mapping[str, Any] = field(default_factory=dict)

    def finish(self) -> None:
        output, errors = self.process.communicate(timeout=60)
        assert "Traceback" not in errors, errors
        self.report = json.loads(output.splitlines()[-1])

    def events(self, kind: str) -> list[Any]:
        found = (json.loads(line) for line in self.log.read_text().splitlines())
        return [value for name, value in found if name == kind]


def start(load: Loader, scheme: Scheme, store: Server, key: str, **more: str) -> Run:
    token = load.volume.parent / "token"
    token.write_text("canary-token-of-the-service-account")
    fill = {"{url}": store.url, "{host}": f"{store.address}:{store.port}", "HOST": f"{store.address}:{store.port}"}
    fill |= {"{token_file}": str(token), "{google_key}": google_key()}
    uri, environment = scheme.uri, dict(scheme.environment)
    for mark, text in fill.items():
        uri = uri.replace(mark, text)
        environment = {
            name: value if "://" in value else value.replace(mark, text) for name, value in environment.items()
        }
    log = load.volume.parent / f"{key}.log"
    program = ("-c", PROGRAM.format(log=str(log)))
    more = {"allowed_cidrs": "127.0.0.1/32", "timeout_seconds": "20", **more}
    process = load.start(uri, environment, key=key, program=program, **more)
    return Run(store, process, log)


def create_context(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """Return the certificate of the servers, and the file with its authority."""
    authority = Authority.create("stores of the sweep")
    authority.issue("store", names=("127.0.0.1", "127.0.0.2")).write(folder, "store")
    trusted = folder / "trusted.crt"
    trusted.write_bytes(authority.pair.certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "store.crt", folder / "store.key")
    return context, trusted


def sweep(load: Loader, scheme: Scheme, tls: ssl.SSLContext | None = None, **more: str) -> list[Server]:
    """Redirect each request to each target. Return the servers of the other origins."""
    with ExitStack() as stack:
        inner = stack.enter_context(run_server(Server("127.0.0.2", tls=tls)))
        others = [stack.enter_context(run_server(Server("127.0.0.1", tls=tls)))]
        if tls is not None:
            others.append(stack.enter_context(run_server(Server("127.0.0.1"))))
        first = stack.enter_context(run_server(Server("127.0.0.1", scheme, tls=tls)))
        plain = start(load, scheme, first, "plain", **more)
        plain.finish()
        assert plain.report["reason"] in {"Loaded", "DigestMismatch"}, plain.report
        assert len(first.requests) >= 2
        assert scheme is SCHEMES["gs"] or any(one in text for one in CANARIES for text in first.requests)
        [modules] = plain.events("modules")
        assert "model_loader.connections" in modules
        assert {one.partition(".")[0] for one in modules} & set(LIBRARIES_WITH_CONNECTIONS) == set()
        targets = [f"{one.url}/x" for one in (inner, *others)]
        metadata = ["http://169.254.169.254/latest/meta-data/"]  # one is enough: it is refused as the first target is
        runs = []
        for number in range(len(first.requests)):
            for place, location in enumerate(targets if number else targets + metadata):
                store = stack.enter_context(run_server(Server("127.0.0.1", scheme, number, location, tls=tls)))
                runs.append(start(load, scheme, store, f"{number}-{place}", **more))
        for run in runs:
            run.finish()
            allowed = [["127.0.0.1", one.port] for one in (run.store, *others)]
            assert [one for one in run.events("connect") if one not in allowed] == [], run.report
            assert run.events("send") == []
            assert set(run.events("resolve")) <= {"127.0.0.1"}
        assert inner.requests == []
        for other in others:
            assert [text for text in other.requests if any(one in text for one in CANARIES)] == []
    return others


@pytest.mark.parametrize("name", SCHEMES)
def test_redirect_of_any_request_gains_nothing(load: Loader, name: str) -> None:
    [other] = sweep(load, SCHEMES[name])
    if name == "https":  # a redirect to an allowed address is followed
        assert other.requests


def test_redirect_of_any_request_over_tls_gains_nothing(load: Loader, tmp_path: Path) -> None:
    """Neither on another origin with TLS, nor on one without, to which no https request is redirected at all."""
    tls, trusted = create_context(tmp_path)
    secure, open_to_all = sweep(load, SCHEMES[TLS], tls, ca_bundle=str(trusted))
    assert secure.requests
    assert open_to_all.requests == []


def test_audit_hook_sees_connections(load: Loader) -> None:
    """Without the hook, the sweep would prove nothing."""
    scheme = SCHEMES["https"]
    with run_server(Server("127.0.0.1", scheme)) as store:
        run = start(load, scheme, store, "hook")
        run.finish()
        assert run.events("connect") == [[store.address, store.port]]
