"""The side-by-side benchmark: this operator, an ordinary kopf operator, a Go operator and the raw client's bound.

    python -m bench run      # prints a table, writes bench/RESULTS.md and bench/results.json
    python -m bench scale    # 10,000 objects, cold restart of this operator

The packages `bench.peers` run inside other environments: nothing that they import may need the development tools.
"""
