"""The controller: a work queue of ModelServices, and the reconciler that decides from caches what to write."""
