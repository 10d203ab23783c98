"""How OpenDAL reaches a remote: its service, and the options of that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noxden.den.wheels.sources import SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from noxden.den.wheels.remote_uri import Address

__all__ = ["UPLOADS", "compute_service"]

UPLOADS = ".uploads"
"""Where files lie until they are whole, in a folder; beside ``wheels`` and ``closures``.

Each attempt to write has a folder of its own in it."""


def compute_service(
    address: Address, env: Mapping[str, str], *, writing: bool
) -> tuple[str, dict[str, str]]:
    """The name of the service and its options.

    The common variables of each provider count, as ``env`` has them; what is not set there
    (profiles, roles of machines, web identities) OpenDAL looks for itself.

    Raises:
        SourceError: something is missing without which the remote cannot be found.
    """
    if address.kind == "file":
        uploads = {"atomic_write_dir": f"{address.path}/{UPLOADS}"} if writing else {}
        return "fs", {"root": address.path, **uploads}
    return address.kind, _SERVICES[address.kind](address, env)


def _s3(address: Address, env: Mapping[str, str]) -> dict[str, str]:
    options = address.options
    return _drop_empty(
        bucket=address.host,
        root=f"/{address.path}",
        endpoint=options.get("endpoint") or _first(env, "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
        region=options.get("region")
        or _first(env, "AWS_REGION", "AWS_DEFAULT_REGION")
        # What stores that have no regions want to hear.
        or "us-east-1",
        access_key_id=env.get("AWS_ACCESS_KEY_ID", ""),
        secret_access_key=env.get("AWS_SECRET_ACCESS_KEY", ""),
        session_token=env.get("AWS_SESSION_TOKEN", ""),
        disable_ec2_metadata=env.get("AWS_EC2_METADATA_DISABLED", "").lower(),
        skip_signature=_anonymous(address),
    )


def _gcs(address: Address, env: Mapping[str, str]) -> dict[str, str]:
    return _drop_empty(
        bucket=address.host,
        root=f"/{address.path}",
        endpoint=address.options.get("endpoint") or env.get("STORAGE_EMULATOR_HOST", ""),
        credential_path=env.get("GOOGLE_APPLICATION_CREDENTIALS", ""),
        skip_signature=_anonymous(address),
    )


def _azblob(address: Address, env: Mapping[str, str]) -> dict[str, str]:
    options = address.options
    account = options.get("account") or _first(
        env, "AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_ACCOUNT_NAME"
    )
    endpoint = options.get("endpoint", "")
    if not (account or endpoint):
        message = "no storage account is named: append ?account=NAME or set AZURE_STORAGE_ACCOUNT"
        raise SourceError(message)
    return _drop_empty(
        container=address.host,
        root=f"/{address.path}",
        endpoint=endpoint or f"https://{account}.blob.core.windows.net",
        account_name=account,
        account_key=_first(env, "AZURE_STORAGE_KEY", "AZURE_STORAGE_ACCOUNT_KEY"),
        sas_token=env.get("AZURE_STORAGE_SAS_TOKEN", "").removeprefix("?"),
        skip_signature=_anonymous(address),
    )


def _ghac(address: Address, env: Mapping[str, str]) -> dict[str, str]:
    second = env.get("ACTIONS_CACHE_SERVICE_V2", "")
    names = ("ACTIONS_RESULTS_URL",) if second else ("ACTIONS_CACHE_URL", "ACTIONS_RESULTS_URL")
    endpoint, token = _first(env, *names), env.get("ACTIONS_RUNTIME_TOKEN", "")
    if not (endpoint and token):
        message = (
            "this is no CI job with a cache, or no step exported ACTIONS_RESULTS_URL, "
            "ACTIONS_CACHE_URL and ACTIONS_RUNTIME_TOKEN"
        )
        raise SourceError(message)
    # Forgejo lower-cases keys, and repositories share a cache that is emptied as one.
    root = "/".join(part for part in (env.get("GITHUB_REPOSITORY", ""), address.path) if part)
    # Whether a server that says it has the second protocol is a GitHub that has it, OpenDAL knows.
    found = {} if second else {"endpoint": endpoint}
    return {**found, "runtime_token": token, "root": f"/{root.lower()}"}


def _anonymous(address: Address) -> str:
    return "true" if address.options.get("anonymous", "").lower() in {"1", "true", "yes"} else ""


def _first(env: Mapping[str, str], *names: str) -> str:
    return next((env[name] for name in names if env.get(name)), "")


def _drop_empty(**options: str) -> dict[str, str]:
    return {name: value for name, value in options.items() if value}


_SERVICES: dict[str, Callable[[Address, Mapping[str, str]], dict[str, str]]] = {
    "s3": _s3,
    "gcs": _gcs,
    "azblob": _azblob,
    "ghac": _ghac,
}
