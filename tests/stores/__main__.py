"""`python -m tests.stores`: install every server that the tests start."""

from tests.stores.installing import prepare

prepare()
