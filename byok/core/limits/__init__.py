"""
How much may be used: rates, requests at once, budgets; reserved first, settled after.

Everything here is a value or a count in memory, and time is an argument. What a limit
needs is of fixed size, so that the same rules can be one script in a shared store:

    requests, tokens   number of the newest tenth of the window, what was counted in
                       it and in the ten before; a tenth that is older is forgotten
    parallel           how many leases are held
    cost               start and end of the period, what was spent and what is held

and, for each open reservation, what it holds of which limit and when it runs out.
"""
