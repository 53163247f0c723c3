"""The list of permissions in the code is the role of the manifests, in both directions."""

from modelservice_operator.client.permissions import LEASE_PERMISSIONS, NEEDED_PERMISSIONS, REVIEW_PERMISSIONS
from tests.support.roles import REVIEW_ROLE, granted, operator_roles, review_roles


def test_role_grants_what_the_code_needs() -> None:
    assert sorted(granted(operator_roles()["modelservice-operator"])) == sorted(NEEDED_PERMISSIONS)


def test_role_for_the_lease_grants_what_the_code_needs() -> None:
    assert sorted(granted(operator_roles()["modelservice-operator-lease"])) == sorted(LEASE_PERMISSIONS)


def test_role_for_reviews_grants_what_the_code_needs() -> None:
    assert sorted(granted(review_roles()[REVIEW_ROLE])) == sorted(REVIEW_PERMISSIONS)
