# Sends the content on standard input as scripts that use Net::SMTP do: HOST PORT SENDER RECIPIENT...
use strict;
use warnings;
use Net::SMTP;

my ($host, $port, $from, @to) = @ARGV;
my $smtp = Net::SMTP->new($host, Port => $port, Timeout => 10) or die "no connection: $@\n";
my $content = do { local $/; <STDIN> };
my $is_sent = $smtp->mail($from) && $smtp->recipient(@to) && $smtp->data($content);
my $reply = $smtp->code . " " . $smtp->message;
$smtp->quit;
die $reply unless $is_sent;
