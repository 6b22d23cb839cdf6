"""The real `anthropic` package, through a real gateway, to a scripted provider."""
