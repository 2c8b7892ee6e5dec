"""The examples are tested with rules in place of a model, whatever the shell that runs the tests has set."""

import os

os.environ.pop("MODEL", None)
