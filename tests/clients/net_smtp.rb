# Sends the content on standard input with Ruby's net-smtp: HOST PORT SENDER RECIPIENT...
require 'net/smtp'

host, port, from, *to = ARGV
Net::SMTP.start(host, port.to_i, tls: false, starttls: false) do |smtp|
  smtp.send_message(STDIN.read, from, *to)
end
