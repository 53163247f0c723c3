"""Kubernetes Events, written and read. Best effort: no failure here fails a reconcile."""
