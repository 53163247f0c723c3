from itertools import islice

from modelservice_operator.manager.handlers import UnlimitedBackoff


def test_backoff_of_kopf_grows_to_its_maximum_and_never_ends() -> None:
    delays = list(islice(iter(UnlimitedBackoff()), 1000))
    assert delays[:3] == [0.2, 0.4, 0.8]
    assert delays[-1] == max(delays) == 30.0
