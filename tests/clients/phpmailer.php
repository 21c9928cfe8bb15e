<?php
/* Sends a mail with PHPMailer: HOST PORT SENDER TEXT RECIPIENT... */
foreach (['Exception', 'SMTP', 'PHPMailer'] as $class) {
    require "/usr/share/php/libphp-phpmailer/src/$class.php";
}
[, $host, $port, $from, $text] = $argv;
$mail = new PHPMailer\PHPMailer\PHPMailer(true);
$mail->isSMTP();
$mail->Host = $host;
$mail->Port = (int) $port;
$mail->CharSet = 'UTF-8';
$mail->setFrom($from);
foreach (array_slice($argv, 5) as $to) {
    $mail->addAddress($to);
}
$mail->Body = $text;
try {
    $mail->send();
} catch (PHPMailer\PHPMailer\Exception $error) {
    echo $error->getMessage(), "\n";
    exit(1);
}
