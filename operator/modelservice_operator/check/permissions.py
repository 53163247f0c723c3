"""Judges the permissions of the operators' service accounts. Pure."""

from collections.abc import Iterator
from itertools import groupby

from modelservice_operator.apimachinery.kinds import OPTIONAL_CHILD_KINDS
from modelservice_operator.check.facts import AccessReview, Facts, Unreadable
from modelservice_operator.check.findings import Finding, FindingID, error, ok, unreadable
from modelservice_operator.check.fixes import ALLOW_REVIEWS, INSTALL
from modelservice_operator.client.permissions import REVIEW_PERMISSIONS


def check_permissions(facts: Facts) -> Iterator[Finding]:
    """Yield the permissions that the service accounts lack, one finding for each resource."""
    reviews = facts.reviews
    if isinstance(reviews, Unreadable):
        yield unreadable(FindingID.PERMISSIONS_UNREADABLE, "the operator's permissions", reviews.reason, facts.user)
        return
    missing = [one for one in reviews if not one.is_allowed and not _is_optional(one, facts)]
    for (user, resource, namespace), found in groupby(missing, key=_subject):
        yield _missing(user, resource, namespace, [one.permission.verb for one in found])
    if reviews and not missing:
        users = ", ".join(dict.fromkeys(_name(one.user) for one in reviews))
        yield ok(FindingID.PERMISSIONS, f"{users} has all {len(reviews)} permissions that the operator needs.")


def _is_optional(review: AccessReview, facts: Facts) -> bool:
    """Return True if the cluster does not serve the kind: the operator sends no request for it."""
    permission = review.permission
    kind = next((one for one in OPTIONAL_CHILD_KINDS if (one.plural, one.group) == permission[1:]), None)
    return kind is not None and facts.served.get(kind) is False


def _subject(review: AccessReview) -> tuple[str, str, str]:
    return review.user, review.permission.group_resource, review.namespace


def _account(user: str) -> str:
    """Return NAMESPACE:NAME of a service account."""
    return user.removeprefix("system:serviceaccount:")


def _name(user: str) -> str:
    namespace, _, name = _account(user).partition(":")
    return f"ServiceAccount {namespace}/{name}"


def _missing(user: str, resource: str, namespace: str, verbs: list[str]) -> Finding:
    where = f"in namespace {namespace}" if namespace else "in all namespaces"
    text = f"{_name(user)} is not allowed to {', '.join(verbs)} {resource} {where}: what needs it does not work."
    is_review = resource in {one.group_resource for one in REVIEW_PERMISSIONS}
    return error(FindingID.PERMISSION_MISSING, text, ALLOW_REVIEWS.format(_account(user)) if is_review else INSTALL)
