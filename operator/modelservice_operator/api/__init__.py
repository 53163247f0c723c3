"""The ModelService API: types, defaults and validation. Pure."""
