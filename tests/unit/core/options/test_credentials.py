from __future__ import annotations

from typing import Any

import pytest
from pymongo.errors import ConfigurationError

from greenmongo._core.options.credentials import Credentials, build_credentials


def credentials(
    mechanism: str | None = None,
    *,
    username: str | None = None,
    password: str | None = None,
    database: str | None = None,
    source: str | None = None,
    **properties: Any,
) -> Credentials | None:
    options: dict[str, Any] = {}
    if mechanism:
        options["authmechanism"] = mechanism
    if source:
        options["authsource"] = source
    if properties:
        options["authmechanismproperties"] = properties
    return build_credentials(options, username=username, password=password, database=database)


def test_nobody_logs_in_without_a_name() -> None:
    assert credentials() is None
    assert credentials(password="pw", source="db") is None


@pytest.mark.parametrize("mechanism", [None, "DEFAULT"])
def test_the_mechanism_is_open_unless_configured(mechanism: str | None) -> None:
    found = credentials(mechanism, username="ada", password="pw")
    assert found == Credentials(source="admin", username="ada", password="pw")


@pytest.mark.parametrize(
    ("mechanism", "database", "source", "expected"),
    [
        ("SCRAM-SHA-256", None, None, "admin"),
        ("SCRAM-SHA-256", "shop", None, "shop"),
        ("SCRAM-SHA-256", "shop", "users", "users"),
        ("PLAIN", None, None, "$external"),
        ("PLAIN", "shop", None, "shop"),
        ("PLAIN", "shop", "users", "users"),
        ("GSSAPI", "shop", None, "$external"),
        ("MONGODB-AWS", "shop", "$external", "$external"),
    ],
)
def test_the_source_follows_the_mechanism(
    mechanism: str, database: str | None, source: str | None, expected: str
) -> None:
    found = credentials(mechanism, username="ada", password="pw", database=database, source=source)
    assert found is not None
    assert found.source == expected


@pytest.mark.parametrize("username", [None, "CN=ada"])
def test_x509_needs_no_name(username: str | None) -> None:
    assert credentials("MONGODB-X509", username=username) == Credentials(
        source="$external", username=username, mechanism="MONGODB-X509"
    )


def test_gssapi_has_a_service_of_its_own() -> None:
    found = credentials("GSSAPI", username="ada", SERVICE_REALM="R")
    assert found is not None
    assert found.mechanism_properties == {"SERVICE_NAME": "mongodb", "SERVICE_REALM": "R"}


@pytest.mark.parametrize(
    ("mechanism", "fields"),
    [
        ("SCRAM-SHA-1", {}),
        ("DEFAULT", {}),
        (None, {"username": "ada"}),
        (None, {"username": "ada", "password": ""}),
        ("PLAIN", {"username": "ada"}),
        ("GSSAPI", {}),
        ("MONGODB-X509", {"password": "pw"}),
        ("MONGODB-AWS", {"username": "ada"}),
        ("MONGODB-AWS", {"source": "db"}),
        ("MONGODB-OIDC", {"source": "db", "ENVIRONMENT": "k8s"}),
        ("MONGODB-OIDC", {"password": "pw", "ENVIRONMENT": "k8s"}),
        ("MONGODB-OIDC", {}),
        ("MONGODB-OIDC", {"ENVIRONMENT": "moon"}),
        ("MONGODB-OIDC", {"ENVIRONMENT": "test", "username": "ada"}),
        ("MONGODB-OIDC", {"ENVIRONMENT": "azure"}),
        ("MONGODB-OIDC", {"ENVIRONMENT": "k8s", "OIDC_CALLBACK": print}),
        ("MONGODB-OIDC", {"OIDC_CALLBACK": print, "OIDC_HUMAN_CALLBACK": print}),
        ("MONGODB-OIDC", {"OIDC_CALLBACK": print, "ALLOWED_HOSTS": ["*"]}),
    ],
    ids=str,
)
def test_what_a_mechanism_cannot_use_is_refused(
    mechanism: str | None, fields: dict[str, Any]
) -> None:
    with pytest.raises(ConfigurationError):
        credentials(mechanism, **fields)


@pytest.mark.parametrize("mechanism", ["GSSAPI", "MONGODB-X509"])
def test_an_outside_mechanism_has_no_database(mechanism: str) -> None:
    with pytest.raises(ValueError, match=r"\$external.*MONGODB|\$external.*GSSAPI"):
        credentials(mechanism, username="ada", source="db")


@pytest.mark.parametrize(
    "properties",
    [
        {"ENVIRONMENT": "k8s"},
        {"ENVIRONMENT": "gcp", "TOKEN_RESOURCE": "x"},
        {"OIDC_CALLBACK": print},
        {"OIDC_HUMAN_CALLBACK": print, "ALLOWED_HOSTS": ["*"]},
    ],
    ids=str,
)
def test_oidc_takes_one_source_of_tokens(properties: dict[str, Any]) -> None:
    found = credentials("MONGODB-OIDC", **properties)
    assert found is not None
    assert found.mechanism_properties == properties


def test_credentials_are_hashable_and_keep_their_secrets() -> None:
    found = credentials("PLAIN", username="ada", password="hidden", AWS_SESSION_TOKEN="hidden")
    assert hash(found) == hash(found)
    assert "hidden" not in repr(found)


def test_another_source_replaces_the_one_so_far() -> None:
    found = credentials(username="u", password="p", database="db")
    assert found is not None
    assert found.in_source("there") == Credentials("there", "u", "p")


def test_a_mechanism_outside_of_all_databases_has_no_other_source() -> None:
    found = credentials("MONGODB-X509")
    assert found is not None
    assert found.in_source("$external") is found
    with pytest.raises(ValueError, match="external"):
        found.in_source("admin")
