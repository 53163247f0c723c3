"""OCI artifacts: layers with names and digests, in a registry that requires a password."""

import gzip
import hashlib
import json
import os
import platform
import threading
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.environment.stores import oci
from tests.environment.stores.web import Handler, Web, whole
from tests.loader.conftest import Loader
from tests.unit.loader.test_archives import build_tar

FILES = {"model.bin": b"weights" * 100_000, "sub/config.json": b"{}"}


def test_artifact_is_pulled_by_tag_and_by_digest(load: Loader, registry: oci.Registry) -> None:
    digest = registry.push("team/iris", "v3", FILES)
    given = {**registry.store.environment, **registry.login()}
    outcome = load(f"oci+artifact://{registry.host}/team/iris:v3", given, key="tag")
    assert (outcome.code, outcome.files) == (0, FILES), outcome.log
    assert outcome.report["resolution"] == digest
    assert outcome.report["resolvedURI"] == f"oci+artifact://{registry.host}/team/iris@{digest}"
    assert load(f"oci+artifact://{registry.host}/team/iris@{digest}", given, key="digest").files == FILES
    assert load(f"oci+artifact://{registry.host}/team/iris", given, key="revision", revision="v3").files == FILES


def test_registry_login_is_verified(load: Loader, registry: oci.Registry) -> None:
    registry.push("team/iris", "v4", FILES)
    uri = f"oci+artifact://{registry.host}/team/iris:v4"
    missing = load(uri, registry.store.environment, key="a")
    assert (missing.reason, missing.files) == ("InvalidCredentials", {})
    wrong = load(uri, {**registry.store.environment, **registry.login("canary-password")}, key="b")
    assert (wrong.reason, wrong.files) == ("InvalidCredentials", {})
    assert "canary" not in wrong.log
    broken = load(uri, {**registry.store.environment, ".dockerconfigjson": json.dumps({"auths": "canary"})}, key="c")
    assert broken.reason == "InvalidCredentials"


@pytest.mark.parametrize(
    ("name", "reason"), [("team/none:v3", "ModelNotFound"), ("team/iris:none", "ModelNotFound"), ("UPPER:v1", "BadURI")]
)
def test_missing_model_is_reported(load: Loader, registry: oci.Registry, name: str, reason: str) -> None:
    registry.push("team/iris", "v3", FILES)
    given = {**registry.store.environment, **registry.login()}
    assert load(f"oci+artifact://{registry.host}/{name}", given).reason == reason


@pytest.mark.parametrize("title", ["../evil", "/evil", "a/../evil"])
def test_unsafe_names_are_refused(load: Loader, registry: oci.Registry, title: str) -> None:
    registry.push("team/evil", "v1", {title: b"evil"})
    given = {**registry.store.environment, **registry.login()}
    outcome = load(f"oci+artifact://{registry.host}/team/evil:v1", given)
    assert (outcome.reason, outcome.files) == ("UnsupportedKey", {})


def test_layers_without_names_are_reported(load: Loader, registry: oci.Registry) -> None:
    registry.push("team/nameless", "v1", FILES, titled=False)
    given = {**registry.store.environment, **registry.login()}
    outcome = load(f"oci+artifact://{registry.host}/team/nameless:v1", given)
    assert outcome.reason == "UnsupportedKey"
    assert "Push it with oras" in outcome.message


LOGIN = b64encode(b"user:canarypass").decode()


