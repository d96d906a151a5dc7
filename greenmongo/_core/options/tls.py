"""What the tls options of a client mean together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pymongo.errors import ConfigurationError, InvalidURI

from greenmongo._core.options.table import documented_name

__all__ = ["TlsOptions", "build_tls_options"]

_INSECURE = (
    "tlsallowinvalidcertificates",
    "tlsallowinvalidhostnames",
    "tlsdisableocspendpointcheck",
)
"""What tlsInsecure stands for."""
_FILES = ("tlscertificatekeyfile", "tlscertificatekeyfilepassword", "tlscafile", "tlscrlfile")


@dataclass(frozen=True, slots=True)
class TlsOptions:
    """How connections are encrypted and the server's certificate is checked."""

    ca_file: str | None = None
    """A file of CA certificates or a directory of them; None: those of the system."""
    certificate_key_file: str | None = None
    certificate_key_file_password: str | None = field(default=None, repr=False)
    crl_file: str | None = None
    allow_invalid_certificates: bool = False
    allow_invalid_hostnames: bool = False
    disable_ocsp_endpoint_check: bool = False


def build_tls_options(options: Mapping[str, Any]) -> TlsOptions | None:
    """Return the tls options that validated options ask for, None for plain connections.

    Raises:
        ConfigurationError: options contradict each other (`InvalidURI` as in PyMongo, for
            keywords as well).
    """
    _check_conflicts(options)
    chosen = dict(options)
    if "tlsinsecure" in options:
        chosen |= dict.fromkeys(_INSECURE, options["tlsinsecure"])
    if not _is_enabled(chosen):
        return None
    invalid_certificates = chosen.get("tlsallowinvalidcertificates", False)
    return TlsOptions(
        ca_file=chosen.get("tlscafile"),
        certificate_key_file=chosen.get("tlscertificatekeyfile"),
        certificate_key_file_password=chosen.get("tlscertificatekeyfilepassword"),
        crl_file=chosen.get("tlscrlfile"),
        allow_invalid_certificates=invalid_certificates,
        allow_invalid_hostnames=chosen.get("tlsallowinvalidhostnames", False),
        # An unchecked certificate's revocation is of no interest.
        disable_ocsp_endpoint_check=invalid_certificates
        or chosen.get("tlsdisableocspendpointcheck", False),
    )


def _is_enabled(options: Mapping[str, Any]) -> bool:
    """Tell whether tls is on: given, or implied by an option that makes no sense without it."""
    given: bool | None = options.get("tls", options.get("ssl"))
    # A file is wanted for encryption; so is `tlsAllow...=False`, which asks for a check.
    implying = [name for name in _FILES if options.get(name)]
    implying += [name for name in _INSECURE if options.get(name) is False]
    if given is None:
        return bool(implying)
    if not given and implying:
        names = ", ".join(documented_name(name) for name in implying)
        raise ConfigurationError(
            "TLS has not been enabled but the following tls parameters have been set: "
            f"{names}. Please set `tls=True` or remove."
        )
    return given


def _check_conflicts(options: Mapping[str, Any]) -> None:
    """Check the pairs that the URI options specification forbids."""
    if options.get("tlsinsecure") is not None:
        for name in _INSECURE:
            if name in options:
                raise _not_together("tlsinsecure", name)
    if "tlsallowinvalidcertificates" in options and "tlsdisableocspendpointcheck" in options:
        raise _not_together("tlsallowinvalidcertificates", "tlsdisableocspendpointcheck")
    if options.get("tlscrlfile") is not None:
        for name in ("tlsinsecure", "tlsallowinvalidcertificates", "tlsdisableocspendpointcheck"):
            if options.get(name):
                raise InvalidURI(
                    f"URI option {documented_name(name)}=True cannot be specified"
                    " when CRL checking is enabled."
                )
    if "ssl" in options and "tls" in options and options["ssl"] != options["tls"]:
        raise InvalidURI("Can not specify conflicting values for URI options ssl and tls.")


def _not_together(one: str, other: str) -> InvalidURI:
    return InvalidURI(
        f"URI options {documented_name(one)} and {documented_name(other)}"
        " cannot be specified simultaneously."
    )
