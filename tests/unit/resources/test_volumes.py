from typing import Any

import pytest

from modelservice_operator.resources.volumes import build_volume
from tests.support.builders import model_service


@pytest.mark.parametrize(
    ("options", "volume"),
    [
        ({}, {}),
        ({"medium": "Memory"}, {"medium": "Memory"}),
        ({"sizeLimit": "1Gi"}, {"sizeLimit": "1Gi"}),
    ],
)
def test_empty_dir_has_the_configured_options(options: dict[str, Any], volume: dict[str, Any]) -> None:
    mount = {"name": "scratch", "mountPath": "/scratch", "emptyDir": options}
    mounts = model_service().with_spec(mounts=[mount]).parsed().spec.mounts
    assert mounts is not None
    assert build_volume(mounts[0]) == {"name": "scratch", "emptyDir": volume}
