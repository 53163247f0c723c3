import pytest

from modelservice_operator.manager.leader_election import default_lease_name


@pytest.mark.parametrize(
    ("namespaces", "name"),
    [
        ((), "modelservice-operator"),
        (("ml",), "modelservice-operator-ml"),
        (("ml", "dev", "ml"), "modelservice-operator-94e7b008f8"),
        (("dev", "ml"), "modelservice-operator-94e7b008f8"),
    ],
)
def test_replicas_of_the_same_namespaces_share_a_lease(namespaces: tuple[str, ...], name: str) -> None:
    assert default_lease_name(namespaces) == name
