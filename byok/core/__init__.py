"""Values and decisions without I/O: no clock, socket, file or logger below here."""
