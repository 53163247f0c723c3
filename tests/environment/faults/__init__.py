"""Faults between the operator and the API server, and what must hold whatever fails.

`proxy` numbers every request of an unmodified operator; a rule names one (verb, resource, n-th), a moment, an action.
`history` keeps every version of every object, `audit` what the API server counted, and `oracles` judges both. A sweep
takes its list of points from a recorded run without faults, so that a new call cannot go untested.
"""
