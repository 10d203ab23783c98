"""Laws of the options: a session's options survive the way through nox."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from noxden.lock.request import Request
from noxden.sessions.options import SessionOptions

names = st.lists(st.text(min_size=1), max_size=3).map(tuple)
options = st.builds(
    SessionOptions,
    groups=names,
    only_groups=names,
    extras=names,
    packages=names,
    layered=st.booleans(),
    any_lock=st.booleans(),
)


@given(options)
def test_options_spelled_as_venv_params_read_back_as_the_options(made: SessionOptions) -> None:
    assert SessionOptions.from_venv_params(made.venv_params) == made


@given(options, st.none() | st.text())
def test_the_request_carries_every_option(made: SessionOptions, python: str | None) -> None:
    assert made.request(python) == Request(
        groups=made.groups,
        only_groups=made.only_groups,
        extras=made.extras,
        packages=made.packages,
        python=python,
        any_lock=made.any_lock,
    )


@given(options, st.randoms())
def test_the_order_and_number_of_names_does_not_change_what_is_asked_of_uv(
    made: SessionOptions, random: object
) -> None:
    def shuffled(some: tuple[str, ...]) -> tuple[str, ...]:
        mixed = [*some, *some]
        random.shuffle(mixed)  # type: ignore[attr-defined]
        return tuple(mixed)

    other = SessionOptions(
        shuffled(made.groups),
        shuffled(made.only_groups),
        shuffled(made.extras),
        shuffled(made.packages),
    )
    assert other.request("3.12").selectors == made.request("3.12").selectors
