"""
What must not be lost on its way into the store: files that hold it until it is there.

A process appends to a `spool.Spool`, and a `drain.Drain` hands what was appended to
whoever keeps it for good. Read `frames.py` first, then `places.py` for the files.
"""
