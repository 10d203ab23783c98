from __future__ import annotations

from pathlib import Path

import pytest

from noxden.den.collect import Plan, Removal, compute_plan
from noxden.den.inventory import BaseEntry, Inventory, MemoEntry
from noxden.den.limits import Limits, parse_age, parse_size
from noxden.den.wheels.holdings import ClosureEntry, Holdings, StoredEntry
from noxden.den.wheels.prune import PrunePlan
from noxden.errors import UsageError

DAY = 86400.0
NOW = 1000 * DAY
MB = 10**6
NO_LIMITS = Limits(max_size=10**15, max_age=10_000 * DAY)


def make_entry(
    key: str,
    *,
    idle: float = 0.0,
    own: int = MB,
    shared: dict[str, int] | None = None,
    in_use: bool = False,
    roots: tuple[str, ...] = (),
) -> BaseEntry:
    shared = shared or {}
    return BaseEntry(
        key=key,
        python="3.12.1",
        names=tuple(sorted(artifact.partition("@")[0] for artifact in shared)),
        size=own + sum(shared.values()),
        created=0.0,
        last_used=NOW - idle,
        in_use=in_use,
        roots=roots,
        shared=shared,
        artifacts=frozenset(shared),
    )


def make_inventory(*bases: BaseEntry, total: int = 0, only_cache: int = 0) -> Inventory:
    return Inventory(
        bases=bases, leftovers=(), dead_roots=(), memos=(), uv_cache=0,
        total=total or sum(base.size for base in bases), only_cache=only_cache,
    )  # fmt: skip


def test_nothing_goes_below_the_limits() -> None:
    plan = compute_plan(make_inventory(make_entry("a", idle=DAY)), NO_LIMITS, NOW)

    assert plan == Plan((), (), (), (), (), prune_cache=False, drop_downloads=False,
                        total=MB, expected=MB, over=0)  # fmt: skip


def test_what_is_unused_for_too_long_goes_oldest_first() -> None:
    bases = (
        make_entry("a", idle=40 * DAY),
        make_entry("b", idle=10 * DAY),
        make_entry("c", idle=50 * DAY),
    )

    plan = compute_plan(make_inventory(*bases), Limits(10**15, 30 * DAY), NOW)

    assert plan.removals == (
        Removal("c", "unused for 50 days", MB, NOW - 50 * DAY),
        Removal("a", "unused for 40 days", MB, NOW - 40 * DAY),
    )
    assert (plan.total, plan.expected, plan.prune_cache) == (3 * MB, MB, True)


def test_over_the_size_the_least_recently_used_go_until_it_fits() -> None:
    bases = [make_entry(key, idle=idle * DAY) for key, idle in (("a", 1), ("b", 3), ("c", 2))]

    plan = compute_plan(make_inventory(*bases), Limits(2 * MB, 30 * DAY), NOW)

    assert [(one.key, one.reason) for one in plan.removals] == [("b", "over max-size")]
    assert (plan.over, plan.drop_downloads) == (0, True)


@pytest.mark.parametrize("shield", [{"in_use": True}, {"roots": ("/checkout/.nox/unit",)}])
def test_what_is_in_use_or_stood_on_stays_whatever_the_limits(shield: dict[str, object]) -> None:
    inventory = make_inventory(make_entry("a", idle=900 * DAY, **shield))  # type: ignore[arg-type]

    plan = compute_plan(inventory, Limits(0, 0.0), NOW)

    assert plan.removals == ()
    assert (plan.over, plan.drop_downloads) == (MB, True)


def test_a_package_that_a_kept_base_selects_frees_nothing_and_stays_in_the_cache() -> None:
    old = make_entry("old", idle=40 * DAY, shared={"numpy@1": 5 * MB, "six@1": MB})
    new = make_entry("new", shared={"numpy@1": 5 * MB})

    plan = compute_plan(make_inventory(old, new, total=8 * MB), Limits(10**15, 30 * DAY), NOW)

    assert plan.removals == (Removal("old", "unused for 40 days", 2 * MB, NOW - 40 * DAY),)
    assert plan.packages == ("six",)
    assert plan.expected == 6 * MB


def test_two_removed_bases_free_what_they_share_once() -> None:
    bases = [make_entry(key, idle=40 * DAY, shared={"numpy@1": 5 * MB}) for key in "ab"]

    plan = compute_plan(make_inventory(*bases, total=7 * MB), Limits(10**15, 30 * DAY), NOW)

    assert [one.frees for one in plan.removals] == [MB, 6 * MB]
    assert plan.expected == 0


def test_ten_idle_bases_each_with_another_torch_free_what_only_they_have() -> None:
    kept = make_entry("kept", shared={"torch@kept": 500 * MB})
    idle = [
        make_entry(f"old{number}", idle=40 * DAY, shared={f"torch@{number}": 500 * MB})
        for number in range(10)
    ]
    inventory = make_inventory(kept, *idle)

    plan = compute_plan(inventory, Limits(600 * MB, 30 * DAY), NOW)

    assert len(plan.removals) == 10
    assert (plan.expected, plan.over, plan.drop_downloads) == (501 * MB, 0, True)
    assert plan.packages == ()