@dataclass
class TokenRegistry:
    """A registry with tokens, all of which expire at one of the requests."""

    web: Web
    name: str
    realm: str
    expire_at: int = -1
    issued: list[tuple[str, dict[str, list[str]]]] = field(default_factory=list)
    """Authorization header and parameters of each request for a token."""
    _valid: set[str] = field(default_factory=set)
    _requests: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def serve(self, files: dict[str, bytes], **annotations: str) -> str:
        """Serve an artifact; return its URI."""
        digests = {name: f"sha256:{hashlib.sha256(content).hexdigest()}" for name, content in files.items()}
        layers = [
            {
                "digest": digests[name],
                "size": len(content),
                "annotations": {"org.opencontainers.image.title": name, **annotations},
            }
            for name, content in files.items()
        ]
        manifest = json.dumps({"layers": layers}).encode()
        self.web.page(f"/v2/{self.name}/manifests/v1", self._guard(lambda handler: handler.answer(200, manifest)))
        for name, content in files.items():
            self.web.page(f"/v2/{self.name}/blobs/{digests[name]}", self._guard(whole(content)))
        self.web.page(urlsplit(self.realm).path, self._issue)
        return f"oci+artifact://{urlsplit(self.web.url).netloc}/{self.name}:v1"

    def challenge(self, handler: Handler) -> None:
        handler.answer(401, WWW_Authenticate=f'Bearer realm="{self.realm}",service="registry",scope="pull"')

    def _guard(self, answer: Callable[[Handler], None]) -> Callable[[Handler], None]:
        def guarded(handler: Handler) -> None:
            token = handler.headers.get("Authorization", "")
            with self._lock:
                self._requests += 1
                if self._requests == self.expire_at:
                    self._valid.clear()
                is_valid = token in self._valid
            (answer if is_valid else self.challenge)(handler)

        return guarded

    def _issue(self, handler: Handler) -> None:
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0))).decode()
        query = urlsplit(handler.path).query
        with self._lock:
            self.issued.append((handler.headers.get("Authorization", ""), parse_qs(body or query)))
            token = f"token-{len(self.issued)}"
            self._valid.add(f"Bearer {token}")
        handler.answer(200, json.dumps({"access_token": token}).encode())


def docker_config(host: str, login: dict[str, str], *others: str) -> dict[str, str]:
    return {".dockerconfigjson": json.dumps({"auths": {host: login} | {other: {"auth": LOGIN} for other in others}})}


def test_expired_token_is_renewed(load: Loader, web: Web) -> None:
    """The token expires while eight threads download 24 layers; one of them gets another."""
    registry = TokenRegistry(web, "team/expiring", f"{web.url}/expiring/token?account=a", expire_at=12)
    files = {f"layer-{number}": bytes([number]) * 100 for number in range(24)}
    uri = registry.serve(files)
    given = {**web.environment, **docker_config(urlsplit(web.url).netloc, {"auth": LOGIN})}
    outcome = load(uri, given)
    assert (outcome.code, outcome.files) == (0, files), outcome.log
    assert len(registry.issued) == 2
    assert registry.issued[0] == (
        f"Basic {LOGIN}",
        {"account": ["a"], "service": ["registry"], "scope": ["pull"]},
    )


def test_identity_token_is_exchanged(load: Loader, web: Web) -> None:
    registry = TokenRegistry(web, "team/identity", f"{web.url}/identity/token")
    uri = registry.serve(FILES)
    login = {"auth": LOGIN, "identitytoken": "canary-identity"}
    outcome = load(uri, {**web.environment, **docker_config(urlsplit(web.url).netloc, login)})
    assert (outcome.code, outcome.files) == (0, FILES), outcome.log
    [(header, form)] = registry.issued
    assert (header, form["grant_type"], form["refresh_token"]) == ("", ["refresh_token"], ["canary-identity"])


@pytest.mark.parametrize("login", [{"auth": LOGIN}, {"identitytoken": "canary-identity"}])
def test_login_is_not_sent_to_another_domain(load: Loader, web: Web, login: dict[str, str]) -> None:
    elsewhere = f"https://127.0.0.1:{web.server.server_port}/strange/token"
    registry = TokenRegistry(web, "team/strange", elsewhere)
    uri = registry.serve(FILES)
    host = urlsplit(web.url).netloc
    outcome = load(uri, {**web.environment, **docker_config(host, login)}, key="a")
    assert (outcome.reason, outcome.files, registry.issued) == ("InvalidCredentials", {}, [])
    assert "'127.0.0.1', which is another domain" in outcome.message
    # The Docker configuration may name it; and who has no login has nothing to lose.
    assert load(uri, {**web.environment, **docker_config(host, login, "127.0.0.1")}, key="b").files == FILES
    assert load(uri, web.environment, key="c").files == FILES
    assert registry.issued[-1][0] == ""


