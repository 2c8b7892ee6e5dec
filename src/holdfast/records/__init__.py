"""Frozen records that cross a wall between two layers."""
