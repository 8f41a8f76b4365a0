"""The error tree. Four signals, and only `chain.py` acts on them.

    SwitchboardError
    ├── Transient       try again with jitter, inside the turn's deadline
    │   └── Unavailable     the dependency is away; health probes will say so too
    ├── Overloaded      a bounded queue is full: pause, then shed
    ├── InvalidEvent    this message can never work: dead letter with the reason
    └── ConfigurationError   a setting is wrong; raised at start only, names key, value and range

Anything else that leaves a handler is a bug: dead letter, alert, and a failed test.
Expected outcomes (a cache miss, low confidence, a blocked text) are values, never errors.
"""


class SwitchboardError(Exception):
    """Base of every error this project raises on purpose."""


class Transient(SwitchboardError):
    """The same call may work in a moment."""


class Unavailable(Transient):
    """A dependency cannot be reached at all."""


class Overloaded(SwitchboardError):
    """A bounded queue is full. `retry_after_s` is when it is worth asking again."""

    def __init__(self, message: str, retry_after_s: float = 0.25) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class InvalidEvent(SwitchboardError):
    """No retry can help: the bytes or the fields are wrong."""


class ConfigurationError(SwitchboardError):
    """A setting has a value it must not have."""
