"""All SQL of the service, one module per noun. No HTTP: sessions come in, rows go out."""
