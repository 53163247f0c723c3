"""Helpers that tests share: builders of objects, clients of the API server, the operator as a process."""
