"""The model loader: brings a model from wherever it is into a folder, whole and verified, or says in words why not.

It is a program of its own, with its own image: it imports nothing of the operator, nor the operator anything of it.
What joins them is a contract of environment variables (`request`), the exit code, and one line of JSON (`report`).

resolve -> list -> check -> fetch -> verify -> publish -> report: `pipeline` reads like this, a module stands for each
step, and `sources` knows the stores. Nothing that was fetched is ever executed or unpickled.
"""

__version__ = "0.1.0"
