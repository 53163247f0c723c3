"""Checks an install: facts are gathered by reading the API server, findings are judged from them without I/O.

gather, access, server_reader   read the facts
facts, operators                the facts, as values
crd, rules, ...                 facts -> findings; pure
report                          findings -> text or JSON
"""
