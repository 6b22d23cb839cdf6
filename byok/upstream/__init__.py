"""The side that providers see: connecting, sending, and what may be sent."""
