"""The arithmetic of commits, against a model that simply remembers everything."""

from hypothesis import given
from hypothesis import strategies as st

from shared.bus.progress import Lane, Ledger, Progress

LANE = Lane("topic", 0)
OTHER = Lane("topic", 1)


@given(
    offsets=st.lists(st.integers(0, 500), min_size=1, max_size=40, unique=True).map(sorted),
    data=st.data(),
)
def test_the_watermark_is_the_oldest_message_that_is_not_done(
    offsets: list[int], data: st.DataObject
) -> None:
    progress = Progress()
    for offset in offsets:
        progress.delivered(offset)
    finished = data.draw(st.permutations(offsets))
    open_offsets = set(offsets)
    for offset in finished[: data.draw(st.integers(0, len(offsets)))]:
        assert progress.done(offset)
        open_offsets.discard(offset)
        assert progress.watermark == min(open_offsets, default=offsets[-1] + 1)
    assert len(progress) == len(open_offsets)


@given(st.lists(st.tuples(st.sampled_from([LANE, OTHER]), st.booleans()), max_size=60))
def test_the_watermark_never_goes_back_while_a_lane_is_held(
    steps: list[tuple[Lane, bool]],
) -> None:
    ledger = Ledger()
    ledger.assign(LANE, 0)
    ledger.assign(OTHER, 0)
    following = {LANE: 0, OTHER: 0}
    waiting: dict[Lane, list[int]] = {LANE: [], OTHER: []}
    marks: dict[Lane, int] = {}
    for lane, deliver in steps:
        if deliver:
            ledger.delivered(lane, following[lane])
            waiting[lane].append(following[lane])
            following[lane] += 1
        elif waiting[lane]:
            ledger.done(lane, waiting[lane].pop())
        pending = ledger.pending()
        assert all(mark >= marks.get(each, 0) for each, mark in pending.items())
        marks.update(pending)
        ledger.committed(pending)
    assert ledger.in_flight == sum(map(len, waiting.values()))


def test_a_lane_that_was_given_away_commits_nothing() -> None:
    ledger = Ledger()
    ledger.assign(LANE, 0)
    ledger.delivered(LANE, 0)
    ledger.revoke([LANE])
    assert not ledger.done(LANE, 0)
    assert ledger.pending() == {}
    assert ledger.in_flight == 0


def test_what_was_done_before_a_lane_came_back_counts_only_if_it_is_out_again() -> None:
    ledger = Ledger()
    ledger.assign(LANE, 0)
    ledger.delivered(LANE, 5)
    ledger.revoke([LANE])
    ledger.assign(LANE, 5)
    assert not ledger.done(LANE, 5)
    assert ledger.pending() == {LANE: 5}
    ledger.delivered(LANE, 5)
    assert ledger.done(LANE, 5)
    assert ledger.pending() == {LANE: 6}


def test_a_failed_commit_is_pending_still() -> None:
    ledger = Ledger()
    ledger.assign(LANE, 3)
    assert ledger.pending() == {LANE: 3}
    ledger.committed({})
    assert ledger.pending() == {LANE: 3}
    ledger.committed({LANE: 3})
    assert ledger.pending() == {}


def test_a_log_that_is_read_again_from_further_back_starts_over() -> None:
    progress = Progress()
    for offset in (7, 8, 9):
        progress.delivered(offset)
    progress.delivered(2)
    assert progress.watermark == 2
    assert progress.done(2)
    assert progress.watermark == 3
