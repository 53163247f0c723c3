from modelservice_operator.apimachinery.kinds import DEPLOYMENT, SERVICE


def test_name_cannot_leave_its_path_segment() -> None:
    assert DEPLOYMENT.path(namespace="a/b", name="../c") == "/apis/apps/v1/namespaces/a%2Fb/deployments/..%2Fc"
    assert SERVICE.path() == "/api/v1/services"
