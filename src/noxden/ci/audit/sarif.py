"""An audit as SARIF 2.1.0 (OASIS, 2020), for code scanning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from noxden.ci.audit.rules import RULES

if TYPE_CHECKING:
    from noxden.ci.audit.values import Audit, Problem, Skipped

__all__ = ["make_sarif"]

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def make_sarif(audit: Audit, version: str) -> dict[str, Any]:
    """The findings of ``audit`` as one run of noxden ``version``."""
    order = list(RULES)
    driver = {
        "name": "noxden",
        "version": version,
        "rules": [
            {
                "id": rule.id,
                "shortDescription": {"text": rule.title},
                "help": {"text": rule.advice},
                "defaultConfiguration": {"level": rule.severity},
            }
            for rule in RULES.values()
        ],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "invocations": [
            {
                "executionSuccessful": True,
                "toolExecutionNotifications": [_make_notice(one) for one in audit.skipped],
            }
        ],
        "results": [_make_result(one, order.index(one.rule)) for one in audit.problems],
    }
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}


def _make_result(problem: Problem, index: int) -> dict[str, Any]:
    job = f"{problem.job}: " if problem.job else ""
    return {
        "ruleId": problem.rule,
        "ruleIndex": index,
        "level": problem.severity,
        "message": {"text": f"{job}{problem.message}."},
        "locations": [_make_location(problem.place.path, problem.place.line)],
    }


def _make_notice(skipped: Skipped) -> dict[str, Any]:
    return {
        "level": "warning",
        "message": {"text": f"{skipped.path} {skipped.reason}."},
        "locations": [_make_location(skipped.path)],
    }


def _make_location(path: str, line: int = 0) -> dict[str, Any]:
    place: dict[str, Any] = {"artifactLocation": {"uri": quote(path), "uriBaseId": "%SRCROOT%"}}
    if line:
        place["region"] = {"startLine": line}
    return {"physicalLocation": place}
