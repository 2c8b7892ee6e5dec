"""Test equipment: a rig with a virtual clock, crashes on demand, stand-ins for tools, and the replay check, in the rig
and of recorded journals.

A pytest plugin comes with it (``holdfast.testing.plugin``): ``HOLDFAST_ALWAYS_SUSPEND=1`` makes every rig evict its
runs at every wait.
"""

from holdfast.clock import VirtualClock
from holdfast.durable.points import POINTS
from holdfast.testing.asked import Asked
from holdfast.testing.replaying import replay
from holdfast.testing.rig import Diverged, Rig, RigRun, Stuck, open_rig

__all__ = ["POINTS", "Asked", "Diverged", "Rig", "RigRun", "Stuck", "VirtualClock", "open_rig", "replay"]
