"""Prose check of `make lint`: finds phrases that are hard to read and suggests plain ones.

`patterns.toml` has the phrases, `allowed.txt` the places where one of them is correct, `words.txt` the words that the
spelling checker does not know. `extract.py` reads prose from Markdown, Python and YAML, `check.py` finds hits in it,
and `python -m tests.environment.prose` is the command.
"""
