"""One suite for every key-value store."""

import asyncio
import uuid
from collections.abc import AsyncIterator

import pytest

from shared.errors import Unavailable
from shared.kv import KeyValue, open_kv
from shared.kv.memory import MemoryKeyValue
from shared.kv.redis import RedisKeyValue


@pytest.fixture(params=["memory", "redis"])
async def kv(request: pytest.FixtureRequest) -> AsyncIterator[KeyValue]:
    store: KeyValue = MemoryKeyValue()
    if request.param == "redis":  # patient: asked is what it answers, not how soon
        store = RedisKeyValue(request.getfixturevalue("redis_url"), timeout_s=10.0)
    yield store
    await store.close()


@pytest.fixture
def key() -> str:
    return f"test:{uuid.uuid4()}"


async def test_what_was_set_can_be_read(kv: KeyValue, key: str) -> None:
    assert await kv.get(key) is None
    assert await kv.set(key, b"\x00value")
    assert await kv.get(key) == b"\x00value"
    assert await kv.get_many([key, f"{key}-absent"]) == [b"\x00value", None]


async def test_if_absent_lets_only_the_first_one_set(kv: KeyValue, key: str) -> None:
    assert await kv.set(key, b"a", if_absent=True)
    assert not await kv.set(key, b"b", if_absent=True)
    assert await kv.get(key) == b"a"


async def test_a_value_is_gone_after_its_time(kv: KeyValue, key: str) -> None:
    await kv.set(key, b"a", ttl_s=0.05)
    await asyncio.sleep(0.1)
    assert await kv.get(key) is None


async def test_deleting_counts_what_was_there(kv: KeyValue, key: str) -> None:
    await kv.set(key, b"a")
    assert await kv.delete(key, f"{key}-absent") == 1
    assert await kv.get(key) is None


async def test_an_item_is_appended_once_and_keeps_its_number(kv: KeyValue, key: str) -> None:
    more = {"ttl_s": 60.0, "max_items": 10}
    assert await kv.append_once(key, {"x": b"first\x00"}, **more) == [1]
    assert await kv.append_once(key, {"y": b"second"}, **more) == [2]
    assert await kv.append_once(key, {"x": b"again"}, **more) == [1]
    assert await kv.read_after(key, 0) == [(1, b"first\x00"), (2, b"second")]
    assert await kv.read_after(key, 1) == [(2, b"second")]


async def test_several_items_are_appended_in_order_at_once(kv: KeyValue, key: str) -> None:
    more = {"ttl_s": 60.0, "max_items": 10}
    await kv.append_once(key, {"b": b"2"}, **more)
    assert await kv.append_once(key, {"a": b"1", "b": b"again", "c": b"3"}, **more) == [2, 1, 3]
    assert await kv.read_after(key, 0) == [(1, b"2"), (2, b"1"), (3, b"3")]


async def test_several_values_are_set_with_one_call_and_expire(kv: KeyValue, key: str) -> None:
    await kv.set_many({f"{key}-a": b"1", f"{key}-b": b"2"}, ttl_s=0.1)
    assert await kv.get_many([f"{key}-a", f"{key}-b"]) == [b"1", b"2"]
    await asyncio.sleep(0.15)
    assert await kv.get_many([f"{key}-a", f"{key}-b"]) == [None, None]


async def test_old_items_fall_off_and_numbers_go_on(kv: KeyValue, key: str) -> None:
    for n in range(5):
        await kv.append_once(key, {f"id{n}": str(n).encode()}, ttl_s=60, max_items=2)
    assert await kv.read_after(key, 0) == [(4, b"3"), (5, b"4")]


async def test_appenders_at_the_same_time_agree(kv: KeyValue, key: str) -> None:
    ids = [f"id{n % 7}" for n in range(40)]
    found = await asyncio.gather(
        *(kv.append_once(key, {i: i.encode()}, ttl_s=60, max_items=100) for i in ids)
    )
    numbers = [number for [number] in found]
    assert len(set(zip(ids, numbers, strict=True))) == 7
    assert sorted(set(numbers)) == list(range(1, 8))


async def test_counting_up_keeps_the_first_expiry(kv: KeyValue, key: str) -> None:
    assert await kv.increment(key, ttl_s=0.15) == 1
    await asyncio.sleep(0.08)
    assert await kv.increment(key, ttl_s=0.15) == 2
    await asyncio.sleep(0.12)
    assert await kv.increment(key) == 1


async def test_fields_of_a_map_can_be_set_read_and_removed(kv: KeyValue, key: str) -> None:
    await kv.put_field(key, "a", b"1", ttl_s=60)
    await kv.put_field(key, "b", b"2", ttl_s=60)
    await kv.remove_field(key, "a")
    assert dict(await kv.fields(key)) == {"b": b"2"}
    assert dict(await kv.fields(f"{key}-absent")) == {}


async def test_a_store_that_is_away_says_so() -> None:
    store = open_kv("redis://127.0.0.1:1/0")
    assert not await store.ping()
    with pytest.raises(Unavailable):
        await store.get("x")
    await store.close()
