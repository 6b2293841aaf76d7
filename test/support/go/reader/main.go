// What Kubernetes reads in a certificate signing request: for each PEM text on standard input, as a JSON string on a
// line, one line of JSON. It reads as pkg/apis/certificates/helpers.go (ParseCSR) does, and tells what
// pkg/controller/certificates/authority/authority.go (Sign) copies into the certificate.
package main

import (
	"bufio"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"os"
)

type reading struct {
	Error         string   `json:"error,omitempty"`
	CommonName    string   `json:"commonName"`
	Organizations []string `json:"organizations"`
	Attributes    int      `json:"attributes"`
	DNS           []string `json:"dns"`
	IP            []string `json:"ip"`
	Others        int      `json:"others"`
	Extensions    []string `json:"extensions"`
	Key           string   `json:"key"`
}

func read(text string) (*reading, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil || block.Type != "CERTIFICATE REQUEST" {
		return nil, errors.New("PEM block type must be CERTIFICATE REQUEST")
	}
	request, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return nil, err
	}
	if err := request.CheckSignature(); err != nil {
		return nil, err
	}
	spki, err := x509.MarshalPKIXPublicKey(request.PublicKey)
	if err != nil {
		return nil, err
	}
	key := sha256.Sum256(spki)
	r := &reading{
		CommonName:    request.Subject.CommonName,
		Organizations: request.Subject.Organization,
		Attributes:    len(request.Subject.Names),
		DNS:           request.DNSNames,
		Others:        len(request.EmailAddresses) + len(request.URIs),
		Key:           hex.EncodeToString(key[:]),
	}
	for _, address := range request.IPAddresses {
		r.IP = append(r.IP, address.String())
	}
	for _, extension := range request.Extensions {
		r.Extensions = append(r.Extensions, extension.Id.String())
	}
	return r, nil
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 64<<20)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	answers := json.NewEncoder(out)
	for lines.Scan() {
		var text string
		if err := json.Unmarshal(lines.Bytes(), &text); err != nil {
			panic(err)
		}
		answer, err := read(text)
		if err != nil {
			answer = &reading{Error: err.Error()}
		}
		if err := answers.Encode(answer); err != nil {
			panic(err)
		}
	}
}
