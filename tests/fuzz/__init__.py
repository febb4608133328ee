"""Random programs beside torch and random calls: what they find are differences, crashes and hangs.

`run.py` runs many programs by hand, `calls.py` many calls; tests/python/test_fuzz.py runs a few of both.
"""
