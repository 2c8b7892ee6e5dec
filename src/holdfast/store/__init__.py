"""Stores: where runs are kept. ``base`` is the contract; each database has one class of its own."""
