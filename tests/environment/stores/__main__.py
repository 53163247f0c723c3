"""`python -m tests.environment.stores`: install every server that the tests start."""

from tests.environment.stores.installing import prepare

prepare()
