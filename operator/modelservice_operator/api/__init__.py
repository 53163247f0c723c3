"""The ModelService API: types, generated schema, and the kinds that the operator talks to. No I/O, no clock."""
