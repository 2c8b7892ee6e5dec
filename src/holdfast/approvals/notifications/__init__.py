"""Notifications: what is asked of people reaches them, through a transactional outbox.

::

    a run asks, a person decides     the store adds a message in the same transaction
                 │
          sharing.py                 which channels want it, and when: digests, quiet hours
          planning.py                what is still worth saying, and in which order
          letter.py                  what is said
                 │
        webhook.py | others.py       how it gets there
                 │
          postman.py                 the chore that does all this, at least once each
"""
