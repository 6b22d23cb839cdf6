"""The policy engine: which header and which credential may leave, and why."""
