"""Peers: the same work done by other systems, each in a Python process and an environment of its own.

The modules ``with_*.py`` run in that environment, where Holdfast is not installed. Each is a script that prints one
line of JSON: what it reached, and with which versions.
"""
