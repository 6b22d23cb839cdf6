"""The real Claude Code, through a real gateway, to a scripted provider."""

import pytest

# So that a failing comparison there shows what it compared.
pytest.register_assert_rewrite("tests.support.arrivals")
