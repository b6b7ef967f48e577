"""HTTP: one module per noun. A route parses, calls a query and shows the row; it holds no SQL."""
