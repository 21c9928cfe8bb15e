<?php
/* Sends a mail with PHP's mail(): SENDER TEXT RECIPIENT... */
[, $from, $text] = $argv;
$headers = "From: $from\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n" .
    "Content-Transfer-Encoding: 8bit";
exit(mail(implode(', ', array_slice($argv, 3)), '', $text, $headers) ? 0 : 1);
