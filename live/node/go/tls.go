package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"
)

// tlsConfig returns what an address says of TLS, as `tls_context` of live/control/address.py.
func (a address) tlsConfig() (*tls.Config, error) {
	trusted, err := x509.SystemCertPool()
	if err != nil {
		trusted = x509.NewCertPool()
	}
	if a.Authorities != "" {
		text, err := os.ReadFile(a.Authorities)
		if err != nil {
			return nil, err
		}
		if !trusted.AppendCertsFromPEM(text) {
			return nil, errors.New("no certificate is in " + a.Authorities)
		}
	}
	name := a.ServerName
	if name == "" {
		name = a.Host
	}
	config := &tls.Config{ServerName: name, RootCAs: trusted}
	if a.Certificate != "" {
		key := a.Key
		if key == "" {
			key = a.Certificate
		}
		pair, err := tls.LoadX509KeyPair(a.Certificate, key)
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{pair}
	}
	if a.Verify == "none" {
		config.InsecureSkipVerify = true
	} else if !a.CheckName { // the chain counts, and not the name
		config.InsecureSkipVerify = true
		config.VerifyConnection = func(state tls.ConnectionState) error {
			between := x509.NewCertPool()
			for _, one := range state.PeerCertificates[1:] {
				between.AddCert(one)
			}
			_, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: trusted, Intermediates: between})
			return err
		}
	}
	return config, nil
}
