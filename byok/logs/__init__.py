"""What the gateway says: every event is cleaned of secrets before it is written."""
