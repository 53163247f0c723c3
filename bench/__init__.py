"""The benchmark compares this operator with an ordinary kopf operator, a Go operator and a raw client.

    python -m bench run      # prints a table, writes bench/RESULTS.md and bench/results.json
    python -m bench scale    # 10,000 objects, cold restart of this operator

The modules of `bench.peers` run in other environments: their imports must not need the development dependencies.
"""
