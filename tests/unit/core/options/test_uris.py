"""What a connection string says wrongly, and what is never shown of it."""

from __future__ import annotations

import inspect
import traceback
import warnings
from collections.abc import Callable

import pytest
from pymongo.errors import InvalidURI, PyMongoError
from pymongo.uri_parser import validate_options
from pymongo.write_concern import WriteConcern

from greenmongo._core.options import ClientOptions
from greenmongo._core.options.connection_string import read_uri

build: Callable[..., ClientOptions] = ClientOptions.build
URI = "mongodb://localhost/?"


@pytest.mark.parametrize(
    ("option", "complaint"),
    [
        ("nope=1", "Unknown option: nope"),
        ("document_class=dict", "Unknown option: document_class"),
        ("max_adaptive_retries=1", "Unknown option: max_adaptive_retries"),
        ("maxPoolSize=many", "maxPoolSize|maxpoolsize"),
        ("replicaSet=a&replicaSet=b", "Duplicate"),
        ("compressors=lzma", "Unsupported compressor in compressors: lzma"),
    ],
)
def test_a_wrong_uri_option_only_warns(option: str, complaint: str) -> None:
    with pytest.warns(UserWarning, match=complaint):
        build(URI + option)


@pytest.mark.skipif(
    "from_uri" not in inspect.signature(validate_options).parameters,
    reason="this PyMongo shows what it finds wrong",
)
@pytest.mark.parametrize(
    "uri",
    [
        "mongodb://u:pa?h4sh=1@h",
        "mongodb://u:pa?h4sh@h/",
        "mongodb://u:p:h4sh@h",
        "mongodb://h:h4sh/",
        "mongodb://h/?authSource=h4sh&authMechanism=MONGODB-X509",
        *(
            f"{URI}proxyPassword=pass&{option}=h4sh"
            for option in (
                "auto_start_request",
                "compressors",
                "datetime_conversion",
                "maxPoolSize",
                "h4sh",
                "proxyHost=h&proxyPort",
                "readPreferenceTags",
                "serverMonitoringMode",
                "tlsCAFile",
                "use_greenlets",
                "uuidRepresentation",
                "zlibCompressionLevel",
            )
        ),
    ],
)
def test_what_may_be_a_piece_of_a_password_is_not_shown(uri: str) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            build(uri)
        except (PyMongoError, ValueError, KeyError, OSError) as error:
            messages = traceback.format_exception(error)
        else:
            messages = []
    messages += [str(each.message) for each in caught]
    assert messages
    assert "h4sh" not in "".join(messages)


def test_a_compressor_without_its_library_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    module = "greenmongo._core.options.checks"
    monkeypatch.setattr(f"{module}.is_available", lambda name: name == "zlib")
    with pytest.warns(UserWarning, match="snappy is not available"):
        assert build(compressors=["snappy", "zlib"]).compressors == ("zlib",)


@pytest.mark.parametrize(
    "uri", [URI + "authSource=", URI + "w", URI + "w=1;journal=true&x=y", "mongodb://u:p:q@h"]
)
def test_a_malformed_uri_is_refused(uri: str) -> None:
    with pytest.raises(InvalidURI):
        build(uri)


def test_semicolons_separate_as_well() -> None:
    options = build(f"{URI}use_greenlets=true;w=2")
    assert options.use_greenlets
    assert options.write_concern == WriteConcern(2)


def test_secrets_do_not_show() -> None:
    options = build("mongodb://u:hidden@h", tls=True, tlsCertificateKeyFilePassword="hidden")
    assert "hidden" not in repr(options)
    assert "hidden" not in repr(
        read_uri("mongodb://u:hidden@h/?authMechanismProperties=AWS_SESSION_TOKEN:hidden")
    )
