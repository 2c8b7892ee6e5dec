"""The nouns of :mod:`holdfast.store.nouns`, as a PostgreSQL schema keeps them: one module each, under the same name."""
