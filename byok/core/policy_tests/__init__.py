"""Tests of policies: documents of requests, and what is expected of each."""
