"""Object stores that redirect, repeat or damage: no credential and no connection leaves the configured endpoint."""

import json
import socket
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from model_loader import backoff, connections, egress
from model_loader.digests import FileHasher
from model_loader.errors import LoaderError, TransferError
from model_loader.request import Request
from model_loader.sources import aws_identity, google_identity, open_source
from model_loader.sources.object_store import ObjectStoreSource
from tests.environment.cluster.pki import Authority
from tests.environment.stores.web import Handler, Web, serving, whole
from tests.loader.conftest import Loader

CONTENT = b"weights of the model"
CANARY = "canary0123456789"
Answer = Callable[[Handler], None]


@dataclass(frozen=True)
class Kind:
    """A store: URI, environment, and a listing with the object `iris/f`."""

    uri: str
    environment: Mapping[str, str]
    listing: bytes
    token: Mapping[str, str] | None = None
    """Variables of an identity with a token service at URL."""


def google_key() -> str:
    key = generate_private_key(65537, 2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return json.dumps({"client_email": "a@b", "private_key_id": CANARY, "private_key": key})


XML = "<ListBucketResult><Contents><Key>iris/f</Key><Size>20</Size></Contents></ListBucketResult>"
BLOBS = (
    "<EnumerationResults><Blobs><Blob><Name>iris/f</Name><Properties><Content-Length>20</Content-Length></Properties>"
    "</Blob></Blobs></EnumerationResults>"
)
AZURE = {"AZURE_STORAGE_ENDPOINT": "URL", "AZURE_STORAGE_ACCOUNT_NAME": "account"}
KINDS = {
    "s3": Kind(
        "s3://models/iris",
        {
            "AWS_ENDPOINT_URL": "URL",
            "AWS_ACCESS_KEY_ID": CANARY,
            "AWS_SECRET_ACCESS_KEY": CANARY,
            "AWS_SESSION_TOKEN": CANARY,
        },
        XML.encode(),
        {
            "AWS_ENDPOINT_URL": "URL",
            "AWS_ENDPOINT_URL_STS": "URL/token",
            "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/reader",
            "AWS_WEB_IDENTITY_TOKEN_FILE": "TOKEN",
        },
    ),
    "gs": Kind(
        "gs://models/iris",
        {"GOOGLE_BASE_URL": "URL", "GOOGLE_SERVICE_ACCOUNT_KEY": google_key()},
        json.dumps({"items": [{"name": "iris/f", "size": "20", "generation": "1"}]}).encode(),
    ),
    "az key": Kind("az://models/iris", {**AZURE, "AZURE_STORAGE_ACCOUNT_KEY": "Y2FuYXJ5"}, BLOBS.encode()),
    "az signature": Kind(
        "az://models/iris",
        {**AZURE, "AZURE_STORAGE_SAS_TOKEN": f"sv=2023-11-03&se=2099-01-01T00:00:00Z&sig={CANARY}"},
        BLOBS.encode(),
        {
            **AZURE,
            "AZURE_AUTHORITY_HOST": "URL/token",
            "AZURE_CLIENT_ID": "client",
            "AZURE_TENANT_ID": "tenant",
            "AZURE_CLIENT_SECRET": CANARY,
        },
    ),
}
TOKENS = {
    "s3": b"""<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>
<AccessKeyId>NEW</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration>
</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>""",
    "az signature": b'{"access_token": "NEW", "expires_in": "3600"}',
}


@pytest.fixture(scope="module")
def other_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with serving(tmp_path_factory.mktemp("inner"), tls=False) as web:
        yield web


@pytest.fixture
def inner(other_server: Web) -> Web:
    """Another server, to which nothing may go, although its address is allowed."""
    other_server.server.pages = _Everything(whole(CONTENT))
    other_server.asked.clear()
    return other_server


class _Everything(dict[str, Answer]):
    """The same answer for every path."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    def get(self, *_: Any) -> Answer:
        return self._answer


def stage_of(handler: Handler) -> str:
    if handler.command == "POST":
        return "token"
    path = handler.path.replace("%2F", "/")
    return "listing" if "prefix=" in path else "object" if "iris/f" in path else "stat"


@contextmanager
def open_model(
    web: Web,
    kind: str,
    changes: Mapping[str, Answer],
    environment: Mapping[str, str] | None = None,
    *,
    revision: str | None = None,
) -> Iterator[ObjectStoreSource]:
    """Open a store that works, except for the answers of some stages."""

    def answer(handler: Handler) -> None:
        handler.rfile.read(int(handler.headers.get("Content-Length", "0")))
        stage = stage_of(handler)
        normal: dict[str, Answer] = {
            "stat": lambda handler: handler.answer(404),
            "listing": lambda handler: handler.answer(200, KINDS[kind].listing),
            "object": whole(CONTENT),
            "token": lambda handler: handler.answer(200, TOKENS[kind]),
        }
        changes.get(stage, normal[stage])(handler)

    web.server.pages = _Everything(answer)
    web.asked.clear()
    given = KINDS[kind].environment if environment is None else environment
    request = Request(
        uri=KINDS[kind].uri,
        target=Path("/x"),
        revision=revision,
        allowed_networks=(ip_network("127.0.0.0/8"),),
        environment={name: value.replace("URL", web.url) for name, value in given.items()},
    )
    with closing(open_source(request)) as source:
        assert isinstance(source, ObjectStoreSource)
        yield source


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with serving(tmp_path_factory.mktemp("store"), tls=False) as web:
        yield web


def read_all(source: ObjectStoreSource) -> dict[str, bytes]:
    return {one.path: b"".join(source.read(one, 0, one.size)) for one in source.list_files().entries}


@pytest.mark.parametrize("kind", KINDS)
def test_store_of_these_tests_works(store: Web, kind: str) -> None:
    with open_model(store, kind, {}) as source:
        assert read_all(source) == {"f": CONTENT}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 300, 304])
@pytest.mark.parametrize("stage", ["stat", "listing", "object"])
@pytest.mark.parametrize("kind", KINDS)
def test_redirect_is_never_followed(store: Web, inner: Web, kind: str, stage: str, status: int) -> None:
    def redirect(handler: Handler) -> None:
        handler.answer(status, b"", Location=f"{inner.url}/latest/meta-data/", X_Amz_Bucket_Region="inner/region")

    with open_model(store, kind, {stage: redirect}) as source, pytest.raises(LoaderError) as error:
        read_all(source)
    assert error.value.reason == "Unreachable"
    assert "the store redirects to 'localhost', which is refused" in error.value.message
    assert CANARY not in error.value.message
    assert inner.asked == []


@pytest.mark.parametrize("kind", TOKENS)
def test_token_request_is_never_redirected(store: Web, inner: Web, kind: str, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(CANARY)
    environment = {name: value.replace("TOKEN", str(token)) for name, value in (KINDS[kind].token or {}).items()}
    with open_model(store, kind, {}, environment) as source:
        assert read_all(source) == {"f": CONTENT}
        sent = [headers.get("authorization", "") for path, headers in store.asked if "/token" not in path]
        assert all("NEW" in one for one in sent)
    for status in (302, 307):
        redirect: Answer = lambda handler, status=status: handler.answer(status, Location=inner.url)  # type: ignore[misc]  # noqa: E731
        with open_model(store, kind, {"token": redirect}, environment) as source, pytest.raises(LoaderError) as error:
            read_all(source)
        assert "which is refused" in error.value.message
        assert CANARY not in error.value.message
        assert [path for path, _ in store.asked if "/token" not in path] == []
    assert inner.asked == []


@pytest.mark.parametrize("kind", TOKENS)
@pytest.mark.parametrize("status", [400, 401, 403])
def test_refused_token_is_an_invalid_credential(store: Web, kind: str, status: int, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(CANARY)
    environment = {name: value.replace("TOKEN", str(token)) for name, value in (KINDS[kind].token or {}).items()}
    code = {400: "InvalidIdentityToken", 401: "InvalidClientTokenId", 403: "AccessDenied"}[status]
    refuse: Answer = lambda handler: handler.answer(status, f"<Code>{code}</Code>{CANARY}".encode())  # noqa: E731
    with open_model(store, kind, {"token": refuse}, environment) as source, pytest.raises(LoaderError) as error:
        read_all(source)
    assert error.value.reason in {"InvalidCredentials", "AccessDenied"}
    assert CANARY not in error.value.message


@pytest.mark.parametrize("kind", KINDS)
def test_other_part_of_an_object_is_refused(store: Web, kind: str) -> None:
    """A part that is not the requested one, or of an object of another size, is not written."""
    ranges = ["bytes 1-5/20", "bytes 0-4/20", "bytes 0-5/21", "", "bytes */20"]
    for text in ranges:
        answer: Answer = lambda handler, text=text: handler.answer(206, CONTENT[:6], Content_Range=text)  # type: ignore[misc]  # noqa: E731
        with open_model(store, kind, {"object": answer}) as source:
            [entry] = source.list_files().entries
            with pytest.raises(LoaderError):
                list(source.read(entry, 0, 6))


@pytest.mark.parametrize("kind", KINDS)
def test_modified_object_is_noticed(store: Web, kind: str) -> None:
    def refuse(handler: Handler) -> None:
        handler.answer(412)

    with open_model(store, kind, {"object": refuse}) as source, pytest.raises(LoaderError, match="was modified"):
        read_all(source)


@pytest.mark.parametrize("kind", KINDS)
def test_store_without_ranges_is_read_by_slices(store: Web, kind: str) -> None:
    with open_model(store, kind, {"object": whole(CONTENT, ranges=False)}) as source:
        [entry] = source.list_files().entries
        assert b"".join(source.read(entry, 3, 9)) == CONTENT[3:9]
        assert b"".join(source.read(entry, 3, None)) == CONTENT[3:]


@pytest.mark.parametrize("kind", KINDS)
def test_cut_object_is_a_transfer_error(store: Web, kind: str) -> None:
    def cut(handler: Handler) -> None:
        handler.begin(200, length=len(CONTENT))
        handler.wfile.write(CONTENT[:5])
        handler.close_connection = True

    with open_model(store, kind, {"object": cut}) as source, pytest.raises(TransferError):
        read_all(source)


@pytest.mark.parametrize("kind", KINDS)
def test_page_instead_of_a_listing_is_refused(store: Web, kind: str) -> None:
    login: Answer = lambda handler: handler.answer(200, b"<html><body>Log in</body></html>")  # noqa: E731
    with open_model(store, kind, {"listing": login}) as source, pytest.raises(LoaderError, match="not that of a store"):
        read_all(source)


class _Regional:
    """Bucket that is only readable with signatures for its region."""

    def __init__(self, region: str, refuse: Answer) -> None:
        self.region = region
        self.refuse = refuse
        self.hosts: list[str] = []

    def __call__(self, handler: Handler) -> None:
        self.hosts.append(handler.headers["Host"])
        if f"/{self.region}/s3/" not in handler.headers.get("Authorization", ""):
            self.refuse(handler)
        elif "prefix=" in handler.path:
            handler.answer(200, KINDS["s3"].listing)
        else:
            (whole(CONTENT) if "iris/f" in handler.path else lambda handler: handler.answer(404))(handler)


MALFORMED = b"<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-1</Region></Error>"
REGIONAL: dict[str, Answer] = {
    "redirect": lambda handler: handler.answer(
        301, X_Amz_Bucket_Region="eu-west-1", Location="http://169.254.169.254/"
    ),
    "temporary": lambda handler: handler.answer(307, Location="https://models.s3.eu-west-1.amazonaws.com/iris"),
    "malformed": lambda handler: handler.answer(400, MALFORMED),
}


@pytest.mark.parametrize("refuse", REGIONAL.values(), ids=REGIONAL)
def test_bucket_in_another_region_is_signed_again(store: Web, refuse: Answer) -> None:
    """A custom endpoint is never left, whatever it answers."""
    regional = _Regional("eu-west-1", refuse)
    changes = dict.fromkeys(("stat", "listing", "object"), regional)
    with open_model(store, "s3", changes) as source:
        assert read_all(source) == {"f": CONTENT}
    assert len(regional.hosts) == 4  # only the first request was signed for the wrong region
    assert set(regional.hosts) == {store.url.removeprefix("http://")}


def test_region_is_tried_only_once(store: Web) -> None:
    regional = _Regional("eu-north-1", REGIONAL["redirect"])
    with open_model(store, "s3", {"stat": regional}) as source, pytest.raises(LoaderError) as error:
        read_all(source)
    assert len(regional.hosts) == 2
    assert error.value.reason == "Unreachable"


@pytest.fixture
def aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    """A server with the names of AWS. Connections to them reach it, and connections to any other name fail."""
    names = [f"models.s3.{region}.amazonaws.com" for region in ("us-east-1", "eu-west-1")]
    monkeypatch.setattr("tests.environment.stores.web.NAME", names[0])
    monkeypatch.setattr("tests.environment.stores.web.LOOPBACK", "127.0.0.1")
    original = Authority.issue
    monkeypatch.setattr(
        Authority, "issue", lambda self, name, **options: original(self, name, **{**options, "names": names})
    )
    with serving(tmp_path) as web:
        port = web.server.server_port

        def resolve(host: str, *_: Any, **__: Any) -> list[str]:
            assert host in names
            return ["127.0.0.1"]

        def connect(addresses: list[str], _: int, host: str) -> socket.socket:
            assert addresses == ["127.0.0.1"], host
            return socket.create_connection(("127.0.0.1", port))

        monkeypatch.setattr(egress, "resolve_addresses", resolve)
        monkeypatch.setattr(connections, "open_socket", connect)
        yield web


def test_bucket_of_aws_is_found_in_its_region(aws: Web) -> None:
    """The host of the region is used, and TLS verifies it."""
    regional = _Regional("eu-west-1", REGIONAL["redirect"])
    aws.server.pages = _Everything(regional)
    keys = {"AWS_ACCESS_KEY_ID": CANARY, "AWS_SECRET_ACCESS_KEY": CANARY, **aws.environment}
    with closing(open_source(Request(uri="s3://models/iris", target=Path("/x"), environment=keys))) as source:
        assert isinstance(source, ObjectStoreSource)
        assert read_all(source) == {"f": CONTENT}
    hosts = [f"models.s3.{region}.amazonaws.com" for region in ("us-east-1", *("eu-west-1",) * 3)]
    assert regional.hosts == hosts


def test_expired_session_is_renewed_once(store: Web, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(CANARY)
    environment = {name: value.replace("TOKEN", str(token)) for name, value in (KINDS["s3"].token or {}).items()}
    answers: list[str] = []

    def expire(handler: Handler) -> None:
        answers.append(handler.path)
        if len(answers) == 1:
            handler.answer(400, b"<Error><Code>ExpiredToken</Code></Error>")
        else:
            handler.answer(200, KINDS["s3"].listing)

    with open_model(store, "s3", {"listing": expire}, environment) as source:
        assert read_all(source) == {"f": CONTENT}
    assert len([path for path, _ in store.asked if path.startswith("/token")]) == 2


def test_expired_session_of_a_secret_is_named(store: Web) -> None:
    expire: Answer = lambda handler: handler.answer(400, b"<Error><Code>ExpiredToken</Code></Error>")  # noqa: E731
    with open_model(store, "s3", {"listing": expire}) as source, pytest.raises(LoaderError) as error:
        read_all(source)
    assert error.value.reason == "InvalidCredentials"
    assert "credentials that have expired" in error.value.message


def test_expired_signature_names_its_end(store: Web) -> None:
    refuse: Answer = lambda handler: handler.answer(403, b"<Error><Code>AuthenticationFailed</Code></Error>")  # noqa: E731
    old = {**KINDS["az signature"].environment, "AZURE_STORAGE_SAS_TOKEN": "sv=1&se=2020-01-01T00:00:00Z&sig=a"}
    changes = dict.fromkeys(("stat", "listing"), refuse)
    with (
        open_model(store, "az signature", changes, old) as source,
        pytest.raises(LoaderError, match="expired at 2020-01-01 00:00:00 UTC"),
    ):
        read_all(source)


def test_requester_pays_and_versions_are_signed(store: Web) -> None:
    environment = {**KINDS["s3"].environment, "AWS_REQUEST_PAYER": "requester"}
    with open_model(store, "s3", {}, environment) as source:
        source.list_files()
    for _, headers in store.asked:
        assert headers["x-amz-request-payer"] == "requester"
        assert "x-amz-request-payer" in headers["authorization"]


@pytest.mark.parametrize("stage", ["stat", "listing"])
@pytest.mark.parametrize("kind", ["s3", "gs", "az key"])
def test_cut_metadata_is_requested_again(store: Web, kind: str, stage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "RETRY_BACKOFF", backoff.Backoff(base=0.001, maximum=0.002, jitter=0.5))
    calls: list[str] = []

    def answer(handler: Handler) -> None:
        calls.append(handler.path)
        if len(calls) == 1:
            handler.close_connection = True  # without any answer to a request for an object
            if stage == "listing":
                handler.begin(200, length=1000)
                handler.wfile.write(b"<")
        elif stage == "listing":
            handler.answer(200, KINDS[kind].listing)
        else:
            handler.answer(404)

    with open_model(store, kind, {stage: answer}) as source:
        assert read_all(source) == {"f": CONTENT}


PROGRAM = """
import sys
from pathlib import Path
from model_loader.cli import main
code = main([])
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
print(status["VmHWM"].split()[0], end="", file=sys.stderr)
sys.exit(code)
"""


def test_endless_listing_takes_little_memory(load: Loader, store: Web) -> None:
    """Each page has other objects and another token."""
    pages: list[str] = []

    def answer(handler: Handler) -> None:
        if "prefix=" not in handler.path:
            handler.answer(404)
            return
        pages.append(handler.path)
        keys = (f"<Contents><Key>iris/{len(pages)}-{number}</Key><Size>1</Size></Contents>" for number in range(1000))
        end = f"<IsTruncated>true</IsTruncated><NextContinuationToken>{len(pages)}</NextContinuationToken>"
        handler.answer(200, f"<ListBucketResult>{''.join(keys)}{end}</ListBucketResult>".encode())

    store.server.pages = _Everything(answer)
    process = load.start("s3://models/iris", {"AWS_ENDPOINT_URL": store.url}, program=("-c", PROGRAM), max_files="5000")
    output, errors = process.communicate(timeout=60)
    report = json.loads(output.splitlines()[-1])
    assert (report["reason"], len(pages)) == ("TooLarge", 12)
    assert "lists more than 5000 files" in report["message"]
    assert int(errors) << 10 < 60 << 20


FULL = {"X_Amz_Checksum_Type": "FULL_OBJECT"}


def test_s3_checksum_is_that_of_the_entire_object(store: Web) -> None:
    """A range may come with the checksum of one part of the upload, which is not used."""

    def answer(handler: Handler) -> None:
        if "Range" in handler.headers:
            part = "bytes 0-5/20"
            handler.answer(206, CONTENT[:6], Content_Range=part, X_Amz_Checksum_Crc64nvme="cGFydHBhcnQ=", **FULL)
        else:
            handler.answer(200, CONTENT, X_Amz_Checksum_Crc64nvme="ZW50aXJlZW4=", **FULL)

    with open_model(store, "s3", {"object": answer}) as source:
        [entry] = source.list_files().entries
        for stop in (6, entry.size):
            with source.open(entry, 0, stop) as reader:
                assert reader.checksums == {"crc64nvme": "ZW50aXJlZW4="}
                assert reader.readinto(memoryview(bytearray(20))) in {6, 20}
        refuse: Answer = lambda handler: handler.answer(403) if handler.command == "HEAD" else answer(handler)  # noqa: E731
        with open_model(store, "s3", {"object": refuse}) as other, other.open(entry, 0, 6) as reader:
            assert reader.checksums == {}


@pytest.mark.parametrize("is_right", [True, False])
def test_checksum_of_s3_is_compared(load: Loader, store: Web, *, is_right: bool) -> None:
    hasher = FileHasher(["crc64nvme"])
    hasher.update(CONTENT if is_right else b"other")
    checksum = b64encode(hasher.checksum("crc64nvme") or b"").decode()
    answers: dict[str, Answer] = {
        "stat": lambda handler: handler.answer(404),
        "listing": lambda handler: handler.answer(200, KINDS["s3"].listing),
        "object": lambda handler: handler.answer(200, CONTENT, X_Amz_Checksum_Crc64nvme=checksum, **FULL),
    }
    store.server.pages = _Everything(lambda handler: answers[stage_of(handler)](handler))
    outcome = load("s3://models/iris", {"AWS_ENDPOINT_URL": store.url})
    assert outcome.reason == ("Loaded" if is_right else "DigestMismatch"), outcome.log
    assert "crc64nvme" in outcome.log
    assert outcome.files == ({"f": CONTENT} if is_right else {})


REVISIONS = {
    "s3": ("3/L4=", "versionId=3%2FL4%3D"),
    "gs": ("17", "generation=17"),
    "az key": ("2026:1", "versionid=2026%3A1"),
}


@pytest.mark.parametrize("kind", REVISIONS)
def test_revision_is_the_version_of_an_object(store: Web, kind: str) -> None:
    revision, query = REVISIONS[kind]
    found = {"name": "iris", "size": "20", "generation": "17"}

    def answer(handler: Handler) -> None:
        if kind == "gs" and "alt=media" not in handler.path:
            handler.answer(200, json.dumps(found).encode())
        else:
            whole(CONTENT)(handler)

    with open_model(store, kind, {"stat": answer}, revision=revision) as source:
        assert read_all(source) == {"iris": CONTENT}
    assert all(query in path for path, _ in store.asked)
    missing: Answer = lambda handler: handler.answer(404)  # noqa: E731
    with open_model(store, kind, {"stat": missing}, revision=revision) as source, pytest.raises(LoaderError) as error:
        read_all(source)
    assert error.value.reason == "ModelNotFound"


def test_generation_must_be_a_number(store: Web) -> None:
    with open_model(store, "gs", {}, revision="v1") as source, pytest.raises(LoaderError, match="is its generation"):
        read_all(source)


def test_google_project_pays(store: Web) -> None:
    environment = {**KINDS["gs"].environment, "GOOGLE_CLOUD_QUOTA_PROJECT": "payer"}
    with open_model(store, "gs", {}, environment) as source:
        assert read_all(source) == {"f": CONTENT}
    assert all("userProject=payer" in path for path, _ in store.asked)
    assert "ifGenerationMatch=1" in store.asked[-1][0]


AGENTS = {
    "s3": (
        {
            "AWS_ENDPOINT_URL": "URL",
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": "AGENT/v1/credentials",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "TOKEN",
        },
        json.dumps({"AccessKeyId": "NEW", "SecretAccessKey": "s", "Token": "t"}).encode(),
    ),
    "gs": ({"GOOGLE_BASE_URL": "URL"}, b'{"access_token": "NEW", "expires_in": 3600}'),
}


@pytest.mark.parametrize("kind", AGENTS)
def test_agent_of_the_node_gives_an_identity(
    store: Web, inner: Web, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The agents have fixed link-local addresses; here that of a server of the tests is put in their place."""
    environment, answer = AGENTS[kind]
    (tmp_path / "token").write_text(CANARY)
    port = inner.server.server_port
    inner.server.pages = _Everything(lambda handler: handler.answer(200, answer))
    monkeypatch.setattr(aws_identity, "POD_IDENTITY_HOSTS", ("127.0.0.1",))
    monkeypatch.setattr(google_identity, "METADATA_ADDRESS", "127.0.0.1")
    original = google_identity._METADATA_URL  # noqa: SLF001 - the port of the server is not that of the agent
    monkeypatch.setattr(google_identity, "_METADATA_URL", original.replace("{}/comp", f"{{}}:{port}/comp"))
    given = {
        name: value.replace("TOKEN", str(tmp_path / "token")).replace("AGENT", f"http://127.0.0.1:{port}")
        for name, value in environment.items()
    }
    with open_model(store, kind, {}, {**given, "MODEL_IDENTITY": "ServiceAccount"}) as source:
        assert read_all(source) == {"f": CONTENT}
    assert all("NEW" in headers["authorization"] for _, headers in store.asked)
    inner.asked.clear()
    with open_model(store, kind, {}, given) as source:  # not declared by the ModelService
        assert read_all(source) == {"f": CONTENT}
    assert inner.asked == []


@pytest.mark.parametrize(
    "url", ["http://169.254.169.254/x", "http://127.0.0.1/x", "https://169.254.170.23/x", "http://169.254.170.2/x", "x"]
)
def test_only_the_agent_is_asked_for_an_identity(store: Web, url: str, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(CANARY)
    environment = {
        "AWS_ENDPOINT_URL": "URL",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": url,
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(tmp_path / "token"),
        "MODEL_IDENTITY": "ServiceAccount",
    }
    with open_model(store, "s3", {}, environment) as source, pytest.raises(LoaderError):
        read_all(source)
    assert store.asked == []


def test_account_of_the_node_is_refused(store: Web, inner: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Workload Identity, the metadata server answers for the node."""
    inner.server.pages = _Everything(lambda handler: handler.answer(200, b"1-compute@developer.gserviceaccount.com"))
    monkeypatch.setattr(google_identity, "METADATA_ADDRESS", "127.0.0.1")
    original = google_identity._METADATA_URL  # noqa: SLF001
    monkeypatch.setattr(
        google_identity, "_METADATA_URL", original.replace("{}/comp", f"{{}}:{inner.server.server_port}/comp")
    )
    environment = {"GOOGLE_BASE_URL": "URL", "MODEL_IDENTITY": "ServiceAccount"}
    with open_model(store, "gs", {}, environment) as source, pytest.raises(LoaderError, match="account of the node"):
        read_all(source)
    assert store.asked == []
