/* Sends a mail with Jakarta Mail, the former JavaMail: HOST PORT SENDER TEXT RECIPIENT... */
import jakarta.mail.Message;
import jakarta.mail.MessagingException;
import jakarta.mail.Session;
import jakarta.mail.Transport;
import jakarta.mail.internet.InternetAddress;
import jakarta.mail.internet.MimeMessage;
import java.util.Properties;

public class JakartaMail {
    public static void main(String[] words) throws Exception {
        Properties settings = new Properties();
        settings.put("mail.smtp.host", words[0]);
        settings.put("mail.smtp.port", words[1]);
        MimeMessage mail = new MimeMessage(Session.getInstance(settings));
        mail.setFrom(new InternetAddress(words[2]));
        for (int i = 4; i < words.length; i++) {
            mail.addRecipient(Message.RecipientType.TO, new InternetAddress(words[i]));
        }
        mail.setText(words[3], "utf-8");
        try {
            Transport.send(mail);
        } catch (MessagingException error) {
            for (Exception e = error; e instanceof MessagingException;
                    e = ((MessagingException) e).getNextException()) {
                System.err.println(e.getMessage());
            }
            System.exit(1);
        }
    }
}
