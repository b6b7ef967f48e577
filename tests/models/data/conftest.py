"""Fixtures of the data tests."""

from tests.shared_data import shared_data

__all__ = ["shared_data"]
