"""The nouns of :mod:`holdfast.store.nouns`, as a SQLite file keeps them: one module each, under the same name."""
