"""The other end of every test: providers, gateways, clients and planted secrets."""
