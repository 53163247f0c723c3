"""Draws the panels of the Grafana dashboard in manifests/ with data of a real run, as SVG for the documents."""
