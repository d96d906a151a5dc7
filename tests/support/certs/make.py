"""Make the certificates the TLS tests use, with the `openssl` command: `python make.py`.

They are committed, so this is only run to change them. Nothing secret is among them. Their dates
are fixed, so that no clock is too early or too late for them.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
DATES = "-startdate 20200101000000Z -enddate 21200101000000Z"
CRL_DATES = "-crl_lastupdate 20200101000000Z -crl_nextupdate 21200101000000Z"

CONFIG = """
[req]
distinguished_name = name
[name]
[ca]
default_ca = this
[this]
database = index.txt
serial = serial
new_certs_dir = .
default_md = sha256
policy = anything
[anything]
organizationName = supplied
commonName = supplied
[authority]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
subjectAltName = DNS:localhost, IP:127.0.0.1, IP:::1
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[client]
extendedKeyUsage = clientAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
"""


def openssl(workshop: Path, command: str) -> None:
    """Run one openssl command in `workshop`."""
    subprocess.run(["openssl", *command.split()], cwd=workshop, check=True, capture_output=True)


def certificate(workshop: Path, name: str, kind: str, signer: str) -> None:
    """Make a key and its certificate, signed by `signer`, which may be the same name."""
    openssl(
        workshop,
        "req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -config config"
        f" -subj /O=greenmongo-tests/CN={name} -keyout {name}.key -out {name}.csr",
    )
    by = (
        f"-selfsign -keyfile {name}.key"
        if name == signer
        else f"-cert {signer}.crt -keyfile {signer}.key"
    )
    openssl(
        workshop,
        f"ca -batch -notext -config config -rand_serial {by} {DATES}"
        f" -extensions {kind} -in {name}.csr -out {name}.crt",
    )


def join(workshop: Path, target: str, *parts: str) -> None:
    """Write the concatenation of `parts` beside this script."""
    (HERE / target).write_text("".join((workshop / part).read_text() for part in parts))


def main() -> None:
    """Make everything anew."""
    with tempfile.TemporaryDirectory() as name:
        workshop = Path(name)
        (workshop / "config").write_text(CONFIG)
        (workshop / "index.txt").write_text("")
        for ca in ("ca", "other_ca"):
            certificate(workshop, ca, "authority", ca)
        for kind in ("server", "client"):
            certificate(workshop, kind, kind, "ca")
        openssl(workshop, "ec -in client.key -aes256 -passout pass:secret -out client_locked.key")
        with_ca = f"-config config -keyfile ca.key -cert ca.crt {CRL_DATES}"
        openssl(workshop, f"ca -gencrl {with_ca} -out crl.crl")
        openssl(workshop, f"ca -revoke server.crt {with_ca}")
        openssl(workshop, f"ca -gencrl {with_ca} -out crl_revoked.crl")
        join(workshop, "ca.pem", "ca.crt")
        join(workshop, "other_ca.pem", "other_ca.crt")
        join(workshop, "server.pem", "server.crt", "server.key")
        join(workshop, "client.pem", "client.crt", "client.key")
        join(workshop, "client_locked.pem", "client.crt", "client_locked.key")
        join(workshop, "crl.pem", "crl.crl")
        join(workshop, "crl_revoked.pem", "crl_revoked.crl")


if __name__ == "__main__":
    main()
