"""Whole turns through all services."""
