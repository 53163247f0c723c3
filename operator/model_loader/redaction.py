"""Removal of credentials from everything that is printed (rule I9).

Servers may repeat what they were sent, so a credential is also removed in the forms in which it is sent and quoted:
Base64 (a login of HTTP Basic), percent-encoded, and escaped as in JSON and Python. Of a credential in a URL, only the
part before or after a separator may be left: each part is removed as well. Texts must be cleaned before they are
encoded as JSON.
"""

import json
import re
import threading
from base64 import b64decode, b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit, urlunsplit

_SECRET_NAME = re.compile(
    r"KEY|TOKEN|SECRET|PASSWORD|SAS|CREDENTIAL|SIGNATURE|CONNECTION_STRING|DOCKERCONFIG|DOCKER_CONFIG|USERNAME"
    r"|^HTTP_URL$"
)
_SECRET_FIELD = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|AUTH|SIG|USERNAME")
"""Fields inside a value: of a Docker configuration, a key file, a signature or a connection string."""
_URL_FIELD = re.compile(r"UR[IL]$")
_QUERY = re.compile(r"(https?://[^\s?\"'<>]+)\?[^\s\"'<>]*")
_USERINFO = re.compile(r"(\b[a-z][a-z0-9+.-]*://)[^\s/@\"'<>]+@")
_MIN_SECRET_CHARS = 6
"""A shorter value is removed only as a whole word, as it occurs inside too many words."""
_MIN_WORD_CHARS = 3
_START_CHARS = 16
"""First characters by which a secret is known that a message has cut off."""
_LITERALS = re.compile("[0-9A-Za-z]+")
"""Characters that have the same form wherever they are quoted."""
_MAX_JSON_DEPTH = 20
_REPLACEMENT = "[hidden]"


class _Form(NamedTuple):
    """One form of a secret."""

    part: str
    """Text that each occurrence of this form contains as it is; empty without such a text."""
    secret: str
    build_pattern: Callable[[str], str]


