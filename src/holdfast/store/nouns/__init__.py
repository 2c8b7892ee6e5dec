"""The nouns of a store's contract, one module each. :mod:`holdfast.store.base` puts them together."""
