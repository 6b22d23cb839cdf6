"""
Where virtual keys are kept: SQLite through SQLAlchemy, in threads of its own.

Read `keystore.py` first, then `memory.py`. A gateway opens its store by
`opening.open_store` and asks `lookup.KeyLookup` who is calling; a command uses
`opening.open_keys`.
"""
