"""Every error that Holdfast raises, in one tree.

::

    HoldfastError
    ├── UsageError                     the code calls Holdfast wrongly: fix the line it names
    │   ├── NotInRun                   a call awaited (or a context used) outside a run
    │   ├── CallReused                 a call consumed twice
    │   ├── EffectInBody               a socket, executor or subprocess from an agent's body
    │   ├── DuplicateName              two functions under one name and version
    │   ├── DuplicateKey               two items of one map, or two calls of one scope, under one key
    │   ├── BadOption                  an option that makes no sense
    │   └── BadRecording               a journal file that is foreign, newer, cut or damaged
    ├── NotStorable                   a value that would not come back as it went in
    │   └── TooLarge                   a value above the size limit
    ├── NotFound                       nothing of that name is known here
    │   ├── UnknownRun
    │   ├── UnknownAgent
    │   ├── UnknownApproval
    │   └── UnknownPerson
    ├── NotAuthenticated               nobody knows who asks: a token or session is missing, wrong, revoked or expired
    ├── ScopeMissing                   who asks is known, and may not do this
    ├── KeyConflict                    the same idempotency key with a different input
    ├── WrongState                     the run's present state forbids what was asked
    ├── DeskRefused                    what somebody asked of the desk was refused; nothing has changed
    │   ├── NotAllowed                 it is not theirs to see or decide
    │   │   └── FourEyes               it is their own request: another has to approve it
    │   ├── AlreadyDecided             somebody else was first
    │   ├── ApprovalOver               it expired, or its run no longer waits for it
    │   ├── WrongDigest                they were shown something else than what it is now
    │   ├── EditRefused                an edit does not fit
    │   ├── TokenRefused               a decision token is not taken
    │   │   ├── TokenForged            it was not made here, or was changed
    │   │   ├── TokenExpired           its time is over
    │   │   ├── TokenUsed              it has decided already
    │   │   └── TokenMisplaced         it is for something else
    │   └── MessageRefused             a decision that another system has signed is not taken
    │       ├── MessageForged          no key that is known here has signed it
    │       ├── MessageStale           it was signed too long ago, or is from the future
    │       ├── MessageReplayed        it has decided already
    │       └── MessageMisplaced       it is about something else
    ├── CallFailed                     what a body sees when a call did not succeed
    │   ├── StepFailed                 the step raised, after its retries
    │   │   └── StepTimedOut           the step's own timeout passed
    │   ├── ChildFailed                the awaited run failed
    │   │   └── ChildCancelled         the awaited run was cancelled
    │   ├── PromiseFailed              somebody failed the promise, or its value has the wrong type
    │   ├── NotApproved                what was approved is not what is about to be executed
    │   ├── NotAnswered                nobody answered what ``ctx.ask`` asked
    │   ├── OutcomeUnknown             an ``at_most_once`` effect began and nobody knows how it ended
    │   └── CallRefused                a run that is being cancelled may not begin this
    ├── RunEnded                       what ``Run.result`` raises
    │   ├── RunFailed
    │   ├── RunCancelled
    │   └── RunBlocked                 the run waits for a person to mend its code (see its message)
    └── StoreError
        ├── StoreUnusable              foreign, corrupt or newer file; wrong URL
        ├── StoreBusy                  transient: try again (busy, deadlock, disk full)
        ├── StoreRejected              poison: this change can never be applied
        ├── CommitUnknown              the connection broke while committing
        └── LeaseLost                  this worker is no longer an owner of runs
"""

from __future__ import annotations


class HoldfastError(Exception):
    """The root: catch it to catch everything that Holdfast itself raises."""


class UsageError(HoldfastError):
    """The code calls Holdfast in a way that cannot work; the message says which line to write."""


class NotInRun(UsageError):
    """A call was awaited outside a run. Start it: ``app.run(call)`` or ``await runtime.start(call)``."""


class CallReused(UsageError):
    """A call is consumed once. Make a new one: ``pay("c-1", 90)`` each time."""


class EffectInBody(UsageError):
    """Bodies do no I/O: their loop has no sockets, executors or DNS. Wrap it in ``ctx.step``."""


class DuplicateName(UsageError):
    """Two functions were registered under one name and version. Rename one or declare a new version."""


class DuplicateKey(UsageError):
    """Two items of a map, or two calls of a scope, have the same key. Keys tell them apart after a crash."""


class BadOption(UsageError, ValueError):
    """An option has a value that makes no sense; the message names it."""


class BadRecording(UsageError):
    """A journal file cannot be read or written; the message says where. ``holdfast runs export`` writes such files."""


class NotStorable(HoldfastError, ValueError):
    """A value does not survive being written and read; the message names the path inside it.

    It is never retried: the same value would fail again.
    """


class TooLarge(NotStorable):
    """A value exceeds the size limit. Put the bytes elsewhere and store a reference."""


class NotFound(HoldfastError, LookupError):
    """Nothing of that name is known here."""


class UnknownRun(NotFound):
    """No run has this id in this store."""


class UnknownAgent(NotFound):
    """No agent of this name (and version) is registered; the message lists those that are."""


class UnknownPerson(NotFound):
    """Nobody of this name is known to this store; ``holdfast people list`` shows who is."""


class NotAuthenticated(HoldfastError):
    """Who asks is not known: a token, session or link is missing, wrong, revoked, used up or expired."""


class ScopeMissing(HoldfastError):
    """Who asks is known, but their token or roles do not include what was asked; the message names what is missing."""


class UnknownApproval(NotFound):
    """No approval has this id in this store."""


class DeskRefused(HoldfastError):
    """What somebody asked of the desk was refused: it was audited, and nothing has changed."""


