"""Pure: which troubles there are, which mode they mean, and the one table of modes.

    full → no_cache → no_retrieval → extractive → keyword_rules → escalate_all → fixed_text

Several parts may be broken at once, so the policy in force is the row of every active mode put
together, each knob at its more careful setting; its name is the row furthest down the ladder.
"""

from collections.abc import Mapping, Set
from dataclasses import dataclass, field, replace

from shared.identity import is_successor
from shared.policy import Policy

EXTRACTIVE_ONLY = ("extractive",)

ROUTES: Mapping[str, Policy] = {
    "full": Policy.normal(),
    "no_rerank": Policy(mode="no_rerank", rerank=False),
    "no_cache": Policy(mode="no_cache", use_cache=False),
    "lexical": Policy(mode="lexical", retrieval="lexical", rerank=False),
    "extractive": Policy(mode="extractive", tiers=EXTRACTIVE_ONLY),
    "no_retrieval": Policy(mode="no_retrieval", retrieval="off", serve_stale=True),
    "keyword_rules": Policy(mode="keyword_rules", classify=False),
    "escalate_all": Policy(mode="escalate_all", escalate_all=True),
    "fixed_text": Policy(mode="fixed_text", fixed_text=True),
}
"""One row per mode, best first; one column per knob of `Policy`."""

LADDER = tuple(ROUTES)

# A trouble → the mode that works around it. `service:` troubles are dead processes, `dependency:`
# ones what a living process cannot reach.
MODE_FOR: Mapping[str, str] = {
    "service:cache": "no_cache",
    "service:intent": "keyword_rules",
    "service:retrieval": "no_retrieval",
    "service:generation": "extractive",
    "dependency:kv": "no_cache",
    "dependency:embedder": "lexical",
    "dependency:vectors": "no_retrieval",
    "dependency:llm": "extractive",
}
BYPASSABLE = frozenset({"cache", "intent", "retrieval", "generation"})
FORGET_S = 600.0  # an instance that never came back no longer counts
COVERED = BYPASSABLE | {"safety"}  # safety has an understudy, but nobody steps past it


@dataclass(frozen=True)
class Report:
    """The newest word of one instance."""

    service: str
    dependencies: Mapping[str, bool]
    at_s: float
    address: str = ""  # host:port to knock at when it falls silent


@dataclass(frozen=True)
class State:
    """What the controller remembers between two looks."""

    started_s: float
    reports: Mapping[str, Report] = field(default_factory=dict)  # instance → its newest report
    since_s: Mapping[str, float] = field(default_factory=dict)  # trouble → when it was first seen
    until_s: Mapping[str, float] = field(default_factory=dict)  # active → when it was last seen
    active: Set[str] = frozenset()
    dead: Set[str] = frozenset()  # instances that are dead for certain, not merely silent


def heard(state: State, instance: str, report: Report) -> State:
    """The state after one health report; whoever had its place before is dead."""
    kept = {
        name: older
        for name, older in state.reports.items()
        if older.service != report.service
        or (name not in state.dead and report.at_s - older.at_s < FORGET_S)
    }
    replaced = {name for name in kept if is_successor(instance, name)}
    dead = (state.dead & kept.keys() | replaced) - {instance}
    return replace(state, reports={**kept, instance: report}, dead=dead)


def in_doubt(state: State, now_s: float, doubt_s: float) -> Mapping[str, str]:
    """Instances that have been silent for a moment → the address that tells if they live."""
    return {
        name: report.address
        for name, report in state.reports.items()
        if report.address and name not in state.dead and now_s - report.at_s > doubt_s
    }


def pronounced_dead(state: State, instances: Set[str]) -> State:
    """The state once instances are known to be dead, unless they spoke meanwhile."""
    return replace(state, dead=state.dead | (instances & state.reports.keys()))


