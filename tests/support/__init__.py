"""What several tests need: planted secrets, a scripted provider, clocks."""
