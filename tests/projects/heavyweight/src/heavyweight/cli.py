"""The command `heavyweight FILE`: one line of robust statistics for each numeric column."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path

from ._robust import Summary, summarise
from ._table import Table, read_table


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0 when done, 1 for a file without numbers, 2 for one that cannot be read."""
    parser = argparse.ArgumentParser(prog="heavyweight", description=__doc__)
    parser.add_argument(
        "file", type=Path, help="a .csv file with a header line, or a .parquet file"
    )
    parser.add_argument(
        "--threshold",
        type=float,
        default=3.5,
        help="scaled deviations from the median that make an outlier (default: %(default)s)",
    )
    options = parser.parse_args(arguments)
    try:
        table = read_table(options.file)
    except (OSError, ModuleNotFoundError) as error:
        print(f"heavyweight: cannot read {options.file}: {error}", file=sys.stderr)
        return 2
    if not table:
        print(f"heavyweight: no column of numbers in {options.file}", file=sys.stderr)
        return 1
    print(render_table(table, options.threshold))
    return 0


def render_table(table: Table, threshold: float) -> str:
    """Return the summaries as aligned columns of text, the name of the column first."""
    head = ["column", *(field.name for field in fields(Summary))]
    rows = [head]
    for name, column in table.items():
        summary = asdict(summarise(column, threshold=threshold))
        rows.append([name, *(f"{value:.4g}" for value in summary.values())])
    widths = [max(len(row[place]) for row in rows) for place in range(len(head))]
    return "\n".join(
        "  ".join(
            [
                row[0].ljust(widths[0]),
                *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True)),
            ]
        )
        for row in rows
    )
