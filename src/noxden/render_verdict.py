"""What is told of caches: whether they help, and what is installed for a GPU that is not there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from noxden.den.wheels.variants import render_cpu_variant
from noxden.den.wheels.verdict import ENOUGH
from noxden.render import print_lines, print_table, render_size

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from noxden.den.wheels.variants import AcceleratorWheel
    from noxden.den.wheels.verdict import Figure, Gain, Verdict

__all__ = ["print_verdicts", "render_verdict_markdown", "render_waste", "verdict_to_json"]

_COLUMNS = ("machine", "what", "runs>", "a run>", "seconds>", "rate>")


def print_verdicts(verdicts: Sequence[Verdict], wasted: Sequence[AcceleratorWheel]) -> None:
    """Print the figures as a table, then what they mean."""
    if verdicts:
        print_table(_COLUMNS, _rows(verdicts))
    print_lines(_explain(verdicts))
    if wasted:
        print_lines(["", *render_waste(wasted).splitlines()])


def render_verdict_markdown(
    verdicts: Sequence[Verdict], wasted: Sequence[AcceleratorWheel] = ()
) -> str:
    """The same for a summary in Markdown."""
    lines = ["### Does the cache help?", ""]
    if verdicts:
        lines += ["| " + " | ".join(name.removesuffix(">") for name in _COLUMNS) + " |"]
        lines += ["|" + "|".join("--:" if ">" in name else "---" for name in _COLUMNS) + "|"]
        lines += [f"| {' | '.join(row)} |" for row in _rows(verdicts)]
        lines += [""]
    lines += [f"- {line}" for line in _explain(verdicts)]
    if wasted:
        told, _, snippet = render_waste(wasted).partition("\n\n")
        lines += [f"- {told}", *(["", "```toml", snippet.rstrip(), "```"] if snippet else [])]
    return "\n".join(lines) + "\n"


def _rows(verdicts: Sequence[Verdict]) -> Iterator[tuple[str, ...]]:
    for one in verdicts:
        yield from _row(one.runner, "index", one.fetch)
        for gain in one.gains:
            yield from _row(one.runner, gain.cache, gain.figure)
        yield from _row(one.runner, "install from the store", one.install)
        yield from _row(one.runner, "install by uv alone", one.alone)


def _row(runner: str, what: str, figure: Figure) -> Iterator[tuple[str, ...]]:
    if figure.runs:
        rate = f"{render_size(int(figure.rate))}/s" if figure.rate else "-"
        size = render_size(int(figure.bytes))
        yield runner, what, str(figure.runs), size, f"{figure.seconds:.1f}", rate


def _explain(verdicts: Sequence[Verdict]) -> Iterator[str]:
    if not verdicts:
        yield "no run has been recorded yet; sessions that fetch wheels or build a base are"
    for one in verdicts:
        if not one.gains:
            yield f"{one.runner}: no run got its wheels from a cache yet"
        for gain in one.gains:
            yield f"{one.runner}: {_explain_gain(gain, one.fetch)}"


def _explain_gain(gain: Gain, index: Figure) -> str:
    runs = gain.figure.runs
    if gain.seconds is None:
        return (
            f"not enough runs yet to judge the {gain.cache}: {runs} with it and {index.runs} "
            f"from the index, of {ENOUGH} each"
        )
    based = f"(median of {runs} runs; the rate of the index from {index.runs})"
    if gain.seconds > 0:
        said = f"the {gain.cache} gained {gain.seconds:.1f} s a run against the index {based}"
    else:
        said = (
            f"the {gain.cache} cost {-gain.seconds:.1f} s a run against the index {based}; "
            f"without it runs are quicker"
        )
    if gain.cache == "bundle":
        said += "; what the CI system takes to restore it counts only as far as --restore says"
    return said


def render_waste(wasted: Sequence[AcceleratorWheel]) -> str:
    """What is of no use without a GPU, and what a pyproject.toml says to go without it.

    The TOML comes after an empty line; there is none where PyTorch is not the reason.
    """
    names = ", ".join(f"{one.name} {one.version}".strip() for one in wasted)
    said = f"without a GPU, {_render_total(wasted)} are of no use: {names}"
    variant = render_cpu_variant(one.name for one in wasted)
    if not variant:
        return said
    return (
        f"{said}; to lock PyTorch for CPUs too, add this to pyproject.toml, run uv lock, and give "
        f"sessions the group cpu beside theirs where no GPU is, cu where one is:"
        f"\n\n{variant}"
    )


def _render_total(wheels: Sequence[AcceleratorWheel]) -> str:
    known = [one.size for one in wheels if one.size is not None]
    unknown = len(wheels) - len(known)
    if not known:
        return f"{unknown} wheels of unknown size"
    size = render_size(sum(known))
    return (
        f"at least {size} of wheels ({unknown} of unknown size)" if unknown else f"{size} of wheels"
    )


def verdict_to_json(
    verdicts: Sequence[Verdict], wasted: Sequence[AcceleratorWheel]
) -> dict[str, Any]:
    """The same for scripts: bytes, seconds, bytes a second."""
    return {
        "machines": [
            {
                "machine": one.runner,
                "runs": one.runs,
                "index": one.fetch._asdict(),
                "caches": [
                    {
                        "cache": gain.cache,
                        **gain.figure._asdict(),
                        "gained_s": gain.seconds,
                        "verdict": _judge(gain),
                    }
                    for gain in one.gains
                ],
                "install": one.install._asdict(),
                "uv_alone": one.alone._asdict(),
                "verify_s": one.verify_s,
            }
            for one in verdicts
        ],
        "wasted": [one._asdict() for one in wasted],
        "wasted_bytes": sum(one.size or 0 for one in wasted),
        "remedy": render_cpu_variant(one.name for one in wasted),
    }


def _judge(gain: Gain) -> str:
    if gain.seconds is None:
        return "not enough runs yet"
    return "gains" if gain.seconds > 0 else "costs"
