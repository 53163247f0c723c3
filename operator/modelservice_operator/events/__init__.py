"""Kubernetes Events, written and read, and the progress of loaders. Best effort: no failure here fails a reconcile."""
