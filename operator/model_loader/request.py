"""Request to load a model: read once from the environment or the command line, validated, immutable."""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Self
from urllib.parse import unquote, urlsplit

from model_loader.errors import LoaderError, Reason
from model_loader.redaction import redact_url
from model_loader.uris import SCHEMES, find_credential, find_right_form

Network = IPv4Network | IPv6Network

_GIB = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits for one model, so that a hostile store can neither fill a disk nor delay a pod forever."""

    max_bytes: int = 10 * _GIB
    max_files: int = 100_000
    timeout_seconds: float = 3600.0
    max_archive_ratio: int = 200
    """Maximum ratio of unpacked files to the size of their archive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One model to load, and how."""

    uri: str
    target: Path
    """Directory to publish. Its parent is on the volume; all other files are written next to it."""
    revision: str | None = None
    sha256: str | None = None
    resolution: str | None = None
    """Expected `Listing.resolution` of the URI. A cached tree with another resolution is not used."""
    allow_patterns: tuple[str, ...] = ()
    ignore_patterns: tuple[str, ...] = ()
    extract: bool = False
    limits: Limits = field(default_factory=Limits)
    allowed_networks: tuple[Network, ...] = ()
    """Private ranges that the administrator allows."""
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Source of credentials and endpoints."""
    hide: Callable[[str], None] = field(default=lambda _: None, compare=False, repr=False)
    """Function that is given each credential that a service issues during the load, to remove it from all output."""
    started: float = field(default_factory=time.monotonic, compare=False, repr=False)
    """Time of the monotonic clock, in seconds."""

    def __post_init__(self) -> None:
        problem = _find_uri_problem(self.uri)
        if problem is not None:
            raise bad_uri_error(self.uri, problem)

    @property
    def deadline(self) -> float:
        """Time of the monotonic clock at which the load must have ended, in seconds."""
        return self.started + self.limits.timeout_seconds

    @property
    def scheme(self) -> str:
        """Scheme of the URI."""
        return self.uri.partition(":")[0]

    def is_selected(self, path: str) -> bool:
        """Return True if the patterns select a file. They match the entire path as in a shell, and `*` matches `/`."""
        allowed = not self.allow_patterns or any(fnmatchcase(path, pattern) for pattern in self.allow_patterns)
        return allowed and not any(fnmatchcase(path, pattern) for pattern in self.ignore_patterns)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read the variables that the operator sets. MODEL_URI and MODEL_PATH are required. Raises LoaderError."""
        missing = [name for name in ("MODEL_URI", "MODEL_PATH") if not environment.get(name)]
        if missing:
            raise LoaderError(Reason.BAD_URI, f"{' and '.join(missing)} must be set.")
        limits = Limits(
            max_bytes=_parse_positive_int(environment, "MODEL_MAX_BYTES", Limits().max_bytes),
            max_files=_parse_positive_int(environment, "MODEL_MAX_FILES", Limits().max_files),
            timeout_seconds=_parse_positive_int(environment, "MODEL_TIMEOUT_SECONDS", int(Limits().timeout_seconds)),
        )
        return cls(
            uri=environment["MODEL_URI"],
            target=Path(environment["MODEL_PATH"]),
            revision=environment.get("MODEL_REVISION") or None,
            sha256=environment.get("MODEL_SHA256") or None,
            resolution=environment.get("MODEL_RESOLUTION") or None,
            allow_patterns=tuple(environment.get("MODEL_ALLOW_PATTERNS", "").splitlines()),
            ignore_patterns=tuple(environment.get("MODEL_IGNORE_PATTERNS", "").splitlines()),
            extract=environment.get("MODEL_EXTRACT", "") == "true",
            limits=limits,
            allowed_networks=parse_networks(environment.get("MODEL_ALLOWED_CIDRS", "").split()),
            environment=environment,
        )


def parse_networks(texts: list[str]) -> tuple[Network, ...]:
    """Parse CIDR ranges. Raises LoaderError naming the invalid range."""
    try:
        return tuple(ip_network(text) for text in texts)
    except ValueError as error:
        raise LoaderError(Reason.LOADER_FAILED, f"Invalid address range: {error}.") from None


def decode_uri_part(text: str, uri: str) -> str:
    """Decode a percent-encoded part of model.uri once: %20 is a space, %25 a percent sign. Raises LoaderError."""
    if re.search("%(?![0-9A-Fa-f]{2})", text):
        raise bad_uri_error(uri, "a percent sign must be followed by two hexadecimal digits: write %25 for the sign")
    try:
        decoded = unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise bad_uri_error(uri, "its percent-encoded characters are not UTF-8") from None
    if re.search(r"[\x00-\x1f\x7f]", decoded):
        raise bad_uri_error(uri, "it contains control characters")
    return decoded


def _find_uri_problem(uri: str) -> str | None:
    """Return what is wrong with a URI of any scheme, or None. Each source checks the parts of a URI."""
    if re.search(r"[\s\x00-\x1f\x7f]", uri):
        return "it contains spaces or control characters: percent-encode them"
    if (advice := find_right_form(uri)) is not None:
        return advice
    if uri.partition(":")[0] not in SCHEMES or ":" not in uri:
        return f"it must begin with one of {', '.join(SCHEMES)}, followed by ':'"
    try:
        urlsplit(uri)
    except ValueError as error:
        return f"its host is not valid: {error}"
    return _find_secret(uri)


def _find_secret(uri: str) -> str | None:
    """Return what to do about a credential in a URI, which everyone who can read the object would see, or None."""
    if re.match(r"[a-z0-9+]+://[^/?#]*@", uri) and not re.match("(abfss?|hf)://[^/?#:@]*@", uri):
        return "it contains a user name or password: put them into the Secret of model.credentials"
    if (name := find_credential(uri)) is None:
        return None
    return (
        f"its parameter {name!r} is a credential. Remove the query from model.uri, and put the whole URL into the"
        " Secret of model.credentials as HTTP_URL"
    )


def bad_uri_error(uri: str, why: str) -> LoaderError:
    """Return the error for an invalid model.uri."""
    quoted = redact_url(uri) if "//" in uri else re.split("[?#]", uri, maxsplit=1)[0]
    return LoaderError(Reason.BAD_URI, f"model.uri {quoted!r} is invalid: {why}.")


def _parse_positive_int(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name) or str(default)
    if not text.isdecimal() or int(text) < 1:
        raise LoaderError(Reason.LOADER_FAILED, f"{name} must be a positive whole number, not {text!r}.")
    return int(text)
