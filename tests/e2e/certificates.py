"""Certificates for tests, made by the openssl command when they are needed."""

import collections
import os
import subprocess

from support import clean_environment

# Paths of a certificate, of its key, and of both with what leads to the root left out.
Certificate = collections.namedtuple("Certificate", "path key")

KEYS = {"ec": ["ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"], "rsa": ["rsa:2048"], "rsa1024": ["rsa:1024"]}


def make(folder, name, issuer=None, ca=False, days=90, key="ec", names=("localhost",), at=None,
         digest="sha256"):
    """Makes `name`.pem and `name`.key in the folder. `at` is when ("60 days ago"), `issuer` a Certificate,
    else it issues itself."""
    path, secret = os.path.join(folder, name + ".pem"), os.path.join(folder, name + ".key")
    words = ["openssl", "req", "-x509", "-newkey", *KEYS[key], "-nodes", "-keyout", secret, "-out", path,
             "-days", str(days), "-subj", "/CN=" + name, "-" + digest,
             "-addext", "basicConstraints=critical,CA:" + ("TRUE" if ca else "FALSE")]
    if not ca:
        kind = lambda n: ("IP:" if n[-1].isdigit() else "DNS:") + n
        words += ["-addext", "subjectAltName=" + ",".join(map(kind, names))]
    if issuer:
        words += ["-CA", issuer.path, "-CAkey", issuer.key]
    if at:
        words = ["faketime", at, *words]
    subprocess.run(words, check=True, capture_output=True, env=clean_environment())
    os.chmod(secret, 0o600)
    return Certificate(path, secret)


def settings(certificate):
    """Of a relay with this certificate."""
    return {"tls.certificate": certificate.path, "tls.key": certificate.key}


def join(folder, name, *certificates):
    """A file with these certificates, one after the other."""
    path = os.path.join(folder, name)
    with open(path, "w") as file:
        for certificate in certificates:
            file.write(open(certificate.path).read())
    return path
