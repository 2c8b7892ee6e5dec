"""Delegated approval (pattern 2): what a run asks of people, what they decide, and what is executed then."""