@pytest.mark.parametrize("scheme", ["Bearer", "Basic"])
def test_login_is_not_sent_after_a_redirect(load: Loader, web: Web, scheme: str) -> None:
    """The registry redirects to another origin, which asks for a login."""
    registry = TokenRegistry(web, "team/redirected", f"{web.url}/redirected/token")
    uri = registry.serve(FILES)
    other = f"https://127.0.0.1:{web.server.server_port}/other/manifest"
    web.redirect("/v2/team/redirected/manifests/v1", other)
    challenge = f'{scheme} realm="{registry.realm}"'
    web.page("/other/manifest", lambda handler: handler.answer(401, WWW_Authenticate=challenge))
    outcome = load(uri, {**web.environment, **docker_config(urlsplit(web.url).netloc, {"auth": LOGIN})})
    assert (outcome.reason, registry.issued) == ("InvalidCredentials", [])
    sent = [headers.get("Authorization") for path, headers in web.asked if path.startswith("/other/")]
    assert set(sent) == {None}


def pack(folder: str, files: dict[str, bytes]) -> bytes:
    """Pack a directory as oras does: tar and gzip, with names that begin with that of the directory."""
    return gzip.compress(build_tar({f"{folder}/{name}" if folder else name: one for name, one in files.items()}))


def test_directories_of_oras_are_unpacked(load: Loader, registry: oci.Registry) -> None:
    layers = {"modeldir": pack("modeldir", FILES), "sub/tokenizer": pack("sub/tokenizer", {"a.json": b"{}"})}
    expected = {f"modeldir/{name}": content for name, content in FILES.items()}
    expected |= {"sub/tokenizer/a.json": b"{}", "README.md": b"a model"}
    registry.push("team/folders", "v1", {**layers, "README.md": b"a model"}, packed=layers)
    given = {**registry.store.environment, **registry.login()}
    uri = f"oci+artifact://{registry.host}/team/folders:v1"
    outcome = load(uri, given, key="a")
    assert (outcome.code, outcome.files) == (0, expected), outcome.log
    assert (outcome.report["verified"], outcome.report["files"]) == (["sha256"], len(expected))
    lines = sorted((name, hashlib.sha256(content).hexdigest()) for name, content in expected.items())
    sha256 = hashlib.sha256("".join(f"{digest}  {name}\n" for name, digest in lines).encode()).hexdigest()
    assert load(uri, given, key="b", sha256=sha256).files == expected
    assert load(uri, given, key="c", sha256="0" * 64).reason == "DigestMismatch"
    selected = load(uri, given, key="d", allow_patterns="*.json", ignore_patterns="modeldir/*")
    assert selected.files == {"sub/tokenizer/a.json": b"{}"}, selected.log
    assert load(uri, given, key="e", allow_patterns="*.gguf").reason == "ModelNotFound"
    assert load(uri, given, key="f", extract="true").reason == "BadURI"


def test_only_directory_of_oras_is_unpacked(load: Loader, registry: oci.Registry) -> None:
    """`.` is the directory in which oras was run; with extract, any archive is unpacked where it says."""
    registry.push("team/folder", "v1", {"modeldir": pack("modeldir", FILES)}, packed={"modeldir"})
    registry.push("team/folder", "v2", {".": pack("", FILES)}, packed={"."})
    given = {**registry.store.environment, **registry.login()}
    uri = f"oci+artifact://{registry.host}/team/folder"
    below = {f"modeldir/{name}": content for name, content in FILES.items()}
    assert load(f"{uri}:v1", given, key="a").files == below
    assert load(f"{uri}:v1", given, key="b", extract="true").files == below
    assert load(f"{uri}:v2", given, key="c").files == FILES


