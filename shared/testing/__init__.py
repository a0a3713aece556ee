"""Shipped test doubles and voices; imported by tests only."""
