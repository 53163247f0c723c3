import pytest
from bench.errors import BenchError
from bench.isolation import Isolation


def test_limit_is_twice_the_latency_and_a_second() -> None:
    assert Isolation([0.1, 0.2], [0.1], calls=30).limit == pytest.approx(1.4)


def test_delayed_objects_are_an_error() -> None:
    with pytest.raises(BenchError, match=r"p99 1500 ms \(limit: 1400 ms\)"):
        Isolation([0.1, 0.2], [0.1, 1.5], calls=30).check()


def test_objects_within_the_limit_are_reported() -> None:
    result = Isolation([0.1], [0.2], calls=30)
    result.check()
    assert "30 objects of another namespace hang in admission (30 calls)" in str(result)