def test_below_the_size_another_version_of_a_kept_package_stays_in_the_cache() -> None:
    kept = make_entry("kept", shared={"torch@kept": 500 * MB})
    idle = make_entry("idle", idle=40 * DAY, shared={"torch@idle": 500 * MB})

    plan = compute_plan(make_inventory(kept, idle), Limits(10**15, 30 * DAY), NOW)

    assert [one.frees for one in plan.removals] == [MB]
    assert (plan.packages, plan.drop_downloads) == ((), False)


def test_over_the_size_the_cache_drops_its_downloads_before_bases_go() -> None:
    bases = [make_entry(key, idle=idle * DAY) for key, idle in (("a", 1), ("b", 3))]
    inventory = make_inventory(*bases, total=10 * MB, only_cache=8 * MB)

    enough = compute_plan(inventory, Limits(3 * MB, 30 * DAY), NOW)
    too_little = compute_plan(inventory, Limits(MB, 30 * DAY), NOW)
    afterwards = compute_plan(inventory, Limits(9 * MB, 30 * DAY), NOW, dropped=True)

    assert (enough.removals, enough.expected, enough.drop_downloads) == ((), 2 * MB, True)
    assert [one.key for one in too_little.removals] == ["b"]
    assert [one.key for one in afterwards.removals] == ["b"]


def test_a_base_that_nothing_over_the_limits_concerns_stays_though_its_downloads_go() -> None:
    inventory = make_inventory(make_entry("a", idle=DAY), total=5 * MB, only_cache=4 * MB)

    plan = compute_plan(inventory, Limits(2 * MB, 30 * DAY), NOW)

    assert (plan.removals, plan.drop_downloads, plan.over) == ((), True, 0)


def test_left_overs_dead_roots_and_old_memos_go_along() -> None:
    memos = MemoEntry(Path("old"), NOW - 31 * DAY), MemoEntry(Path("new"), NOW - DAY)
    inventory = Inventory((), (Path(".building"),), (Path("root"),), memos, uv_cache=0, total=0)

    plan = compute_plan(inventory, Limits(10**15, 30 * DAY), NOW)

    assert plan.leftovers == (Path(".building"),)
    assert plan.dead_roots == (Path("root"),)
    assert plan.memos == (Path("old"),)


def make_store(*closures: ClosureEntry) -> Holdings:
    paths = {Path(name) for closure in closures for name in closure.names}
    return Holdings(closures, tuple(StoredEntry(path, MB, 0.0) for path in sorted(paths)))


DEAD, LIVE = (
    ClosureEntry("dead", NOW - 10 * DAY, live=False, names=frozenset("ab")),
    ClosureEntry("live", NOW - 90 * DAY, live=True, names=frozenset("bc")),
)


def test_wheels_that_were_not_needed_for_too_long_go_and_count_as_freed() -> None:
    inventory = Inventory((), (), (), (), uv_cache=0, total=3 * MB, store=make_store(DEAD, LIVE))

    young = compute_plan(inventory, Limits(10**15, 30 * DAY), NOW)
    old = compute_plan(inventory, Limits(10**15, 9 * DAY), NOW)

    assert (young.wheels, young.expected) == (PrunePlan(), 3 * MB)
    assert (old.wheels.closures, old.wheels.artifacts) == (("dead",), (Path("a"),))
    assert old.expected == 2 * MB


def test_over_the_size_wheels_that_nobody_needs_go_before_downloads_and_bases() -> None:
    base = make_entry("base", idle=DAY)
    inventory = make_inventory(base, total=9 * MB, only_cache=5 * MB)
    inventory = inventory._replace(store=make_store(DEAD, LIVE))

    enough = compute_plan(inventory, Limits(8 * MB, 30 * DAY), NOW)
    downloads = compute_plan(inventory, Limits(7 * MB, 30 * DAY), NOW)
    everything = compute_plan(inventory, Limits(0, 30 * DAY), NOW)

    assert (enough.wheels.closures, enough.drop_downloads, enough.removals) == (
        ("dead",),
        False,
        (),
    )
    assert (downloads.expected, downloads.drop_downloads, downloads.removals) == (3 * MB, True, ())
    assert [one.key for one in everything.removals] == ["base"]
    assert (everything.wheels.artifacts, everything.over) == ((Path("a"),), 2 * MB)


@pytest.mark.parametrize(
    ("text", "size"),
    [("20GB", 20 * 10**9), ("1.5 GiB", 1_610_612_736), ("500", 500), ("7kb", 7000)],
)
def test_sizes_are_read_as_people_write_them(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    ("text", "age"), [("30d", 30 * DAY), ("12h", DAY / 2), ("2w", 14 * DAY), ("45m", 2700.0)]
)
def test_ages_are_read_as_people_write_them(text: str, age: float) -> None:
    assert parse_age(text) == age


def test_what_is_no_size_or_age_is_told_with_an_example() -> None:
    with pytest.raises(UsageError, match=r"'20 bananas' is no size; .* 20GB$"):
        parse_size("20 bananas")
    with pytest.raises(UsageError, match=r"'30' is no age; .* 30d$"):
        parse_age("30")
