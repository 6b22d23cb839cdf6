"""The real Claude Code, through a real gateway, to a scripted provider."""
