"""The commands, one thin module each: `add_arguments(parser)` and `run(options) -> int`. Its docstring is its help."""
