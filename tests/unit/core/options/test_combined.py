"""What several options mean together: a read preference, encryption."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pymongo.errors import ConfigurationError
from pymongo.read_preferences import Nearest, Primary, ReadPreference, Secondary

from greenmongo._core.options import ClientOptions
from greenmongo._core.options.tls import TlsOptions

build: Callable[..., ClientOptions] = ClientOptions.build
URI = "mongodb://localhost/?"


def test_the_parts_of_a_read_preference_are_put_together() -> None:
    options = build(f"{URI}readPreference=secondary&readPreferenceTags=dc:ny&readPreferenceTags=")
    assert options.read_preference == Secondary([{"dc": "ny"}, {}])
    options = build(readPreference="nearest", maxStalenessSeconds=120)
    assert options.read_preference == Nearest(max_staleness=120)


def test_the_object_wins_over_the_parts() -> None:
    options = build(read_preference=ReadPreference.PRIMARY, readPreference="nearest")
    assert options.read_preference == Primary()


@pytest.mark.parametrize("part", [{"readPreferenceTags": "dc:ny"}, {"maxStalenessSeconds": 120}])
def test_the_primary_has_no_tags_and_no_staleness(part: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="primary cannot be combined"):
        build(**part)


@pytest.mark.parametrize(
    ("keywords", "expected"),
    [
        ({"tls": True}, TlsOptions()),
        ({"ssl": True}, TlsOptions()),
        ({"tls": True, "ssl": True}, TlsOptions()),
        ({"tls": False}, None),
        ({"tlsInsecure": True}, None),
        ({"tlsInsecure": False}, TlsOptions()),
        ({"tlsAllowInvalidHostnames": False}, TlsOptions()),
        ({"tlsCAFile": __file__}, TlsOptions(ca_file=__file__)),
        ({"tlsCRLFile": __file__}, TlsOptions(crl_file=__file__)),
        (
            {"tlsCertificateKeyFile": __file__, "tlsCertificateKeyFilePassword": "pw"},
            TlsOptions(certificate_key_file=__file__, certificate_key_file_password="pw"),
        ),
        (
            {"tls": True, "tlsInsecure": True},
            TlsOptions(
                allow_invalid_certificates=True,
                allow_invalid_hostnames=True,
                disable_ocsp_endpoint_check=True,
            ),
        ),
        (
            {"tls": True, "tlsAllowInvalidCertificates": True},
            TlsOptions(allow_invalid_certificates=True, disable_ocsp_endpoint_check=True),
        ),
        (
            {"tls": True, "tlsDisableOCSPEndpointCheck": True},
            TlsOptions(disable_ocsp_endpoint_check=True),
        ),
    ],
    ids=str,
)
def test_tls_is_on_when_given_or_implied(
    keywords: dict[str, Any], expected: TlsOptions | None
) -> None:
    assert build(**keywords).tls == expected


def test_the_ca_file_may_be_a_directory(tmp_path: Path) -> None:
    for options in (build(tlsCAFile=str(tmp_path)), build(f"{URI}tlsCAFile={tmp_path}")):
        assert options.tls == TlsOptions(ca_file=str(tmp_path))


@pytest.mark.parametrize("name", ["tlsCRLFile", "tlsCertificateKeyFile"])
def test_other_files_may_not(tmp_path: Path, name: str) -> None:
    with pytest.raises(IsADirectoryError):
        build(**{name: str(tmp_path)})
    with pytest.raises(IsADirectoryError):
        build(f"{URI}{name}={tmp_path}")


@pytest.mark.parametrize(
    "keywords",
    [
        {"tls": False, "tlsCAFile": __file__},
        {"tls": True, "ssl": False},
        {"tlsInsecure": True, "tlsAllowInvalidHostnames": True},
        {"tlsAllowInvalidCertificates": True, "tlsDisableOCSPEndpointCheck": True},
        {"tlsCRLFile": __file__, "tlsInsecure": True},
    ],
    ids=str,
)
def test_contradicting_tls_options_are_refused(keywords: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        build(**keywords)
