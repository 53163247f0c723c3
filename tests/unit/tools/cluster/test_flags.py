"""Flags and feature gates that an older program lacks are left out."""

from tests.environment.cluster.flags import supported

HELP = """
      --allow-privileged     If true, allow privileged containers. [default=false]
      --feature-gates colonSeparatedMultimapStringString
                Comma-separated list of component:key=value pairs. Options are:
                kube:APIResponseCompression=true|false (BETA - default=true)
                HPAScaleToZero=true|false (ALPHA - default=false)
"""


def test_known_flags_are_kept_in_order() -> None:
    flags = ["--allow-privileged=true", "--of-a-newer-version=1", "--allow-privileged=false"]
    assert list(supported(flags, HELP)) == ["--allow-privileged=true", "--allow-privileged=false"]


def test_unknown_feature_gates_are_left_out() -> None:
    flag = "--feature-gates=HPAScaleToZero=true,Newer=true,APIResponseCompression=false"
    assert list(supported([flag], HELP)) == ["--feature-gates=HPAScaleToZero=true,APIResponseCompression=false"]
    assert list(supported(["--feature-gates=Newer=true"], HELP)) == []