class Redactor:
    """Removes the values of credentials, and query strings and user names of URLs, from a text.

    A regular expression of a long value takes a second to compile, and hardly any text contains a secret. So a form is
    compiled when a text contains the literal part of it.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._given: frozenset[str] = frozenset()
        self._forms: tuple[_Form, ...] = ()
        self._lock = threading.Lock()
        self.add(*secrets)

    def add(self, *secrets: str) -> None:
        """Remove more secrets from now on. Threads may call it."""
        with self._lock:
            self._given |= {one.strip() for one in secrets if _count_visible(one) >= _MIN_WORD_CHARS}
            self._forms = tuple(_list_forms(self._given))

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Redactor":
        """Return a redactor for the variables that are named like credentials: their values and all parts of them.

        A variable that ends in _FILE or _DIR is a path.
        """
        values = [
            value.partition("?")[2] if name == "HTTP_URL" else value  # a presigned URL: only its query is a credential
            for name, value in environment.items()
            if _SECRET_NAME.search(name.upper()) and not name.endswith(("_FILE", "_DIR"))
        ]
        return cls([one for value in values for one in _parts(value)])

    def redact(self, text: str) -> str:
        """Return `text` without credentials."""
        if found := [one.build_pattern(one.secret) for one in self._forms if one.part in text]:
            text = re.sub("|".join(found), _REPLACEMENT, text)
        return _USERINFO.sub(r"\1", _QUERY.sub(r"\1", text))


def _list_forms(secrets: Iterable[str]) -> Iterator[_Form]:
    """Yield the forms of secrets, the one to be tried first at each place of a text first."""
    long = {one for one in secrets if _count_visible(one) >= _MIN_SECRET_CHARS}
    # Longest first: otherwise a value that contains another one would be removed only in part.
    for one in sorted(long, key=len, reverse=True):
        yield _Form(max(_LITERALS.findall(one), key=len, default=""), one, _quotable_pattern)
    for start in sorted({one[:_START_CHARS] for one in long if len(one) > _START_CHARS}):
        yield _Form(max(_LITERALS.findall(start), key=len, default=""), start, _start_pattern)
    for core in sorted({core for one in long for core in _base64_cores(one)}):
        yield _Form(core, core, _base64_pattern)
    for one in sorted({*secrets} - long):
        yield _Form(one, one, _word_pattern)


def _start_pattern(start: str) -> str:
    return rf"{_quotable_pattern(start)}[^\s\"'<>]*"


def _base64_pattern(core: str) -> str:
    return rf"[A-Za-z0-9+/_-]*{re.escape(core)}[A-Za-z0-9+/_=-]*"


def _word_pattern(secret: str) -> str:
    return rf"(?<!\w){re.escape(secret)}(?!\w)"


def _parts(value: str) -> Iterator[str]:
    """Yield a value, its lines, the values of its query string (a signature), and those in its JSON (a key file)."""
    yield from cut_secret(value)
    query = parse_qsl(value.strip().lstrip("?").replace(";", "&").replace("+", "%2B"))
    yield from (found for name, found in query if _is_secret_field(name))
    try:
        yield from _inner_values(json.loads(value), "", 0)
    except (ValueError, RecursionError):
        return


def cut_secret(value: str) -> Iterator[str]:
    """Yield a value, its lines, and the parts of a line that are left where a URL is cut at its separators."""
    yield value
    for line in value.splitlines():
        yield line.strip()
        yield from re.split("[?#@]", line)


def _inner_values(value: Any, name: str, depth: int) -> Iterator[str]:  # noqa: ANN401 - JSON of any type
    if depth > _MAX_JSON_DEPTH:
        return
    if isinstance(value, dict):
        for inner, one in value.items():
            yield from _inner_values(one, inner, depth + 1)
    elif isinstance(value, list):
        for one in value:
            yield from _inner_values(one, name, depth + 1)
    elif isinstance(value, str) and _is_secret_field(name):
        yield from cut_secret(value)
        yield from _login_parts(value)


def _is_secret_field(name: str) -> bool:
    return _SECRET_FIELD.search(name.upper()) is not None and _URL_FIELD.search(name.upper()) is None


def _login_parts(value: str) -> Iterator[str]:
    """Yield `user:password` and its password if a value is the Base64 form of such a login, as Docker stores it."""
    try:
        login = b64decode(value, validate=True).decode()
    except ValueError:
        return
    if ":" in login:
        yield login
        yield from cut_secret(login.partition(":")[2])


def _count_visible(text: str) -> int:
    return len("".join(text.split()))


def _quotable_pattern(secret: str) -> str:
    """Return a pattern of a secret each of whose characters may be percent-encoded or escaped."""
    return "".join(one if one.isascii() and one.isalnum() else f"(?:{'|'.join(_quoted_forms(one))})" for one in secret)


def _quoted_forms(character: str) -> Iterator[str]:
    literals = {character, json.dumps(character)[1:-1], repr(character)[1:-1]}
    if character in "\t\r\n":
        literals.add("")  # urllib.parse removes them from a URL
    if character in "\"'/":
        literals.add(f"\\{character}")
    if character == " ":
        literals.add("+")
    yield from (re.escape(one) for one in sorted(literals, key=len, reverse=True))
    yield f"(?i:{re.escape(''.join(f'%{byte:02x}' for byte in _encode(character)))})"


def _base64_cores(secret: str) -> Iterator[str]:
    """Yield the characters that Base64 of any text with the secret contains: they depend on its offset, modulo 3."""
    data = _encode(secret)
    for offset in range(3):
        first, last = -(-offset * 8 // 6), (offset + len(data)) * 8 // 6
        for encode in (b64encode, urlsafe_b64encode):
            core = encode(bytes(offset) + data).decode()[first:last]
            if len(core) >= _MIN_SECRET_CHARS:
                yield core


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def redact_url(uri: str) -> str:
    """Return a URI without user name, query and fragment, each of which may be a credential."""
    try:
        parts = urlsplit(uri)
    except ValueError:  # a bracket that is not part of an IPv6 address
        return _USERINFO.sub(r"\1", re.split(r"[?#]", uri, maxsplit=1)[0])
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
