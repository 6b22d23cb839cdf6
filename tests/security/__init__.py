"""The threat model as tests: which of them hold which requirement is in INDEX.md."""
