"""A gateway where every developer brings their own provider key."""
