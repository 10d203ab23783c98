"""``.gitlab-ci.yml``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noxden.ci.audit.expressions import Scope, expand, read_texts
from noxden.ci.audit.gitlab_merge import Merged, collect_included
from noxden.ci.audit.keys import find_content, read_key
from noxden.ci.audit.scripts import Script, read_scripts
from noxden.ci.audit.values import Cache, Job, Pipeline, Place

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from noxden.ci.audit.gitlab_merge import Read
    from noxden.ci.audit.nodes import Node
    from noxden.ci.audit.values import Content

__all__ = ["read_gitlab"]

_NO_JOBS = frozenset(
    ["default", "include", "stages", "variables", "workflow", "spec", "image", "services", "cache"]
)
_SCRIPTS = ("before_script", "script", "after_script")
_FOLDERS = ("PIP_CACHE_DIR", "UV_CACHE_DIR", "POETRY_CACHE_DIR", "PDM_CACHE_DIR", "XDG_CACHE_HOME")
_OURS = frozenset({"NOXDEN_DIR", "NOXDEN_REMOTE"})


def read_gitlab(document: Node, read: Read, *, made: bool) -> Pipeline:
    """What a configuration says, with the local files that it includes.

    Raises:
        BadYamlError: jobs inherit more than an audit follows.
    """
    included = collect_included(document, read)
    merged = Merged(included.document)
    jobs = [
        _read_job(merged, name, made=made)
        for name, node in included.document.entries.items()
        if node.entries and not name.startswith(".") and name not in _NO_JOBS
    ]
    return Pipeline(tuple(jobs), included.uses)


def _read_job(merged: Merged, name: str, *, made: bool) -> Job:
    node, own = merged.job(name), merged.document.get(name)
    variables = {**_read_variables(merged.document), **_read_variables(node)}
    done = read_scripts(
        Script(text.text or "", Place(text.path, text.start))
        for keyword in _SCRIPTS
        for text in merged.texts(merged.setting(node, keyword))
    )
    image = merged.setting(node, "image")
    kept = sorted(_OURS & variables.keys())
    matrix = node.get("parallel", "matrix").there
    return Job(
        "gitlab",
        name,
        Place(own.path, merged.document.lines[name]),
        installs=done.installs,
        caches=tuple(_read_caches(merged, node, Scope(variables))),
        kept="noxden, which made this file" if made else "".join(kept[:1]),
        release=_is_release(node),
        pythons=matrix and "$" in (image.word or image.get("name").word),
        drops_wheels=done.drops_wheels,
        prunes=done.prunes,
        pushes=done.pushes,
    )


def _read_variables(node: Node) -> dict[str, str]:
    """Variables, those with a description by their value."""
    variables = node.get("variables")
    described = {name: one.get("value").word for name, one in variables.entries.items()}
    return {**described, **read_texts(variables)}


def _is_release(node: Node) -> bool:
    """Whether only tags start it."""
    rules = [one.get("if").word for one in node.get("rules").items]
    if rules:
        return all("$CI_COMMIT_TAG" in one for one in rules)
    only = node.get("only")
    return (*only.words(), *only.get("refs").words()) == ("tags",)


def _read_caches(merged: Merged, node: Node, scope: Scope) -> Iterator[Cache]:
    cache = merged.setting(node, "cache")
    for one in [cache, *(merged.resolve(item) for item in cache.items)]:
        paths = tuple(expand(path, scope) for path in one.get("paths").words())
        spelled = expand(one.get("key").word or one.get("key", "prefix").word or "default", scope)
        content = find_content(paths, spelled) or _find_folder(paths, scope.env)
        if content is None:
            continue
        policy = one.get("policy").word or "pull-push"
        key = one.get("key")
        files = key.get("files").words() or key.get("files_commits").words()
        read = read_key(spelled)
        yield Cache(
            "GitLab cache",
            Place(one.path, one.line),
            content,
            paths,
            read._replace(files=files, opaque=read.opaque and not files),
            tuple(expand(key, scope) for key in one.get("fallback_keys").words()),
            saves=policy != "pull",
            rewritten=True,
            shared=one.get("unprotect").word == "true",
        )


def _find_folder(paths: tuple[str, ...], variables: Mapping[str, str]) -> Content | None:
    """``downloads`` where a package manager is told to download to one of ``paths``."""
    told = [variables[name] for name in _FOLDERS if name in variables]
    bare = [path.strip("/").removesuffix("/*").rstrip("/*") for path in paths]
    inside = any(path and path in folder for path in bare for folder in told)
    return "downloads" if inside else None
