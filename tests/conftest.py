"""How much Hypothesis tries: a fixed sample in `make test`, random and long in `make soak`."""

from hypothesis import settings

settings.register_profile("test", deadline=None, derandomize=True)
settings.register_profile("soak", deadline=None, max_examples=5_000)
settings.load_profile("test")
