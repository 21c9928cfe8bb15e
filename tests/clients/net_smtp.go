// Sends the content on standard input with Go's net/smtp: HOST:PORT SENDER RECIPIENT...
package main

import (
	"io"
	"log"
	"net/smtp"
	"os"
)

func main() {
	content, err := io.ReadAll(os.Stdin)
	if err == nil {
		err = smtp.SendMail(os.Args[1], nil, os.Args[2], os.Args[3:], content)
	}
	if err != nil {
		log.Fatal(err)
	}
}
