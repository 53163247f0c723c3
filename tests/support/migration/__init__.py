"""Manifests as users bring them: of tutorials, of public repositories, and generated ones; all written for the tests.

`tutorials` are files as they are found, some of which are not YAML, hence their extension. `public` has small inputs
with the traits of 66 public manifests, `generated` valid objects with random fields. `oracle` compares an input with
its children, `losses` finds what has no sentence, and `server_forms` reads both sides from an API server.
"""