def departed(state: State, now_s: float, silent_s: float) -> Mapping[str, str]:
    """Instances that hold partitions and do not work → their service.

    Silence alone must have lasted: after an outage of the broker everybody has been silent.
    """
    return {
        name: report.service
        for name, report in state.reports.items()
        if name in state.dead
        or (now_s - report.at_s > silent_s and f"service:{report.service}" in state.active)
    }


def troubles(state: State, now_s: float, silent_s: float, grace_s: float) -> frozenset[str]:
    """What is wrong at this moment, before any hysteresis."""
    fresh = [
        report
        for name, report in state.reports.items()
        if name not in state.dead and now_s - report.at_s <= silent_s
    ]
    alive = {report.service for report in fresh}
    known = {r.service for r in state.reports.values()}
    if now_s - state.started_s > grace_s:
        known |= COVERED
    found = {f"service:{name}" for name in known - alive}
    answers: dict[str, list[bool]] = {}
    for report in fresh:
        for name, reachable in report.dependencies.items():
            answers.setdefault(name, []).append(reachable)
    # One process that cannot reach a thing is that process's trouble; all of them is the thing's.
    found |= {f"dependency:{name}" for name, said in answers.items() if not any(said)}
    models = [name for name in answers if name.endswith("_llm")]
    if models and all(f"dependency:{name}" in found for name in models):
        found.add("dependency:llm")
    return frozenset(found)


def certain(state: State, found: Set[str]) -> frozenset[str]:
    """The troubles that need not last to be believed: every instance is dead for certain."""
    living = {r.service for name, r in state.reports.items() if name not in state.dead}
    reported = {r.service for r in state.reports.values()}
    return frozenset(found & {f"service:{name}" for name in reported - living})


def next_state(
    state: State, found: Set[str], now_s: float, down_after_s: float, up_after_s: float
) -> State:
    """Hysteresis: quick to believe a trouble, slower to believe that it is over."""
    since = {t: state.since_s.get(t, now_s) for t in found}
    until = {t: now_s if t in found else state.until_s.get(t, now_s) for t in state.active}
    begun = {t for t, at in since.items() if now_s - at >= down_after_s} | certain(state, found)
    lasting = {t for t in state.active if t in found or now_s - until[t] < up_after_s}
    active = frozenset(begun | lasting)
    until = {t: until.get(t, now_s) for t in active}
    return replace(state, since_s=since, until_s=until, active=active)


def next_policy(active: Set[str], forced_mode: str = "") -> Policy:
    """The policy for the active troubles."""
    modes = {MODE_FOR[trouble] for trouble in active if trouble in MODE_FOR}
    dead = {t.removeprefix("service:") for t in active if t.startswith("service:")}
    if {"intent", "retrieval"} <= dead:
        modes.add("escalate_all")
        if "escalation" in dead:
            modes.add("fixed_text")
    if forced_mode:
        modes.add(forced_mode)
    policy = combine([ROUTES[mode] for mode in sorted(modes, key=LADDER.index)])
    return policy.model_copy(update={"bypassed": frozenset(dead & BYPASSABLE)})


def combine(rows: list[Policy]) -> Policy:
    """All rows at once, every knob at its more careful setting; named after the last row."""
    retrieval_order = ("hybrid", "lexical", "off")
    rows = [Policy.normal(), *rows]
    return Policy(
        mode=rows[-1].mode,
        use_cache=all(row.use_cache for row in rows),
        serve_stale=any(row.serve_stale for row in rows),
        classify=all(row.classify for row in rows),
        retrieval=max((row.retrieval for row in rows), key=retrieval_order.index),
        rerank=all(row.rerank for row in rows),
        tiers=min((row.tiers for row in rows), key=len),
        escalate_all=any(row.escalate_all for row in rows),
        fixed_text=any(row.fixed_text for row in rows),
    )


def to_cover(active: Set[str]) -> frozenset[str]:
    """Dead services whose topics an understudy must drain."""
    dead = {t.removeprefix("service:") for t in active if t.startswith("service:")}
    return frozenset(dead & COVERED)
