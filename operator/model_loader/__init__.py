"""The model loader: downloads a model into a directory, complete and verified, or reports why it cannot.

It is a separate program with its own image. It imports nothing of the operator, and the operator imports nothing of
it. The interface between them are environment variables (`request`), the files of a Secret (`credentials`), the exit
code, and one line of JSON (`report`).

The steps are resolve, list, check, download, verify, publish, report. `pipeline` runs them, each step has a module, and
`sources` has the stores. Downloaded content is never executed or unpickled.
"""

__version__ = "0.1.0"
