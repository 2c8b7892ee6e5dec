"""What Holdfast costs, beside what the disk allows and what its peers cost: ``make bench``, ``docs/performance.md``."""
