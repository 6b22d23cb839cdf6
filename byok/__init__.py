"""A gateway where every developer brings their own provider key."""

__version__ = "26.11.0"
