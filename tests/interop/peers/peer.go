// A TLS peer on Go's crypto/tls for the interoperability tests; standard library only.
//
// serve: prints "port N", then for each connection a line of JSON, and echoes until the client is done.
// connect: sends N bytes, takes their echo, prints a line of JSON.
package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "failed:", err)
		os.Exit(1)
	}
}

func report(conn *tls.Conn) {
	state := conn.ConnectionState()
	peer := ""
	if len(state.PeerCertificates) > 0 {
		peer = state.PeerCertificates[0].Subject.CommonName
	}
	line, err := json.Marshal(map[string]any{
		"version": int(state.Version), "cipher": tls.CipherSuiteName(state.CipherSuite),
		"group": int(state.CurveID), "alpn": state.NegotiatedProtocol, "peer": peer,
		"retried": state.HelloRetryRequest, "resumed": state.DidResume,
	})
	check(err)
	fmt.Println(string(line))
}

func main() {
	address := flag.String("address", "127.0.0.1:0", "")
	cert := flag.String("cert", "", "")
	key := flag.String("key", "", "")
	authority := flag.String("authority", "", "")
	require := flag.Bool("require", false, "")
	groups := flag.String("groups", "", "code points, comma-separated")
	alpn := flag.String("alpn", "", "")
	count := flag.Int("count", 1000000, "")
	tls12 := flag.Bool("tls12", false, "TLS 1.2 only")
	connections := flag.Int("connections", 1, "of a client, each resuming what it can")
	role := os.Args[1]
	check(flag.CommandLine.Parse(os.Args[2:]))

	config := &tls.Config{MinVersion: tls.VersionTLS13, ServerName: "localhost", SessionTicketsDisabled: false}
	if *tls12 {
		config.MinVersion, config.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	}
	if *connections > 1 {
		config.ClientSessionCache = tls.NewLRUClientSessionCache(4)
	}
	if *cert != "" {
		pair, err := tls.LoadX509KeyPair(*cert, *key)
		check(err)
		config.Certificates = []tls.Certificate{pair}
	}
	if *authority != "" {
		pem, err := os.ReadFile(*authority)
		check(err)
		config.RootCAs, config.ClientCAs = x509.NewCertPool(), x509.NewCertPool()
		config.RootCAs.AppendCertsFromPEM(pem)
		config.ClientCAs.AppendCertsFromPEM(pem)
	}
	if *require {
		config.ClientAuth = tls.RequireAndVerifyClientCert
	}
	for _, group := range strings.FieldsFunc(*groups, func(r rune) bool { return r == ',' }) {
		code, err := strconv.Atoi(group)
		check(err)
		config.CurvePreferences = append(config.CurvePreferences, tls.CurveID(code))
	}
	if *alpn != "" {
		config.NextProtos = strings.Split(*alpn, ",")
	}
	if role == "serve" {
		serve(*address, config)
		return
	}
	for range *connections {
		connect(*address, config, *count)
	}
}

func connect(address string, config *tls.Config, count int) {
	conn, err := tls.Dial("tcp", address, config)
	check(err)
	pattern := bytes.Repeat([]byte("tlsocket"), count/8)
	go func() {
		_, err := conn.Write(pattern)
		check(err)
		check(conn.CloseWrite())
	}()
	echo, err := io.ReadAll(conn)
	check(err)
	if !bytes.Equal(echo, pattern) {
		check(fmt.Errorf("%d bytes came back, and not the ones sent", len(echo)))
	}
	report(conn)
}

func serve(address string, config *tls.Config) {
	listener, err := net.Listen("tcp", address)
	check(err)
	fmt.Println("port", listener.Addr().(*net.TCPAddr).Port)
	for {
		plain, err := listener.Accept()
		check(err)
		conn := tls.Server(plain, config)
		if err := conn.Handshake(); err != nil {
			fmt.Fprintln(os.Stderr, "refused:", err)
			plain.Close()
			continue
		}
		report(conn)
		_, err = io.Copy(conn, conn)
		if err != nil {
			fmt.Fprintln(os.Stderr, "broke off:", err)
		}
		conn.Close()
	}
}