@pytest.mark.parametrize(
    "name", ["other/a", "modeldir", "modeldirs/a", "modeldir/../a", "/modeldir/a", "modeldir/b", "modeldir/B"]
)
def test_unsafe_names_in_a_directory_of_oras_are_refused(load: Loader, registry: oci.Registry, name: str) -> None:
    """Outside of the directory, not safe, or those of another layer."""
    files = {"modeldir/b": b"plain", "modeldir": gzip.compress(build_tar({name: b"evil"}))}
    registry.push("team/evil-folder", "v1", files, packed={"modeldir"})
    given = {**registry.store.environment, **registry.login()}
    outcome = load(f"oci+artifact://{registry.host}/team/evil-folder:v1", given)
    assert (outcome.reason, outcome.files) == ("UnsupportedKey", {}), outcome.log
    assert load.partial_directories() == []


@pytest.mark.parametrize("title", ["..", "../a", "/a", "a/../../b"])
def test_unsafe_directory_of_oras_is_refused(load: Loader, registry: oci.Registry, title: str) -> None:
    registry.push("team/evil-title", "v1", {title: pack(title, FILES)}, packed={title})
    given = {**registry.store.environment, **registry.login()}
    outcome = load(f"oci+artifact://{registry.host}/team/evil-title:v1", given)
    assert (outcome.reason, outcome.files) == ("UnsupportedKey", {}), outcome.log


def test_directories_of_oras_have_limits(load: Loader, registry: oci.Registry) -> None:
    """Archives, their files and all other files count together."""
    layers = {"a": pack("a", {"zeros": bytes(400_000)}), "b": pack("b", {"zeros": bytes(400_000)})}
    packed = sum(len(content) for content in layers.values())
    registry.push("team/large-folders", "v1", {**layers, "c": bytes(200_000)}, packed=layers)
    given = {**registry.store.environment, **registry.login()}
    uri = f"oci+artifact://{registry.host}/team/large-folders:v1"
    small = load(uri, given, key="a", max_bytes=str(1_000_000 + packed - 1))
    assert (small.reason, small.files) == ("TooLarge", {}), small.log
    assert load(uri, given, key="b", max_bytes=str(1_000_000 + packed)).code == 0
    assert load(uri, given, key="c", max_files="2").reason == "TooLarge"


def test_damaged_directory_of_oras_is_not_unpacked(load: Loader, web: Web) -> None:
    registry = TokenRegistry(web, "team/modeldir", f"{web.url}/modeldir/token")
    packed = pack("modeldir", FILES)
    uri = registry.serve({"modeldir": packed}, **{"io.deis.oras.content.unpack": "true"})
    other = pack("modeldir", {"a": os.urandom(len(packed))})[: len(packed)]
    path = f"/v2/team/modeldir/blobs/sha256:{hashlib.sha256(packed).hexdigest()}"
    web.page(path, whole(other))
    outcome = load(uri, web.environment)
    assert (outcome.reason, outcome.files) == ("DigestMismatch", {}), outcome.log
    assert list(load.volume.rglob("modeldir")) == []


def serve_manifest(web: Web, reference: str, manifest: object) -> str:
    """Serve a manifest without a login under a tag and its digest; return the digest."""
    body = json.dumps(manifest).encode()
    digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
    for one in (reference, digest):
        web.page(f"/v2/team/open/manifests/{one}", lambda handler: handler.answer(200, body))
    return digest


def serve_layer(web: Web, content: bytes, media_type: str = "application/octet-stream", **annotations: str) -> object:
    """Serve a layer without a login; return its entry in a manifest."""
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    web.page(f"/v2/team/open/blobs/{digest}", whole(content))
    return {"mediaType": media_type, "digest": digest, "size": len(content), "annotations": annotations}


def titled(web: Web, content: bytes) -> object:
    return serve_layer(web, content, **{"org.opencontainers.image.title": "model.bin"})


def platform_of(name: str) -> dict[str, str]:
    system, _, architecture = name.partition("/")
    return {"os": system, "architecture": architecture}


INDEXES: dict[str, tuple[list[str], bytes | None]] = {
    "one of three platforms": (["linux/amd64", "linux/arm64", "windows/amd64"], None),
    "one without a platform": ([""], b"0"),
    "one and its attestation": (["linux/s390x", "unknown/unknown"], b"0"),
}


