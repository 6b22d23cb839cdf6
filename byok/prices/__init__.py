"""
The price list that ships with byok, as a maintained library has it.

`make prices` renews it; why it is a copy stands in docs/decisions/025-prices.md.
"""
