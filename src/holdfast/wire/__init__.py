"""How records travel: in journal files, and between the API and whoever calls it."""
