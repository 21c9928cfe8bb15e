#!/bin/bash
# Sends the content on standard input with nothing but bash: HOST PORT SENDER RECIPIENT...
set -eu
exec 3<> "/dev/tcp/$1/$2"
from=$3
shift 3

expect() { # code: of the last line of a reply
    local line
    while IFS= read -r -t 10 -u 3 line && [ "${line:3:1}" = - ]; do :; done
    [ "${line:0:3}" = "$1" ] || { echo "$line" >&2; exit 1; }
}

say() { # line code
    printf '%s\r\n' "$1" >&3
    expect "$2"
}

expect 220
say "EHLO $HOSTNAME" 250
say "MAIL FROM:<$from>" 250
for to; do
    say "RCPT TO:<$to>" 250
done
say DATA 354
while IFS= read -r line; do
    printf '%s\r\n' "${line/#./..}" >&3
done
say . 250
say QUIT 221