class NotAllowed(DeskRefused):
    """It is not this person's to see or decide: it is asked of others."""


class FourEyes(NotAllowed):
    """It is their own request, made by them or on their behalf: they may not approve it, or choose who does."""


class AlreadyDecided(DeskRefused):
    """Somebody was first: ``state`` says what they decided, ``by`` who, ``at`` when (microseconds)."""

    def __init__(self, message: str, *, state: str = "", by: tuple[str, ...] = (), at: int = 0) -> None:
        super().__init__(message)
        self.state, self.by, self.at = state, by, at


class ApprovalOver(DeskRefused):
    """It cannot be decided any more: its deadline passed, its run ended or was cancelled, or went on without it.

    ``state`` is ``"expired"``, ``"withdrawn"``, or the run's status.
    """

    def __init__(self, message: str, *, state: str = "") -> None:
        super().__init__(message)
        self.state = state


class WrongDigest(DeskRefused):
    """Something else was displayed than what is to be decided now: look again. ``present`` is the present digest."""

    def __init__(self, message: str, *, present: str = "") -> None:
        super().__init__(message)
        self.present = present


class EditRefused(DeskRefused):
    """An edit, or an answer, does not fit what it is for; ``path`` is where, such as ``$.amount``."""

    def __init__(self, message: str, *, path: str = "$") -> None:
        super().__init__(message)
        self.path = path


class TokenRefused(DeskRefused):
    """A decision token, as links in notifications have it, is not taken."""


class TokenForged(TokenRefused):
    """It was not made by this server, or was changed."""


class TokenExpired(TokenRefused):
    """Its time is over: log in to decide."""


class TokenUsed(TokenRefused):
    """It has decided already: each is good for one decision."""


class TokenMisplaced(TokenRefused):
    """It is for another approval or run than the one that it was sent to."""


class MessageRefused(DeskRefused):
    """A decision that another system has signed is not taken."""


class MessageForged(MessageRefused):
    """It is signed with no key that is known here, was changed on its way, or is not signed at all."""


class MessageStale(MessageRefused):
    """It was signed too long ago, or is from the future: look at the sender's clock, and sign it anew."""


class MessageReplayed(MessageRefused):
    """It has decided already: each is good for one decision."""


class MessageMisplaced(MessageRefused):
    """It is about another approval than the one that it was sent to."""


class KeyConflict(HoldfastError):
    """This idempotency key already belongs to a run with a different input. Use another key."""


class WrongState(HoldfastError):
    """What was asked cannot be done to a run in the state that it is in; the message says what can."""


class CallFailed(HoldfastError):
    """A call did not succeed. ``type_name``, ``message`` and ``traceback_text`` say how; equal live and replayed.

    ``seq`` is the number of the journal entry that says so, None where there is none.
    """

    seq: int | None = None

    def __init__(self, key: str, type_name: str = "", message: str = "", traceback_text: str = "") -> None:
        self.key = key
        self.type_name = type_name
        self.message = message
        self.traceback_text = traceback_text
        super().__init__(self._describe())

    def _describe(self) -> str:
        said = f"{self.type_name}: {self.message}" if self.type_name else self.message
        return f"{self.key}: {said}"


class StepFailed(CallFailed):
    """A step raised and its retries, if any, are used up."""


class StepTimedOut(StepFailed):
    """A step's own timeout passed."""


class ChildFailed(CallFailed):
    """An awaited child run failed."""


class ChildCancelled(ChildFailed):
    """An awaited child run was cancelled."""


class PromiseFailed(CallFailed):
    """A promise was failed by whoever was to resolve it, or resolved with a value of another type."""


class OutcomeUnknown(CallFailed):
    """An ``at_most_once`` effect began and its worker died, was stopped or timed out. It is not tried again:
    find out what happened outside, with the step's idempotency key, and go on from there.
    """


class NotApproved(CallFailed):
    """A call that was approved was not executed: it is not what was approved, or is so no longer.

    ``decision`` is what was decided when it was asked about again, if it was.
    """

    decision: object = None


class NotAnswered(CallFailed):
    """Nobody answered what ``ctx.ask`` asked. ``decision`` says how it ended: ``Expired``, or ``Rejected``."""

    decision: object = None


class CallRefused(CallFailed):
    """The run is being cancelled: steps may still clean up, but children and approvals do not begin."""


class RunEnded(HoldfastError):
    """A run ended without a result. ``run_id``, ``type_name``, ``message`` and ``traceback_text`` say how."""

    def __init__(self, run_id: str, type_name: str = "", message: str = "", traceback_text: str = "") -> None:
        self.run_id = run_id
        self.type_name = type_name
        self.message = message
        self.traceback_text = traceback_text
        said = f"{type_name}: {message}" if type_name else message
        super().__init__(f"run {run_id}: {said}")


class RunFailed(RunEnded):
    """The run's body raised, or its timeout passed."""


class RunCancelled(RunEnded):
    """The run was cancelled."""


class RunBlocked(RunEnded):
    """The run waits for a person: its code no longer fits its journal, or it keeps killing its worker."""


class StoreError(HoldfastError):
    """The store could not do what was asked."""


class StoreUnusable(StoreError):
    """The store cannot be opened: not a Holdfast store, damaged, or written by a newer version."""


class StoreBusy(StoreError):
    """Transient: another process holds the store, or the disk is full. The same request may succeed later."""


class StoreRejected(StoreError):
    """This change can never be applied (a constraint or a size); trying again is of no use."""


class CommitUnknown(StoreError):
    """The connection broke during a commit: it may have been applied. The message says how to find out."""


class LeaseLost(StoreError):
    """This worker's lease has ended: others may own its runs, so it must stop."""
