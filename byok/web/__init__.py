"""The side that clients see: listening, answering, relaying."""
