"""Whether a changed configuration may take the place of the running one."""
