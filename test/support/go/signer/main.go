// What Kubernetes signs: for each JSON object {"request": PEM, "usages": [...]} on standard input, one a line, the
// certificate as a JSON string on a line. The template is that of pkg/controller/certificates/authority (Sign and
// PermissiveSigningPolicy). Its authority is read from the file that is its argument: a certificate and an EC key.
package main

import (
	"bufio"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"os"
	"time"
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func main() {
	certificate, rest := pem.Decode(must(os.ReadFile(os.Args[1])))
	key, _ := pem.Decode(rest)
	authority := must(x509.ParseCertificate(certificate.Bytes))
	signer := must(x509.ParsePKCS8PrivateKey(key.Bytes)).(crypto.Signer)
	lines := bufio.NewScanner(os.Stdin)
	answers := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var sent struct {
			Request string
			Usages  []string
		}
		if err := json.Unmarshal(lines.Bytes(), &sent); err != nil {
			panic(err)
		}
		block, _ := pem.Decode([]byte(sent.Request))
		request := must(x509.ParseCertificateRequest(block.Bytes))
		template := &x509.Certificate{
			SerialNumber:          must(rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 128))),
			Subject:               request.Subject,
			DNSNames:              request.DNSNames,
			IPAddresses:           request.IPAddresses,
			EmailAddresses:        request.EmailAddresses,
			URIs:                  request.URIs,
			PublicKeyAlgorithm:    request.PublicKeyAlgorithm,
			PublicKey:             request.PublicKey,
			BasicConstraintsValid: true,
			NotBefore:             time.Now().Add(-5 * time.Minute),
			NotAfter:              time.Now().Add(time.Hour),
		}
		for _, usage := range sent.Usages {
			switch usage {
			case "digital signature":
				template.KeyUsage |= x509.KeyUsageDigitalSignature
			case "key encipherment":
				template.KeyUsage |= x509.KeyUsageKeyEncipherment
			case "cert sign":
				template.KeyUsage |= x509.KeyUsageCertSign
			case "client auth":
				template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageClientAuth)
			case "server auth":
				template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
			}
		}
		signed := must(x509.CreateCertificate(rand.Reader, template, authority, request.PublicKey, signer))
		if err := answers.Encode(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signed}))); err != nil {
			panic(err)
		}
	}
}
