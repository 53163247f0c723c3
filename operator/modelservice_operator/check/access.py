"""Reviews the permissions of the operators' service accounts, verb by verb.

A user of the install has SelfSubjectRulesReview: one request for each namespace. For another user, each verb is one
SubjectAccessReview. Nothing is stored by either.
"""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from modelservice_operator.apimachinery.objects import Json, Object
from modelservice_operator.check.facts import AccessReview, Unreadable
from modelservice_operator.check.operators import Install
from modelservice_operator.check.server_reader import ServerReader
from modelservice_operator.client.permissions import (
    LEASE_PERMISSIONS,
    NEEDED_PERMISSIONS,
    REVIEW_PERMISSIONS,
    Permission,
)

_AUTHORIZATION = "/apis/authorization.k8s.io/v1"
_NO_NAMESPACE = "-"
"""Not a valid name: rules in it are those of all namespaces."""
_SERVICE_ACCOUNT = "system:serviceaccount:"
ALL_NAMESPACES = ("",)


class Question(NamedTuple):
    """A question whether a user has a permission in a namespace; an empty one means all of them."""

    user: str
    permission: Permission
    namespace: str


def questions_about(installs: Iterable[Install]) -> tuple[Question, ...]:
    """Return the questions about the installs, each one once."""
    return tuple(dict.fromkeys(one for install in installs for one in _questions_about(install)))


def _questions_about(install: Install) -> Iterator[Question]:
    arguments = install.arguments
    for namespace in arguments.namespaces or ALL_NAMESPACES:
        yield from (Question(install.user, permission, namespace) for permission in NEEDED_PERMISSIONS)
    if arguments.lease is not None:
        yield from (Question(install.user, one, arguments.lease.namespace) for one in LEASE_PERMISSIONS)
    if arguments.has_secure_metrics:
        yield from (
            Question(install.user, one, namespace) for one in REVIEW_PERMISSIONS for namespace in ALL_NAMESPACES
        )


async def review_access(
    reader: ServerReader, questions: Sequence[Question], *, own_user: str
) -> tuple[AccessReview, ...] | Unreadable:
    """Return an answer to each question, or why there is none."""
    own = [one for one in questions if one.user == own_user]
    others = [one for one in questions if one.user != own_user]
    found = await asyncio.gather(
        *(_review_own(reader, own, namespace) for namespace in dict.fromkeys(one.namespace for one in own)),
        *(_review(reader, one) for one in others),
    )
    reviews: list[AccessReview] = []
    for one in found:
        if isinstance(one, Unreadable):
            return one
        reviews += one
    return tuple(reviews)


async def _review(reader: ServerReader, question: Question) -> tuple[AccessReview, ...] | Unreadable:
    spec = _attributes(question) | {"user": question.user, "groups": groups_of(question.user)}
    return await _review_access(reader, question, "SubjectAccessReview", spec)


async def _review_access(
    reader: ServerReader, question: Question, kind: str, spec: Object
) -> tuple[AccessReview, ...] | Unreadable:
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": kind, "spec": spec}
    answer = await reader.post(f"{_AUTHORIZATION}/{kind.lower()}s", body)
    if isinstance(answer, Unreadable):
        return answer
    return (AccessReview(*question, is_allowed=bool((answer.get("status") or {}).get("allowed"))),)


async def _review_own(
    reader: ServerReader, questions: Sequence[Question], namespace: str
) -> tuple[AccessReview, ...] | Unreadable:
    """Answer the questions about one namespace by its rules.

    An authorizer may not be able to list its rules: a permission that is not among them is reviewed separately.
    """
    spec = {"namespace": namespace or _NO_NAMESPACE}
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": spec}
    answer = await reader.post(f"{_AUTHORIZATION}/selfsubjectrulesreviews", body)
    rules = [] if isinstance(answer, Unreadable) else (answer.get("status") or {}).get("resourceRules") or []
    reviews: list[AccessReview] = []
    for one in (one for one in questions if one.namespace == namespace):
        if any(_grants(rule, one.permission) for rule in rules):
            reviews.append(AccessReview(*one, is_allowed=True))
            continue
        found = await _review_access(reader, one, "SelfSubjectAccessReview", _attributes(one))
        if isinstance(found, Unreadable):
            return found
        reviews += found
    return tuple(reviews)


def _grants(rule: Json, permission: Permission) -> bool:
    """Return True if a rule includes a permission for objects of any name."""
    wanted = {"verbs": permission.verb, "apiGroups": permission.group, "resources": permission.resource}
    return not rule.get("resourceNames") and all(
        not {"*", value}.isdisjoint(rule.get(field) or ()) for field, value in wanted.items()
    )


def _attributes(question: Question) -> Object:
    resource, _, subresource = question.permission.resource.partition("/")
    return {
        "resourceAttributes": {
            "verb": question.permission.verb,
            "group": question.permission.group,
            "resource": resource,
            "subresource": subresource,
            "namespace": question.namespace,
        }
    }


def groups_of(user: str) -> list[str]:
    """Return the groups of a service account (apiserver, authentication/serviceaccount.MakeGroupNames)."""
    namespace = user.removeprefix(_SERVICE_ACCOUNT).partition(":")[0]
    return ["system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated"]


def namespace_of_user(user: str) -> str:
    """Return the namespace of a service account; empty for other users."""
    return user.removeprefix(_SERVICE_ACCOUNT).partition(":")[0] if user.startswith(_SERVICE_ACCOUNT) else ""
