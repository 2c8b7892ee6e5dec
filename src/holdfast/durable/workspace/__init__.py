"""Workspaces: a directory per run, whose files are recorded with the journal and restored wherever the run resumes.

::

    place       the workspace's path, and how recorded values and fingerprints do without it
    folder      the directory on this machine: claimed by one activation, made, removed
    scan        what has changed in it
    chunks      how a file is cut into contents
    restore     how it is made again
    workspace   the above around the effects of an activation
"""
