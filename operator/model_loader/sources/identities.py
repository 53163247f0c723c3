"""Identities for object stores: which one the environment contains, and tokens that are renewed before they expire."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from model_loader.errors import LoaderError, Reason

_RENEW_BEFORE = 300.0
"""Seconds before its end at which a token is renewed: longer than any request takes to be sent."""
_MAX_TOKEN_BYTES = 64 << 10
_Token = TypeVar("_Token")


@dataclass(frozen=True, slots=True)
class Identity:
    """One way to log in, and its variables. It is complete if all required ones are set."""

    name: str
    required: tuple[str, ...]
    optional: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()
    """Required variables that other identities have too: they do not select this one."""

    def is_started(self, environment: Mapping[str, str]) -> bool:
        """Return True if a variable is set that only this identity has."""
        return any(read_variable(environment, name) for name in (*self.required, *self.optional))

    def list_missing(self, environment: Mapping[str, str]) -> list[str]:
        """Return the required variables that are not set."""
        return [name for name in (*self.required, *self.shared) if not read_variable(environment, name)]


def read_variable(environment: Mapping[str, str], name: str) -> str:
    """Return a variable without the line break that files end with; empty if it is not set."""
    return environment.get(name, "").strip()


def choose_identity(environment: Mapping[str, str], identities: Sequence[Identity]) -> str | None:
    """Return the name of the first identity that is set, or None: the store is then accessed anonymously.

    Raises LoaderError, naming a variable, if any identity is set in part: it may be a mistake, and another identity
    than the intended one would be used.
    """
    started = [one for one in identities if one.is_started(environment)]
    for identity in started:
        if missing := identity.list_missing(environment):
            present = next(
                name for name in (*identity.required, *identity.optional) if read_variable(environment, name)
            )
            raise invalid_identity(f"{present} is set without {' and '.join(missing)}")
    if not started:
        for identity in identities:
            for name in identity.shared:
                if read_variable(environment, name):
                    others = sorted({other for one in identities if name in one.shared for other in one.required})
                    raise invalid_identity(f"{name} is set without {' or '.join(others)}")
        return None
    return started[0].name


def invalid_identity(problem: str) -> LoaderError:
    """Return the error for variables that are not an identity."""
    return LoaderError(
        Reason.INVALID_CREDENTIALS, f"The credentials are incomplete: {problem}. Check the Secret of model.credentials."
    )


def read_token_file(variable: str, path: str) -> str:
    """Return the token that the kubelet writes into a file. Raises LoaderError naming the variable."""
    try:
        with Path(path).open("rb") as file:
            token = file.read(_MAX_TOKEN_BYTES).decode("ascii").strip()
    except (OSError, ValueError):
        token = ""
    if not token:
        message = f"{variable} names a file that cannot be read or contains no token: it must be a mounted token."
        raise LoaderError(Reason.INVALID_CREDENTIALS, message)
    return token


class Token(Protocol[_Token]):
    """Credentials of requests."""

    def get(self) -> _Token:
        """Return credentials that are valid now. Raises LoaderError."""

    def discard(self, token: _Token) -> bool:
        """Forget credentials that the store has rejected. Return True if there can be other ones."""


class FixedToken(Generic[_Token]):
    """Credentials that do not change."""

    def __init__(self, token: _Token) -> None:
        self._token = token

    def get(self) -> _Token:
        """Return the credentials."""
        return self._token

    def discard(self, token: _Token) -> bool:
        """Return False."""
        del token
        return False


class RenewableToken(Generic[_Token]):
    """A token that is fetched when it is first used, and again before it expires or when it was rejected."""

    def __init__(self, fetch: Callable[[], tuple[_Token, float]]) -> None:
        """Renew with `fetch`, which returns the token and the time of the wall clock at which it ends."""
        self._fetch = fetch
        self._lock = threading.Lock()
        self._current: tuple[_Token, float] | None = None
        """The token, and the time at which it is renewed."""

    def get(self) -> _Token:
        """Return a token that is valid now. Raises LoaderError."""
        with self._lock:
            if self._current is None or time.time() > self._current[1]:
                token, expires = self._fetch()
                now = time.time()
                # A token that lives for a short time is used for half of it, so that not each request renews it.
                self._current = token, max(expires - _RENEW_BEFORE, now + (expires - now) / 2)
            return self._current[0]

    def discard(self, token: _Token) -> bool:
        """Forget a token that the store has rejected, unless another thread has renewed it already. Return True."""
        with self._lock:
            if self._current is not None and self._current[0] == token:
                self._current = None
        return True


def parse_expiry(text: str) -> float:
    """Return the time of the wall clock that a text in the form of RFC 3339 names. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(text)
    return moment.timestamp()
