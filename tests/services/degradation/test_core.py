"""Modes, hysteresis and the combination of troubles."""

from hypothesis import given
from hypothesis import strategies as st

from services.degradation.core import (
    LADDER,
    MODE_FOR,
    ROUTES,
    Report,
    State,
    combine,
    departed,
    heard,
    in_doubt,
    next_policy,
    next_state,
    pronounced_dead,
    to_cover,
    troubles,
)
from shared.policy import Policy

ALL_TROUBLES = (*MODE_FOR, "service:safety", "service:escalation", "service:history")


def report(state: State, service: str, at_s: float, **dependencies: bool) -> State:
    return heard(state, f"{service}-1", Report(service, dependencies, at_s))


def test_a_service_that_falls_silent_is_dead() -> None:
    state = report(State(started_s=0), "intent", 10)
    assert troubles(state, 12, silent_s=3, grace_s=30) == frozenset()
    assert troubles(state, 14, silent_s=3, grace_s=30) == {"service:intent"}


def placed(state: State, instance: str, at_s: float) -> State:
    return heard(state, instance, Report("intent", {}, at_s, "127.0.0.1:8083"))


def test_a_proven_death_counts_at_once_and_silence_must_last() -> None:
    state = pronounced_dead(
        placed(State(started_s=0), "intent-host-8083-1", 10), {"intent-host-8083-1"}
    )
    found = troubles(state, 10.5, silent_s=3, grace_s=30)
    assert found == {"service:intent"}
    assert next_state(state, found, 10.5, 1, 5).active == {"service:intent"}
    silent = placed(State(started_s=0), "intent-host-8083-1", 10)
    found = troubles(silent, 14, silent_s=3, grace_s=30)
    assert next_state(silent, found, 14, 1, 5).active == frozenset()


def test_one_dead_copy_is_no_trouble_and_loses_its_partitions() -> None:
    state = placed(placed(State(started_s=0), "intent-a-8083-1", 10), "intent-b-8083-1", 10)
    state = pronounced_dead(state, {"intent-a-8083-1"})
    assert troubles(state, 10.5, silent_s=3, grace_s=30) == frozenset()
    assert departed(state, 10.5, silent_s=3) == {"intent-a-8083-1": "intent"}


def test_a_process_in_the_same_place_proves_the_older_one_dead() -> None:
    state = placed(placed(State(started_s=0), "intent-host-8083-1", 10), "intent-host-8083-2", 11)
    assert departed(state, 11, silent_s=3) == {"intent-host-8083-1": "intent"}
    assert departed(placed(state, "intent-host-8083-2", 12), 12, silent_s=3) == {}


def test_an_instance_that_speaks_again_is_alive() -> None:
    state = pronounced_dead(
        placed(State(started_s=0), "intent-host-8083-1", 10), {"intent-host-8083-1"}
    )
    assert departed(placed(state, "intent-host-8083-1", 11), 11, silent_s=3) == {}


def test_silence_of_everybody_evicts_nobody_until_it_has_lasted() -> None:
    state = placed(State(started_s=0), "intent-host-8083-1", 10)
    assert departed(state, 60, silent_s=3) == {}
    state = next_state(state, {"service:intent"}, 60, 1, 5)
    state = next_state(state, {"service:intent"}, 61.5, 1, 5)
    assert departed(state, 61.5, silent_s=3) == {"intent-host-8083-1": "intent"}


def test_only_the_silent_with_an_address_are_in_doubt() -> None:
    state = placed(report(State(started_s=0), "cache", 10), "intent-host-8083-1", 10)
    assert in_doubt(state, 10.5, doubt_s=0.6) == {}
    assert in_doubt(state, 11, doubt_s=0.6) == {"intent-host-8083-1": "127.0.0.1:8083"}


def test_instances_that_never_came_back_are_forgotten() -> None:
    state = placed(placed(State(started_s=0), "intent-a-0-1", 10), "intent-b-0-1", 1000)
    assert state.reports.keys() == {"intent-b-0-1"}


def test_nobody_is_dead_before_the_grace_is_over() -> None:
    assert troubles(State(started_s=0), 29, silent_s=3, grace_s=30) == frozenset()
    assert "service:cache" in troubles(State(started_s=0), 31, silent_s=3, grace_s=30)


def test_a_dependency_is_down_only_when_nobody_reaches_it() -> None:
    state = report(report(State(started_s=0), "cache", 1, kv=False), "safety", 1, kv=True)
    assert troubles(state, 2, 3, 30) == frozenset()
    state = report(state, "safety", 2, kv=False)
    assert troubles(state, 2, 3, 30) == {"dependency:kv"}


def test_a_trouble_must_last_and_so_must_a_recovery() -> None:
    state = next_state(State(started_s=0), {"dependency:kv"}, 10, down_after_s=1, up_after_s=5)
    assert not state.active
    state = next_state(state, {"dependency:kv"}, 11.5, 1, 5)
    assert state.active == {"dependency:kv"}
    state = next_state(state, set(), 13, 1, 5)
    assert state.active == {"dependency:kv"}
    state = next_state(state, set(), 17, 1, 5)
    assert not state.active


def test_two_troubles_give_both_their_knobs_and_the_lower_name() -> None:
    policy = next_policy({"dependency:kv", "service:generation"})
    assert policy.mode == "extractive"
    assert not policy.use_cache
    assert policy.tiers == ("extractive",)
    assert policy.bypassed == {"generation"}


def test_safety_is_covered_but_never_stepped_past() -> None:
    assert next_policy({"service:safety"}).bypassed == frozenset()
    assert to_cover({"service:safety"}) == {"safety"}


def test_an_operator_can_hold_a_mode() -> None:
    assert next_policy(set(), "escalate_all").escalate_all


def test_every_row_is_named_after_itself() -> None:
    assert {mode: row.mode for mode, row in ROUTES.items()} == {mode: mode for mode in LADDER}


@given(st.sets(st.sampled_from(ALL_TROUBLES)), st.sampled_from(ALL_TROUBLES))
def test_more_trouble_never_makes_a_policy_less_careful(active: set[str], more: str) -> None:
    before, after = next_policy(active), next_policy(active | {more})
    assert combine([before, after]).model_copy(update={"mode": "", "bypassed": frozenset()}) == (
        after.model_copy(update={"mode": "", "bypassed": frozenset()})
    )
    assert before.bypassed <= after.bypassed


def test_no_trouble_is_the_normal_policy() -> None:
    assert next_policy(set()) == Policy.normal()
