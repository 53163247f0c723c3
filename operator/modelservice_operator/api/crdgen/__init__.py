"""Generates the CustomResourceDefinition and the field reference. Never imported by a running operator."""