@pytest.mark.parametrize(("platforms", "expected"), INDEXES.values(), ids=INDEXES)
def test_index_is_resolved_by_platform(load: Loader, web: Web, platforms: list[str], expected: bytes | None) -> None:
    digests = [
        serve_manifest(web, f"m{number}", {"layers": [titled(web, str(number).encode())]})
        for number in range(len(platforms))
    ]
    entries = [
        {"digest": digest, **({"platform": platform_of(name)} if name else {})}
        for digest, name in zip(digests, platforms, strict=True)
    ]
    serve_manifest(web, "index", {"manifests": entries})
    own = {"x86_64": "linux/amd64", "aarch64": "linux/arm64"}[platform.machine()]
    number = platforms.index(own) if expected is None else int(expected)
    outcome = load(f"oci+artifact://{urlsplit(web.url).netloc}/team/open:index", web.environment)
    assert outcome.files == {"model.bin": str(number).encode()}, outcome.log
    assert outcome.report["resolution"] == digests[number]


@pytest.mark.parametrize("platforms", [[], ["", ""], ["linux/s390x", "linux/riscv64"]])
def test_index_without_this_platform_is_reported(load: Loader, web: Web, platforms: list[str]) -> None:
    digest = serve_manifest(web, "m", {"layers": [titled(web, b"x")]})
    entries = [{"digest": digest, **({"platform": platform_of(name)} if name else {})} for name in platforms]
    serve_manifest(web, "index", {"manifests": entries})
    outcome = load(f"oci+artifact://{urlsplit(web.url).netloc}/team/open:index", web.environment)
    assert (outcome.code, outcome.reason) == (1, "UnsupportedKey")
    assert f"is an index with {len(platforms)} manifests" in outcome.message
    assert (digest in outcome.message) == bool(platforms)


PACKAGES = {
    "ModelPack": ("application/vnd.cncf.model.weight.v1.tar+gzip", "modctl"),
    "Docker": ("application/vnd.docker.ai.gguf.v3", "docker model"),
    "KitOps": ("application/vnd.kitops.modelkit.model.v1.tar+gzip", "kit"),
}


@pytest.mark.parametrize(("media_type", "tool"), PACKAGES.values(), ids=PACKAGES)
def test_package_of_another_tool_is_explained(load: Loader, web: Web, media_type: str, tool: str) -> None:
    serve_manifest(web, "package", {"layers": [serve_layer(web, b"weights", media_type)]})
    outcome = load(f"oci+artifact://{urlsplit(web.url).netloc}/team/open:package", web.environment)
    assert (outcome.code, outcome.reason) == (1, "UnsupportedKey")
    assert f"is a package of {tool}, whose layers are not files with names." in outcome.message
    assert "oras push REGISTRY/NAME:TAG $(find . -type f)" in outcome.message


@pytest.mark.parametrize(
    "media_type", ["application/vnd.cncf.model.weight.v1.raw", "application/vnd.docker.ai.gguf.v3"]
)
def test_package_with_file_names_is_loaded(load: Loader, web: Web, media_type: str) -> None:
    layer = serve_layer(web, b"weights", media_type, **{"org.cncf.model.filepath": "sub/model.gguf"})
    serve_manifest(web, "named", {"layers": [layer]})
    outcome = load(f"oci+artifact://{urlsplit(web.url).netloc}/team/open:named", web.environment)
    assert outcome.files == {"sub/model.gguf": b"weights"}, outcome.log


def test_large_layer_is_read_in_parts(load: Loader, web: Web) -> None:
    content = os.urandom(40 << 20)
    serve_manifest(web, "large", {"layers": [titled(web, content)]})
    web.asked.clear()
    outcome = load(f"oci+artifact://{urlsplit(web.url).netloc}/team/open:large", web.environment)
    assert outcome.files == {"model.bin": content}, outcome.log
    ranges = {headers.get("Range") for path, headers in web.asked if "/blobs/" in path}
    assert len(ranges) > 2
