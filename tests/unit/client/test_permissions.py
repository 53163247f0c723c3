"""The list of permissions in the code is the role of the manifests, in both directions."""

from modelservice_operator.client.permissions import LEASE_PERMISSIONS, NEEDED_PERMISSIONS
from tests.support.roles import granted, operator_roles


def test_role_grants_what_the_code_needs() -> None:
    assert sorted(granted(operator_roles()["modelservice-operator"])) == sorted(NEEDED_PERMISSIONS)


def test_role_for_the_lease_grants_what_the_code_needs() -> None:
    assert sorted(granted(operator_roles()["modelservice-operator-lease"])) == sorted(LEASE_PERMISSIONS)
