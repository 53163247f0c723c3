"""Removal of credentials from everything that is printed (rule I9)."""

import re
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit, urlunsplit

_SECRET_NAME = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|SAS|CREDENTIAL|SIGNATURE|CONNECTION_STRING|DOCKERCONFIG|USERNAME")
_QUERY = re.compile(r"(https?://[^\s?\"'<>]+)\?[^\s\"'<>]*")
_USERINFO = re.compile(r"(\b[a-z][a-z0-9+.-]*://)[^\s/@\"'<>]+@")
_MIN_SECRET_CHARS = 6
"""A shorter value is not removed, as it occurs inside too many words."""
_REPLACEMENT = "[hidden]"


class Redactor:
    """Removes the values of credentials, and query strings and user names of URLs, from a text."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        # Longest first: otherwise a value that contains another one would be removed only in part.
        self._secrets = sorted({one for one in secrets if len(one) >= _MIN_SECRET_CHARS}, key=len, reverse=True)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Redactor":
        """Return a redactor for the variables that are named like credentials: their values and each line of them."""
        values = [value for name, value in environment.items() if _SECRET_NAME.search(name.upper())]
        lines = [line.strip() for value in values for line in value.splitlines()]
        return cls([*values, *lines])

    def redact(self, text: str) -> str:
        """Return `text` without credentials."""
        for secret in self._secrets:
            text = text.replace(secret, _REPLACEMENT)
        return _USERINFO.sub(r"\1", _QUERY.sub(r"\1", text))


def redact_url(uri: str) -> str:
    """Return a URI without user name, query and fragment, each of which may be a credential."""
    parts = urlsplit(uri)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
