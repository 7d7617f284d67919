"""Content Credentials by hand: sign a picture, change it, strip it, verify. Lesson 01 uses it.

A thin layer over the C2PA project's `c2pa-python` (the extra `provenance`). The certificates are
made here, for tests: nobody else trusts them. Pictures are the bytes of a PNG file.
"""

from __future__ import annotations

import datetime
import importlib.util
import io
import struct
import zlib
from typing import NamedTuple

_CHUNK = b"caBX"  # the PNG chunk that holds Content Credentials
_FILMED = "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture"


class Certificate(NamedTuple):
    """A name, and what it takes to sign under it."""

    name: str
    chain: bytes  # PEM: the signer's certificate, then the root's that issued it
    key: bytes  # PEM
    root: bytes  # PEM: who trusts this root trusts the signer


class Report(NamedTuple):
    """What a file's credentials amount to."""

    state: str  # one of `STATES`
    signer: str  # the name the signer's certificate claims; empty without credentials
    says: str  # what was claimed; empty without credentials

    def __str__(self) -> str:
        if not self.signer:
            return self.state
        return f'{self.state}; signed as "{self.signer}", who says: {self.says}'


STATES = {
    None: "no credentials",
    "Invalid": "changed after signing",
    "Valid": "intact, signer not on the list",
    "Trusted": "intact, signer on the list",
}

WOULD_SAY = {  # what lesson 01's cells print, for machines without the package
    "signed": 'intact, signer on the list; signed as "Example Newsroom", who says: filmed by our '
    "reporter",
    "changed": 'changed after signing; signed as "Example Newsroom", who says: filmed by our '
    "reporter",
    "saved": "no credentials",
    "forged": 'intact, signer not on the list; signed as "Example Newsroom", who says: filmed by '
    "our reporter",
}


def installed() -> bool:
    """Whether credentials can be signed and read here; if not, says so in a sentence."""
    found = importlib.util.find_spec("c2pa") is not None
    if not found:
        print(
            'The package c2pa-python is not installed (pip install "c2pa-python"), so this is '
            "what the cell prints where it is:"
        )
    return found


def certificate(name: str) -> Certificate:
    """A test certificate for anyone: no authority checks the name. Valid for 30 days."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    def named(text: str) -> x509.Name:
        oids = (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME)
        return x509.Name([x509.NameAttribute(oid, text) for oid in oids])

    root_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    now = datetime.datetime.now(datetime.UTC)
    pems = []
    for subject, public, is_root in [
        (name, key.public_key(), False),
        (f"{name} root", root_key.public_key(), True),
    ]:
        # digital_signature for the signer; certificate and revocation list signing for the root
        usage = (not is_root, False, False, False, False, is_root, is_root, False, False)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key())
        builder = (
            x509.CertificateBuilder()
            .subject_name(named(subject))
            .issuer_name(named(f"{name} root"))
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=30))
            .add_extension(x509.BasicConstraints(ca=is_root, path_length=None), critical=True)
            .add_extension(x509.KeyUsage(*usage), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(issuer, critical=False)
        )
        if not is_root:
            purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
            builder = builder.add_extension(purpose, critical=False)
        pems.append(builder.sign(root_key, hashes.SHA256()))
    leaf, root = (c.public_bytes(serialization.Encoding.PEM) for c in pems)
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return Certificate(name, leaf + root, secret, root)


def sign(png: bytes, signer: Certificate, says: str) -> bytes:
    """The PNG file with Content Credentials in it: who says what about it, bound to its bytes."""
    import c2pa

    action = {"action": "c2pa.created", "digitalSourceType": _FILMED, "description": says}
    manifest = {
        "claim_generator_info": [{"name": "Detecting deepfakes, lesson 01"}],
        "format": "image/png",
        "assertions": [{"label": "c2pa.actions", "data": {"actions": [action]}}],
    }
    info = c2pa.C2paSignerInfo(
        alg=b"es256", sign_cert=signer.chain, private_key=signer.key, ta_url=None
    )
    out = io.BytesIO()
    with c2pa.Signer.from_info(info) as who, c2pa.Builder(manifest) as builder:
        builder.sign(who, "image/png", io.BytesIO(png), out)
    return out.getvalue()


def verify(png: bytes, trusted: Certificate | None = None) -> Report:
    """What the credentials of a PNG file say; ``trusted`` is the one signer on our list, if any."""
    import c2pa

    anchors = {"trust_anchors": trusted.root.decode()} if trusted else {}
    settings = c2pa.Settings.from_dict({"trust": anchors, "verify": {"verify_trust": True}})
    context = c2pa.Context(settings=settings)
    reader = c2pa.Reader.try_create("image/png", io.BytesIO(png), context=context)
    if reader is None:
        return Report(STATES[None], "", "")
    with reader:
        manifest = reader.get_active_manifest() or {}
        actions = [
            action.get("description", "")
            for assertion in manifest.get("assertions", [])
            if assertion["label"].startswith("c2pa.actions")
            for action in assertion["data"]["actions"]
        ]
        signer = manifest.get("signature_info", {}).get("common_name", "")
        return Report(STATES[reader.get_validation_state()], signer, "; ".join(actions))


def transplant(signed: bytes, other: bytes) -> bytes:
    """The picture of ``other`` with the credentials cut out of ``signed``: a forger's attempt."""
    credentials = [chunk for chunk in _chunks(signed) if chunk[4:8] == _CHUNK]
    if not credentials:
        raise ValueError("The first picture has no credentials to take: sign it first.")
    header, *rest = _chunks(other)
    return other[:8] + b"".join([header, *credentials, *rest])


def _chunks(png: bytes) -> list[bytes]:
    """A PNG file's chunks: length, type, content and checksum of each."""
    if png[:8] != b"\x89PNG\r\n\x1a\n":
        raise ValueError("These bytes are no PNG file: encode the picture as PNG first.")
    chunks, start = [], 8
    while start < len(png):
        (length,) = struct.unpack(">I", png[start : start + 4])
        chunk = png[start : start + length + 12]
        if zlib.crc32(chunk[4:-4]) != struct.unpack(">I", chunk[-4:])[0]:
            raise ValueError("This PNG file is damaged: a chunk's checksum is wrong.")
        chunks.append(chunk)
        start += length + 12
    return chunks
