"""A users file for tests."""

import hashlib
import os


def write_users(path, *lines):
    """Each line: (name, token) or (name, token, keys). Passwords cost a hash each, tokens nothing."""
    text = "".join("%s:$token-sha256$%s%s\n" % (name, hashlib.sha256(token.encode()).hexdigest(),
                                                ":" + keys[0] if keys else "")
                   for name, token, *keys in lines)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    return path
