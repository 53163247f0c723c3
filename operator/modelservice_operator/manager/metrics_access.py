"""Decides who may read /metrics (controller-runtime, pkg/metrics/filters.WithAuthenticationAndAuthorization).

The API server says whose token a request has (TokenReview), and whether that user may `get` the path
(SubjectAccessReview). Its answers are kept for a short time, by a hash of the token.
"""

import asyncio
import hashlib
import logging
import secrets
from http import HTTPStatus
from typing import Any, NamedTuple

from cachetools import TTLCache

from modelservice_operator.apimachinery.clock import SYSTEM_CLOCK, Clock
from modelservice_operator.client.rest import RestClient
from modelservice_operator.errors import ForbiddenError, OperatorError

logger = logging.getLogger(__name__)

PATH = "/metrics"
ALLOWED_SECONDS = 60.0
"""Time for which a client remains allowed without another review."""
DENIED_SECONDS = 10.0
"""The same for one that was denied: it may have been granted the right since."""
STALE_SECONDS = 600.0
"""Time for which a client that was allowed remains so while the API server does not answer: the metrics must show that.
To take the right away is a write to the same API server, which has to answer for it."""
REVIEW_SECONDS = 5.0
"""Time limit of both reviews. Prometheus waits 10 s for a scrape, unless it is configured otherwise."""
MAX_DECISIONS = 256
"""Maximum of remembered tokens, for each outcome."""
MAX_REVIEWS = 8
"""Maximum of tokens that are reviewed or wait for it; further ones are turned away."""
_TOKEN_REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"  # noqa: S105 - a path
_ACCESS_REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"


class Decision(NamedTuple):
    """Status of the response to a request, and a sentence for the client if it is not OK."""

    status: HTTPStatus
    message: str = ""


ALLOWED = Decision(HTTPStatus.OK)
NO_TOKEN = Decision(
    HTTPStatus.UNAUTHORIZED, "A bearer token is required: send that of a ServiceAccount in the header Authorization."
)
INVALID_TOKEN = Decision(
    HTTPStatus.UNAUTHORIZED, "The bearer token is not valid for this cluster, or has expired: send a new one."
)
TOO_MANY = Decision(HTTPStatus.TOO_MANY_REQUESTS, "Too many tokens are being reviewed: try again later.")
NOT_ALLOWED_TO_REVIEW = Decision(
    HTTPStatus.INTERNAL_SERVER_ERROR,
    "The operator is not allowed to create TokenReviews or SubjectAccessReviews, so it does not know who may read"
    f" {PATH}: grant them (manifests/components/secure-metrics).",
)
UNDECIDED = Decision(
    HTTPStatus.SERVICE_UNAVAILABLE, f"The API server did not say who may read {PATH}: try again later."
)
NOT_RUNNING = Decision(HTTPStatus.SERVICE_UNAVAILABLE, "The manager is not running: try again later.")


class MetricsAccess:
    """Authenticates and authorizes requests for /metrics, within bounds of memory, time and requests."""

    def __init__(self, client: RestClient, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self._client = client
        self._hash_key = secrets.token_bytes(32)
        """A dump of the memory does not show which tokens were seen (k8s.io/apiserver, authentication/token/cache)."""
        self._allowed: TTLCache[bytes, Decision] = _cache(ALLOWED_SECONDS, clock)
        self._denied: TTLCache[bytes, Decision] = _cache(DENIED_SECONDS, clock)
        self._stale: TTLCache[bytes, Decision] = _cache(ALLOWED_SECONDS + STALE_SECONDS, clock)
        self._reviews: dict[bytes, asyncio.Task[Decision]] = {}
        self._last_failure = ""

    async def decide(self, authorization: str) -> Decision:
        """Return the decision about a value of the header Authorization. Concurrent requests share a review."""
        token = _bearer_token(authorization)
        if not token:
            return NO_TOKEN
        key = hashlib.blake2b(token.encode("utf-8", "surrogateescape"), key=self._hash_key, digest_size=16).digest()
        known = self._allowed.get(key) or self._denied.get(key)
        if known is not None:
            return known
        if key not in self._reviews:
            if len(self._reviews) >= MAX_REVIEWS:
                return TOO_MANY
            task = asyncio.create_task(self._review(key, token), name="review of a token")
            self._reviews[key] = task
            task.add_done_callback(lambda _: self._reviews.pop(key, None))
        return await asyncio.shield(self._reviews[key])

    async def _review(self, key: bytes, token: str) -> Decision:
        try:
            async with asyncio.timeout(REVIEW_SECONDS):
                decision = await self._ask(token)
        except TimeoutError:
            return self._undecided(key, f"The API server did not answer within {REVIEW_SECONDS:.0f} s.")
        except ForbiddenError as error:
            self._log(str(error))
            return NOT_ALLOWED_TO_REVIEW
        except OperatorError as error:
            return self._undecided(key, str(error))
        self._last_failure = ""
        self._remember(key, decision)
        return decision

    async def _ask(self, token: str) -> Decision:
        user = await self._authenticate(token)
        if user is None:
            return INVALID_TOKEN
        if await self._is_authorized(user):
            return ALLOWED
        name = user.get("username", "")
        text = f"{name} is not allowed to get {PATH}: bind the ClusterRole modelservice-metrics-reader to it."
        return Decision(HTTPStatus.FORBIDDEN, text)

    async def _authenticate(self, token: str) -> dict[str, Any] | None:
        """Return the user of a token; None if it is not valid."""
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}}
        status = (await self._client.review(_TOKEN_REVIEWS, body)).get("status") or {}
        return (status.get("user") or {}) if status.get("authenticated") is True else None

    async def _is_authorized(self, user: dict[str, Any]) -> bool:
        known = {"user": user.get("username"), **{name: user.get(name) for name in ("uid", "groups", "extra")}}
        spec = {name: value for name, value in known.items() if value}
        spec["nonResourceAttributes"] = {"path": PATH, "verb": "get"}
        body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
        status = (await self._client.review(_ACCESS_REVIEWS, body)).get("status") or {}
        return status.get("allowed") is True

    def _remember(self, key: bytes, decision: Decision) -> None:
        if decision is ALLOWED:
            self._allowed[key] = self._stale[key] = decision
        else:
            self._stale.pop(key, None)
            self._denied[key] = decision

    def _undecided(self, key: bytes, reason: str) -> Decision:
        """Return the last decision if it was to allow. The reason is logged: it may name addresses."""
        self._log(reason)
        return self._stale.get(key, UNDECIDED)

    def _log(self, reason: str) -> None:
        level = logging.DEBUG if reason == self._last_failure else logging.WARNING
        logger.log(level, "Cannot review who may read %s: %s", PATH, reason, extra={"reason": "ReviewFailed"})
        self._last_failure = reason


def _cache(seconds: float, clock: Clock) -> TTLCache[bytes, Decision]:
    return TTLCache(MAX_DECISIONS, seconds, timer=clock.monotonic)


def _bearer_token(authorization: str) -> str:
    """Return the token of a header (RFC 6750, 2.1); empty if there is none."""
    scheme, _, token = authorization.strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
