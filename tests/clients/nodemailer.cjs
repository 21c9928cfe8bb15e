/* Sends a mail as programs that use nodemailer do: HOST PORT SENDER TEXT RECIPIENT... */
const [host, port, from, text, ...to] = process.argv.slice(2);
const transport = require(process.env.NODE_MODULES + '/nodemailer').createTransport({
    host, port: Number(port), secure: false, connectionTimeout: 10000,
});
transport.sendMail({from, to, text}).then(
    (sent) => console.log(sent.response),
    (error) => { console.error(error.message); process.exitCode = 1; });
