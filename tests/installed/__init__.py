"""The package as users get it: built, and installed into fresh environments."""
