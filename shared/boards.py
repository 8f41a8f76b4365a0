"""What every process knows of the whole: the policy in force, and which turns were stopped."""

from collections import OrderedDict

from shared.events import PolicyChanged
from shared.policy import Policy


class PolicyBoard:
    """The latest policy. A process that never heard one works as if all were well."""

    def __init__(self) -> None:
        self._policy = Policy.normal()
        self._changed_unix_ms = 0

    @property
    def current(self) -> Policy:
        return self._policy

    def post(self, event: PolicyChanged) -> bool:
        """Take a policy over unless it is older than the one in force; whether it was taken."""
        if event.changed_unix_ms < self._changed_unix_ms:
            return False
        self._policy, self._changed_unix_ms = event.policy, event.changed_unix_ms
        return True


class StopBoard:
    """Turns that were stopped; bounded, the oldest are forgotten first."""

    CAPACITY = 10_000  # at 40 bytes a turn; a stop matters for seconds

    def __init__(self) -> None:
        self._turns: OrderedDict[str, None] = OrderedDict()

    def post(self, turn_id: str) -> None:
        self._turns[turn_id] = None
        while len(self._turns) > self.CAPACITY:
            self._turns.popitem(last=False)

    def has(self, turn_id: str) -> bool:
        return turn_id in self._turns
