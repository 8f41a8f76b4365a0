"""`down`: services first, then Redis, then the broker, whatever is left of the supervisor."""

from infra.local import orphans
from infra.local.cluster import Cluster
from infra.local.supervisor import Supervisor
from shared.errors import SwitchboardError

_FOUNDATION = ("redis", "kafka")  # in the order they stop


def down(cluster: Cluster) -> int:
    """Stop everything; how many processes there were."""
    supervisor = Supervisor(cluster)
    count = 0
    if supervisor.alive():
        try:
            count = sum(state == "RUNNING" for state in supervisor.states().values())
            _in_order(supervisor)
        except SwitchboardError:
            pass  # it died under our hands: what it left behind is found below
    return count + orphans.stop(cluster.var)


def _in_order(supervisor: Supervisor) -> None:
    names = list(supervisor.states())
    supervisor.stop([name for name in names if name not in _FOUNDATION])
    for name in _FOUNDATION:
        if name in names:
            supervisor.stop([name])
    supervisor.shutdown()
